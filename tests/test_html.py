"""Web pages as text: what a browser shows, in its order, each thing apart."""

from pathlib import Path

import pytest
from documents import CASES, needs_cases

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.inline import shifted
from openrag_cli.domain import Document


def read(tmp_path: Path, html: str, *, keeps_hidden: bool = False) -> Document:
    path = tmp_path / "stored"
    path.write_text(html, encoding="utf-8")
    return convert_file(path, "page.html", keeps_hidden=keeps_hidden)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A <b>big</b> title</h1><p>one</p>", "# A big title\n\none"),
        ("<p>a<br>b<p>c", "a\nb\n\nc"),
        ("<p>some <b>bold</b>, <em>slanted</em> and <s>struck</s> words", "some **bold**, *slanted* and ~~struck~~ words"),
        ("<p><b>T</b>he lock <i>un</i>bolted", "The lock unbolted"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c"),
        ('<ol start="3"><li>a<li>b</ol>', "3. a\n4. b"),
        ("<dl><dt>Weir<dd>holds water</dl>", "Weir\n\n: holds water"),
        ("<blockquote><p>x<p>y</blockquote>", "> x\n>\n> y"),
        ('<pre class="language-py">if x:\n    <b>go</b>()</pre>', "```py\nif x:\n    go()\n```"),
        ("<p>call <code>a_b*c</code> now", "call `a_b*c` now"),
        ('<p>see <a href="http://x.eu/a b">the page</a>, <a href="#top">up</a>', "see [the page](http://x.eu/a%20b), up"),
        ("<p>漢<ruby>字<rp>(</rp><rt>じ</rt><rp>)</rp></ruby>", "漢字(じ)"),
        ("<div>one<div>two</div>three</div>", "one\n\ntwo\n\nthree"),
        ("<p>x<math><mfrac><mi>a</mi><mi>b</mi></mfrac><msup><mi>r</mi><mn>2</mn></msup></math>", "xa/br^2"),
        ("<p>Donau&shy;dampf", "Donaudampf"),
        ('<p>10<span style="vertical-align: super">6</span> in 2031<a role="doc-noteref" href="#n">2</a>', "10^6 in 2031^2"),
        ("<svg><title>no</title><text>Kiel</text><text>11</text></svg>", "Kiel 11"),
        ("<p>a <unheard>b</unheard> c<x-tag>d</x-tag><x-tag>e</x-tag>", "a b c d e"),
        ('<p><img src="a.png" alt="a weir"><img src="b.png">', "![a weir](a.png)"),
    ],
)  # fmt: skip
def test_markup_becomes_markdown(tmp_path: Path, html: str, text: str) -> None:
    assert read(tmp_path, html).markdown == text


@pytest.mark.parametrize(
    ("before", "text", "shift", "written"),
    [
        ("2.5 × 10", "6", 1, "^6"),
        ("10", "-3", 1, "^-3"),
        ("10", "n+1", 1, "^(n+1)"),
        ("40 m", "2", 1, "²"),
        ("CO", "2", -1, "₂"),
        ("x", "i", -1, "_i"),
        ("log", "10", -1, "₁₀"),
        ("2031", "2", 1, "^2"),
        ("2031", "[2]", 1, " [2]"),
        ("tariff", "1", 1, "^1"),
        ("on the 1", "st", 1, "st"),
        ("M", "me", 1, "me"),
        ("Zephyr", "TM", 1, "™"),
        ("", "6", 1, "6"),
        ("see ", "6", 1, "6"),
    ],
)
def test_raised_and_lowered_text_is_never_glued_to_a_number(before: str, text: str, shift: int, written: str) -> None:
    assert shifted(before, text, shift) == written


HIDDEN = [
    "<template>{}</template>",
    "<p hidden>{}</p>",
    '<p style="color:red; DISPLAY : none">{}</p>',
    '<div style="visibility:hidden"><p>{}</p></div>',
    '<span style="font-size:0px">{}</span>',
    "<noscript>{}</noscript>",
    '<style>.tip, #x {{ display: none }}</style><p class="a tip">{}</p>',
    '<table><tr><th>a<th>b<tr style="display:none"><td>{}<td>1<tr><td>x<td>2</table>',
    "<ul><li>seen<li hidden>{}</ul>",
]


@pytest.mark.parametrize("html", HIDDEN)
def test_what_a_browser_does_not_show_is_left_out_with_a_warning(tmp_path: Path, html: str) -> None:
    page = "<p>The price is 12 crowns.</p>" + html.format("Secret price is 11 crowns.")
    document = read(tmp_path, page)
    assert "12 crowns" in document.markdown
    assert "Secret" not in document.markdown
    assert [warning.code for warning in document.warnings] == ["hidden_text_left_out"]
    kept = read(tmp_path, page, keeps_hidden=True)
    assert "Secret price is 11 crowns." in kept.markdown
    assert not kept.warnings


def test_form_controls_stand_apart(tmp_path: Path) -> None:
    html = (
        "<select><option>Ochre</option><option>Umber</option></select><button>Send</button><button>Reset</button>"
        '<textarea>Your message</textarea><input value="Kiwi"><input type="hidden" value="token"><label>Name</label>'
    )
    assert read(tmp_path, html).markdown == "Ochre, Umber Send Reset Your message Kiwi Name"


def test_spans_of_a_table_are_filled_and_inner_tables_are_text(tmp_path: Path) -> None:
    html = (
        "<table><caption>Stock</caption><tr><th>Region<th>Depot<th>Stock<tr><td rowspan=2>North<td>Kiel<td>11"
        "<tr><td>Husum<td><table><tr><td>old<td>30<tr><td>new<td>3</table></table>"
    )
    assert read(tmp_path, html).markdown.split("\n") == [
        "Stock",
        "",
        "| Region | Depot | Stock |",
        "| --- | --- | --- |",
        "| North | Kiel | 11 |",
        "| North | Husum | old; 30; new; 3 |",
    ]


@pytest.mark.parametrize(
    "html",
    [
        '<table role="presentation"><tr><td>Left part<td>Right part</table>',
        "<table><tr><td><table><tr><td>Left part</table><tr><td>Right part</table>",
        "<table><tr><td><h2>Left part</h2><td>Right part</table>",
    ],
)
def test_a_table_that_only_makes_the_layout_is_text(tmp_path: Path, html: str) -> None:
    text = read(tmp_path, html).markdown
    assert "|" not in text
    assert text.replace("## ", "") == "Left part\n\nRight part"


def test_the_order_of_a_deeply_nested_page_is_kept(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(240)]
    html = "".join(f"<div>{word} <span>" for word in words)
    assert read(tmp_path, html).markdown.split() == words


EXPECTED = {
    "superscript.html": (["10^6 units", "10^-3 of", "40 m²", "tariff^1 applies", "2031^2."], []),
    "hidden.html": (["# Prices", "The price is 12 crowns."], ["11", "13", "14", "scripts"]),
    "rowspan.html": (["| North | Flensburg | 22 |", "| South | Linz | 55 |"], []),
    "nested-table.html": (["| Falcon | cook; Ulla; mate; Boris |"], []),
    "form.html": (["Ochre, Umber Send Your message Kiwi"], []),
    "soft-hyphen.html": (["Die Donaudampfschifffahrt beginnt", "superlange"], ["\u00ad"]),
}


@needs_cases
@pytest.mark.parametrize("name", EXPECTED)
def test_known_cases_are_read_right(name: str) -> None:
    markdown = convert_file(CASES / name, name).markdown
    present, absent = EXPECTED[name]
    assert [text for text in present if text not in markdown] == []
    assert [text for text in absent if text in markdown] == []


@pytest.mark.parametrize("tag", ["<table><tr><td>", "<ul><li>", "<blockquote>", "<b>", "<div>", "<span>"])
def test_a_page_that_is_nested_very_deeply_keeps_its_text(tmp_path: Path, tag: str) -> None:
    text = read(tmp_path, f"<p>before</p>{tag * 250}The innermost words.").markdown
    assert "before" in text
    assert "The innermost words." in text
