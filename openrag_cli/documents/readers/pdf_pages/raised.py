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


def with_raised(text: str, runs: Sequence[Run], text_page: Any) -> str:
    """Return the text of a page with its raised and lowered pieces written as such (`10^6`, `m²`, `CO₂`)."""
    if len(runs) < 2 or any(char > "\uffff" for char in text):  # places in the text count in UTF-16
        return text
    page = _Page(text_page)
    candidates = [(at, one, two) for at, (one, two) in enumerate(pairwise(runs)) if _may_be_raised(one, two)]
    for at, before, run in reversed(candidates[:MAX_CANDIDATES]):
        found = page.shifted(text, run)
        if found is None:
            continue
        start, end, shift = found
        after = runs[at + 2] if at + 2 < len(runs) else None
        head = text[:start].rstrip("\r\n")
        rest = text[end:]
        if after is not None and rest.startswith("\r\n") and _goes_on(before, run, after):
            rest = rest.removeprefix("\r\n")
        text = head + shifted(head[-40:], text[start:end], shift) + rest
    return text


def _may_be_raised(before: Run, run: Run) -> bool:
    height = before.top - before.bottom
    gap = run.left - before.right
    is_beside = -0.2 * height <= gap <= _MAX_GAP * height and run.bottom < before.top and run.top > before.bottom
    off = abs((run.top + run.bottom) - (before.top + before.bottom)) / 2
    return is_beside and run.top - run.bottom < 1.2 * height and off > 0.05 * height


def _goes_on(before: Run, run: Run, after: Run) -> bool:
    height = before.top - before.bottom
    is_on_line = after.bottom < before.top and after.top > before.bottom
    return is_on_line and -0.2 * height <= after.left - run.right <= _LINE_GAP * height


class _Page:
    def __init__(self, text_page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._page = text_page
        self._x, self._y = ctypes.c_double(), ctypes.c_double()

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
        raw.FPDFText_GetCharOrigin(self._page, index, ctypes.byref(self._x), ctypes.byref(self._y))
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
