"""Workbooks: values as they are shown, hidden parts, merged cells, formulas without values, several tables a sheet."""

import datetime as dt
import io
import struct
import tempfile
from pathlib import Path

import openpyxl
import pytest
from documents import make_ods, make_xlsx, make_zip
from hypothesis import given
from hypothesis import strategies as st
from ole import make_ole

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.media_types import XLS, XLSX
from openrag_cli.documents.notes import Notes
from openrag_cli.documents.readers.base import Limits, Source
from openrag_cli.documents.readers.workbooks.cell_format import BUILT_IN, number_format
from openrag_cli.documents.witness.ole import workbook_strings
from openrag_cli.documents.witness.texts import WITNESSES
from openrag_cli.domain import Document

CASES = Path(__file__).parents[1] / "../shared/cases/documents"


def read(tmp_path: Path, name: str, content: bytes, *, keeps_hidden: bool = False) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, name, keeps_hidden=keeps_hidden)


def saved(workbook) -> bytes:
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def codes(document: Document) -> set[str]:
    return {warning.code for warning in document.warnings}


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"),
        (0.5, "0%", "50%"),
        (1067, "00000", "01067"),
        (12.5, '#,##0.00 "EUR"', "12.50 EUR"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
        (-1234.5, "#,##0.00_);[Red](#,##0.00)", "(1,234.50)"),
        (1234.5, "[$€-407]#,##0.00", "€1,234.50"),
        (1234.5, '_-* #,##0.00\\ "€"_-', "1,234.50 €"),
        (0, '#,##0;-#,##0;"none"', "none"),
        (5550199, "000-0000", "555-0199"),
        (12_300_000, "0.0,,", "12.3"),
        (1234, "0.00E+00", "1.23E+03"),
        (0.25, "# ?/?", "1/4"),
        (-3.5, "# ?/?", "-3 1/2"),
        (0.25, "?/8", "2/8"),
        (4500, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "4.5K"),
        (12, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "12"),
        (3.14159, "0.##", "3.14"),
        (3, "0.##", "3."),
        (27 / 24 + 5 / 1440, "[h]:mm", "27:05"),
        (100 / 1440, "[mm]:ss", "100:00"),
        (47922, "dd.mm.yyyy", "15.03.2031"),
        (47922, "d mmmm yyyy", "15 March 2031"),
        (47922, "ddd d-mmm-yy", "Sat 15-Mar-31"),
        (47922, "yyyy-mm-dd h:mm:ss", "2031-03-15"),
        (47922.5, "yyyy-mm-dd h:mm:ss", "2031-03-15 12:00:00"),
        (0.6041666666666666, "h:mm AM/PM", "2:30 PM"),
        (0.6041666666666666, "hh:mm", "14:30"),
        (42, "General", "42"),
        (42, '"Lot "0', "Lot 42"),
        (-0.001, "0.00", "0.00"),
        (-5, "dd.mm.yyyy", "-5"),
        (0.125, "0%", "13%"),
        (2.5, "0", "3"),
        (-0.125, "0.00", "-0.13"),
        (1.005, "0.00", "1.01"),
        (0.575, "0%", "58%"),
        (1234.5, "#,##0", "1,235"),
        (1500, '#,##0,"k"', "2k"),
        (125000, "0.0E+00", "1.3E+05"),
        (4.89290024005183e17, "0", "489290024005183000"),
        (47922, BUILT_IN[57], "2031-03-15"),
        (47922.5, BUILT_IN[31], "2031-03-15 12:00:00"),
        (0.5, BUILT_IN[32], "12:00:00"),
    ],
)
def test_a_number_is_shown_as_its_format_says(value, code, shown):
    assert number_format(code)(value).rstrip(".") == shown.rstrip(".")


def test_dates_of_old_macintosh_workbooks_begin_in_1904():
    assert number_format("yyyy-mm-dd", is_1904=True)(0) == "1904-01-01"


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet='0#?.,%;"\\[]hmsdyeE+-_*@/ €AP', max_size=30)
)
def test_no_format_code_breaks_a_number(value, code):
    assert isinstance(number_format(code)(value), str)


@pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not there")
def test_the_case_of_shown_values_reads_as_the_workbook_looks():
    document = convert_file(CASES / "x_mix.xlsx", "x_mix.xlsx")
    assert "| Anchor | 3 | 12.50 EUR | =B2*C2 | 7.5% | 01067 | 2031-03-15 | 14:30:00 | 27:05 |" in document.markdown
    assert "HIDDEN" not in document.markdown
    assert "hidden row" not in document.markdown
    assert 'CONCATENATE("Row ",3)' in document.markdown
    assert "Quarterly report\n\n| Region | Depot | Q1 | Q2 |" in document.markdown
    assert "| North | Husum | 3 | 4 |" in document.markdown
    assert {"hidden_text_left_out", "not_calculated"} <= codes(document)


@pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not there")
def test_formulas_without_values_are_indexed_with_a_sentence():
    document = convert_file(CASES / "x_formulas.xlsx", "x_formulas.xlsx")
    assert "=SUM(1,2)" in document.markdown
    (warning,) = document.warnings
    assert "2 cells with a formula that was never calculated" in warning.message


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(tmp_path):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (["Item", "Cost price", "Price"], ["Anchor", "secret 11", "12"], ["Buoy", "secret 13", "15"]):
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    other = workbook.create_sheet("Plans")
    other.append(["merger in May"])
    other.sheet_state = "hidden"
    content = saved(workbook)
    document = read(tmp_path, "a.xlsx", content)
    assert document.markdown.endswith("| Item | Price |\n| --- | --- |\n| Anchor | 12 |")
    (warning,) = document.warnings
    assert "4 hidden pieces of text" in warning.message
    whole = read(tmp_path, "a.xlsx", content, keeps_hidden=True).markdown
    assert all(text in whole for text in ("secret 13", "Buoy", "merger in May"))


def test_merged_cells_stand_in_every_row_and_column_that_they_cover(tmp_path):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (["Depot", "2031", None, "2030"], [None, "Q1", "Q2", "Q1"], ["Kiel", 1, 2, 3], [None, 4, 5, 6]):
        sheet.append(row)
    for area in ("A1:A2", "B1:C1", "A3:A4"):
        sheet.merge_cells(area)
    assert read(tmp_path, "a.xlsx", saved(workbook)).markdown == (
        "## Sheet\n\n| Depot | 2031 Q1 | 2031 Q2 | 2030 Q1 |\n| --- | --- | --- | --- |\n"
        "| Kiel | 1 | 2 | 3 |\n| Kiel | 4 | 5 | 6 |"
    )


def test_a_sheet_with_title_and_unit_and_two_tables(tmp_path):
    cells = {"A1": "Stock of the depots", "A2": "in tonnes", "A4": "Depot", "B4": "Stock", "A5": "Kiel", "B5": 7}
    cells |= {
        "A6": "Husum",
        "B6": 9,
        "A9": "Skipper",
        "B9": "Ship",
        "C9": "Crew",
        "A10": "Ulla",
        "B10": "Falcon",
        "C10": 4,
    }
    assert read(tmp_path, "a.xlsx", make_xlsx({"S": cells})).markdown == (
        "## S\n\nStock of the depots\n\nin tonnes\n\n| Depot | Stock |\n| --- | --- |\n| Kiel | 7 |\n| Husum | 9 |"
        "\n\n| Skipper | Ship | Crew |\n| --- | --- | --- |\n| Ulla | Falcon | 4 |"
    )


def test_comments_of_cells_and_what_is_drawn_on_a_sheet_are_read(tmp_path):
    from openpyxl.chart import BarChart, Reference
    from openpyxl.comments import Comment

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (["Depot", "Stock"], ["Kiel", 11], ["Husum", 22]):
        sheet.append(row)
    sheet["B2"].comment = Comment("Counted twice", "Ada")
    chart = BarChart()
    chart.title = "Stock of depots"
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D2")
    document = read(tmp_path, "a.xlsx", saved(workbook))
    assert document.markdown.endswith("| Husum | 22 |\n\nComment (B2): Counted twice\n\nStock of depots")


def test_a_small_table_between_lines_of_text_has_its_own_head(tmp_path):
    rows = [["Report of sales"], ["in EUR thousand"], [], ["Depot", "2030", "2031"], ["Kiel", 1, 2], ["Husum", 3, 4]]
    cells = {f"{'ABC'[x]}{y}": value for y, row in enumerate(rows, 1) for x, value in enumerate(row)}
    document = read(tmp_path, "a.xlsx", make_xlsx({"S": cells | {"A8": "Source: own"}}))
    assert "Report of sales\n\nin EUR thousand\n\n| Depot | 2030 | 2031 |\n| --- |" in document.markdown


def test_an_empty_row_inside_a_table_does_not_end_it(tmp_path):
    cells = {"A1": "Depot", "B1": "Stock", "A2": "Kiel", "B2": 7, "A4": "Husum", "B4": 9, "A5": "Passau", "B5": 3}
    markdown = read(tmp_path, "a.xlsx", make_xlsx({"S": cells})).markdown
    assert markdown.count("---") == 2
    assert markdown.endswith("| Kiel | 7 |\n| Husum | 9 |\n| Passau | 3 |")


def test_values_of_every_type_in_a_workbook(tmp_path):
    cells = {"A1": "k", "B1": "v", "A2": "flag", "B2": True, "A3": "day", "B3": dt.date(2024, 2, 29)}
    cells |= {
        "A4": "noon",
        "B4": dt.time(6, 5),
        "A5": "long",
        "B5": dt.timedelta(hours=30),
        "A6": "big",
        "B6": 10**15,
    }
    markdown = read(tmp_path, "a.xlsx", make_xlsx({"S": cells})).markdown
    for row in ("| flag | TRUE |", "| day | 2024-02-29 |", "| noon | 6:05:00 |", "| long | 30:00:00 |"):
        assert row in markdown
    assert f"| big | {10**15} |" in markdown


def test_a_binary_workbook_is_called_by_name(tmp_path):
    from openrag_cli.errors import OpenRAGError

    with pytest.raises(OpenRAGError, match="XLSB") as caught:
        read(tmp_path, "a.xlsb", make_zip({"[Content_Types].xml": "<Types/>", "xl/workbook.bin": b"\x83"}))
    assert "save it as XLSX" in (caught.value.hint or "")


def ods_row(*texts, extra="", attributes=""):
    cells = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in texts)
    return f"<table:table-row {attributes}>{cells}{extra}</table:table-row>"


def test_an_opendocument_spreadsheet_reads_as_it_looks(tmp_path):
    rows = ods_row("Depot", "Share") + (
        '<table:table-row><table:table-cell table:number-rows-spanned="2"><text:p>Kiel</text:p></table:table-cell>'
        '<table:table-cell office:value-type="percentage" office:value="0.125"><text:p>12.5 %</text:p>'
        "</table:table-cell></table:table-row><table:table-row><table:covered-table-cell/><table:table-cell>"
        "<text:p>8 <text:span>%</text:span></text:p><office:annotation><text:p>check</text:p></office:annotation>"
        "</table:table-cell></table:table-row>"
    )
    rows += ods_row("hidden", "99 %", attributes='table:visibility="collapse"')
    empty = '<table:table-cell table:number-columns-repeated="16000"/>'
    rows += f'<table:table-row table:number-rows-repeated="1048000">{empty}</table:table-row>'
    tables = f'<table:table table:name="Stock">{rows}</table:table>'
    tables += f'<table:table table:name="Old" table:style-name="h">{ods_row("gone")}</table:table>'
    style = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    document = read(tmp_path, "a.ods", make_ods(tables, style))
    table = "## Stock\n\n| Depot | Share |\n| --- | --- |\n| Kiel | 12.5 % |\n| Kiel | 8 % |"
    assert document.markdown == f"{table}\n\nComment: check"
    assert codes(document) == {"hidden_text_left_out"}


def test_rows_and_cells_that_are_repeated_stand_as_often_as_they_say(tmp_path):
    rows = ods_row("a", "b") + ods_row("x", "y", attributes='table:number-rows-repeated="3"')
    cell = '<table:table-cell table:number-columns-repeated="2"><text:p>z</text:p></table:table-cell>'
    rows += f"<table:table-row>{cell}</table:table-row>"
    document = read(tmp_path, "a.ods", make_ods(f'<table:table table:name="S">{rows}</table:table>'))
    assert document.markdown.endswith("| x | y |\n| x | y |\n| x | y |\n| z | z |")


def test_the_strings_of_an_old_workbook_are_read_a_second_way_over_the_ends_of_records(tmp_path):
    def record(kind, body):
        return struct.pack("<HH", kind, len(body)) + body

    def string(text, flags, more=b""):
        return struct.pack("<HB", len(text), flags) + more + text.encode("utf-16-le" if flags & 1 else "latin-1")

    rich = struct.pack("<HBH", 4, 8, 1) + b"Kiel" + b"\0\0\5\0"
    first = struct.pack("<II", 4, 4) + string("Depot", 0) + rich + struct.pack("<HB", 8, 0) + b"Flen"
    second = b"\x01" + "burg".encode("utf-16-le") + string("漢字", 1)
    book = record(0x809, b"\0" * 16) + record(0xFC, first) + record(0x3C, second) + record(0x0A, b"")
    path = tmp_path / "stored"
    path.write_bytes(make_ole({"Workbook": book}))
    source = Source(path, "a.xls", XLS, Limits(), lambda _: None)
    assert list(workbook_strings(source)) == ["Depot", "Kiel", "Flenburg", "漢字"]
    path.write_bytes(make_ole({"Workbook": book[:-20]}))
    assert list(workbook_strings(source))[:2] == ["Depot", "Kiel"]


def test_words_drawn_on_a_sheet_of_an_old_workbook_stand_beside_its_cells(tmp_path):
    def record(kind, body=b""):
        return struct.pack("<HH", kind, len(body)) + body

    def box(n_chars, *pieces):
        text = b"".join(record(0x3C, piece) for piece in pieces)
        shape = record(0x5D, struct.pack("<HHHHH", 0x15, 18, 6, 1, 0) + bytes(12) + bytes(4))
        return shape + record(0x1B6, bytes(10) + struct.pack("<HHI", n_chars, 16, 0)) + text + record(0x3C, bytes(16))

    begin, end = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)), record(0x0A)
    chart = record(0x809, struct.pack("<HHHHII", 0x600, 0x20, 0, 0, 0, 0)) + end
    sheet = begin + chart + box(9, b"\0Ask l", b"\0egal") + box(2, b"\1" + "漢字".encode("utf-16-le")) + end
    name = struct.pack("<IHBB", 0, 0, 6, 0) + b"Depots"
    globals_ = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + record(0x42, struct.pack("<H", 1200))
    at = len(globals_) + len(record(0x85, name)) + len(end)
    book = globals_ + record(0x85, struct.pack("<I", at) + name[4:]) + end + sheet
    path = tmp_path / "stored"
    path.write_bytes(make_ole({"Workbook": book + bytes(4_000 - len(book))}))
    assert convert_file(path, "a.xls").markdown == "## Depots\n\nAsk legal\n\n漢字"


def test_a_name_that_is_no_area_costs_itself_and_not_the_old_workbook(tmp_path):
    def record(kind, body=b""):
        return struct.pack("<HH", kind, len(body)) + body

    begin, end = (record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 0, 0, 0)) for kind in (5, 0x10)), record(0x0A)
    top, sheet = begin
    odd = b"\x2d" + bytes(8)
    top += record(0x42, struct.pack("<H", 1200))
    top += record(0x18, struct.pack("<HBBHHHBBBB", 0, 0, 1, len(odd), 0, 0, 0, 0, 0, 0) + b"\0N" + odd)
    name = struct.pack("<HBB", 0, 6, 0) + b"Depots"
    at = len(top) + len(record(0x85, bytes(4) + name)) + len(end)
    cell = record(0x204, struct.pack("<HHHHB", 0, 0, 0, 4, 0) + b"Kiel")
    book = top + record(0x85, struct.pack("<I", at) + name) + end + sheet + cell + end
    path = tmp_path / "stored"
    path.write_bytes(make_ole({"Workbook": book + bytes(4_000 - len(book))}))
    assert "Kiel" in convert_file(path, "a.xls").markdown


@pytest.mark.parametrize(("version", "begin"), [(3, 0x209), (4, 0x409)])
def test_workbooks_of_excel_3_and_4_are_read(tmp_path, version, begin):
    def record(kind, body=b""):
        return struct.pack("<HH", kind, len(body)) + body

    def label(row, column, text):
        return record(0x204, struct.pack("<HHHH", row, column, 0, len(text)) + text.encode())

    rows = (
        label(0, 0, "Depot")
        + label(0, 1, "Stock")
        + label(1, 0, "Kiel")
        + record(0x203, struct.pack("<HHHd", 1, 1, 0, 11))
    )
    path = tmp_path / "stored"
    path.write_bytes(record(begin, struct.pack("<HHH", 0, 0x10, 0)) + rows + record(0x0A))
    assert "| Depot | Stock |\n| --- | --- |\n| Kiel | 11 |" in convert_file(path, "a.xls").markdown
    assert convert_file(path, "a.bin").media_type == XLS


@pytest.mark.parametrize("n_read", [30, 0])
def test_strings_that_no_cell_uses_are_not_missed_and_those_of_cells_are(n_read):
    strings = [f"Depot number {row} of the harbour" for row in range(30)]
    cells = "".join(f'<row><c r="A{row + 1}" s="1" t="s"><v>{row}</v></c></row>' for row in range(30))
    shared = "".join(f"<si><t>{text}</t></si>" for text in [*strings, *["a row that is gone by now"] * 90])
    parts = {
        "xl/sharedStrings.xml": f"<sst>{shared}</sst>",
        "xl/worksheets/sheet1.xml": f"<sheetData>{cells}</sheetData>",
    }
    found = "".join(_texts_by_other_means(make_zip(parts)))
    assert "Depot number 29" in found
    assert "gone by now" not in found
    assert (Notes().lost([found], " ".join(strings[:n_read])) is None) == bool(n_read)


def _texts_by_other_means(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stored"
        path.write_bytes(content)
        return list(WITNESSES[XLSX](Source(path, "a.xlsx", XLSX, Limits(), lambda _: None)))
