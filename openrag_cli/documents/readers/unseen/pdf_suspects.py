"""Which texts of a page of a PDF may not be seen: a plain look at its objects, in the order in which they are drawn.

Some are hidden for sure (clear, too small to read, beside the page). Of the others that look odd, `pdf_drawn.py` tells by
drawing the page: those in white or in the colour of a shape behind them, under a shape or picture that is drawn later,
beyond their clip, or on a layer.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import hypot
from typing import Any

from openrag_cli.documents.readers.pdf_pages.columns import Run

MAX_OBJECTS = 4_000
"""Of a page, or of a group in it, with more objects only the first are looked at."""

LEAST_SIZE = 1.0
"""Points; smaller letters cannot be read."""

_MAX_DEPTH = 4  # of groups within groups
_LEAST_SIDE = 72.0  # points; the box of a smaller page says nothing of what its text is for
_WHITE = 250
_CLEAR = 5  # of 255
_OPAQUE = 200  # of 255
_NEAR = 10  # of 255: colours that cannot be told apart
_THICK = 3.0  # points; what is thinner is a line, and hides nothing
_N_BANDS = 64  # of a page, so that a text is compared with what is drawn at its height alone
_MAX_CLIP_POINTS = 50
_SAMPLE = 400  # objects
_LONG = 5  # times as wide as high
_DASH = 12.0  # points
_MANY, _PICTURED = -1, -2  # in place of a colour, red first: more than one or a pattern, and those of a picture
_LEAST_WHITE = _WHITE << 16
_SCAN = 0.6  # of the page is covered with pictures
# PDFium's numbers (fpdf_edit.h): kinds of objects, and how text is drawn.
_TEXT, _PATH, _PICTURE, _SHADING, _GROUP = 1, 2, 3, 4, 5
_FILLED, _OUTLINED, _INVISIBLE, _CLIP = 0, 1, 3, 7

Box = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]


@dataclass(slots=True, eq=False)
class Text:
    """A text as it is drawn: its handle, where its group places it, and its box once it is asked for."""

    handle: Any
    place: Matrix | None
    mode: int
    colour: int
    opacity: int
    is_clipped: bool
    """Whether a part of it may lie beyond its clip."""
    is_odd: bool
    box: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Area:
    """What is painted over an area."""

    box: Box
    colour: int
    is_picture: bool


_Drawn = tuple[int, Any, Matrix | None]
"""An object that is no text: its kind, its handle, and where its group places it."""


@dataclass(slots=True)
class Suspects:
    """The texts of a page that are hidden for sure, and those that look odd."""

    hidden: list[Text] = field(default_factory=list)
    odd: list[Text] = field(default_factory=list)


class PageObjects:
    """The objects of an open page, looked at once. Numbers go through buffers made once."""

    def __init__(self, page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._floats = tuple(ctypes.c_float() for _ in range(4))
        self._ints = tuple(ctypes.c_uint() for _ in range(4))
        self._float_refs = tuple(map(ctypes.byref, self._floats))
        self._int_refs = tuple(map(ctypes.byref, self._ints))
        self._page = page.raw
        self.box: Box = page.get_bbox()  # what is inherited included
        self.n_objects = min(raw.FPDFPage_CountObjects(self._page), MAX_OBJECTS)
        self.has_picture = self._has_shading = self._is_odd = False
        self._items: list[Text | _Drawn] = []
        self._look(max(1, -(-self.n_objects // _SAMPLE)))

    @property
    def is_sample(self) -> bool:
        """Whether only some of the objects of the page were looked at, since there are so many."""
        return self._step > 1

    def drawings(self) -> list[Any]:
        """Return the drawings of the page itself, among which the lines of tables are."""
        own = [item[1] for item in self._items if isinstance(item, tuple) and item[0] == _PATH and item[2] is None]
        if not own or not self.is_sample:
            return own
        # Addresses are passed as numbers: to make a pointer of each object takes as long as to ask what it is.
        page = ctypes.cast(self._page, ctypes.c_void_p).value
        get = _plain(self._raw.FPDFPage_GetObject, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
        kind_of = _plain(self._raw.FPDFPageObj_GetType, ctypes.c_int, ctypes.c_void_p)
        objects = [get(page, at) for at in range(self.n_objects)]
        return [ctypes.cast(each, self._raw.FPDF_PAGEOBJECT) for each in objects if kind_of(each) == _PATH]

    def suspects(
        self, runs: Sequence[Run], has_layers_off: Callable[[], bool], has_ink: Callable[[Sequence[Run]], bool]
    ) -> Suspects:
        """Return the texts that may not be seen, of a page whose text stands in `runs`.

        Of very many objects only some are looked at, if the longer stretches of text have ink where they stand: letters
        that are set one by one are hidden one by one.
        """
        found = Suspects()
        is_layered = has_layers_off()
        has_odd_runs = self._are_odd(runs)
        if self.is_sample:
            long = [run for run in runs if run.right - run.left > max(_DASH, _LONG * (run.top - run.bottom))]
            if self._is_odd or is_layered or self._are_odd(long) or (long and not has_ink(long)):
                self._look(1)
        drawn = (
            [] if self.is_sample else [each if isinstance(each, Text) else self._area(each) for each in self._items]
        )
        has_areas = any(isinstance(each, _Area) for each in drawn)
        if self.is_sample or not (self._is_odd or is_layered or has_areas or has_odd_runs):
            return found
        texts = [each for each in drawn if isinstance(each, Text)]
        for text in texts:
            text.box = self._bounds(text.handle, text.place)
        in_odd_places = self._in_odd_places(drawn) if has_areas else set()
        for text in texts:
            if text.mode == _INVISIBLE or (text.mode == _CLIP and not self._has_shading):
                # Over a picture it is what was read of a scan.
                found.hidden += [] if self.has_picture else [text]
            elif text.opacity <= _CLEAR or (has_odd_runs and (self._is_beside(text.box) or self._is_tiny(text))):
                found.hidden.append(text)
            elif text.is_odd or text in in_odd_places or (is_layered and self._may_be_on_a_layer(text)):
                found.odd.append(text)
        return found

    # --- the objects

    def _look(self, step: int) -> None:
        """Look at each `step`th object."""
        self._step = step
        self._items.clear()
        get, kind_of = self._raw.FPDFPage_GetObject, self._raw.FPDFPageObj_GetType
        for at in range(0, self.n_objects, step):
            each = get(self._page, at)
            kind = kind_of(each)
            if kind == _TEXT:
                self._text(each, None)
            elif kind == _PATH:
                self._items.append((kind, each, None))
            else:
                self._other(each, kind, None, depth=0)

    def _other(self, each: Any, kind: int, place: Matrix | None, *, depth: int) -> None:
        raw = self._raw
        if kind != _GROUP:
            self.has_picture |= kind == _PICTURE
            self._has_shading |= kind in {_SHADING, _PICTURE}
            self._items.append((kind, each, place))
        elif depth < _MAX_DEPTH:
            inner = self._matrix(each) if place is None else _product(self._matrix(each), place)
            for at in range(min(raw.FPDFFormObj_CountObjects(each), MAX_OBJECTS)):
                one = raw.FPDFFormObj_GetObject(each, at)
                kind_of_one = raw.FPDFPageObj_GetType(one)
                if kind_of_one == _TEXT:
                    self._text(one, inner)
                else:
                    self._other(one, kind_of_one, inner, depth=depth + 1)

    def _text(self, each: Any, place: Matrix | None) -> None:
        raw = self._raw
        mode = raw.FPDFTextObj_GetTextRenderMode(each)
        colour, opacity = self._colour(raw.FPDFPageObj_GetFillColor, each)
        if mode != _FILLED:
            self._is_odd = True
            outline = self._colour(raw.FPDFPageObj_GetStrokeColor, each)
            if mode == _OUTLINED:
                colour, opacity = outline
            elif outline[0] != colour:
                colour, opacity = _MANY, max(opacity, outline[1])
        clip = raw.FPDFPageObj_GetClipPath(each)
        is_clipped = raw.FPDFClipPath_CountPaths(clip) > 0 and self._is_beyond(clip, self._bounds(each, None))
        is_odd = is_clipped or opacity <= _CLEAR or _is_white(colour)
        self._is_odd |= is_odd
        self._items.append(Text(each, place, mode, colour, opacity, is_clipped, is_odd))

    def _colour(self, call: Callable[..., Any], each: Any) -> tuple[int, int]:
        if not call(each, *self._int_refs):
            return _MANY, 255
        red, green, blue, opacity = self._ints
        return red.value << 16 | green.value << 8 | blue.value, opacity.value

    def _bounds(self, each: Any, place: Matrix | None) -> Box:
        self._raw.FPDFPageObj_GetBounds(each, *self._float_refs)
        left, bottom, right, top = self._floats
        box = left.value, bottom.value, right.value, top.value
        return box if place is None else _moved(box, place)

    def _matrix(self, each: Any) -> Matrix:
        matrix = self._raw.FS_MATRIX()
        self._raw.FPDFPageObj_GetMatrix(each, ctypes.byref(matrix))
        return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f

    def _is_beyond(self, clip: Any, box: Box) -> bool:
        """Whether a part of a box lies beyond a clip, or may do so."""
        raw = self._raw
        x, y = ctypes.c_float(), ctypes.c_float()
        for path in range(raw.FPDFClipPath_CountPaths(clip)):
            n_points = raw.FPDFClipPath_CountPathSegments(clip, path)
            if not 0 < n_points <= _MAX_CLIP_POINTS:
                return True
            points = []
            for at in range(n_points):
                segment = raw.FPDFClipPath_GetPathSegment(clip, path, at)
                raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
                points.append((x.value, y.value))
            xs, ys = zip(*points, strict=True)
            if box[0] < min(xs) - 1 or box[1] < min(ys) - 1 or box[2] > max(xs) + 1 or box[3] > max(ys) + 1:
                return True
        return False

    # --- what is odd

    def _are_odd(self, runs: Sequence[Run]) -> bool:
        """Whether some runs stand beside the page or are too small to read."""
        return any(
            run.top - run.bottom < LEAST_SIZE or run.right - run.left < LEAST_SIZE or self._is_beside(run)
            for run in runs
        )

    def _is_beside(self, box: Box | Run) -> bool:
        left, bottom, right, top = self.box
        if min(right - left, top - bottom) < _LEAST_SIDE or not (box[2] > box[0] or box[3] > box[1]):
            return False
        return box[2] < left or box[0] > right or box[3] < bottom or box[1] > top

    def _is_tiny(self, text: Text) -> bool:
        box = text.box
        if min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIZE:
            return False
        size = ctypes.c_float()
        if not self._raw.FPDFTextObj_GetFontSize(text.handle, ctypes.byref(size)):
            return False
        own = self._matrix(text.handle)
        a, b, c, d, _, _ = own if text.place is None else _product(own, text.place)
        return abs(size.value) * min(hypot(a, b), hypot(c, d)) < LEAST_SIZE

    def _may_be_on_a_layer(self, text: Text) -> bool:
        if text.place is not None:
            return True
        marks = range(self._raw.FPDFPageObj_CountMarks(text.handle))
        return any(self._mark(text.handle, at) == "OC" for at in marks)

    def _mark(self, each: Any, at: int) -> str:
        size = ctypes.c_ulong()
        buffer = (ctypes.c_ushort * 8)()
        mark = self._raw.FPDFPageObj_GetMark(each, at)
        if not self._raw.FPDFPageObjMark_GetName(mark, buffer, ctypes.sizeof(buffer), ctypes.byref(size)):
            return ""
        return bytes(buffer)[: max(0, min(size.value, ctypes.sizeof(buffer)) - 2)].decode("utf-16-le", "replace")

    def _in_odd_places(self, drawn: Sequence["Text | _Area | None"]) -> set[Text]:
        """Return the texts in the colour of a shape behind them, and those that something is drawn over.

        Text under pictures of the size of the page stays: it is what was read of a scan.
        """
        bottom, height = self.box[1], max((self.box[3] - self.box[1]) / _N_BANDS, 1.0)
        areas: list[list[_Area]] = [[] for _ in range(_N_BANDS)]
        texts: list[list[tuple[float, float, Text]]] = [[] for _ in range(_N_BANDS)]
        odd: set[Text] = set()
        under_pictures: set[Text] = set()
        of_pictures = 0.0
        for item in drawn:
            if isinstance(item, Text):
                left, low, right, high = item.box
                x, y = (left + right) / 2, (low + high) / 2
                band = _band(y, bottom, height)
                texts[band].append((x, y, item))
                for area in areas[band]:
                    if _are_near(area.colour, item.colour) and _holds(area.box, x, y):
                        odd.add(item)
            elif item is not None:
                of_pictures += _size(item.box) if item.is_picture else 0.0
                for band in range(_band(item.box[1], bottom, height), _band(item.box[3], bottom, height) + 1):
                    covered = [text for x, y, text in texts[band] if _holds(item.box, x, y)]
                    (under_pictures if item.is_picture else odd).update(covered)
                    areas[band].append(item)
        return odd if of_pictures > _SCAN * _size(self.box) else odd | under_pictures

    def _area(self, drawn: "_Drawn") -> "_Area | None":
        """Return what an object paints over; None for lines and what lets most through."""
        raw = self._raw
        kind, each, place = drawn
        box = self._bounds(each, place)
        if box[2] - box[0] < _THICK or box[3] - box[1] < _THICK:
            return None
        if kind != _PATH:
            return _Area(box, _PICTURED, is_picture=kind == _PICTURE)
        mode, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(each, ctypes.byref(mode), ctypes.byref(stroke))
        if mode.value:
            colour, opacity = self._colour(raw.FPDFPageObj_GetFillColor, each)
        else:
            width = ctypes.c_float()
            raw.FPDFPageObj_GetStrokeWidth(each, ctypes.byref(width))
            if width.value < _THICK:
                return None
            colour, opacity = self._colour(raw.FPDFPageObj_GetStrokeColor, each)
        return _Area(box, colour, is_picture=False) if opacity >= _OPAQUE else None


def _plain(function: Any, result: Any, *arguments: Any) -> Any:
    """Return a function of PDFium that takes and gives addresses as numbers."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ctypes.c_void_p).value or 0)


def _is_white(colour: int) -> bool:
    return colour >= _LEAST_WHITE and colour >> 8 & 255 >= _WHITE and colour & 255 >= _WHITE


@lru_cache(maxsize=1_000)
def _are_near(ground: int, colour: int) -> bool:
    """Whether a text cannot be told from its ground, as far as colours tell."""
    if ground == _PICTURED:
        return False
    if _MANY in {ground, colour}:
        return True
    return all(abs((ground >> shift & 255) - (colour >> shift & 255)) <= _NEAR for shift in (0, 8, 16))


def _band(y: float, bottom: float, height: float) -> int:
    return max(0, min(_N_BANDS - 1, int(max(-1.0, min(_N_BANDS, (y - bottom) / height)))))


def _holds(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _size(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _moved(box: Box, place: Matrix) -> Box:
    a, b, c, d, e, f = place
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _product(one: Matrix, other: Matrix) -> Matrix:
    """Return what does `one` and then `other`."""
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u
