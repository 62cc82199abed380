"""Which texts of a page of a PDF are not seen: those without which the page looks the same when it is drawn."""

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

from openrag_cli.documents.readers.pdf_pages.columns import Run
from openrag_cli.documents.readers.unseen.pdf_calls import Box
from openrag_cli.documents.readers.unseen.pdf_suspects import Text

_MAX_SIDE = 1_400  # pixels
_LEAST_CHANGE = 8  # of 255
_MAX_ROUNDS = 12  # texts that lie over each other are tried one after the other
_MAX_ALONE = 24
_N_BYTES = 3  # of a pixel
_MARGIN = 2  # pixels
_SMALL = 0.5
_PART = 60  # points


@dataclass(slots=True)
class DrawingTime:
    """How long the pages of a document may still be drawn for, in seconds of CPU."""

    left_s: float = 10.0


def not_seen(document: Any, page: Any, texts: Sequence[Text], time: DrawingTime) -> list[Text]:
    """Return those of some texts of an open page that change nothing of how it looks; they are switched off.

    Texts whose font draws nothing, as one that is not in the file, are taken for seen.
    """
    started = process_time()
    hidden = _not_seen(document, page, texts)
    time.left_s -= process_time() - started
    return hidden


def _not_seen(document: Any, page: Any, texts: Sequence[Text]) -> list[Text]:
    canvas = _Canvas(page)
    before = canvas.drawn()
    hidden: list[Text] = []
    for group in _apart(texts):
        switch(group, on=False)
        after = canvas.drawn()
        seen = [text for text in group if after != before and canvas.is_changed(before, after, text.box)]
        switch(seen, on=True)
        unseen = _without_change(canvas, before, [text for text in group if text not in seen])
        without_ink = [text for text in unseen if not text.is_clipped and not _has_ink(document, page, text)]
        switch(without_ink, on=True)
        hidden += [text for text in unseen if text not in without_ink]
    return hidden


def _apart(texts: Sequence[Text]) -> Iterator[list[Text]]:
    """Yield groups of texts that do not lie over each other; of too many layers the first."""
    groups: list[list[Text]] = []
    for text in texts:
        for group in groups:
            if not any(_meet(text.box, other.box) for other in group):
                group.append(text)
                break
        else:
            groups += [[text]] if len(groups) < _MAX_ROUNDS else []
    yield from groups


def _without_change(canvas: "_Canvas", before: bytes, texts: list[Text]) -> list[Text]:
    """Return the texts, all of which are off, that really change nothing: letters may stand outside of their box."""
    if not texts or not canvas.is_changed(before, canvas.drawn()):
        return texts
    switch(texts, on=True)
    hidden = []
    for text in texts[:_MAX_ALONE]:
        switch([text], on=False)
        if canvas.is_changed(before, canvas.drawn()):
            switch([text], on=True)
        else:
            hidden.append(text)
    return hidden


def switch(texts: Sequence[Text], *, on: bool) -> None:
    """Take texts off a page, or put them back."""
    from pypdfium2 import raw

    for text in texts:
        raw.FPDFPageObj_SetIsActive(text.handle, on)


def _has_ink(document: Any, page: Any, text: Text) -> bool:
    """Whether a text draws anything by itself."""
    from pypdfium2 import raw

    side = max(text.box[2] - text.box[0], text.box[3] - text.box[1], 1.0)
    scale = min(1.0, _MAX_SIDE / side)
    handle = raw.FPDFTextObj_GetRenderedBitmap(document.raw, page.raw, text.handle, scale)
    if not handle:
        return False
    try:
        n_bytes = raw.FPDFBitmap_GetStride(handle) * raw.FPDFBitmap_GetHeight(handle)
        return any(ctypes.string_at(raw.FPDFBitmap_GetBuffer(handle), n_bytes))
    finally:
        raw.FPDFBitmap_Destroy(handle)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def has_ink(page: Any, runs: Iterable[Run]) -> bool:
    """Whether something is drawn everywhere that text stands on an open page, as far as a small picture of it tells."""
    canvas = _Canvas(page, scale=_SMALL)
    pixels = canvas.drawn()
    parts = (
        (left, run.bottom, min(left + _PART, run.right), run.top)
        for run in runs
        for left in range(int(run.left), int(max(run.left + 1, run.right - _PART / 2)), _PART)
    )
    return not any(canvas.is_even(pixels, part) for part in parts)


class _Canvas:
    """Draws a page, always at one size."""

    def __init__(self, page: Any, *, scale: float = 1.0) -> None:
        self._page = page
        width, height = page.get_size()
        self._scale = min(scale, _MAX_SIDE / max(width, height, 1.0))
        self._width = self._height = self._stride = 0

    def drawn(self) -> bytes:
        """Return the pixels of the page."""
        bitmap = self._page.render(scale=self._scale, may_draw_forms=False, draw_annots=False)
        try:
            self._width, self._height, self._stride = bitmap.width, bitmap.height, bitmap.stride
            return bytes(bitmap.buffer)
        finally:
            bitmap.close()

    def is_changed(self, before: bytes, after: bytes, box: Box | None = None) -> bool:
        """Whether two pictures of the page differ within a box, or anywhere."""
        left, top, right, bottom = self._pixels(box) if box else (0, 0, self._width, self._height)
        for row in range(top, bottom):
            start, end = row * self._stride + left * _N_BYTES, row * self._stride + right * _N_BYTES
            one, other = before[start:end], after[start:end]
            if one != other and any(abs(x - y) > _LEAST_CHANGE for x, y in zip(one, other, strict=True)):
                return True
        return False

    def is_even(self, pixels: bytes, box: Box) -> bool:
        """Whether all is of one colour within a box of a picture of the page."""
        left, top, right, bottom = self._pixels(box, margin=1)
        corner = top * self._stride + left * _N_BYTES
        first = pixels[corner : corner + _N_BYTES] * (right - left)
        middle = (top + bottom) // 2  # where most ink is
        rows = (row * self._stride for row in (*range(middle, bottom), *range(top, middle)))
        return all(pixels[row + left * _N_BYTES : row + right * _N_BYTES] == first for row in rows)

    def _pixels(self, box: Box, *, margin: int = _MARGIN) -> tuple[int, int, int, int]:
        from pypdfium2 import raw

        x, y = ctypes.c_int(), ctypes.c_int()
        corners = []
        for point in (box[:2], box[2:]):
            raw.FPDF_PageToDevice(
                self._page.raw, 0, 0, self._width, self._height, 0, *point, ctypes.byref(x), ctypes.byref(y)
            )
            corners.append((x.value, y.value))
        (left, right), (top, bottom) = (sorted(sides) for sides in zip(*corners, strict=True))
        return (
            min(max(left - margin, 0), self._width),
            min(max(top - margin, 0), self._height),
            max(min(right + margin, self._width), 0),
            max(min(bottom + margin, self._height), 0),
        )
