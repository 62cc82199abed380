"""The order in which people read boxes on a slide: columns where a gap parts them, else rows from left to right."""

from collections.abc import Sequence
from dataclasses import dataclass

_WIDE = 0.6  # of the width of all boxes: such a box parts what stands above it from what stands below
_TOLERANCE = 0.5  # of a box's height: boxes whose tops differ by less stand in one row


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a slide, in any unit, y downwards; `place` is its place in the file."""

    left: float
    top: float
    width: float
    height: float
    place: int

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Return the places of the boxes in the order in which they are read."""
    return [box.place for box in _ordered(sorted(boxes, key=lambda box: (box.top, box.left)))]


def _ordered(boxes: list[Box]) -> list[Box]:
    if len(boxes) < 3:
        return _rows(boxes)
    columns = _columns(boxes)
    if columns:
        return [box for column in columns for box in _ordered(column)]
    width = max(box.right for box in boxes) - min(box.left for box in boxes)
    wide = next(
        (at for at, box in enumerate(boxes) if box.width > _WIDE * width and not _has_neighbour(box, boxes)), None
    )
    if wide is None:
        return _rows(boxes)
    parting = boxes[wide]
    above = [box for box in boxes[:wide] if box.top < parting.top]
    below = [box for box in boxes if box is not parting and box not in above]
    return [*_ordered(above), parting, *_ordered(below)]


def _has_neighbour(box: Box, boxes: Sequence[Box]) -> bool:
    """Whether another box stands beside it, along most of the lower one of the two."""
    for other in boxes:
        shared = min(box.top + box.height, other.top + other.height) - max(box.top, other.top)
        is_beside = other.left >= box.right or other.right <= box.left
        if is_beside and shared > _TOLERANCE * min(box.height, other.height):
            return True
    return False


def _columns(boxes: Sequence[Box]) -> list[list[Box]]:
    """Return the columns that gaps from top to bottom part, at least two of them with two boxes; none otherwise."""
    columns: list[list[Box]] = []
    end = float("-inf")
    for box in sorted(boxes, key=lambda box: box.left):
        if box.left >= end:
            columns.append([])
        columns[-1].append(box)
        end = max(end, box.right)
    if sum(len(column) > 1 for column in columns) < 2:
        return []
    return [sorted(column, key=lambda box: (box.top, box.left)) for column in columns]


def _rows(boxes: Sequence[Box]) -> list[Box]:
    rows: list[list[Box]] = []
    for box in boxes:
        first = rows[-1][0] if rows else None
        if first is not None and box.top - first.top <= _TOLERANCE * min(first.height, box.height):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row, key=lambda box: box.left)]
