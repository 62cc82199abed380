"""XLS (Excel 97 to 2003) with xlrd: values as they are shown, hidden sheets, rows and columns."""

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any

from openrag_cli.documents.media_types import XLS
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.workbooks.cell_format import BUILT_IN, general, number_format
from openrag_cli.documents.readers.workbooks.sheets import Row, Sheet, one_line, workbook_document
from openrag_cli.documents.readers.workbooks.unseen import are_near, is_silent
from openrag_cli.domain import Document

_SOLID = 1  # of the patterns that fill a cell
_WORDS = 1  # xlrd's number of cells that hold text
_BEGIN, _END, _BOX, _CONTINUE = 0x0809, 0x0A, 0x01B6, 0x3C  # records of a sheet ([MS-XLS] 2.3); its grounds are
# conditions, the picture behind it, tables
_WITH_BOXES = 80  # xlrd's number of Excel 97
_GROUNDS = frozenset({0x01B0, 0x0879, 0x00E9, 0x0872, 0x0878})


def read_xls(source: Source) -> Document:
    """Read a workbook of Excel 97 to 2003, in the form of `read_xlsx`.

    Raises:
        IngestError: encrypted or corrupt.
    """
    with parser_errors("workbook"):
        import xlrd

        with _opened(xlrd, source) as workbook:
            return workbook_document(source, _sheets(source, workbook), XLS)


def _opened(xlrd: Any, source: Source) -> Any:
    """Open it with its formats; files of some other programs have none that xlrd can read, or odd names of areas."""

    def book(*, has_formats: bool) -> Any:
        """Open it."""
        return xlrd.open_workbook(source.path, on_demand=True, logfile=io.StringIO(), formatting_info=has_formats)

    try:
        return book(has_formats=True)
    except xlrd.formula.FormulaError:
        xlrd.book.Book.names_epilogue = _without_names
        return book(has_formats=True)
    except (NotImplementedError, AssertionError, IndexError, KeyError):
        return book(has_formats=False)


def _without_names(_: Any) -> None:
    """Leave the names of areas alone, which are not read."""


def _sheets(source: Source, workbook: Any) -> Iterator[Sheet]:
    for index, name in enumerate(workbook.sheet_names()):
        sheet = workbook.sheet_by_index(index)
        if sheet.visibility:
            text = "\n".join(" ".join(filter(None, row)) for _, row in _rows(source, workbook, sheet))
            if source.is_hidden(text):
                workbook.unload_sheet(index)
                continue
        yield Sheet(name, _rows(source, workbook, sheet), partial(_beside, workbook, sheet))
        workbook.unload_sheet(index)


def _beside(workbook: Any, sheet: Any) -> list[str]:
    """Return the comments of a sheet and the texts of what is drawn on it."""
    notes = sorted(getattr(sheet, "cell_note_map", {}).items())
    comments = [(_cell_name(*place), one_line(note.text)) for place, note in notes if note.text.strip()]
    said = {text for _, text in comments}
    drawn = [text for text in _drawn(workbook, sheet) if text not in said]
    return [*(f"Comment ({place}): {text}" for place, text in comments), *dict.fromkeys(drawn)]


def _drawn(workbook: Any, sheet: Any) -> Iterator[str]:
    """Yield the texts of boxes and shapes, which stand in the records after theirs ([MS-XLS] 2.4.329)."""
    if workbook.biff_version < _WITH_BOXES:
        return
    n_left = 0
    pieces: list[str] = []
    for kind, start, size in _records(workbook, sheet):
        if kind == _BOX:
            n_left, pieces = int.from_bytes(workbook.mem[start + 10 : start + 12], "little") if size >= 12 else 0, []
        elif kind == _CONTINUE and n_left and size > 1:
            is_wide = workbook.mem[start] & 1
            content = bytes(workbook.mem[start + 1 : start + size])[: n_left * (1 + is_wide)]
            pieces.append(content.decode("utf-16-le" if is_wide else "latin-1", "replace"))
            n_left -= len(content) // (1 + is_wide)
            if not n_left and (text := one_line("".join(pieces))):
                yield text


def _cell_name(row: int, column: int) -> str:
    from xlrd import colname

    return f"{colname(column)}{row + 1}"


def _unseen_styles(workbook: Any, sheet: Any) -> tuple[frozenset[int], frozenset[int]]:
    """Return the cell styles of a sheet in the colour of their ground, and those whose format shows no text."""
    if not workbook.xf_list:
        return frozenset(), frozenset()
    hidden, silent = set(), set()
    for number, style in enumerate(workbook.xf_list):
        code = workbook.format_map.get(style.format_key)
        if code is not None and is_silent(code.format_str or ""):
            silent.add(number)
        colour = workbook.colour_map.get(workbook.font_list[style.font_index].colour_index)
        ground = _ground(workbook, style.background)
        if colour and ground and are_near(bytes(colour).hex(), bytes(ground).hex()):
            hidden.add(number)
    return frozenset(() if hidden and _has_grounds(workbook, sheet) else hidden), frozenset(silent)


def _ground(workbook: Any, background: Any) -> tuple[int, int, int] | None:
    """Return the colour behind a cell; None where it is a pattern."""
    if background.fill_pattern == 0:
        return 255, 255, 255
    known = workbook.colour_map.get(background.pattern_colour_index) if background.fill_pattern == _SOLID else None
    return tuple(known) if known else None


def _has_grounds(workbook: Any, sheet: Any) -> bool:
    """Whether cells of a sheet may have a ground that is not in their styles: by a condition, of a table, a picture."""
    return any(kind in _GROUNDS for kind, _, _ in _records(workbook, sheet))


def _records(workbook: Any, sheet: Any) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, where its content begins, how long it is) of the records of a sheet, and of the charts on it."""
    content, at = workbook.mem, workbook._sh_abs_posn[sheet.number]  # noqa: SLF001 - xlrd has no other way
    depth = 0
    while at + 4 <= len(content):
        kind, size = struct.unpack_from("<HH", content, at)
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 0 and kind == _END:
            return
        yield kind, at + 4, size
        at += 4 + size


def _rows(source: Source, workbook: Any, sheet: Any) -> Iterator[tuple[int, Row]]:
    merged = {
        (row, column): (top, left)
        for top, bottom, left, right in getattr(sheet, "merged_cells", [])[:50_000]
        if (bottom - top) * (right - left) <= 10_000
        for row in range(top, bottom)
        for column in range(left, right)
    }
    columns = {place for place, known in sheet.colinfo_map.items() if known.hidden or not known.width}
    unseen, silent = _unseen_styles(workbook, sheet)
    for number in range(sheet.nrows):
        cells = sheet.row(number)
        row = [_text(cell, workbook) for cell in cells]
        for place, cell in enumerate(cells) if unseen or silent else ():
            is_unseen = cell.xf_index in unseen or (cell.xf_index in silent and cell.ctype == _WORDS)
            if is_unseen and row[place] and source.is_hidden(row[place]):
                row[place] = ""
        firsts = [merged.get((number, place)) for place in range(len(row))]
        n_own = sum(1 for cell in row if cell) + any(first is not None and first[0] < number for first in firsts)
        for place, first in enumerate(firsts):
            if first and not row[place] and (n_own > 1 or first[0] < number):
                row[place] = _text(sheet.cell(*first), workbook)
        known = sheet.rowinfo_map.get(number)
        if known is not None and known.hidden and any(row) and source.is_hidden(" ".join(filter(None, row))):
            continue
        hidden = [row[place] for place in columns if place < len(row) and row[place]]
        if hidden and source.is_hidden(" ".join(hidden)):
            row = [cell for place, cell in enumerate(row) if place not in columns]
        yield number, row


def _text(cell: Any, workbook: Any) -> str:
    from xlrd import XL_CELL_BOOLEAN, XL_CELL_DATE, XL_CELL_ERROR, XL_CELL_NUMBER, error_text_from_code

    if cell.ctype == XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    if cell.ctype == XL_CELL_ERROR:
        return str(error_text_from_code.get(cell.value, "#ERROR"))
    if cell.ctype in {XL_CELL_NUMBER, XL_CELL_DATE}:
        return one_line(_shown(cell, workbook, is_date=cell.ctype == XL_CELL_DATE))
    return one_line(str(cell.value))


def _shown(cell: Any, workbook: Any, *, is_date: bool) -> str:
    code = None
    if cell.xf_index is not None and workbook.xf_list:
        key = workbook.xf_list[cell.xf_index].format_key
        known = workbook.format_map.get(key)
        code = known.format_str if known is not None and key not in {14, 22} else None
        code = code or BUILT_IN.get(key)
    if code is None and is_date:
        code = "yyyy-mm-dd" if float(cell.value).is_integer() else "yyyy-mm-dd hh:mm:ss"
    show = number_format(code, is_1904=bool(workbook.datemode)) if code else general
    return show(float(cell.value))
