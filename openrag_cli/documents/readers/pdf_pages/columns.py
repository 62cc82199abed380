"""Two columns of prose that were drawn row by row: PDFium gives them woven, line by line.

A table looks much the same, so a page is read by columns only where both sides are prose: lines of a like length whose
continuations begin in lower case.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

MIN_LINES = 3
"""Of each column."""

MAX_RUNS = 1_000
"""A page of more stretches has letters set one by one, and no woven columns have been seen so."""

_MIN_CHARS = 18  # of an average line of prose
_MIN_LOWER = 0.4  # of the lines after the first that go on a sentence
_MIN_GUTTER = 8.0  # points


class Run(NamedTuple):
    """A stretch of text on one line: its box, in points from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


def woven_columns(runs: Iterable[Run], text_of: Callable[[tuple[float, float, float, float]], str]) -> str | None:
    """Return the text of a page column by column; None where it is not two columns that are drawn row by row."""
    rows = _rows(list(runs))
    pairs = [row for row in rows if len(row) == 2]
    if len(pairs) < MIN_LINES or len(pairs) * 2 < len(rows):
        return None
    left_end, right_start = max(row[0].right for row in pairs), min(row[1].left for row in pairs)
    if right_start - left_end < _MIN_GUTTER:
        return None
    bands = [
        (is_pair, list(group)) for is_pair, group in groupby(rows, lambda row: _is_split(row, left_end, right_start))
    ]
    parts: list[str] = []
    n_columns = 0
    for is_pair, band in bands:
        left = [_line(row, text_of, lambda run: run.right <= left_end + 1) for row in band]
        right = [_line(row, text_of, lambda run: run.left >= right_start - 1) for row in band]
        if is_pair and _is_prose(left) and _is_prose(right):
            parts += [*filter(None, left), "", *filter(None, right)]
            n_columns += 1
        else:
            parts += [_line(row, text_of, lambda _: True) for row in band]
    return "\n".join(parts) if n_columns else None


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


def _is_split(row: Sequence[Run], left_end: float, right_start: float) -> bool:
    return len(row) <= 2 and all(run.right <= left_end + 1 or run.left >= right_start - 1 for run in row)


def _line(
    row: Sequence[Run], text_of: Callable[[tuple[float, float, float, float]], str], is_wanted: Callable[[Run], bool]
) -> str:
    texts = (text_of((run.left - 1, run.bottom - 1, run.right + 1, run.top + 1)) for run in row if is_wanted(run))
    return " ".join(text.strip() for text in texts)


def _is_prose(lines: Sequence[str]) -> bool:
    filled = [line for line in lines if line]
    if len(filled) < MIN_LINES or sum(map(len, filled)) < _MIN_CHARS * len(filled):
        return False
    n_lower = sum(1 for line in filled[1:] if line[0].islower())
    n_digits = sum(char.isdigit() for line in filled for char in line)
    return n_lower >= _MIN_LOWER * (len(filled) - 1) and n_digits * 5 < sum(map(len, filled))
