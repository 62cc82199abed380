"""From the rows of sheets to a document: tables apart at empty rows, head and caption found, limits kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.documents.notes import Notes, counted
from openrag_cli.documents.readers.base import Limits, Source, cut
from openrag_cli.documents.tables import find_head, joined_head, markdown_row, padded, rule
from openrag_cli.domain import Document, DocumentWarning

MAX_CELL_CHARS = 32_767
"""What Excel allows in a cell; a file may claim more."""

_WIDE = 40  # a row with so many places, of which few are filled, is written as its filled cells alone
_SPARSE = 8
_SAMPLE = 60

Row = list[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name, (number, texts of the cells) of its rows, empty ones left out, and lines that stand beside."""

    name: str
    rows: Iterable[tuple[int, Row]]
    beside: Callable[[], Sequence[str]] = tuple


class Budget:
    """How much of the limits a workbook has used. Empty cells and rows cost time too, so they count as cells."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._n_rows = self._n_cells = self._n_chars = 0
        self.warning: DocumentWarning | None = None

    def allows(self, row: Row) -> bool:
        """Count a row; false, with a warning, once a limit is passed."""
        filled = [cell for cell in row if cell]
        self._n_cells += 1 + len(row)
        self._n_rows += bool(filled)
        self._n_chars += sum(len(cell) + 3 for cell in filled)
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


def workbook_document(source: Source, sheets: Iterable[Sheet], media_type: str) -> Document:
    """Return the document of a workbook; rows without text are left out, and what is over the limits, with a warning."""
    budget = Budget(source.limits)
    blocks: list[str] = []
    for sheet in sheets:
        if budget.warning:
            break
        tables = list(_tables(_within(budget, sheet.rows)))
        beside = sheet.beside()
        if tables or beside:
            blocks += [f"## {one_line(sheet.name)}", *(block for table in tables for block in table_blocks(table))]
            blocks += beside
    markdown, cuts = cut("\n\n".join(blocks), source.limits.max_chars)
    warnings = (budget.warning,) if budget.warning else cuts
    return Document(markdown, media_type=media_type, has_headings=True, warnings=warnings)


def tell_uncalculated(notes: Notes, n_cells: int) -> None:
    """Tell of cells with a formula and no value."""
    if n_cells:
        notes.warn(
            "not_calculated",
            f"{counted(n_cells, 'cell')} with a formula that was never calculated: the formula is indexed; "
            "open the workbook in a spreadsheet program, save it, and add it again",
        )


def _within(budget: Budget, rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    for number, row in rows:
        if not budget.allows(row):
            return
        if any(row):
            yield number, row


def _tables(rows: Iterable[tuple[int, Row]]) -> Iterator[list[Row]]:
    """Yield the tables of a sheet: an empty row ends one, if what follows has a head of its own or is text alone."""
    held: list[Row] = []
    block: list[Row] = []
    before = None
    for number, row in rows:
        if before is not None and number > before + 1 and block:
            if held and not _goes_on(held, block):
                yield held
                held = []
            held += block
            block = []
        block.append(row)
        before = number
    if held and not _goes_on(held, block):
        yield held
        held = []
    if held or block:
        yield held + block


def _goes_on(table: Sequence[Row], block: Sequence[Row]) -> bool:
    """Whether rows below an empty one belong to the table above it."""
    if _n_filled(table) < 2:  # a title, a unit line: they stand above the table
        return True
    if not block or _n_filled(block) < 2:
        return False
    n_above, n_head = find_head(block[:_SAMPLE])
    return len(block) < 2 or not n_above + n_head or _columns(table[-1]) == _columns(block[0]) == _columns(block[-1])


def _n_filled(rows: Sequence[Row]) -> int:
    return max((sum(1 for cell in row if cell) for row in rows[:_SAMPLE]), default=0)


def _columns(row: Row) -> list[int]:
    return [place for place, cell in enumerate(row) if cell]


def table_blocks(rows: Sequence[Row]) -> list[str]:
    """Return the caption lines of a table and its Markdown, columns without text left out."""
    n_above, n_head = find_head(rows[:_SAMPLE])
    n_above = n_above if len(rows) > n_above else len(rows) - 1
    blocks = [" ".join(dict.fromkeys(filter(None, row))) for row in rows[:n_above]]
    body = rows[n_above:]
    kept = sorted({place for row in body for place, cell in enumerate(row) if cell})
    if len(body) == len(rows) and len(kept) == 1 and len(body) > 1 and not n_above and not _is_column(body, kept[0]):
        return [row[kept[0]] for row in body]
    if len(kept) * len(body) > _WIDE * len(body):
        picked = [_filled_alone(row, kept) for row in body]
    else:
        picked = [[row[place] if place < len(row) else "" for place in kept] for row in body]
    width = max(map(len, picked))
    head = joined_head(picked[:n_head], width if len(kept) <= _WIDE else len(picked[0]))
    lines = [markdown_row(head), rule(len(head))]
    lines += [markdown_row(padded(row, width) if len(kept) <= _WIDE else row) for row in picked[n_head:]]
    return [*blocks, "\n".join(lines)]


def _is_column(rows: Sequence[Row], place: int) -> bool:
    """Whether a single column is a list of values, and no text of several paragraphs."""
    return all(len(row[place]) <= 200 for row in rows)


def _filled_alone(row: Row, kept: Sequence[int]) -> Row:
    cells = [row[place] if place < len(row) else "" for place in kept]
    filled = [cell for cell in cells if cell]
    if len(filled) * _SPARSE < len(cells):
        return filled
    last = max((place for place, cell in enumerate(cells) if cell), default=-1)
    return cells[: last + 1]


def one_line(text: str) -> str:
    """Return a cell's text in one line, cut to what a cell may hold."""
    return " ".join(text[:MAX_CELL_CHARS].split())
