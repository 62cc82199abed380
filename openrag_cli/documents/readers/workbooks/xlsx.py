"""XLSX, streamed from its XML: values as they are shown, merged cells, hidden sheets, rows and columns.

A library would give the values as they are stored, without the form that a reader of the workbook sees, and (read
as a stream) without what is hidden; markitdown needed over 45 s for an honest workbook of 60,000 rows.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO
from xml.etree import ElementTree as ET

from openrag_cli.documents.media_types import XLSX
from openrag_cli.documents.readers.archive import open_archive
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.package import Package
from openrag_cli.documents.readers.workbooks.beside import lines_beside
from openrag_cli.documents.readers.workbooks.cell_format import BUILT_IN, Format, general, number_format
from openrag_cli.documents.readers.workbooks.merges import Merges
from openrag_cli.documents.readers.workbooks.sheets import Row, Sheet, one_line, tell_uncalculated, workbook_document
from openrag_cli.documents.readers.workbooks.unseen import has_grounds, unseen_styles
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

MAX_COLUMNS = 16_384
"""The columns of a sheet; a file may claim more."""

_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=[\"']([A-Z]+\d+):([A-Z]+\d+)[\"']")
_BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class _Book:
    """What the cells of all sheets need."""

    strings: list[str]
    formats: list[Format]
    white: frozenset[str]
    silent: frozenset[str]
    hide: Callable[[str], bool]
    is_on_paper: bool = True
    n_uncalculated: int = 0


def read_xlsx(source: Source) -> Document:
    """Read a workbook: values as last calculated and as they are shown, empty rows left out.

    Raises:
        IngestError: encrypted, corrupt or too_large, or no_text where there are formulas without values alone.
    """
    with open_archive(source, "workbook") as archive, parser_errors("workbook"):
        names = {name.lower().lstrip("/"): name for name in archive.namelist()}
        if "xl/workbook.bin" in names:
            raise IngestError(
                "the workbook is in the binary form (XLSB), which is not read",
                reason="unsupported",
                hint="open it in a spreadsheet program, save it as XLSX, and add that",
            )
        document, book = _read(source, archive, names)
    tell_uncalculated(source.notes, book.n_uncalculated)
    return document


def _read(source: Source, archive: zipfile.ZipFile, names: dict[str, str]) -> tuple[Document, _Book]:
    root = _xml(archive, names["xl/workbook.xml"])
    is_1904 = any(_is_on(_attribute(node, "date1904")) for node in root if _local(node) == "workbookPr")
    targets = _targets(archive, names)
    formats, white, silent = _formats(archive, names, is_1904=is_1904)
    book = _Book(_strings(archive, names), formats, white, silent, source.is_hidden)
    package = Package(archive, source)

    def sheets() -> Iterator[Sheet]:
        """Yield the sheets in their order."""
        for node in root.iter():
            if _local(node) != "sheet":
                continue
            part = names.get(targets.get(_attribute(node, "id"), "").lower())
            if part is None:
                if _attribute(node, "id") not in targets:
                    source.notes.leave_out("sheet that is missing")
                continue
            rows = _rows(source, archive, part, book)
            if _attribute(node, "state") in {"hidden", "veryHidden"}:
                text = "\n".join(" ".join(filter(None, row)) for _, row in rows)
                if source.is_hidden(text):
                    continue
                rows = _rows(source, archive, part, book)
            yield Sheet(_attribute(node, "name"), rows, partial(lines_beside, package, part))

    return workbook_document(source, sheets(), XLSX), book


def _xml(archive: zipfile.ZipFile, name: str) -> ET.Element:
    return ET.fromstring(archive.read(name))  # noqa: S314 - expat limits expansion


def _local(node: ET.Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _attribute(node: ET.Element, name: str) -> str:
    """Return an attribute by its local name."""
    return next((value for key, value in node.attrib.items() if key.rpartition("}")[2] == name), "")


def _is_on(value: str) -> bool:
    return value in {"1", "true", "on"}


def _targets(archive: zipfile.ZipFile, names: dict[str, str]) -> dict[str, str]:
    """Return relationship id -> name of the part, of the workbook."""
    relations = names.get("xl/_rels/workbook.xml.rels")
    if relations is None:
        return {}
    found = {}
    for node in _xml(archive, relations):
        if "worksheet" in node.get("Type", "worksheet"):
            target = node.get("Target", "")
            found[node.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return found


def _strings(archive: zipfile.ZipFile, names: dict[str, str]) -> list[str]:
    part = names.get("xl/sharedstrings.xml")
    if part is None:
        return []
    strings: list[str] = []
    with archive.open(part) as content:
        for _, node in ET.iterparse(content):  # noqa: S314 - expat limits expansion
            if _local(node) == "si":
                strings.append(_string(node))
                node.clear()
    return strings


def _string(node: ET.Element) -> str:
    """Return the text of a string in pieces, without how its characters are pronounced; raised text after `^`."""
    pieces: list[str] = []
    for part in node:
        if _local(part) == "t":
            pieces.append(part.text or "")
        elif _local(part) == "r":
            text = "".join(each.text or "" for each in part if _local(each) == "t")
            raised = {_attribute(each, "val") for each in part.iter() if _local(each) == "vertAlign"}
            mark = "^" if "superscript" in raised else "_" if "subscript" in raised else ""
            pieces.append(mark + text if text.strip() else text)
    return one_line("".join(pieces))


def _formats(
    archive: zipfile.ZipFile, names: dict[str, str], *, is_1904: bool
) -> tuple[list[Format], frozenset[str], frozenset[str]]:
    """Return how the numbers of each cell style are shown, and the styles that show nothing, see `unseen_styles`."""
    part = names.get("xl/styles.xml")
    if part is None:
        return [], frozenset(), frozenset()
    root = _xml(archive, part)
    codes = dict(BUILT_IN)
    for node in root.iter():
        if _local(node) == "numFmt" and node.get("numFmtId", "").isdigit():
            codes[int(node.get("numFmtId", ""))] = node.get("formatCode", "")
    styles = next((node for node in root if _local(node) == "cellXfs"), None)
    found: list[Format] = []
    for style in styles if styles is not None else ():
        number = style.get("numFmtId", "0")
        code = codes.get(int(number)) if number.isdigit() else None
        found.append(number_format(code, is_1904=is_1904) if code else general)
    return found, *unseen_styles(root, codes)


# --- rows


def _rows(source: Source, archive: zipfile.ZipFile, part: str, book: _Book) -> Iterator[tuple[int, Row]]:
    """Yield (number, texts) of the rows of a sheet that can be seen."""
    with archive.open(part) as content:
        merges = _merges(content)
    if book.white:
        with archive.open(part) as content:
            book.is_on_paper = not has_grounds(content)
    hidden_columns: set[int] = set()
    number = 0
    with archive.open(part) as content:
        for event, node in ET.iterparse(content, events=("start", "end")):  # noqa: S314 - expat limits expansion
            name = _local(node)
            if event == "start":
                if name == "row":
                    number = int(_attribute(node, "r") or number + 1)
                continue
            if name == "col" and (_is_on(node.get("hidden", "")) or _is_nought(node.get("width"))):
                last = min(int(node.get("max", 0)), MAX_COLUMNS)
                hidden_columns |= set(range(int(node.get("min", 1)) - 1, last))
            elif name == "row":
                row = _row(node, number, book, merges)
                is_hidden = _is_on(node.get("hidden", "")) or _is_nought(node.get("ht"))
                node.clear()
                yield number, _visible(source, row, hidden_columns, is_hidden=is_hidden)


def _visible(source: Source, row: Row, hidden_columns: set[int], *, is_hidden: bool) -> Row:
    if is_hidden and any(row) and source.is_hidden(" ".join(filter(None, row))):
        return []
    if not hidden_columns:
        return row
    hidden = [place for place in range(len(row)) if place in hidden_columns and row[place]]
    if hidden and not source.is_hidden(" ".join(row[place] for place in hidden)):
        return row
    return [cell for place, cell in enumerate(row) if place not in hidden_columns]


def _is_nought(size: str | None) -> bool:
    return bool(size) and float(size or 1) == 0


def _is_unseen(cell: ET.Element, book: _Book) -> bool:
    """Whether a cell's style shows nothing of it."""
    if not book.white and not book.silent:
        return False
    style = cell.get("s", "")
    return (style in book.white and book.is_on_paper) or (style in book.silent and cell.get("t", "n") != "n")


def _row(node: ET.Element, number: int, book: _Book, merges: Merges) -> Row:
    cells: dict[int, str] = {}
    column = -1
    for cell in node:
        if _local(cell) != "c":
            continue
        place = _place(cell.get("r", ""))
        column = place[1] if place else column + 1
        if column < MAX_COLUMNS and (text := _text(cell, book)) and not (_is_unseen(cell, book) and book.hide(text)):
            cells[column] = text
    merges.fill(cells, number)
    return [cells.get(place, "") for place in range(max(cells, default=-1) + 1)]


def _merges(content: IO[bytes]) -> Merges:
    """Find the merged cells, which a sheet states after its rows."""
    merges = Merges()
    held = b""
    while block := content.read(_BLOCK_BYTES):
        held = held[-200:] + block
        for found in _MERGE.finditer(held):
            first, last = _place(found[1].decode()), _place(found[2].decode())
            if first and last:
                merges.add(first, (last[0], min(last[1], first[1] + MAX_COLUMNS)))
    return merges


def _place(reference: str) -> tuple[int, int] | None:
    """Return (row from 1, column from 0) of a reference such as AB12."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1].upper():
        column = 26 * column + ord(letter) - 64
    return int(found[2]), column - 1


def _text(cell: ET.Element, book: _Book) -> str:
    parts = {_local(part): part for part in cell}
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _string(parts["is"]) if "is" in parts else ""
    value = (parts["v"].text or "") if "v" in parts else ""
    if not value.strip():
        return _formula(parts.get("f"), book) if kind != "str" or "v" not in parts else ""
    if kind == "s":
        index = int(value)
        return book.strings[index] if 0 <= index < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if value.strip() in {"1", "true"} else "FALSE"
    if kind != "n":
        return one_line(value)
    return _number(value, cell.get("s", "0"), book)


def _formula(node: ET.Element | None, book: _Book) -> str:
    if node is None:
        return ""
    book.n_uncalculated += 1
    return one_line(f"={node.text}") if node.text else ""


def _number(text: str, style: str, book: _Book) -> str:
    try:
        value, index = float(text), int(style)
    except ValueError:
        return one_line(text)
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number
        return one_line(text)
    show = book.formats[index] if 0 <= index < len(book.formats) else general
    return one_line(show(value))
