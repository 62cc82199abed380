"""Cutting a table into chunks: whole rows, each chunk with the head of the table; wide ones by columns as well.

A row is cut only between cells, when it or the table's head is too long for the model; such a part carries the heads
of its own columns and the row's first cell, which says whose they are.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.documents.chunking.sizers import Range
from openrag_cli.documents.chunking.table_rows import TableRegion
from openrag_cli.documents.tables import markdown_row

MAX_PARTS = 5_000
"""A table that would become more parts of rows than this is cut between rows alone, its head cut to what fits."""

_MAX_KEY_CHARS = 80
_ROW_PARTS = 500
"""A table of cells with up to so many rows has a part for each row, a longer one has about so many parts."""

_WORD = re.compile(r"[^\W\d_]{2,}|\b[^\W\d_][-./ ]?\d")  # a name, or the number of a thing ("M-157")
_WORD_SAMPLE = 200  # rows
_LEAST_WORDED = 5  # one in so many rows
_FIGURE_ROWS = 12  # of one part of a long table that is lines of figures; a short one stays together
Head = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TablePiece:
    """Characters `start` to `end` of the document, and the lines that the piece stands under."""

    start: int
    end: int
    head: Head


@dataclass(frozen=True, slots=True)
class TableCutter:
    """Cuts one table of `text`.

    `fits` says whether a range below head lines can be read whole, `carries` whether head lines keep to their share,
    `split` cuts a range that no better rule cuts.
    """

    text: str
    region: TableRegion
    fits: Callable[[Head, int, int], bool]
    carries: Callable[[Head], bool]
    split: Callable[[Head, int, int], Iterator[Range]]

    def pieces(self, start: int) -> Iterator[TablePiece]:
        """Yield the chunks of the table; the first begins at `start`, at or before the region."""
        rows = [(start, self.region.rows[0][1]), *self.region.rows[1:]]
        groups = self._column_groups()
        if len(groups) > 1 and len(rows) * len(groups) <= MAX_PARTS:
            yield from self._split((), start, self.region.body)
            for row in [(self.region.body, rows[0][1]), *rows[1:]]:
                yield from self._row_by_groups(row, groups)
            return
        at = 0
        while at < len(rows):
            head = self._head() if at or not self._holds_its_head(rows[0]) else ()
            n_rows = self._n_fitting(head, rows, at)
            if n_rows:
                yield TablePiece(rows[at][0], rows[at + n_rows - 1][1], head)
            elif at:
                yield from self._long_row(rows[at])
            else:
                yield from self._split((), start, self.region.body)
                yield from self._long_row((self.region.body, rows[0][1]))
            at += max(1, n_rows)

    def _holds_its_head(self, first: tuple[int, int]) -> bool:
        """Whether the head stands in the table; it does not where the table goes on with that of another page."""
        return self.region.head_line in self.text[first[0] : first[1]]

    def _head(self) -> Head:
        return (*self.region.caption, self.region.head_line) if self.region.head_line else self.region.caption

    def _n_fitting(self, head: Head, rows: Sequence[tuple[int, int]], at: int) -> int:
        """Return how many rows from `at` on are one chunk."""
        start, low, high = rows[at][0], 0, min(len(rows) - at, self._max_rows())
        while low < high:
            middle = (low + high + 1) // 2
            if self.fits(head, start, rows[at + middle - 1][1]):
                low = middle
            else:
                high = middle - 1
        return low

    def _max_rows(self) -> int:
        """Return how many rows a chunk has at most.

        Measured (benchmarks/tables.py: 40 questions for a cell of tables of 400 rows, share with its row in the first
        hit): as many rows as fit 0.38, 4 rows 0.65, 2 rows 0.75, 1 row 0.95. Names share their parts ("Ada Quill", "Bo
        Quill"), so that a chunk of many rows holds both words of a name that stands in none of them.
        """
        n_rows = len(self.region.rows)
        if self.region.cells_of is None:
            return _FIGURE_ROWS if n_rows > 2 * _FIGURE_ROWS else n_rows
        return max(1, n_rows // _ROW_PARTS) if self._has_words() else n_rows

    def _has_words(self) -> bool:
        """Whether rows are told apart by words or numbers of things; a figure is found in whatever chunk it stands."""
        sample = self.region.rows[1 : 1 + _WORD_SAMPLE] or self.region.rows
        n_worded = sum(1 for start, end in sample if _WORD.search(self.text, start, end))
        return n_worded * _LEAST_WORDED >= len(sample)

    def _column_groups(self) -> list[tuple[int, int]]:
        """Return (first, end) of columns whose heads are carried together; one group where the whole head is."""
        names = self.region.head
        if self.region.cells_of is None or len(names) < 2 or self.carries((self.region.head_line,)):
            return [(0, len(names))]
        groups: list[tuple[int, int]] = []
        first, key = 0, "x" * min(len(names[0]) + 20, _MAX_KEY_CHARS)
        for end in range(1, len(names) + 1):
            is_whole = self.carries((f"{names[0]}: {key}", markdown_row(names[first : end + 1])))
            if end == len(names) or not is_whole:
                groups.append((first, end))
                first = end
        return groups

    def _row_by_groups(self, row: tuple[int, int], groups: Sequence[tuple[int, int]]) -> Iterator[TablePiece]:
        start, row_end = row
        cells = self.region.cells_of(start, row_end) if self.region.cells_of else []
        for first, end in groups:
            if first >= len(cells) and first:
                return
            piece_end = row_end if end >= min(len(cells), groups[-1][1]) else cells[end - 1][1]
            head = self._part_head(cells, first, end)
            yield from self._fitted(head, start, piece_end)
            start = piece_end

    def _part_head(self, cells: Sequence[tuple[int, int]], first: int, end: int) -> Head:
        names = self.region.head
        columns = (markdown_row(names[first:end]),) if names[first:end] else ()
        if not first or not cells:
            return (*self.region.caption, *columns)
        key = " ".join(self.text[cells[0][0] : cells[0][1]].split())[:_MAX_KEY_CHARS]
        return (*self.region.caption, f"{names[0]}: {key}" if names and names[0] else key, *columns)

    def _long_row(self, row: tuple[int, int]) -> Iterator[TablePiece]:
        """Cut a row that is longer than a chunk, between cells."""
        start, row_end = row
        cells = self.region.cells_of(start, row_end) if self.region.cells_of else []
        first = 0
        while first < len(cells):
            end = first + 1
            while end < len(cells) and self.fits(self._part_head(cells, first, end + 1), start, cells[end][1]):
                end += 1
            piece_end = row_end if end == len(cells) else cells[end - 1][1]
            yield from self._fitted(self._part_head(cells, first, end), start, piece_end)
            start, first = piece_end, end
        if not cells:
            yield from self._fitted(self._head(), start, row_end)

    def _fitted(self, head: Head, start: int, end: int) -> Iterator[TablePiece]:
        if self.fits(head, start, end):
            yield TablePiece(start, end, head)
        else:
            yield from self._split(head, start, end)

    def _split(self, head: Head, start: int, end: int) -> Iterator[TablePiece]:
        for first, last in self.split(head, start, end):
            yield TablePiece(first, last, head)
