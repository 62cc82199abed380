"""Presentations: reading order, hidden slides, tables, notes, groups, raised text, soft breaks, kinds of file."""

import io
import zipfile
from pathlib import Path

import pptx
import pytest
from documents import make_pptx
from pptx.util import Inches

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.media_types import PPTX
from openrag_cli.documents.readers.slides.order import Box, reading_order
from openrag_cli.domain import Document

CASES = Path(__file__).parents[1] / "../shared/cases/documents"
cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not there")


def read(tmp_path: Path, content: bytes, name: str = "a.pptx", **options) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, name, **options)


def saved(show) -> bytes:
    stream = io.BytesIO()
    show.save(stream)
    return stream.getvalue()


def slide_of(*boxes):
    """Return a show of one slide with (x, y, text) boxes, in inches."""
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    for x, y, text in boxes:
        slide.shapes.add_textbox(Inches(x), Inches(y), Inches(3), Inches(0.5)).text_frame.text = text
    return show, slide


@cases
def test_boxes_in_two_columns_are_read_column_by_column():
    text = convert_file(CASES / "p_cols.pptx", "p_cols.pptx").markdown
    assert text.split() == ["Left", "1", "Left", "2", "Right", "1", "Right", "2"]


@cases
def test_the_mixed_case_reads_as_it_is_shown():
    document = convert_file(CASES / "p_mix.pptx", "p_mix.pptx")
    assert "# Line one Line two" in document.markdown
    assert "Soft\nbreak box" in document.markdown
    assert "10^6 cells" in document.markdown
    assert "| r1c0 r2c0 | r1c1 | r1c2 |\n| r1c0 r2c0 | r2c1 | r2c2 |" in document.markdown
    assert "Level zero\n- Level one" in document.markdown
    assert "Hidden slide" not in document.markdown
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert {warning.code for warning in document.warnings} == {"hidden_text_left_out"}
    whole = convert_file(CASES / "p_mix.pptx", "p_mix.pptx", keeps_hidden=True).markdown
    assert "NOTE of hidden slide" in whole


def test_boxes_of_one_row_are_read_from_left_to_right_though_their_tops_differ_a_little(tmp_path):
    show, _ = slide_of((6, 1.0, "three"), (3, 1.1, "two"), (0, 1.2, "one"))
    assert read(tmp_path, saved(show)).markdown.split() == ["one", "two", "three"]


def test_a_wide_box_parts_what_is_above_it_from_what_is_below():
    boxes = [Box(0, 0, 4, 1, 0), Box(6, 0, 4, 1, 1), Box(0, 2, 10, 1, 2), Box(0, 4, 4, 1, 3), Box(0, 6, 4, 1, 4)]
    boxes += [Box(6, 4, 4, 1, 5), Box(6, 6, 4, 1, 6)]
    assert reading_order(boxes) == [0, 1, 2, 3, 4, 5, 6]


def test_the_title_is_read_first_wherever_it_stands(tmp_path):
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.placeholders[1].text = "body of the slide"
    slide.shapes.title.text = "Locks"
    slide.shapes.title.top = Inches(6)
    assert read(tmp_path, saved(show)).markdown == "# Locks\n\nbody of the slide"


def test_placeholders_without_a_place_take_that_of_their_layout(tmp_path):
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[3])  # two contents side by side
    slide.placeholders[2].text = "right half"
    slide.placeholders[1].text = "left half"
    slide.shapes.title.text = "Halves"
    assert read(tmp_path, saved(show)).markdown.split("\n\n") == ["# Halves", "left half", "right half"]


def test_groups_and_notes_are_read(tmp_path):
    show, slide = slide_of((0, 0, "before"))
    group = slide.shapes.add_group_shape()
    for x, text in ((3, "second"), (0, "first")):
        group.shapes.add_textbox(Inches(x), Inches(2), Inches(2), Inches(1)).text_frame.text = text
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    text = read(tmp_path, saved(show)).markdown
    assert text.split("\n\n") == ["before", "first", "second", "### Notes:", "Say it slowly."]


def test_a_merged_cell_of_a_table_stands_in_all_that_it_covers(tmp_path):
    show, slide = slide_of()
    table = slide.shapes.add_table(3, 2, Inches(1), Inches(1), Inches(5), Inches(2)).table
    for row, texts in enumerate((("Region", "Depot"), ("North", "Kiel"), ("", "Husum"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    assert read(tmp_path, saved(show)).markdown == (
        "| Region | Depot |\n| --- | --- |\n| North | Kiel |\n| North | Husum |"
    )


def test_lowered_text_is_not_glued(tmp_path):
    show, slide = slide_of((0, 0, "CO"))
    paragraph = slide.shapes[0].text_frame.paragraphs[0]
    run = paragraph.add_run()
    run.text = "2"
    run.font._element.set("baseline", "-25000")
    assert read(tmp_path, saved(show)).markdown == "CO₂"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.ppsx", "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml"),
        ("a.potx", "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml"),
        ("a.pptm", "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml"),
        ("a.ppsm", "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml"),
        ("a.potm", "application/vnd.ms-powerpoint.template.macroEnabled.main+xml"),
    ],
)
def test_shows_templates_and_those_with_macros_are_read(tmp_path, name, kind):
    known = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(make_pptx([("Opening", "of feldspar")]))) as old,
        zipfile.ZipFile(content, "w") as new,
    ):
        for part in old.namelist():
            data = old.read(part)
            new.writestr(part, data.replace(known.encode(), kind.encode()) if part == "[Content_Types].xml" else data)
    document = read(tmp_path, content.getvalue(), name)
    assert document.markdown == "# Opening\n\nof feldspar"
    assert document.media_type == PPTX


def test_a_slide_that_is_damaged_loses_itself_alone(tmp_path):
    content = io.BytesIO()
    whole = io.BytesIO(make_pptx([("One", "of feldspar"), ("Two", "of mica")]))
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(content, "w") as new:
        for part in old.namelist():
            new.writestr(part, b"<p:sld" if part == "ppt/slides/slide1.xml" else old.read(part))
    document = read(tmp_path, content.getvalue())
    assert "of mica" in document.markdown
    assert document.pages[1].number == 2
    assert {warning.code for warning in document.warnings} == {"damaged_part"}


@pytest.mark.parametrize(
    ("stated", "shown"), [("‹#›", "Page"), ("<number>", "Page"), ("7", "Page 7"), ("<a", "Page <a")]
)
def test_a_number_that_is_not_filled_in_is_no_text(tmp_path: Path, stated: str, shown: str) -> None:
    show, slide = slide_of((1, 1, "Page "))
    paragraph = slide.shapes[0].text_frame.paragraphs[0]._p
    names = paragraph.nsmap["a"]
    field = paragraph.makeelement(f"{{{names}}}fld", {"id": "{B}", "type": "slidenum"})
    field.append(paragraph.makeelement(f"{{{names}}}t", {}))
    field[0].text = stated
    paragraph.append(field)
    assert read(tmp_path, saved(show)).markdown == shown
