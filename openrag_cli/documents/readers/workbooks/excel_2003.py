"""Excel 2003's XML (SpreadsheetML), named .xml or .xls: values as they are shown, in the form of `read_xlsx`."""

import datetime as dt
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.package import attribute, child_of, local, number_of, plain_text
from openrag_cli.documents.readers.workbooks.cell_format import general, number_format
from openrag_cli.documents.readers.workbooks.merges import Merges
from openrag_cli.documents.readers.workbooks.sheets import Row, Sheet, one_line, tell_uncalculated, workbook_document
from openrag_cli.documents.readers.workbooks.unseen import are_near, is_silent
from openrag_cli.documents.readers.xml_files.flat import root_of
from openrag_cli.domain import Document

_MAX_COLUMNS = 16_384
_NAMED = {
    "General Date": "yyyy-mm-dd h:mm", "Long Date": "yyyy-mm-dd", "Medium Date": "d-mmm-yy", "Short Date": "yyyy-mm-dd",
    "Long Time": "h:mm:ss", "Medium Time": "h:mm AM/PM", "Short Time": "h:mm", "Currency": "#,##0.00",
    "Euro Currency": "[$€]#,##0.00", "Fixed": "0.00", "Standard": "#,##0.00", "Percent": "0.00%",
    "Scientific": "0.00E+00", "Yes/No": '"Yes";"Yes";"No"', "True/False": '"True";"True";"False"',
    "On/Off": '"On";"On";"Off"', "General": "", "General Number": "",
}  # fmt: skip
"""Formats that go by a name, with the code of each."""
_EPOCH = dt.datetime(1899, 12, 31)  # noqa: DTZ001 - a date in a cell has no time zone
_EPOCH_1904 = dt.datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP = dt.datetime(1900, 3, 1)  # noqa: DTZ001 - from here on a day more: spreadsheets have 1900-02-29
_PAPER = "FFFFFF"
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d{1,6}):(\d\d)(?::(\d\d(?:\.\d+)?))?)?Z?")


def read_excel_2003(source: Source) -> Document:
    """Read a workbook in the XML of Excel 2003. Raises: IngestError: corrupt or too_large."""
    root = root_of(source, "workbook")
    with parser_errors("workbook"):
        book = _Book(source, root)
        document = workbook_document(source, book.sheets(), source.media_type)
    tell_uncalculated(source.notes, book.n_uncalculated)
    return document


class _Book:
    """One workbook: its styles, and its sheets as rows of texts."""

    def __init__(self, source: Source, root: Any) -> None:
        self._source = source
        self._root = root
        self._is_1904 = any(local(element) == "Date1904" for element in root.iter())
        self._codes: dict[str, str] = {}
        self._unseen: set[str] = set()
        self.n_uncalculated = 0
        styles = child_of(root, "Styles")
        for style in styles if styles is not None else ():
            if local(style) == "Style":
                self._note_style(style)

    def _note_style(self, style: Any) -> None:
        name, parent = attribute(style, "ID"), attribute(style, "Parent") or "Default"
        shown, font, ground = (child_of(style, part) for part in ("NumberFormat", "Font", "Interior"))
        code = attribute(shown, "Format") if shown is not None else self._codes.get(parent, "")
        self._codes[name] = _NAMED.get(code, code)
        colour = attribute(font, "Color").lstrip("#") if font is not None else ""
        is_filled = ground is not None and attribute(ground, "Pattern") not in {"", "None"}
        behind = attribute(ground, "Color").lstrip("#") or _PAPER if is_filled else _PAPER
        if are_near(colour, behind):
            self._unseen.add(name)

    def sheets(self) -> Iterator[Sheet]:
        """Yield the sheets that are shown."""
        for sheet in self._root:
            if local(sheet) != "Worksheet":
                continue
            table = child_of(sheet, "Table")
            rows = list(self._rows(table)) if table is not None else []
            state = child_of(sheet, "WorksheetOptions", "Visible")
            is_hidden = state is not None and plain_text(state) in {"SheetHidden", "SheetVeryHidden"}
            if is_hidden and self._source.is_hidden("\n".join(" ".join(filter(None, row)) for _, row in rows)):
                continue
            yield Sheet(attribute(sheet, "Name"), rows, partial(_comments, table))

    def _rows(self, table: Any) -> Iterator[tuple[int, Row]]:
        hidden, styles = _columns(table)
        merges = Merges()
        number = 0
        for row in table:
            if local(row) != "Row":
                continue
            number = number_of(attribute(row, "Index"), number + 1)
            cells = self._cells(row, number, merges, styles)
            if _is_hidden(row, "Height") and cells and self._source.is_hidden(" ".join(cells.values())):
                continue
            unseen = [place for place in cells if place in hidden]
            if unseen and self._source.is_hidden(" ".join(cells[place] for place in unseen)):
                for place in unseen:
                    del cells[place]
            yield number, [cells.get(place, "") for place in range(max(cells, default=-1) + 1)]

    def _cells(self, row: Any, number: int, merges: Merges, styles: dict[int, str]) -> dict[int, str]:
        cells: dict[int, str] = {}
        covered = merges.covered(number)
        place = -1
        for cell in row:
            if local(cell) != "Cell":
                continue
            index = attribute(cell, "Index")
            place = number_of(index, 0) - 1 if index else place + 1
            while not index and place in covered:
                place += 1
            across, down = (max(0, number_of(attribute(cell, f"Merge{way}"), 0)) for way in ("Across", "Down"))
            style = attribute(cell, "StyleID") or attribute(row, "StyleID") or styles.get(place, "Default")
            text = self._text(cell, style) if 0 <= place < _MAX_COLUMNS else ""
            if text:
                cells[place] = text
            if text and (across or down):
                merges.add((number, place), (number + down, min(place + across, _MAX_COLUMNS)))
            place += across
        merges.fill(cells, number)
        return cells

    def _text(self, cell: Any, style: str) -> str:
        data = child_of(cell, "Data")
        if data is None:
            formula = attribute(cell, "Formula")
            self.n_uncalculated += bool(formula)
            return one_line(formula)
        text, kind, code = _string(data), attribute(data, "Type"), self._codes.get(style, "")
        is_number = kind in {"Number", "DateTime"}
        if kind == "Boolean":
            text = "TRUE" if text == "1" else "FALSE"
        elif is_number:
            text = self._number(text, code) if kind == "Number" else self._date(text, code)
        is_unseen = style in self._unseen or (not is_number and is_silent(code))
        return "" if is_unseen and text and self._source.is_hidden(text) else text

    def _number(self, text: str, code: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return one_line(text)
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number
            return one_line(text)
        return (number_format(code, is_1904=self._is_1904) if code else general)(value)

    def _date(self, text: str, code: str) -> str:
        when = _moment(text)
        if when is None:
            return one_line(text)
        if not code:
            return f"{when:%Y-%m-%d}" if when.time() == dt.time() else f"{when:%Y-%m-%d %H:%M:%S}"
        since = when - (_EPOCH_1904 if self._is_1904 else _EPOCH)
        days = since / dt.timedelta(days=1) + (when >= _LEAP and not self._is_1904)
        return number_format(code, is_1904=self._is_1904)(days)


def _moment(text: str) -> dt.datetime | None:
    """Return a date and time, also with hours over 24, which durations have; None for what is none."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups()[1:])
    try:
        return dt.datetime.fromisoformat(found[1]) + dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (ValueError, OverflowError):
        return None


def _columns(table: Any) -> tuple[set[int], dict[int, str]]:
    """Return the places of the columns that are not shown, and the styles of columns."""
    hidden: set[int] = set()
    styles: dict[int, str] = {}
    place = 0
    for column in table:
        if local(column) != "Column":
            continue
        first = number_of(attribute(column, "Index"), place + 1) - 1
        place = min(first + 1 + max(0, number_of(attribute(column, "Span"), 0)), _MAX_COLUMNS)
        if _is_hidden(column, "Width"):
            hidden |= set(range(max(first, 0), place))
        if attribute(column, "StyleID"):
            styles |= dict.fromkeys(range(max(first, 0), place), attribute(column, "StyleID"))
    return hidden, styles


def _is_hidden(element: Any, size: str) -> bool:
    return attribute(element, "Hidden") == "1" or attribute(element, size) in {"0", "0.0"}


def _string(data: Any) -> str:
    """Return the text of a cell, raised and lowered text after `^` and `_`."""
    pieces = [data.text or ""]
    for part in data:
        mark = {"Sup": "^", "Sub": "_"}.get(local(part), "")
        text = _string(part)
        pieces += [mark if text.strip() else "", text, part.tail or ""]
    return one_line("".join(pieces)) if local(data) == "Data" else "".join(pieces)


def _comments(table: Any) -> list[str]:
    found = []
    for comment in table.iter() if table is not None else ():
        if local(comment) == "Comment":
            author, text = attribute(comment, "Author"), one_line(plain_text(comment))
            found += [f"Comment ({author}): {text}" if author else f"Comment: {text}"] if text else []
    return found
