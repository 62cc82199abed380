"""What a browser or an office program does not show is not in the text of a document, and its warning counts it."""

from pathlib import Path

import pytest
from documents import make_zip

from openrag_cli.documents.convert import convert_file
from openrag_cli.domain import Document

UNSEEN = [
    "<style>.x{display:none}</style><p class=x>SECRET</p>",
    "<style>.a.b{display:none}</style><p class='a b'>SECRET</p>",
    "<style>.a .b{display:none}</style><div class=a><p class=b>SECRET</p></div>",
    "<style>div > .b{display:none}</style><div class=a><p class=b>SECRET</p></div>",
    "<style>aside{display:none}</style><aside>SECRET</aside>",
    "<style>p.x{display:none}</style><p class=x>SECRET</p>",
    "<style>#x{visibility:hidden}</style><p id=x>SECRET</p>",
    "<style>[data-x]{display:none}</style><p data-x=1>SECRET</p>",
    "<style>p[data-x='1']{display:none}</style><p data-x=1>SECRET</p>",
    "<style>@media screen{.x{display:none}}</style><p class=x>SECRET</p>",
    "<style>@media print{.y{color:red}} .x{display:none}</style><p class=x>SECRET</p>",
    "<p style='display:none!important'>SECRET</p>",
    "<p style='color:red; display : none ;'>SECRET</p>",
    "<p style='display:/**/none'>SECRET</p>",
    "<p style='display:n\\6fne'>SECRET</p>",
    "<p style='visibility:collapse'>SECRET</p>",
    "<p style='opacity:0'>SECRET</p>",
    "<p style='opacity:.0'>SECRET</p>",
    "<p style='opacity:0%'>SECRET</p>",
    "<p style='opacity:0.001'>SECRET</p>",
    "<p style='font-size:0'>SECRET</p>",
    "<p style='font-size:0rem'>SECRET</p>",
    "<p style='font-size:0.0px'>SECRET</p>",
    "<p style='font-size:1px'>SECRET</p>",
    "<p style='font:0/0 a'>SECRET</p>",
    "<p style='color:white'>SECRET</p>",
    "<span style='color:#fff'>SECRET</span>",
    "<p style='color:#FFFFFF'>SECRET</p>",
    "<p style='color:rgb(255,255,255)'>SECRET</p>",
    "<p style='color:rgba(0,0,0,0)'>SECRET</p>",
    "<p style='color:transparent'>SECRET</p>",
    "<font color=white>SECRET</font>",
    "<font color='#ffffff'>SECRET</font>",
    "<style>.x{color:#fff}</style><p class=x>SECRET</p>",
    "<div style='background:white'><p style='color:white'>SECRET</p></div>",
    "<p style='color:#123456;background:#123456'>SECRET</p>",
    "<p style='position:absolute;left:-9999px'>SECRET</p>",
    "<p style='text-indent:-9999px'>SECRET</p>",
    "<p style='position:absolute;clip:rect(0,0,0,0)'>SECRET</p>",
    "<p style='clip-path:inset(100%)'>SECRET</p>",
    "<div style='width:0;height:0;overflow:hidden'>SECRET</div>",
    "<div style='max-height:0;overflow:hidden'>SECRET</div>",
    "<p style='transform:scale(0)'>SECRET</p>",
    "<style>.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip:rect(0,0,0,0)}</style><p class=sr>SECRET</p>",
    "<p style='content-visibility:hidden'>SECRET</p>",
    "<template><p>SECRET</p></template>",
    "<p hidden>SECRET</p>",
    "<p hidden=''>SECRET</p>",
    "<P HIDDEN>SECRET</P>",
    "<table><tr><td>a</td><td hidden>SECRET</td></tr><tr><td>b</td><td>c</td></tr></table>",
    "<ul><li>a</li><li style='display:none'>SECRET</li></ul>",
    "<table><tr><th>a<th>b</tr><tr hidden><td>SECRET<td>x</tr><tr><td>1<td>2</tr></table>",
    "<table><tr><th>a<th>b</tr><tbody style='display:none'><tr><td>SECRET<td>x</tr></tbody><tr><td>1<td>2</tr></table>",
    "<table><caption hidden>SECRET</caption><tr><th>a<th>b</tr><tr><td>1<td>2</tr></table>",
    "<pre>a <span style='display:none'>SECRET</span></pre>",
    "<h1>a <span hidden>SECRET</span></h1>",
    "<select><option>a<option hidden>SECRET</select>",
    "<select><option>a<option style='display:none'>SECRET</select>",
    "<math><mfrac><mi>a</mi><mi style='display:none'>SECRET</mi></mfrac></math>",
    "<ruby>a<rt hidden>SECRET</rt></ruby>",
    "<dl><dt hidden>SECRET<dd>b</dl>",
    "<dialog>SECRET</dialog>",
    "<a hidden href=x>SECRET</a>",
    "<blockquote hidden>SECRET</blockquote>",
    "<textarea hidden>SECRET</textarea>",
    "<svg><text display='none'>SECRET</text></svg>",
    "<svg><text style='display:none'>SECRET</text></svg>",
    "<svg><text fill='none'>SECRET</text></svg>",
    "<svg><defs><text>SECRET</text></defs></svg>",
    "<p style='mso-hide:all'>SECRET</p>",
    "<p class=q>SECRET</p><style>.q{display:none}</style>",
    "<div style='visibility:hidden'><p>SECRET</p></div>",
    "<style>@import 'a.css'; .x{display:none}</style><p class=x>SECRET</p>",
    "<style>@charset 'utf-8'; .x{display:none}</style><p class=x>SECRET</p>",
    "<style><!-- .x{display:none} --></style><p class=x>SECRET</p>",
    "<style>@supports(display:grid){.x{display:none}}</style><p class=x>SECRET</p>",
    "<style>@layer a{.x{display:none}}</style><p class=x>SECRET</p>",
    "<style>:is(.x){display:none}</style><p class=x>SECRET</p>",
    "<style>.a *{display:none}</style><div class=a><p>SECRET</p></div>",
    "<style>h1 + p{display:none}</style><h1>h</h1><p>SECRET</p>",
]

SEEN = [
    "<p aria-hidden=true>SECRET</p>",
    "<style>@media print{.x{display:none}}</style><p class=x>SECRET</p>",
    "<style media=print>.x{display:none}</style><p class=x>SECRET</p>",
    "<p hidden=until-found>SECRET</p>",
    "<details><summary>s</summary>SECRET</details>",
    "<dialog open>SECRET</dialog>",
    "<style>.xy{display:none}</style><p class=x>SECRET</p>",
    "<style>.js .x{display:none}</style><p class=x>SECRET</p>",
    "<style>.x.open{display:none}</style><p class=x>SECRET</p>",
    "<style>.x{display:none} .x{display:block}</style><p class=x>SECRET</p>",
    "<style>.x:hover{display:none}</style><p class=x>SECRET</p>",
    "<style>.x::before{display:none}</style><p class=x>SECRET</p>",
    "<p style='color:white;background:#036'>SECRET</p>",
    "<table><tr><td bgcolor='#003366'><font color='#ffffff'>SECRET</font></td></tr></table>",
    "<style>.h{background:#036}</style><div class=h><span style='color:#fff'>SECRET</span></div>",
    "<body style='background:black;color:white'>SECRET</body>",
    "<body bgcolor=black text=white><font color=white>SECRET</font></body>",
    "<style>body{background:#000;color:#fff}</style><p style='color:#fff'>SECRET</p>",
    "<p style='opacity:.5'>SECRET</p>",
    "<p style='opacity:0.8'>SECRET</p>",
    "<p style='font-size:0.8em'>SECRET</p>",
    "<p style='font-size:10px'>SECRET</p>",
    "<style>@keyframes a{from{opacity:0}to{opacity:1}} .x{color:red}</style><p class=x>SECRET</p>",
    "<style>@-webkit-keyframes a{.x{visibility:hidden}}</style><p class=x>SECRET</p>",
    "<style>body{visibility:hidden}</style><p>SECRET</p>",
    "<p style='text-indent:-20px'>SECRET</p>",
    "<div style='overflow:hidden;height:100px'>SECRET</div>",
    "<p style='backface-visibility:hidden'>SECRET</p>",
    "<p style='overflow-x:hidden'>SECRET</p>",
    "<style>.x{background:url(data:image/png;base64,AA{display:none})}</style><p class=x>SECRET</p>",
    "<p style='transition:opacity 0s'>SECRET</p>",
    "<div style='background-image:url(x.png)'><p style='color:white'>SECRET</p></div>",
    "<link rel=stylesheet href=a.css><div class=x><p style='color:white'>SECRET</p></div>",
    "<p style='color:white;text-shadow:0 0 3px black'>SECRET</p>",
    "<style>@media (max-width:600px){.x{display:none}}</style><p class=x>SECRET</p>",
    "<style>.x:not(.y){display:none}</style><p class='x y'>SECRET</p>",
    "<div style='visibility:hidden'><p style='visibility:visible'>SECRET</p></div>",
]


def page(folder: Path, body: str, *, keeps_hidden: bool = False) -> Document:
    """Return what is read of a page with this body."""
    whole = body if body.startswith("<body") else f"<body><p>plain words</p>{body}<p>the end</p></body>"
    path = folder / "page.html"
    path.write_text(f"<html><head><title>A page</title></head>{whole}</html>")
    return convert_file(path, path.name, keeps_hidden=keeps_hidden)


@pytest.mark.parametrize("body", UNSEEN)
def test_what_a_browser_does_not_show_is_left_out_and_counted(tmp_path: Path, body: str) -> None:
    document = page(tmp_path, body)
    assert "SECRET" not in document.markdown
    assert "plain words" in document.markdown
    assert "the end" in document.markdown
    assert [warning.code for warning in document.warnings] == ["hidden_text_left_out"]
    assert "SECRET" in page(tmp_path, body, keeps_hidden=True).markdown


@pytest.mark.parametrize("body", SEEN)
def test_what_a_browser_shows_is_kept(tmp_path: Path, body: str) -> None:
    document = page(tmp_path, body)
    assert "SECRET" in document.markdown
    assert not document.warnings


def test_a_deep_page_is_searched_to_its_end(tmp_path: Path) -> None:
    deep = "<div>" * 300 + "<p hidden>SECRET</p><p>words</p>" + "</div>" * 300
    assert "SECRET" not in page(tmp_path, deep).markdown
    assert "words" in page(tmp_path, deep).markdown
    many = "<style>" + "".join(f".a{n} .b{n}{{display:none}}" for n in range(2000)) + "</style><p class=b1>SECRET</p>"
    assert "SECRET" in page(tmp_path, many).markdown


# --- drawings, books, mail

DRAWINGS = {
    '<text display="none">SECRET</text>': False,
    '<g visibility="hidden"><text>SECRET</text></g>': False,
    '<text opacity="0">SECRET</text>': False,
    '<text fill="none">SECRET</text>': False,
    '<text font-size="0">SECRET</text>': False,
    '<style>text.x{visibility:hidden}</style><text class="x">SECRET</text>': False,
    "<defs><text>SECRET</text></defs>": False,
    '<text>a<tspan style="display:none">SECRET</tspan></text>': False,
    '<defs><text id="a">SECRET</text></defs><use href="#a"/>': True,
    '<text fill="none" stroke="black">SECRET</text>': True,
    '<g fill="none"><text fill="black">SECRET</text></g>': True,
    '<rect fill="black"/><text fill="white">SECRET</text>': True,
}


@pytest.mark.parametrize(("body", "is_seen"), DRAWINGS.items())
def test_words_that_a_drawing_does_not_show(tmp_path: Path, body: str, is_seen: bool) -> None:
    path = tmp_path / "a.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{body}<text>plain words</text></svg>')
    document = convert_file(path, path.name)
    assert "plain words" in document.markdown
    assert ("SECRET" in document.markdown) == is_seen


@pytest.mark.parametrize(
    ("css", "is_seen"),
    [
        (".x{display:none}", False),
        (".x{color:white}", False),
        ("body{background:#000;color:#eee}.x{color:white}", True),
    ],
)
def test_the_style_sheets_of_a_book_and_of_a_web_archive_are_read(tmp_path: Path, css: str, is_seen: bool) -> None:
    page = '<head><link rel="stylesheet" href="a.css"/></head><body><p>plain words</p><p class="x">SECRET</p></body>'
    listed = '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
    book = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="O/c.opf"/></rootfiles></container>',
        "O/c.opf": f'<package><metadata/>{listed}<spine><itemref idref="a"/></spine></package>',
        "O/a.xhtml": f"<html>{page}</html>",
        "O/a.css": css,
    }
    mail = (
        "From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=B\n\n--B\n"
        f"Content-Type: text/html\n\n<html>{page}</html>\n--B\nContent-Type: text/css\n\n{css}\n--B--\n"
    )
    for name, content in (("a.epub", make_zip(book, first_is_stored=True)), ("a.mht", mail.encode())):
        path = tmp_path / name
        path.write_bytes(content)
        text = convert_file(path, name).markdown
        assert "plain words" in text
        assert ("SECRET" in text) == is_seen, name
