"""OpenDocument texts as text: everything in its order, deleted text gone, notes behind their paragraph."""
# ruff: noqa: E501 - bodies of documents

from pathlib import Path

import pytest
from documents import CASES, make_zip, needs_cases

from openrag_cli.documents.convert import convert_file
from openrag_cli.domain import Document

NAMES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in {
        "office": "office", "text": "text", "table": "table", "style": "style", "draw": "drawing",
        "fo": "xsl-fo-compatible", "svg": "svg-compatible", "chart": "chart",
    }.items()
) + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip


def make_odt(body: str, *, automatic: str = "", styles: str = "", **parts: str) -> bytes:
    content = (
        f"<office:document-content {NAMES}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    every = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": "<manifest/>",
        "content.xml": content,
        "styles.xml": f"<office:document-styles {NAMES}>{styles}</office:document-styles>",
    }
    return make_zip(every | {name.replace("__", "/"): text for name, text in parts.items()}, first_is_stored=True)


def read(tmp_path: Path, content: bytes, *, keeps_hidden: bool = False) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, "a.odt", keeps_hidden=keeps_hidden)


STYLE = '<style:style style:name="{}" style:family="{}"{}><style:text-properties {}/></style:style>'
BOLD = STYLE.format("B", "text", "", 'fo:font-weight="bold"')
SUPER = STYLE.format("S", "text", "", 'style:text-position="super 58%"')
HIDDEN = STYLE.format("H", "text", "", 'text:display="none"')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<text:p>a <text:span>b <text:a xlink:href='x'>c <text:span>d</text:span> e</text:a> f</text:span> g</text:p>", "a b [c d e](x) f g"),
        ("<text:p>x<text:s text:c='3'/>y<text:tab/>z<text:line-break/>w</text:p>", "x   y\tz\nw"),
        ("<text:p>one\n   two</text:p>", "one two"),
        ("<text:p>2.5 × 10<text:span text:style-name='S'>6</text:span> cells</text:p>", "2.5 × 10^6 cells"),
        ("<text:p>a <text:span text:style-name='B'>bold</text:span> word, <text:span text:style-name='B'>T</text:span>he</text:p>", "a **bold** word, The"),
        ("<text:p text:style-name='Title'>Harbour rules</text:p><text:p>x</text:p>", "# Harbour rules\n\nx"),
        ("<text:p>see <text:sequence>7</text:sequence> on <text:page-number>3</text:page-number><text:unheard>!</text:unheard></text:p>", "see 7 on 3!"),
        ("<text:list><text:list-item><text:p>a</text:p><text:list><text:list-item><text:p>b</text:p></text:list-item></text:list></text:list-item></text:list>", "- a\n  - b"),
        ("<text:list text:style-name='N'><text:list-item><text:p>a</text:p></text:list-item><text:list-item><text:p>b</text:p></text:list-item></text:list>", "1. a\n2. b"),
        ("<text:section><text:p>in a section</text:p></text:section>", "in a section"),
        ("<text:p>x<draw:frame><draw:image/><svg:title>A weir</svg:title></draw:frame></text:p>", "x![A weir]()"),
        ("<text:p>a<text:bookmark-start/>b<text:bookmark-end/>c</text:p>", "abc"),
        ("<text:p text:style-name='P'>if x:</text:p><text:p text:style-name='P'><text:s text:c='4'/>go()</text:p>", "```\nif x:\n    go()\n```"),
    ],
)  # fmt: skip
def test_elements_are_written_in_their_order(tmp_path: Path, body: str, text: str) -> None:
    styles = '<style:style style:name="P" style:family="paragraph" style:parent-style-name="Preformatted_20_Text"/>'
    numbers = '<text:list-style style:name="N"><text:list-level-style-number text:level="1" style:num-format="1"/></text:list-style>'
    content = make_odt(body, automatic=BOLD + SUPER + styles + numbers)
    document = read(tmp_path, content)
    assert document.markdown == text
    assert not document.warnings


def test_hidden_text_is_left_out_with_a_warning(tmp_path: Path) -> None:
    body = (
        "<text:p>The fee is 12.<text:span text:style-name='H'> Secret margin 41.</text:span></text:p>"
        "<text:section text:display='none'><text:p>Hidden section.</text:p></text:section>"
        "<text:p>x<text:hidden-text text:is-hidden='true' text:string-value='Hidden field.'/></text:p>"
    )
    document = read(tmp_path, make_odt(body, automatic=HIDDEN))
    assert document.markdown == "The fee is 12.\n\nx"
    assert [warning.message.partition(" of")[0] for warning in document.warnings] == ["3 hidden pieces"]
    kept = read(tmp_path, make_odt(body, automatic=HIDDEN), keeps_hidden=True).markdown
    assert ("Secret margin 41." in kept, "Hidden section." in kept, "Hidden field." in kept) == (True, True, True)


def test_formulas_charts_heads_and_feet_are_read(tmp_path: Path) -> None:
    formula = "<math xmlns='http://www.w3.org/1998/Math/MathML'><msup><mi>r</mi><mn>2</mn></msup></math>"
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    row = f"<table:table-row>{cell.format('Kiel')}{cell.format('11')}</table:table-row>"
    head = f"<table:table-header-rows><table:table-row>{cell.format('Depot')}{cell.format('Stock')}</table:table-row></table:table-header-rows>"
    chart = f"<office:document-content {NAMES}><office:body><office:chart><chart:chart><chart:title><text:p>Stock by depot</text:p></chart:title><table:table>{head}{row}</table:table></chart:chart></office:chart></office:body></office:document-content>"
    body = "<text:p>Area <draw:frame><draw:object xlink:href='./Object 1'/><draw:image/></draw:frame> m</text:p><text:p><draw:frame><draw:object xlink:href='./Object 2'/></draw:frame></text:p>"
    styles = "<office:master-styles><style:master-page><style:header><text:p>Port of Kiel</text:p></style:header><style:footer><text:p>Page</text:p></style:footer></style:master-page></office:master-styles>"
    parts = {"Object 1__content.xml": formula, "Object 2__content.xml": chart}
    markdown = read(tmp_path, make_odt(body, styles=styles, **parts)).markdown
    assert markdown.split("\n\n") == [
        "Port of Kiel",
        "Area r^2 m",
        "Stock by depot",
        "| Depot | Stock |\n| --- | --- |\n| Kiel | 11 |",
        "Page",
    ]


def test_a_document_cut_in_its_middle_gives_what_is_there(tmp_path: Path) -> None:
    content = make_odt("<text:p>first page</text:p><text:p>second</text:p>").replace(b"x", b"x")
    assert read(tmp_path, content).markdown
    broken = make_zip(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {NAMES}><office:body><office:text><text:p>first page</text:p><text:p>sec",
        },
        first_is_stored=True,
    )
    document = read(tmp_path, broken)
    assert "first page" in document.markdown
    assert [warning.code for warning in document.warnings] == ["damaged_part"]


EXPECTED = {
    "o_link.odt": (["before you start the main sluice pump at dawn.", "Bookmark plain text."], ["the the"]),
    "o_note.odt": (["applies to barges only.", "As amended in 2031.", "Ask legal about this."], ["barges1", "onl Ada", "only.Ada"]),
    "o_changes.odt": (["The fee is 750 crowns."], ["900", "DELETED"]),
    "o_table.odt": (["| Region | Depot | Stock |\n| --- | --- | --- |\n| North | Kiel harbour | 11 |\n| North |  | 33 |"], []),
    "o_frame.odt": (["Boxed warning gecko.", "after the box.", "漢字(じ)", "- first item\n  - sub item"], ["漢字じ"]),
}  # fmt: skip


@needs_cases
@pytest.mark.parametrize("name", EXPECTED)
def test_known_cases_are_read_right(name: str) -> None:
    markdown = convert_file(CASES / name, name).markdown
    present, absent = EXPECTED[name]
    assert [text for text in present if text not in markdown] == []
    assert [text for text in absent if text in markdown] == []
    assert name != "o_note.odt" or markdown.index("amended") > markdown.index("only.")
