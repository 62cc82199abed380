"""Columns of prose that were drawn row by row, which PDFium gives woven, line by line, and tables made by alignment.

They look much the same: a page is read by columns only where all of them are prose, which is lines of a like length
whose continuations begin in lower case; stretches that begin, end or are centred below each other are a table. One whose
rows end in figures stays as its lines, in which it is found as it is (`figure_lines`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from math import inf
from statistics import median
from typing import NamedTuple

from openrag_cli.documents.tables import Table, table_of

MIN_LINES = 3
"""Of each column."""

MAX_RUNS = 1_000
"""A page of more stretches has letters set one by one, and no woven columns have been seen so."""

_MIN_CHARS = 18  # of an average line of prose
_MIN_LOWER = 0.4  # of the lines after the first that go on a sentence
_MIN_GUTTER = 8.0  # points
_MAX_COLUMNS = 5
_MIN_ROWS = 4  # of a table
_MIN_CELLS = 3  # two stretches a line are a list, a form or a table of contents
_SAME_PLACE = 3.0  # points
_MIN_ALIGNED = 0.8  # of the cells of a column
_MAX_CELL_CHARS = 60  # on average
_SAMPLE_ROWS = 8

Column = tuple[float, float]
"""Where its stretches begin at the least, and end at the most."""


class Run(NamedTuple):
    """A stretch of text on one line: its box, in points from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


TextOf = Callable[[tuple[float, float, float, float]], str]


def woven_columns(rows: Sequence[Sequence[Run]], text_of: TextOf) -> str | None:
    """Return the text of a page column by column; None where it is not columns that are drawn row by row."""
    columns = _columns(rows)
    if len(columns) < 2:
        return None
    parts: list[str] = []
    n_bands = 0
    for is_split, group in groupby(rows, lambda row: _is_split(row, columns)):
        band = list(group)
        texts = [[_line(row, text_of, column) for row in band] for column in columns]
        if is_split and all(map(_is_prose, texts)):
            parts += [line for lines in texts for line in ["", *filter(None, lines)]][1:]
            n_bands += 1
        else:
            parts += [_line(row, text_of, (-inf, inf)) for row in band]
    return "\n".join(parts) if n_bands else None


def _columns(rows: Sequence[Sequence[Run]]) -> list[Column]:
    """Return the columns of a page, if most of its rows have as many stretches, and gutters part these in all rows."""
    counts = Counter(len(row) for row in rows if 1 < len(row) <= _MAX_COLUMNS)
    n_columns, n_rows = max(counts.items(), key=lambda count: count[1], default=(0, 0))
    if n_rows < MIN_LINES or n_rows * 2 < len(rows):
        return []
    places = list(zip(*(row for row in rows if len(row) == n_columns), strict=True))
    gutters = [(max(run.right for run in one), min(run.left for run in two)) for one, two in pairwise(places)]
    if any(right - left < _MIN_GUTTER for left, right in gutters):
        return []
    starts, ends = [-inf, *(right - 1 for _, right in gutters)], [*(left + 1 for left, _ in gutters), inf]
    return list(zip(starts, ends, strict=True))


def rows_of(runs: Iterable[Run]) -> list[list[Run]]:
    """Put runs of one line together, in the order they are drawn; runs that touch are one."""
    rows: list[list[Run]] = []
    for run in runs:
        last = rows[-1][-1] if rows else None
        if last and run.left >= last.left and abs(run.bottom - last.bottom) < (last.top - last.bottom) / 2 + 1:
            if run.left - last.right < _MIN_GUTTER:
                rows[-1][-1] = Run(last.left, min(last.bottom, run.bottom), run.right, max(last.top, run.top))
            else:
                rows[-1].append(run)
        else:
            rows.append([run])
    return rows


def _is_split(row: Sequence[Run], columns: Sequence[Column]) -> bool:
    return len(row) <= len(columns) and all(any(_is_within(run, column) for column in columns) for run in row)


def _is_within(run: Run, column: Column) -> bool:
    return run.left >= column[0] and run.right <= column[1]


def _line(row: Sequence[Run], text_of: TextOf, column: Column) -> str:
    texts = (
        text_of((run.left - 1, run.bottom - 1, run.right + 1, run.top + 1)) for run in row if _is_within(run, column)
    )
    return " ".join(text.strip() for text in texts)


def _is_prose(lines: Sequence[str]) -> bool:
    filled = [line for line in lines if line]
    if len(filled) < MIN_LINES or sum(map(len, filled)) < _MIN_CHARS * len(filled):
        return False
    n_lower = sum(1 for line in filled[1:] if line[0].islower())
    n_digits = sum(char.isdigit() for line in filled for char in line)
    return n_lower >= _MIN_LOWER * (len(filled) - 1) and n_digits * 5 < sum(map(len, filled))


# --- tables


def aligned_tables(text: str, rows: Sequence[Sequence[Run]], text_of: TextOf) -> str | None:
    """Return the text of a page with the tables that alignment makes as Markdown; None where there are none."""
    tables = [table for first, end, columns in _bands(rows) if (table := _table(rows[first:end], columns, text_of))]
    places = [at for at, char in enumerate(text) if not char.isspace()] if tables else []
    letters = "".join(text[at] for at in places)
    parts: list[str] = []
    position = done = 0
    for markdown, shown in tables:
        start = letters.find(shown, position)
        if start >= 0:
            position = start + len(shown)
            parts += [text[done : places[start]].rstrip(), markdown]
            done = places[position - 1] + 1
    return "\n\n".join([*filter(None, parts), text[done:].strip()]).strip() if parts else None


def _is_figure(cell: str) -> bool:
    """Whether a cell is a number, or stands for none."""
    return not any(map(str.isalpha, cell)) or cell.lower() in {"n/a", "na", "nm"}


def _bands(rows: Sequence[Sequence[Run]]) -> Iterator[tuple[int, int, list[Column]]]:
    """Yield (first, end, columns) of rows that stand below each other in as many columns."""
    at = 0
    while at < len(rows):
        columns = [(run.left, run.right) for run in rows[at]]
        end = at + 1
        while len(columns) >= _MIN_CELLS and end < len(rows) and len(rows[end]) == len(columns):
            wider = [(min(a, run.left), max(b, run.right)) for (a, b), run in zip(columns, rows[end], strict=True)]
            if any(two[0] - one[1] < _MIN_GUTTER for one, two in pairwise(wider)):
                break
            columns, end = wider, end + 1
        if end - at >= _MIN_ROWS and all(map(_is_aligned, zip(*rows[at:end], strict=True))):
            end = _end_of_band(rows, end, columns)
            yield at, end, [(left - 1, right + 1) for left, right in columns]
            at = end
        else:
            at += 1


def _end_of_band(rows: Sequence[Sequence[Run]], end: int, columns: Sequence[Column]) -> int:
    """Return where a table ends whose rows so far are full: later ones may lack cells, or go on in a second line."""
    wide = [(left - 1, right + 1) for left, right in columns]
    last = end
    while end < len(rows) and _is_split(rows[end], wide):
        end += 1
        if len(rows[end - 1]) > 1 or not _is_within(rows[end - 1][0], wide[0]):
            last = end
    return last


def _is_aligned(runs: Sequence[Run]) -> bool:
    """Whether stretches begin, end or are centred at one place."""
    for places in (
        [run.left for run in runs],
        [run.right for run in runs],
        [(run.left + run.right) / 2 for run in runs],
    ):
        middle = median(places)
        if sum(abs(place - middle) <= _SAME_PLACE for place in places) >= _MIN_ALIGNED * len(places):
            return True
    return False


def _table(rows: Sequence[Sequence[Run]], columns: Sequence[Column], text_of: TextOf) -> tuple[str, str] | None:
    """Return (the table of rows, its letters); None where they are columns of prose, or lines that end in figures."""
    some = rows[:: 1 + len(rows) // _SAMPLE_ROWS]
    if sum(_is_figure(_line(row, text_of, columns[-1])) for row in some) * 2 >= len(some):
        return None
    cells = [[_line(row, text_of, column) for column in columns] for row in rows]
    n_chars = sum(len(cell) for row in cells for cell in row)
    if n_chars > _MAX_CELL_CHARS * sum(map(len, rows)) or sum(map(_is_prose, zip(*cells, strict=True))) > 1:
        return None
    whole: list[list[str]] = []
    for row in cells:
        if whole and not row[0]:
            whole[-1] = [f"{above} {below}".strip() for above, below in zip(whole[-1], row, strict=True)]
        else:
            whole.append(row)
    table = table_of(whole) if _names_columns(whole) else Table((), ("",) * len(columns), tuple(map(tuple, whole)))
    return table.markdown(), "".join("".join(cell.split()) for row in cells for cell in row)


def _names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is a head: it has no digits where the cells below it have."""
    below = zip(*rows[1:], strict=True)
    return not any(
        _has_digits(first) and all(map(_has_digits, rest)) for first, rest in zip(rows[0], below, strict=True)
    )


def _has_digits(cell: str) -> bool:
    return any(map(str.isdigit, cell))
