"""Merged cells: their text stands in each place that they cover."""

from dataclasses import dataclass, field

_MAX_MERGES = 50_000
_MAX_FILLED = 200_000  # places that merged cells may fill, of a sheet


@dataclass(slots=True)
class Merges:
    """The merged cells of a sheet: (row, column) of the first cell -> (last row, last column)."""

    areas: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    below: list[tuple[int, int, int, str]] = field(default_factory=list)  # last row, first and last column, text
    n_filled: int = 0

    def add(self, first: tuple[int, int], last: tuple[int, int]) -> None:
        """Take note of a merged cell; more than a workbook has are left alone."""
        if len(self.areas) < _MAX_MERGES:
            self.areas[first] = last

    def covered(self, number: int) -> set[int]:
        """Return the places of a row into which merged cells of rows above reach."""
        return {
            place for last_row, first, last, _ in self.below if number <= last_row for place in range(first, last + 1)
        }

    def fill(self, cells: dict[int, str], number: int) -> None:
        """Let the merged cells that begin in a row, or reach into it, stand in all places of it that they cover."""
        for last_row, first, last, text in self.below:
            if number <= last_row and not any(cells.get(place) for place in range(first, last + 1)):
                cells |= dict.fromkeys(range(first, last + 1), text)
        self.below = [area for area in self.below if area[0] > number]
        n_cells = len(cells)
        for column in [*cells] if self.areas else ():
            area = self.areas.get((number, column))
            if area and cells[column]:
                self._spread(cells, (number, column), area, is_alone=n_cells == 1)

    def _spread(
        self, cells: dict[int, str], first: tuple[int, int], last: tuple[int, int], *, is_alone: bool
    ) -> None:
        """Let a merged cell stand in every column and row that it covers; a line over the whole table stands once."""
        text = cells[first[1]]
        if last[0] > first[0]:
            self.below.append((last[0], first[1], first[1] if is_alone else last[1], text))
        n_more = last[1] - first[1]
        if is_alone or self.n_filled + n_more > _MAX_FILLED:
            return
        self.n_filled += n_more
        for place in range(first[1] + 1, last[1] + 1):
            cells.setdefault(place, text)
