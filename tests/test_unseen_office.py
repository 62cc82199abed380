"""What an office program does not show of a document is not in its text, and its warning counts it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documents import docx_paragraph, make_docx, make_zip

from openrag_cli.documents.convert import convert_file

WHITE = '<w:color w:val="FFFFFF"/>'
DARK = '<w:shd w:val="clear" w:fill="1F3864"/>'
TEXT = "application/vnd.oasis.opendocument.text"


def check(path: Path, content: bytes, *, is_seen: bool) -> None:
    """Read a file that holds `plain words` and SECRET."""
    path.write_bytes(content)
    document = convert_file(path, path.name)
    assert "plain words" in document.markdown
    assert ("SECRET" in document.markdown) == is_seen
    assert [warning.code for warning in document.warnings] == ([] if is_seen else ["hidden_text_left_out"])
    if not is_seen:
        assert "SECRET" in convert_file(path, path.name, keeps_hidden=True).markdown


# --- Word


def words(run: str, paragraph: str = "") -> str:
    return f"<w:p><w:pPr>{paragraph}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t>SECRET</w:t></w:r></w:p>"


def cell(content: str, properties: str = "") -> str:
    return f"<w:tbl><w:tr><w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc></w:tr></w:tbl>"


@pytest.mark.parametrize(
    ("body", "is_seen"),
    [
        (words("<w:vanish/>"), False),
        (words(WHITE), False),
        (words('<w:color w:val="fefefe"/>'), False),
        (words('<w:sz w:val="2"/>'), False),
        (words(WHITE, '<w:shd w:val="clear" w:fill="auto"/>'), False),
        (cell(words(WHITE)), False),
        (f"<w:p><w:hyperlink>{words(WHITE)[5:-6]}</w:hyperlink></w:p>", False),
        (words(WHITE + DARK), True),
        (words(WHITE + '<w:highlight w:val="black"/>'), True),
        (words(WHITE, DARK), True),
        (cell(words(WHITE), DARK), True),
        (words('<w:color w:val="auto"/><w:vanish w:val="0"/>'), True),
        (words('<w:color w:val="F0F0F0"/><w:sz w:val="12"/>'), True),
        (f"<w:p><w:r><w:pict><w:txbxContent>{words(WHITE)}</w:txbxContent></w:pict></w:r></w:p>", True),
        (words(WHITE) + '<w:p><w:r><w:drawing><w:anchor behindDoc="1"/></w:drawing></w:r></w:p>', True),
    ],
)
def test_words_that_word_does_not_show(tmp_path: Path, body: str, is_seen: bool) -> None:
    check(tmp_path / "a.docx", make_docx(docx_paragraph("plain words") + body), is_seen=is_seen)


# --- OpenDocument


@pytest.mark.parametrize(
    ("look", "is_seen"),
    [
        ('text:display="none"', False),
        ('fo:color="#ffffff"', False),
        ('fo:font-size="1pt"', False),
        ('style:text-transparency="100%"', False),
        ('fo:color="#ffffff" fo:background-color="#000080"', True),
        ('fo:color="#f0f0f0" fo:font-size="6pt"', True),
        ('fo:color="#008000" style:opacity="0%"', False),
        ('style:use-window-font-color="true" style:opacity="0%"', True),
        ('style:use-window-font-color="true" fo:color="#ffffff"', True),
    ],
)
@pytest.mark.parametrize("family", ["text", "paragraph"])
def test_words_that_writer_does_not_show(tmp_path: Path, look: str, family: str, is_seen: bool) -> None:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "style", "fo")
    )
    style = f'<style:style style:name="S" style:family="{family}"><style:text-properties {look}/></style:style>'
    span = '<text:p><text:span text:style-name="S">SECRET</text:span></text:p>'
    body = span if family == "text" else '<text:p text:style-name="S">SECRET</text:p>'
    content = (
        f"<office:document-content {names}><office:automatic-styles>{style}</office:automatic-styles><office:body>"
        f"<office:text><text:p>plain words</text:p>{body}</office:text></office:body></office:document-content>"
    )
    parts = {"mimetype": TEXT, "META-INF/manifest.xml": "<manifest/>", "content.xml": content}
    check(tmp_path / "a.odt", make_zip(parts, first_is_stored=True), is_seen=is_seen)


# --- workbooks


def hidden_row(sheet: Any) -> None:
    sheet.row_dimensions[3].hidden = True


def hidden_column(sheet: Any) -> None:
    sheet["A3"], sheet["D1"] = None, "SECRET"
    sheet.column_dimensions.group("C", "E", hidden=True)


def silent_format(sheet: Any) -> None:
    sheet["A3"].number_format = ";;;"


def white_font(sheet: Any) -> None:
    from openpyxl.styles import Font

    sheet["A3"].font = Font(color="FFFFFFFF")


def white_on_dark(sheet: Any) -> None:
    from openpyxl.styles import PatternFill

    white_font(sheet)
    sheet["A3"].fill = PatternFill("solid", fgColor="FF000080")


def navy_on_navy(sheet: Any) -> None:
    from openpyxl.styles import Font, PatternFill

    sheet["A3"].font = Font(color="FF000080")
    sheet["A3"].fill = PatternFill("solid", fgColor="FF000085")


def white_in_a_table(sheet: Any) -> None:
    from openpyxl.worksheet.table import Table

    white_font(sheet)
    sheet.add_table(Table(displayName="T", ref="A1:B3"))


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        (hidden_row, False), (hidden_column, False), (silent_format, False), (white_font, False),
        (navy_on_navy, False),
        (white_on_dark, True), (white_in_a_table, True),
    ],
)  # fmt: skip
def test_cells_that_a_workbook_does_not_show(tmp_path: Path, change: Callable[[Any], None], is_seen: bool) -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (("plain words", "head"), ("a", "b"), ("SECRET", "c")):
        sheet.append(row)
    change(sheet)
    made = io.BytesIO()
    workbook.save(made)
    check(tmp_path / "a.xlsx", made.getvalue(), is_seen=is_seen)


# --- slides


def white(box: Any) -> None:
    from pptx.dml.color import RGBColor

    box.text_frame.paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 254)


def white_on_a_shape(box: Any) -> None:
    white(box)
    box._parent.add_shape(1, 0, 0, 9_000_000, 6_000_000)


def white_in_a_dark_box(box: Any) -> None:
    from pptx.dml.color import RGBColor

    white(box)
    box.fill.solid()
    box.fill.fore_color.rgb = RGBColor(0, 0, 80)


def white_on_a_dark_slide(box: Any) -> None:
    from pptx.dml.color import RGBColor

    white(box)
    ground = box.part.slide.background.fill
    ground.solid()
    ground.fore_color.rgb = RGBColor(0, 0, 80)


def tiny(box: Any) -> None:
    box.text_frame.paragraphs[0].runs[0]._r.get_or_add_rPr().set("sz", "100")


def hidden_shape(box: Any) -> None:
    box._element.nvSpPr.cNvPr.set("hidden", "1")


def at(left: int, top: int) -> Callable[[Any], None]:
    def place(box: Any) -> None:
        box.left, box.top = left, top

    return place


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        (white, False), (tiny, False), (hidden_shape, False),
        (at(-2_000_000, 0), False), (at(20_000_000, 0), False), (at(0, -3_000_000), False), (at(0, 9_000_000), False),
        (at(-500_000, 0), True), (white_on_a_shape, True), (white_in_a_dark_box, True), (white_on_a_dark_slide, True),
    ],
)  # fmt: skip
def test_words_that_a_slide_does_not_show(tmp_path: Path, change: Callable[[Any], None], is_seen: bool) -> None:
    import pptx

    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "plain words"
    box = slide.shapes.add_textbox(1_000_000, 1_000_000, 2_000_000, 1_000_000)
    box.text_frame.text = "SECRET"
    change(box)
    made = io.BytesIO()
    show.save(made)
    check(tmp_path / "a.pptx", made.getvalue(), is_seen=is_seen)
