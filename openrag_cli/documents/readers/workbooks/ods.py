"""ODS (OpenDocument spreadsheets): the texts of its cells, which are the values as they are shown."""

import zipfile
from collections.abc import Iterator
from functools import partial
from xml.etree import ElementTree as ET

from openrag_cli.documents.readers.archive import needs_password, open_archive
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.workbooks.ods_styles import CellStyles
from openrag_cli.documents.readers.workbooks.sheets import Row, Sheet, one_line, workbook_document
from openrag_cli.domain import Document

MAX_REPEATED = 1_000
"""A row or cell with text stands at most so often; empty ones may be repeated a million times."""

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_MAX_SPAN = 10_000


def read_ods(source: Source) -> Document:
    """Read a spreadsheet of OpenDocument, in the form of `read_xlsx`.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    with open_archive(source, "spreadsheet") as archive, parser_errors("spreadsheet"):
        names = set(archive.namelist())
        if (
            "META-INF/manifest.xml" in names
            and b"encryption-data" in archive.read("META-INF/manifest.xml")[: 1 << 20]
        ):
            raise needs_password("spreadsheet")
        roots = [
            _xml(archive, name) for name in ("content.xml", "styles.xml") if name in names or name == "content.xml"
        ]
        return workbook_document(source, _sheets(source, roots[0], CellStyles(*roots)), source.media_type)


def _xml(archive: zipfile.ZipFile, name: str) -> ET.Element:
    return ET.fromstring(archive.read(name))  # noqa: S314 - expat limits expansion


def _sheets(source: Source, root: ET.Element, styles: CellStyles) -> Iterator[Sheet]:
    hidden_styles = {
        style.get(f"{_STYLE}name")
        for style in root.iter(f"{_STYLE}style")
        for properties in style.iter(f"{_STYLE}table-properties")
        if properties.get(f"{_TABLE}display") == "false"
    }
    for table in root.iter(f"{_TABLE}table"):
        rows = list(_rows(source, table, styles))
        is_hidden = table.get(f"{_TABLE}style-name") in hidden_styles
        if is_hidden and source.is_hidden("\n".join(" ".join(filter(None, row)) for _, row in rows)):
            continue
        yield Sheet(table.get(f"{_TABLE}name", ""), rows, partial(_beside, table))


def _beside(table: ET.Element) -> list[str]:
    """Return the comments of a sheet and the texts of what is drawn on it."""
    comments = [one_line(" ".join(_paragraphs(note))) for note in table.iter(f"{_OFFICE}annotation")]
    shapes = [one_line(" ".join(_paragraphs(shape))) for shapes in table.iter(f"{_TABLE}shapes") for shape in shapes]
    return [*(f"Comment: {text}" for text in comments if text), *filter(None, shapes)]


def _paragraphs(node: ET.Element) -> Iterator[str]:
    return (" ".join(_texts(part)) for part in node.iter(f"{_TEXT}p"))


class _Looks:
    """How the cells of one sheet look: by styles of their own, or of their row or column."""

    def __init__(self, source: Source, styles: CellStyles, table: ET.Element) -> None:
        self._source = source
        self._styles = styles
        self._table = table.get(f"{_TABLE}style-name", "")
        self._columns: list[tuple[int, str]] = []  # end, style
        for node in table.iter(f"{_TABLE}table-column"):
            end = (self._columns[-1][0] if self._columns else 0) + _count(node, "number-columns-repeated")
            self._columns.append((end, node.get(f"{_TABLE}default-cell-style-name", "")))

    def texts(self, row: ET.Element, cells: list[ET.Element]) -> Iterator[str]:
        """Yield the text of each cell, nothing for what is not seen of it."""
        around = row.get(f"{_TABLE}style-name", ""), self._table
        place = 0
        for cell in cells:
            text = _cell_text(cell)
            style = row.get(f"{_TABLE}default-cell-style-name") or self._of_column(place) if text else ""
            is_unseen = bool(text) and self._styles.is_unseen(cell, style, around) and self._source.is_hidden(text)
            yield "" if is_unseen else text
            place += _count(cell, "number-columns-repeated")

    def _of_column(self, place: int) -> str:
        return next((style for end, style in self._columns if place < end), "")


def _is_unseen(node: ET.Element) -> bool:
    return node.get(f"{_TABLE}visibility") in {"collapse", "filter"}


def _rows(source: Source, table: ET.Element, styles: CellStyles) -> Iterator[tuple[int, Row]]:
    hidden_columns = _hidden_columns(table)
    looks = _Looks(source, styles, table)
    below: list[tuple[int, int, int, str]] = []  # last row, first column, end, text
    number = 0
    for node in table.iter(f"{_TABLE}table-row"):
        n_times = _count(node, "number-rows-repeated")
        row = _row(node, number, below, looks)
        below = [area for area in below if area[0] > number]
        is_left_out = bool(_is_unseen(node) and any(row) and source.is_hidden(" ".join(filter(None, row))))
        hidden = [row[place] for place in hidden_columns if place < len(row) and row[place]]
        if hidden and source.is_hidden(" ".join(hidden)):
            row = [cell for place, cell in enumerate(row) if place not in hidden_columns]
        if any(row) and not is_left_out:
            for _ in range(min(n_times, MAX_REPEATED)):
                yield number, row
                number += 1
        number += max(0, n_times - MAX_REPEATED) if any(row) and not is_left_out else n_times


def _hidden_columns(table: ET.Element) -> set[int]:
    places: set[int] = set()
    at = 0
    for node in table.iter(f"{_TABLE}table-column"):
        n_times = _count(node, "number-columns-repeated")
        if _is_unseen(node):
            places |= set(range(at, at + min(n_times, 16_384)))
        at += n_times
    return places


def _row(node: ET.Element, number: int, below: list[tuple[int, int, int, str]], looks: _Looks) -> Row:
    row: Row = []
    cells = [cell for cell in node if cell.tag in {f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"}]
    texts = list(looks.texts(node, cells))
    is_alone = not below and sum(1 for text in texts if text) == 1
    for cell, text in zip(cells, texts, strict=True):
        first = len(row)
        n_times = _count(cell, "number-columns-repeated")
        row += [text] * min(n_times, MAX_REPEATED if text else 16_384 - min(first, 16_384))
        n_rows, n_columns = (min(_count(cell, f"number-{what}-spanned"), _MAX_SPAN) for what in ("rows", "columns"))
        if text and n_rows > 1:
            below.append((number + n_rows - 1, first, first + n_columns, text))
        if text and n_columns > 1 and not is_alone:
            below.append((number, first, first + n_columns, text))
    for _, first, end, text in below:
        if any(row[first:end]) and row[first : first + 1] != [text]:
            continue
        row += [""] * (end - len(row))
        row[first:end] = [cell or text for cell in row[first:end]]
    return row


def _count(node: ET.Element, name: str) -> int:
    text = node.get(f"{_TABLE}{name}", "1")
    return max(1, int(text)) if text.isdigit() else 1


def _cell_text(cell: ET.Element) -> str:
    """Return the paragraphs of a cell without its comments."""
    paragraphs = [" ".join(_texts(part)) for part in cell if part.tag in {f"{_TEXT}p", f"{_TEXT}h"}]
    return one_line(" ".join(paragraphs))


def _texts(node: ET.Element) -> Iterator[str]:
    text = node.text or ""
    for part in node:
        if part.tag in {f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"}:
            text += " "
        elif part.tag not in {f"{_OFFICE}annotation", f"{_TEXT}ruby-text"}:
            text += "".join(_texts(part))
        text += part.tail or ""
    yield text
