"""Text that a person does not see in a workbook of Excel 97 or of OpenDocument is not indexed."""

import struct
from pathlib import Path

import pytest
from documents import make_ods
from ole import make_ole

from openrag_cli.documents.convert import convert_file

WHITE, BLACK, RED, NAVY, AUTOMATIC = 9, 8, 10, 18, 0x7FFF


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def xls(colour: int, ground: int | None = None, *, code: str = "", more: bytes = b"", width: int = 2_000) -> bytes:
    """Return a workbook with plain words in its first row and a secret in its second, in a style of its own."""
    name = b"Arial"
    fonts = [record(0x31, struct.pack("<HHHHHBBBBBB", 200, 0, each, 400, 0, 0, 0, 0, 0, len(name), 0) + name)
             for each in (AUTOMATIC, AUTOMATIC, AUTOMATIC, AUTOMATIC, colour)]  # fmt: skip
    format_ = record(0x41E, struct.pack("<HHB", 200, len(code), 0) + code.encode()) if code else b""
    fill = 0 if ground is None else 1
    styles = [
        record(
            0xE0,
            struct.pack(
                "<HHHBBBBIIH", font, 200 if code and font else 0, kind, 0x20, 0, 0, 0xF4, 0, fill_ << 26, back
            ),
        )
        for font, kind, fill_, back in [(0, 0xFFF5, 0, 0x20C0)] * 15
        + [(0, 1, 0, 0x20C0), (5, 1, fill, 0x2000 | (64 if ground is None else ground))]
    ]
    head = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0x0DBB, 0x07CC, 0, 6)) + record(
        0x42, struct.pack("<H", 1200)
    )
    head += b"".join(fonts) + format_ + b"".join(styles)
    labels = [(0, 15, "plain words"), (1, 16, "SECRET words")]
    sheet = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0x0DBB, 0x07CC, 0, 6))
    sheet += record(0x7D, struct.pack("<HHHHHH", 1, 1, width, 15, 0, 0)) + record(
        0x200, struct.pack("<IIHHH", 0, 2, 0, 2, 0)
    )
    for row, style, text in labels:
        column = row  # each in a column of its own
        sheet += record(0x204, struct.pack("<HHHHB", row, column, style, len(text), 0) + text.encode())
    sheet += more + record(0x0A, b"")
    size = len(head) + 4 + 8 + 1 + 4
    bound = record(0x85, struct.pack("<IBBBB", size, 0, 0, 1, 0) + b"S")
    return make_ole({"Workbook": head + bound + record(0x0A, b"") + sheet})


XLS = {
    "white": (xls(WHITE), False),
    "red on red": (xls(RED, RED), False),
    "white on white": (xls(WHITE, WHITE), False),
    "a format that shows no text": (xls(AUTOMATIC, code=";;;"), False),
    "a column of no width": (xls(AUTOMATIC, width=0), False),
    "black": (xls(BLACK), True),
    "white on navy": (xls(WHITE, NAVY), True),
    "automatic on navy": (xls(AUTOMATIC, NAVY), True),
    "white where a condition gives a ground": (xls(WHITE, more=record(0x1B0, b"\0" * 14)), True),
}


@pytest.mark.parametrize("name", XLS)
def test_letters_of_an_xls_in_the_colour_of_their_ground_are_left_out(tmp_path: Path, name: str) -> None:
    content, is_seen = XLS[name]
    check(tmp_path / "a.xls", content, is_seen=is_seen)


@pytest.mark.parametrize("number", [31, 57, 59])
def test_an_xls_with_a_format_of_east_asia_without_a_code_is_read(tmp_path: Path, number: int) -> None:
    date = record(0x203, struct.pack("<HHHd", 2, 0, 16, 47922.0))
    plain = xls(BLACK, more=date)
    style = struct.pack("<HH", 5, 0)  # of the second row: its font, no format of its own
    assert plain.count(style + struct.pack("<H", 1)) == 1
    path = tmp_path / "a.xls"
    path.write_bytes(plain.replace(style + struct.pack("<H", 1), struct.pack("<HHH", 5, number, 1)))
    assert ("47922" if number == 59 else "2031-03-15") in convert_file(path, path.name).markdown


def check(path: Path, content: bytes, *, is_seen: bool) -> None:
    path.write_bytes(content)
    document = convert_file(path, path.name)
    assert "plain words" in document.markdown
    assert ("SECRET" in document.markdown) == is_seen
    assert [warning.code for warning in document.warnings] == ([] if is_seen else ["hidden_text_left_out"])
    assert "SECRET" in convert_file(path, path.name, keeps_hidden=True).markdown


FO = 'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'


def style(name: str, letters: str = "", cell: str = "", family: str = "table-cell", more: str = "") -> str:
    parts = f"<style:text-properties {FO} {letters}/><style:table-cell-properties {FO} {cell}/>{more}"
    return f'<style:style style:name="{name}" style:family="{family}">{parts}</style:style>'


def ods(styles: str, cell: str, columns: str = "", row: str = "") -> bytes:
    plain = '<table:table-row><table:table-cell table:style-name="d"><text:p>plain words</text:p></table:table-cell>'
    rows = f"{plain}</table:table-row><table:table-row {row}>{cell}</table:table-row>"
    return make_ods(f'<table:table table:name="S">{columns}{rows}</table:table>', styles)


WORDS = "<text:p>SECRET words</text:p>"
CELL = f'<table:table-cell table:style-name="s">{WORDS}</table:table-cell>'
SPAN = '<table:table-cell><text:p><text:span text:style-name="t">SECRET words</text:span></text:p></table:table-cell>'
W, N, R = 'fo:color="#ffffff"', 'fo:background-color="#000080"', 'fo:background-color="#ff0000"'
NAVY_ROW = (
    f'<style:style style:name="r" style:family="table-row"><style:table-row-properties {FO} {N}/></style:style>'
)
COLUMN = '<table:table-column table:default-cell-style-name="s"/>'
CONDITION = '<style:map style:condition="value()&gt;1" style:apply-style-name="x"/>'
CHILD = style("s").replace("style:family", 'style:parent-style-name="p" style:family')
BLACK_SPAN = style("t", 'fo:color="#000000"', family="text")
ODS = {
    "white": (ods(style("s", W), CELL), False),
    "red on red": (ods(style("s", 'fo:color="#fe0000"', R), CELL), False),
    "a white span": (ods(style("t", W, family="text"), SPAN), False),
    "a column of white": (ods(style("s", W), CELL.replace(' table:style-name="s"', ""), COLUMN), False),
    "a style whose parent is white": (ods(style("p", W) + CHILD, CELL), False),
    "of no size": (ods(style("s", 'fo:font-size="0pt"'), CELL), False),
    "black": (ods(style("s", 'fo:color="#000000"'), CELL), True),
    "white on navy": (ods(style("s", W, N), CELL), True),
    "white in a row of navy": (ods(style("s", W) + NAVY_ROW, CELL, row='table:style-name="r"'), True),
    "a black span in a white cell": (
        ods(style("s", W) + BLACK_SPAN, SPAN.replace("-cell>", '-cell table:style-name="s">', 1)),
        True,
    ),
    "white where a condition gives a ground": (ods(style("s", W, more=CONDITION), CELL), True),
    "automatic on navy": (ods(style("s", 'style:use-window-font-color="true"', N), CELL), True),
}


@pytest.mark.parametrize("name", ODS)
def test_letters_of_an_ods_in_the_colour_of_their_ground_are_left_out(tmp_path: Path, name: str) -> None:
    content, is_seen = ODS[name]
    check(tmp_path / "a.ods", content, is_seen=is_seen)
