"""Tables that are drawn with lines: the grid that the lines make, and the letters in its cells."""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from openrag_cli.documents.readers.pdf_pages.raised import Piece
from openrag_cli.documents.readers.unseen import pdf_calls
from openrag_cli.documents.tables import Cell, Table, build_table

MAX_LINES = 2_000
"""Of a page with more lines no table is looked for: it is a drawing."""

MAX_CHARS = 40_000
_MAX_SEGMENTS = 2_000
_THIN = 2.5  # points; a filled box that is no thicker is a line
_NEAR = 2.5  # points within which lines meet
_LEAST_LENGTH = 6.0
_MAX_CELL_CHARS = 1_200  # a longer cell is a part of a page, and its box no table
_EDGE_LINES = 3  # above or below a table that begins or ends a page
_MAX_CELL_LINES = 8  # a cell of more lines is a box of a form, whose lines belong beside those of the next
_BOX_SEGMENTS = 5  # of a filled rectangle, whose sides are no lines
_MOVE, _LINE = 2, 0  # PDFium's numbers of kinds of segments (fpdf_edit.h)


@dataclass(frozen=True, slots=True)
class Line:
    """A line along an axis: where it lies across, and from where to where it goes."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A table's lines: `xs` from the left, `ys` from the top, and those of them that are drawn, to tell spans."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    level: tuple[Line, ...]
    upright: tuple[Line, ...]

    def place(self, x: float, y: float) -> tuple[int, int] | None:
        """Return (row, column) of a point; None outside."""
        if not (self.xs[0] <= x <= self.xs[-1] and self.ys[-1] <= y <= self.ys[0]):
            return None
        row = sum(1 for each in self.ys[1:-1] if y < each)
        return row, sum(1 for each in self.xs[1:-1] if x > each)

    def first_of(self, row: int, column: int) -> tuple[int, int]:
        """Return the first place of the cell that covers one: places with no line between them are one cell."""
        while column > 0 and not _is_drawn(self.upright, self.xs[column], self.ys[row + 1], self.ys[row]):
            column -= 1
        while row > 0 and not _is_drawn(self.level, self.ys[row], self.xs[column], self.xs[column + 1]):
            row -= 1
        return row, column


def grids(paths: Sequence[int]) -> list[Grid]:
    """Return the grids of at least two rows and columns that the lines of a page's drawings make."""
    level: list[Line] = []
    upright: list[Line] = []
    for line, is_level in _lines(paths):
        (level if is_level else upright).append(line)
        if len(level) + len(upright) > MAX_LINES:
            return []
    found = []
    for rows, columns in _joined(_merged(level), _merged(upright)):
        xs, ys = _levels(columns), _levels([*rows, *_open_ends(rows, columns)])[::-1]
        if len(xs) > 2 and len(ys) > 2:
            found.append(Grid(tuple(xs), tuple(ys), tuple(rows), tuple(columns)))
    return found


def _open_ends(rows: Sequence[Line], columns: Sequence[Line]) -> Iterator[Line]:
    """Yield where the upright lines end without a level one, as in a row that the end of the page cuts."""
    if rows:
        lowest, highest = min(line.start for line in columns), max(line.end for line in columns)
        yield from (
            Line(at, 0, 0) for at in (lowest, highest) if min(abs(row.at - at) for row in rows) > _LEAST_LENGTH
        )


# --- lines


def _lines(paths: Sequence[int]) -> Iterator[tuple[Line, bool]]:
    """Yield the lines of drawings along the axes of the page, and whether each is level."""
    for path, whole in zip(paths, pdf_calls.bounds(paths), strict=True):
        is_thin = whole[2] - whole[0] <= _THIN or whole[3] - whole[1] <= _THIN
        for left, bottom, right, top in [whole] if is_thin else _strokes(path):
            width, height = right - left, top - bottom
            if height <= _THIN and width >= _LEAST_LENGTH:
                yield Line((top + bottom) / 2, left, right), True
            elif width <= _THIN and height >= _LEAST_LENGTH:
                yield Line((left + right) / 2, bottom, top), False


def _strokes(path: int) -> Iterator[pdf_calls.Box]:
    """Yield the boxes of the straight strokes that a drawing which is no line itself is made of."""
    n_segments = pdf_calls.n_segments(path)
    if n_segments <= _MAX_SEGMENTS and (n_segments > _BOX_SEGMENTS or pdf_calls.has_outline(path)):
        yield from _segments(pdf_calls.object_at(path), n_segments)


def _segments(path: Any, n_segments: int) -> Iterator[pdf_calls.Box]:
    from pypdfium2 import raw

    matrix = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix))
    x, y = ctypes.c_float(), ctypes.c_float()
    start = before = None
    for at in range(n_segments):
        segment = raw.FPDFPath_GetPathSegment(path, at)
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == _MOVE:
            start = point
        elif kind == _LINE and before:
            yield _box(before, point)
        if raw.FPDFPathSegment_GetClose(segment) and start:
            yield _box(point, start)
        before = point


def _box(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


def _merged(lines: Iterable[Line]) -> list[Line]:
    """Return lines in which pieces of one line are one."""
    merged: list[Line] = []
    for line in sorted(lines, key=lambda line: (round(line.at), line.start)):
        last = merged[-1] if merged else None
        if last and abs(last.at - line.at) <= _NEAR and line.start <= last.end + _NEAR:
            merged[-1] = Line(last.at, last.start, max(last.end, line.end))
        else:
            merged.append(line)
    return merged


def _joined(level: Sequence[Line], upright: Sequence[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """Yield the lines that meet each other, directly or over others, as one table's."""
    waiting_rows, waiting_columns = list(level), list(upright)
    while waiting_columns:
        columns, rows = [waiting_columns.pop()], list[Line]()
        is_grown = True
        while is_grown:
            new_rows = [row for row in waiting_rows if any(_meet(row, column) for column in columns)]
            waiting_rows = [row for row in waiting_rows if row not in new_rows]
            rows += new_rows
            new_columns = [column for column in waiting_columns if any(_meet(row, column) for row in new_rows)]
            waiting_columns = [column for column in waiting_columns if column not in new_columns]
            columns += new_columns
            is_grown = bool(new_columns)
        yield rows, columns


def _meet(row: Line, column: Line) -> bool:
    return row.start - _NEAR <= column.at <= row.end + _NEAR and column.start - _NEAR <= row.at <= column.end + _NEAR


def _levels(lines: Sequence[Line]) -> list[float]:
    """Return where lines lie, those that are near each other once."""
    levels: list[float] = []
    for at in sorted(line.at for line in lines):
        if not levels or at - levels[-1] > _NEAR:
            levels.append(at)
    return levels


def _is_drawn(lines: Sequence[Line], at: float, start: float, end: float) -> bool:
    """Whether a line lies there along most of a stretch."""
    middle = (start + end) / 2
    return any(abs(line.at - at) <= _NEAR and line.start - _NEAR <= middle <= line.end + _NEAR for line in lines)


# --- letters


def pieces_of(
    text: str, raised: Sequence[Piece], text_page: Any
) -> tuple[list[str], list[tuple[float, float] | None]]:
    """Return the text of a page by its characters, raised pieces as they are written, and where each is drawn."""
    pieces = list(text)
    for start, end, written in raised:
        pieces[start:end] = [written, *[""] * (end - start - 1)]
    places: list[tuple[float, float] | None] = [None] * len(pieces)
    drawn = pdf_calls.origins(pdf_calls.address(text_page.raw), min(text_page.count_chars(), MAX_CHARS))
    for at, place in drawn:
        if 0 <= at < len(pieces) and not text[at].isspace():
            places[at] = place
    for start, end, _ in raised:  # a raised piece stands with what it is raised above
        places[start:end] = [None] * (end - start)
    return pieces, places


@dataclass(frozen=True, slots=True)
class Drawn:
    """A table that ends a page, and may go on on the next: where its columns are, and its head."""

    xs: tuple[float, ...]
    head: tuple[str, ...]


def with_tables(
    pieces: Sequence[str],
    places: Sequence[tuple[float, float] | None],
    found: Sequence[Grid],
    before: Drawn | None,
) -> tuple[str, Drawn | None]:
    """Return the text of a page with its tables as Markdown where their first letter stands, and the one that ends it.

    `pieces` is the text by its characters, `places` where each is drawn; None for those that stand with the one before.
    A table that goes on with the one `before` has no head of its own.
    """
    cells: list[dict[tuple[int, int], list[str]]] = [{} for _ in found]
    text: list[str] = []
    marks: dict[int, int] = {}
    heights: dict[tuple[int, tuple[int, int]], set[int]] = {}  # of the lines in a cell
    cell: list[str] | None = None
    first_of = [cache(grid.first_of) for grid in found]
    for piece, place in zip(pieces, places, strict=True):
        if place is not None:
            at = _cell_of(found, first_of, place)
            cell = None
            if at is not None:
                marks.setdefault(at[0], len(text))
                cell = cells[at[0]].setdefault(at[1], [])
                heights.setdefault(at, set()).add(round(place[1] / 4))
        (text if cell is None else cell).append(piece)
    if any(len(lines) > _MAX_CELL_LINES for lines in heights.values()):
        return "".join(pieces), None
    last = None
    for number, mark in sorted(marks.items(), key=lambda mark: -mark[1]):
        shown = {key: " ".join("".join(some).split()) for key, some in cells[number].items()}
        is_first = _n_lines(text[:mark]) <= _EDGE_LINES
        table = _table(found[number], shown, before if is_first else None)
        if table is None:
            return "".join(pieces), None
        if last is None and _n_lines(text[mark:]) <= _EDGE_LINES:
            known = before.head if before and is_first and not any(table.head) else table.head
            last = Drawn(found[number].xs, known)
        text.insert(mark, f"\n\n{table.markdown()}\n\n")
    return _tidied("".join(text)), last


def _n_lines(pieces: Sequence[str]) -> int:
    return sum(1 for line in "".join(pieces).splitlines() if line.strip())


def _tidied(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [line for at, line in enumerate(lines) if line.strip() or (at and lines[at - 1].strip())]
    return "\n".join(kept)


def _cell_of(
    found: Sequence[Grid], first_of: Sequence[Callable[[int, int], tuple[int, int]]], place: tuple[float, float]
) -> tuple[int, tuple[int, int]] | None:
    for number, grid in enumerate(found):
        at = grid.place(*place)
        if at is not None:
            return number, first_of[number](*at)
    return None


def _table(grid: Grid, cells: dict[tuple[int, int], str], before: Drawn | None) -> Table | None:
    """Return the table of a grid; None where it is no table but a drawing or the frames of a page."""
    n_rows, n_columns = len(grid.ys) - 1, len(grid.xs) - 1
    filled = [text for text in cells.values() if text]
    if len(filled) < max(4, n_rows * n_columns // 4) or max(map(len, filled)) > _MAX_CELL_CHARS:
        return None
    rows = []
    for row in range(n_rows):
        firsts = [grid.first_of(row, column) for column in range(n_columns)]
        rows.append([
            Cell(cells.get((row, column), ""), _n_rows(grid, row, column), firsts.count((row, column)))
            for column in range(n_columns)
            if firsts[column] == (row, column)
        ])  # fmt: skip
    table = build_table(rows)
    goes_on = before is not None and len(before.xs) == len(grid.xs) and table.head != before.head
    if before is None or not goes_on or any(abs(a - b) > _NEAR for a, b in zip(before.xs, grid.xs, strict=True)):
        return table
    whole = build_table([[Cell(text, is_head=True) for text in before.head], *rows])
    return Table(whole.caption, ("",) * len(whole.head), whole.rows)


def _n_rows(grid: Grid, row: int, column: int) -> int:
    last = row
    while last + 2 < len(grid.ys) and grid.first_of(last + 1, column) == (row, column):
        last += 1
    return last - row + 1
