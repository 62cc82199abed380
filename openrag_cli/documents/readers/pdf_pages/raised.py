"""Raised and lowered text of a PDF: "10" with a small "6" above it is no 106, and its line goes on behind it."""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from openrag_cli.documents.inline import shifted
from openrag_cli.documents.readers.pdf_pages.columns import Run

MAX_CANDIDATES = 500
"""Of one page."""

_MAX_SIZE = 0.95  # of the letters before it
_MIN_SHIFT, _MAX_SHIFT = 0.1, 0.8  # of the size of the letters before it
_SAME_LINE = 0.02  # of its height: letters that end so near each other stand on one line
_MAX_GAP = 0.4  # of the height of the run before it
_LINE_GAP = 2.0
_MAX_CHARS = 12


@dataclass(frozen=True, slots=True)
class _Place:
    """A character: its index, where it stands in the text, the size of its font, and its base line."""

    index: int
    at: int
    size: float
    base: float


Piece = tuple[int, int, str]
"""Where it begins and ends in the text, and what stands there instead."""


def raised_pieces(text: str, runs: Sequence[Run], text_page: Any) -> list[Piece]:
    """Return the raised and lowered pieces of a page, in order, as they are written (`^6`, `²`, `₂`).

    The line breaks that PDFium puts around them go with them where the line goes on.
    """
    if len(runs) < 2 or len(text.encode("utf-16-le", "surrogatepass")) != 2 * len(text):  # its places count in UTF-16
        return []
    page = _Page(text_page)
    found: list[Piece] = []
    candidates = [(at, one, two) for at, (one, two) in enumerate(pairwise(runs)) if _may_be_raised(one, two)]
    for at, before, run in candidates[:MAX_CANDIDATES]:
        place = page.shifted(text, run)
        if place is None or (found and place[0] < found[-1][1]):
            continue
        start, end, shift = place
        head = text[:start].rstrip("\r\n")
        written = shifted(head[-40:], text[start:end], shift)
        after = runs[at + 2] if at + 2 < len(runs) else None
        goes_on = after is not None and text.startswith("\r\n", end) and _goes_on(before, run, after)
        begin = max(len(head), found[-1][1] if found else 0)
        found.append((begin, end + 2 if goes_on else end, written))
    return found


def replaced(text: str, pieces: Sequence[Piece]) -> str:
    """Return a text with pieces of it written otherwise."""
    for start, end, written in reversed(pieces):
        text = text[:start] + written + text[end:]
    return text


def _may_be_raised(before: Run, run: Run) -> bool:
    _, bottom, right, top = before
    height = top - bottom
    if height <= 0 or not -0.2 * height <= run.left - right <= _MAX_GAP * height:
        return False
    if run.right - run.left > _MAX_CHARS * height:
        return False
    is_beside = run.bottom < top and run.top > bottom
    over, under = (run.top - top) / height, (run.bottom - bottom) / height
    is_off = (under > 0.15 and over > -0.15) or (over < -0.15 and under < 0.1 and abs(under) > _SAME_LINE)
    return is_beside and run.top - run.bottom < 1.2 * height and is_off


def _goes_on(before: Run, run: Run, after: Run) -> bool:
    height = before.top - before.bottom
    is_on_line = after.bottom < before.top and after.top > before.bottom
    return is_on_line and -0.2 * height <= after.left - run.right <= _LINE_GAP * height


class _Page:
    def __init__(self, text_page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._page = text_page.raw
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._x_and_y = ctypes.byref(self._x), ctypes.byref(self._y)

    def shifted(self, text: str, run: Run) -> tuple[int, int, int] | None:
        """Return (start, end, 1 for raised or -1 for lowered) of a run in the text; None where it is neither."""
        middle = (run.top + run.bottom) / 2
        inset = min(0.3, (run.right - run.left) / 3)
        first = self._place(run.left + inset, middle)
        last = self._place(run.right - inset, middle)
        base = first and self._before(first.index, text)
        if first is None or last is None or base is None or not first.at <= last.at < first.at + _MAX_CHARS:
            return None
        rise = (first.base - base.base) / base.size if base.size else 0.0
        if first.size > _MAX_SIZE * base.size or not _MIN_SHIFT <= abs(rise) <= _MAX_SHIFT:
            return None
        return first.at, last.at + 1, 1 if rise > 0 else -1

    def _place(self, x: float, y: float) -> _Place | None:
        index = self._raw.FPDFText_GetCharIndexAtPos(self._page, x, y, 1.0, 1.0)
        return self._known(index) if index >= 0 else None

    def _known(self, index: int) -> _Place:
        raw = self._raw
        raw.FPDFText_GetCharOrigin(self._page, index, *self._x_and_y)
        at = raw.FPDFText_GetTextIndexFromCharIndex(self._page, index)
        return _Place(index, at, raw.FPDFText_GetFontSize(self._page, index), self._y.value)

    def _before(self, index: int, text: str) -> _Place | None:
        """Return the character that a raised one stands on, over a line break that PDFium made up; not over a blank."""
        for place in map(self._known, _down_from(index)):
            char = text[place.at : place.at + 1] if place.at >= 0 else ""
            if char and char not in "\r\n":
                return None if char.isspace() else place
        return None


def _down_from(index: int) -> Iterator[int]:
    yield from range(index - 1, max(-1, index - 5), -1)
