"""Workbooks: XLSX with openpyxl's streaming reader, XLS with xlrd. Each sheet is a heading and a Markdown table.

markitdown needed over 45 s for an honest workbook of 60,000 rows; and one far cell in a 5 KB file is a million rows.
"""

import datetime as dt
import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from openrag_cli.documents.media_types import XLS, XLSX
from openrag_cli.documents.readers.archive import checked_archive
from openrag_cli.documents.readers.base import Limits, Source, cut, parser_errors
from openrag_cli.domain import Document, DocumentWarning

MAX_CELL_CHARS = 32_767
"""What Excel allows in a cell; a file may claim more."""

_Row = Iterable[Any]


def read_xlsx(source: Source) -> Document:
    """Read a workbook: values as last calculated, empty rows left out, cut at the limits with a warning.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    checked_archive(source, "workbook")
    with parser_errors("workbook"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openpyxl

        with source.path.open("rb") as file:  # given a path it wants a certain extension
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            return _document(source, _xlsx_sheets(workbook), XLSX)


def _xlsx_sheets(workbook: Any) -> Iterator[tuple[str, Iterable[_Row]]]:
    for sheet in workbook.worksheets:
        sheet.reset_dimensions()  # the file's own statement may be missing, or a lie
        yield sheet.title, sheet.iter_rows(values_only=True)


def read_xls(source: Source) -> Document:
    """Read a workbook of Excel 97 to 2003, in the form of `read_xlsx`.

    Raises:
        IngestError: encrypted or corrupt.
    """
    with parser_errors("workbook"):
        import xlrd

        with xlrd.open_workbook(source.path, on_demand=True, logfile=io.StringIO()) as workbook:
            return _document(source, _xls_sheets(workbook), XLS)


def _xls_sheets(workbook: Any) -> Iterator[tuple[str, Iterable[_Row]]]:
    for index, name in enumerate(workbook.sheet_names()):
        sheet = workbook.sheet_by_index(index)
        yield name, ([_xls_value(cell, workbook) for cell in sheet.row(row)] for row in range(sheet.nrows))
        workbook.unload_sheet(index)


def _xls_value(cell: Any, workbook: Any) -> Any:
    from xlrd import XL_CELL_BOOLEAN, XL_CELL_DATE, XL_CELL_ERROR, error_text_from_code, xldate

    if cell.ctype == XL_CELL_DATE:
        return xldate.xldate_as_datetime(cell.value, workbook.datemode)
    if cell.ctype == XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == XL_CELL_ERROR:
        return error_text_from_code.get(cell.value, "#ERROR")
    return cell.value


class _Budget:
    """How much of the limits a workbook has used. Empty cells and rows cost time too, so they count as cells."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._n_rows = self._n_cells = self._n_chars = 0
        self.warning: DocumentWarning | None = None

    def allows(self, row: list[str], line: str) -> bool:
        """Count a row, as read and as written; false, with a warning, once a limit is passed."""
        self._n_cells += 1 + len(row)
        self._n_rows += bool(line)
        self._n_chars += len(line)
        for used, limit, name in (
            (self._n_rows, self._limits.max_rows, "rows"),
            (self._n_cells, self._limits.max_cells, "cells, empty ones too,"),
            (self._n_chars, self._limits.max_chars, "characters"),
        ):
            if used > limit:
                message = f"only the first {limit:,} {name} of the workbook are indexed; the rest is left out"
                self.warning = DocumentWarning("text_cut", message)
                return False
        return True


def _document(source: Source, sheets: Iterable[tuple[str, Iterable[_Row]]], media_type: str) -> Document:
    budget = _Budget(source.limits)
    lines: list[str] = []
    for name, rows in sheets:
        if budget.warning:
            break
        table = list(_table(rows, budget))
        if table:
            lines += [f"## {_one_line(name)}", "", *table, ""]
    markdown, cuts = cut("\n".join(lines).rstrip("\n"), source.limits.max_chars)
    return Document(
        markdown, media_type=media_type, has_headings=True, warnings=(budget.warning,) if budget.warning else cuts
    )


def _table(rows: Iterable[_Row], budget: _Budget) -> Iterator[str]:
    """Yield the lines of a Markdown table, the first row as its head."""
    is_head = True
    for row in rows:
        cells = [_cell_text(value) for value in row]
        shown = _shown(cells)
        line = f"| {' | '.join(shown)} |" if shown else ""
        if not budget.allows(cells, line):
            return
        if not line:
            continue
        yield line
        if is_head:
            yield "|" + " --- |" * len(shown)
            is_head = False


def _shown(cells: list[str]) -> list[str]:
    """Return a row without the empty cells at its end; of a wide row that is mostly empty, the filled cells alone."""
    filled = [cell for cell in cells if cell]
    if len(filled) * 8 < len(cells) > 40:
        return filled
    n_cells = next((place for place in range(len(cells), 0, -1) if cells[place - 1]), 0)
    return cells[:n_cells]


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _one_line(value[:MAX_CELL_CHARS]).replace("|", "\\|")
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return format(value, ".15g")
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    return _one_line(str(value))


def _one_line(text: str) -> str:
    return " ".join(text.split())
