"""Columns of prose that were drawn row by row: PDFium gives them woven, line by line.

A table looks much the same, so a page is read by columns only where all of them are prose: lines of a like length whose
continuations begin in lower case.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from math import inf
from typing import NamedTuple

MIN_LINES = 3
"""Of each column."""

MAX_RUNS = 1_000
"""A page of more stretches has letters set one by one, and no woven columns have been seen so."""

_MIN_CHARS = 18  # of an average line of prose
_MIN_LOWER = 0.4  # of the lines after the first that go on a sentence
_MIN_GUTTER = 8.0  # points
_MAX_COLUMNS = 5

Column = tuple[float, float]
"""Where its stretches begin at the least, and end at the most."""


class Run(NamedTuple):
    """A stretch of text on one line: its box, in points from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


def woven_columns(runs: Iterable[Run], text_of: Callable[[tuple[float, float, float, float]], str]) -> str | None:
    """Return the text of a page column by column; None where it is not columns that are drawn row by row."""
    rows = _rows(list(runs))
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


def _rows(runs: Sequence[Run]) -> list[list[Run]]:
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


def _line(row: Sequence[Run], text_of: Callable[[tuple[float, float, float, float]], str], column: Column) -> str:
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
