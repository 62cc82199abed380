"""One form of table for every format: a rectangle of texts, spans filled with their value, written as Markdown.

A reader gives rows of `Cell`; what it gets is a `Table` in which every row has the same columns, the rows above the
head (a title, a unit line) are a caption, and head rows of several lines are joined into one.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_CELLS = 2_000_000
"""A table whose rectangle would be larger keeps its rows as they are, and what spans columns stands once."""
MAX_SPANNED = 100_000
"""Once so many places are spanned by cells from above, further cells span one row: a file may claim anything."""

_HEAD_WITHIN = 12  # rows in which a head is looked for
_SAMPLE = 60  # rows that say how wide a table is
_MAX_HEAD_ROWS = 3
_FILL = 20  # spans may make a table this many times as long as its own text; then they stay empty
_NUMBER = re.compile(
    r"[-+\u2212(]?\s*[$€£¥]?\s*[-+\u2212]?\d[\d.,'\u2019 \u00a0\u202f]*\s*(?:[%‰€$£¥]|[a-zA-Z]{1,3})?\s*\)?"
)
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?|\d{1,3}:\d{2}(?::\d{2})?")
_YEAR = re.compile(r"(?:19|20|21)\d\d")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as its document states it: its text, the rows and columns that it spans, whether it is marked as head."""

    text: str
    n_rows: int = 1
    n_columns: int = 1
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A rectangle: `head` and every one of `rows` have the same length. `head` is blank where none was found.

    `caption` is the lines above the head: a title, a unit line.
    """

    caption: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the caption as paragraphs and the table below it; an empty string for an empty table."""
        if not self.head:
            return "\n\n".join(self.caption)
        lines = [markdown_row(self.head), rule(len(self.head)), *map(markdown_row, self.rows)]
        return "\n\n".join([*self.caption, "\n".join(lines)])


def build_table(rows: Iterable[Sequence[Cell]], *, caption: str = "") -> Table:
    """Return the table that rows of cells make; rows and columns without text are left out.

    A cell that spans rows or columns stands in each of them; one as wide as the table is a line of its own.
    """
    placed = _placed(rows)
    n_marked = sum(1 for _ in _leading_heads(placed))
    texts = [row for row in (_texts(row) for row in _expanded(placed)) if any(row)]
    return table_of(texts, caption=caption, n_head=n_marked or None)


def table_of(texts: Sequence[Sequence[str]], *, caption: str = "", n_head: int | None = None) -> Table:
    """Return the table of rows of texts: the lines above the head apart, the head joined, all rows of one length.

    `n_head` is the number of head rows where the document marks them; they are looked for otherwise.
    """
    texts = [row for row in texts if any(cell.strip() for cell in row)]
    n_above, n_found = find_head(texts, n_head)
    above = [" ".join(dict.fromkeys(cell for cell in row if cell.strip())) for row in texts[:n_above]]
    head_rows, body = texts[n_above : n_above + n_found], texts[n_above + n_found :]
    width = max((_filled_width(row) for row in [*head_rows, *body]), default=0)
    lines = tuple(line for line in ([caption.strip()] if caption.strip() else []) + above if line)
    head = joined_head(head_rows, width)
    return Table(tuple(dict.fromkeys(lines)), head, tuple(padded(row, width) for row in body))


def find_head(rows: Sequence[Sequence[str]], n_marked: int | None = None) -> tuple[int, int]:
    """Return (rows above the head, rows of the head) of rows of texts; the first rows of a long table are enough.

    The head is the first row that is about as wide as the table, and holds words or years rather than figures; a
    table without one has a head of no rows.
    """
    widths = sorted(sum(1 for cell in row if cell.strip()) for row in rows[:_SAMPLE])
    if not widths:
        return 0, 0
    wide = [width for width in widths if width > 1]
    widths = wide if len(wide) * 3 >= len(widths) else widths  # lines around a small table say nothing of its width
    usual = widths[len(widths) // 2]
    n_above = 0
    for row in rows[:_HEAD_WITHIN]:
        n_filled = len({cell for cell in row if cell.strip()})
        if n_filled >= max(1, min(2, usual), usual * 0.5) or _is_first_cell_missing(row, usual):
            break
        n_above += 1
    else:
        n_above = 0
    if n_marked is not None and n_marked > n_above:
        return n_above, min(n_marked - n_above, _MAX_HEAD_ROWS)
    return n_above, _n_head_rows(rows[n_above:])


def _is_first_cell_missing(row: Sequence[str], usual: int) -> bool:
    """Whether a row has a column for each but the first, as the heads of statements have ("      2031   2030")."""
    filled = [cell for cell in row if cell.strip()]
    return usual > 1 and len(filled) >= usual - 1 and not row[0].strip()


def _n_head_rows(rows: Sequence[Sequence[str]]) -> int:
    if len(rows) < 2:
        return len(rows)
    if is_figures(rows[0]):
        return 0
    for n_head in range(1, min(_MAX_HEAD_ROWS, len(rows) - 1)):
        above, row = rows[n_head - 1], rows[n_head]
        is_group = _has_gaps(above) and not is_figures(row) and bool(above[0:1] == row[0:1] or not row[0].strip())
        if not is_group:
            return n_head
    return min(_MAX_HEAD_ROWS, len(rows) - 1)


def _has_gaps(row: Sequence[str]) -> bool:
    """Whether a row may be the upper line of a head: blank cells, or one value over several columns."""
    rest = row[1:]
    return any(not cell.strip() for cell in rest) or any(a == b for a, b in pairwise(rest))


def is_figures(row: Sequence[str]) -> bool:
    """Whether at least half of the filled cells of a row are numbers or dates; a year alone is a name of a column."""
    filled = [cell.strip() for cell in row if cell.strip()]
    n_figures = sum(1 for cell in filled if is_figure(cell) and not _YEAR.fullmatch(cell))
    return n_figures * 2 >= len(filled) > 0 if len(filled) > 1 else n_figures > 0


def is_figure(text: str) -> bool:
    """Whether a cell is a number (with its unit or currency) or a date."""
    return bool(_NUMBER.fullmatch(text) or _DATE.fullmatch(text))


def joined_head(rows: Sequence[Sequence[str]], width: int) -> tuple[str, ...]:
    """Return one head of `width` columns: the different texts of a column's head rows, from above."""
    columns = zip(*(padded(row, width) for row in rows), strict=True)
    return tuple(" ".join(dict.fromkeys(filter(None, column))) for column in columns) or ("",) * width


def markdown_row(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table: bars inside cells escaped, line breaks as spaces."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def rule(n_columns: int) -> str:
    """Return the line below the head."""
    return "|" + " --- |" * n_columns


def padded(row: Sequence[str], width: int) -> tuple[str, ...]:
    """Return a row of `width` cells: without the empty ones at its end, or with more of them."""
    return (*row[:width], *("",) * (width - len(row)))


def _filled_width(row: Sequence[str]) -> int:
    return next((place for place in range(len(row), 0, -1) if row[place - 1].strip()), 0)


# --- spans


@dataclass(frozen=True, slots=True)
class _Placed:
    """A cell at its columns; `is_first` where it begins, and not in the rows below that it spans."""

    start: int
    end: int
    cell: Cell
    is_first: bool


def _placed(rows: Iterable[Sequence[Cell]]) -> list[list[_Placed]]:
    """Give every cell its columns, as HTML does: the next that no cell from above spans."""
    placed: list[list[_Placed]] = []
    from_above: list[tuple[_Placed, int]] = []
    n_spanned = 0
    for row in rows:
        taken = sorted((above for above, n_rows in from_above if n_rows > 0), key=lambda above: above.start)
        own = _own_cells(row, taken)
        if own:  # a row of nothing but spans from above repeats the row above
            placed.append(sorted([*taken, *own], key=lambda each: each.start))
        n_spanned += len(taken)
        from_above = [(above, n_rows - 1) for above, n_rows in from_above if n_rows > 1]
        from_above += [
            (_Placed(each.start, each.end, each.cell, is_first=False), each.cell.n_rows - 1)
            for each in own
            if each.cell.n_rows > 1 and n_spanned < MAX_SPANNED
        ]
    return placed


def _own_cells(row: Sequence[Cell], taken: Sequence[_Placed]) -> list[_Placed]:
    own: list[_Placed] = []
    column, waiting = 0, list(taken)
    for cell in row:
        while waiting and waiting[0].start <= column:
            column = max(column, waiting.pop(0).end)
        end = column + max(1, cell.n_columns)
        end = min(end, waiting[0].start) if waiting else end
        own.append(_Placed(column, end, cell, is_first=True))
        column = end
    return own


def _leading_heads(placed: Sequence[Sequence[_Placed]]) -> Iterator[None]:
    for row in placed:
        if not any(each.cell.text.strip() for each in row):
            continue
        if not all(each.cell.is_head for each in row):
            return
        yield None


def _expanded(placed: Sequence[Sequence[_Placed]]) -> Iterator[list[str]]:
    """Yield rows of texts: a span stands in each column where some row begins a cell, and no other columns exist."""
    starts = sorted({each.start for row in placed for each in row})
    if len(starts) * len(placed) > MAX_CELLS:
        yield from ([each.cell.text for each in row if each.is_first] for row in placed)
        return
    budget = _FILL * sum(len(each.cell.text) for row in placed for each in row if each.is_first) + 10_000
    for row in placed:
        texts: list[str] = []
        is_line = len(row) == 1 and row[0].end - row[0].start > 1
        cells = {start: each for each in row for start in _starts_within(starts, each.start, each.end)}
        for start in starts:
            each = cells.get(start)
            is_fill = each is not None and (start != each.start or not each.is_first)
            if each is None or (is_fill and (is_line or budget < 0)):
                texts.append("")
                continue
            budget -= len(each.cell.text) if is_fill else 0
            texts.append(each.cell.text)
        yield texts


def _starts_within(starts: Sequence[int], first: int, end: int) -> Sequence[int]:
    """Return those of the sorted `starts` from `first` up to `end`, which is excluded."""
    return starts[bisect_left(starts, first) : bisect_left(starts, end)]


def _texts(row: Sequence[str]) -> list[str]:
    return [" ".join(cell.split()) for cell in row]
