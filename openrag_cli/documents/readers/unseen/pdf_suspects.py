"""Which texts of a page of a PDF may not be seen: a plain look at its objects, in the order in which they are drawn.

Some are hidden for sure (clear, too small to read, beside the page). Of the others that look odd, `pdf_drawn.py` tells by
drawing the page: those in white or in the colour of a shape behind them, under a shape or picture that is drawn later,
beyond their clip, or on a layer.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from math import hypot
from typing import Any

from openrag_cli.documents.readers.pdf_pages.columns import Run
from openrag_cli.documents.readers.unseen import pdf_calls
from openrag_cli.documents.readers.unseen.pdf_calls import Box

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

Matrix = tuple[float, float, float, float, float, float]


@dataclass(slots=True, eq=False)
class Text:
    """A text as it is drawn: its address, where its group places it, and its box."""

    address: int
    place: Matrix | None
    box: Box
    mode: int
    colour: int
    opacity: int
    is_clipped: bool
    """Whether a part of it may lie beyond its clip."""
    is_odd: bool

    @property
    def handle(self) -> Any:
        """Its pointer."""
        return pdf_calls.object_at(self.address)


@dataclass(frozen=True, slots=True)
class _Area:
    """What is painted over an area."""

    box: Box
    colour: int
    is_picture: bool


_Object = tuple[int, int, Matrix | None]
"""An object: its kind, its address, and where its group places it."""

_Look = tuple[int, int, int, bool, bool]
"""How a text is drawn: the last fields of `Text`."""


@dataclass(slots=True)
class Suspects:
    """The texts of a page that are hidden for sure, and those that look odd."""

    hidden: list[Text] = field(default_factory=list)
    odd: list[Text] = field(default_factory=list)


class PageObjects:
    """The objects of an open page, looked at once."""

    def __init__(self, page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._page = pdf_calls.address(page.raw)
        self.box: Box = page.get_bbox()  # what is inherited included
        self.n_objects = min(raw.FPDFPage_CountObjects(page.raw), MAX_OBJECTS)
        self.has_picture = self._has_shading = self._is_odd = False
        self._objects: list[_Object] = []
        self._looks: list[_Look] = []  # of the texts among them
        self._look(max(1, -(-self.n_objects // _SAMPLE)))

    @property
    def is_sample(self) -> bool:
        """Whether only some of the objects of the page were looked at, since there are so many."""
        return self._step > 1

    def drawings(self) -> list[int]:
        """Return the drawings of the page itself, among which the lines of tables are."""
        own = [each for kind, each, place in self._objects if kind == _PATH and place is None]
        if not own or not self.is_sample:
            return own
        objects = pdf_calls.objects_of(self._page, range(self.n_objects))
        return [each for each, kind in zip(objects, pdf_calls.kinds(objects), strict=True) if kind == _PATH]

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
            long = [run for run in runs if _is_long(*run)]
            if self._is_odd or is_layered or (has_odd_runs and self._are_odd(long)) or (long and not has_ink(long)):
                self._look(1)
        areas = [] if self.is_sample else self._areas()
        has_areas = any(areas)
        if self.is_sample or not (self._is_odd or is_layered or has_areas or has_odd_runs):
            return found
        texts = self._texts()
        in_odd_places = self._in_odd_places(self._in_order(texts, areas)) if has_areas else set()
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
        self._objects.clear()
        self._looks.clear()
        self._add(pdf_calls.objects_of(self._page, range(0, self.n_objects, step)), None, depth=0)

    def _add(self, objects: Sequence[int], place: Matrix | None, *, depth: int) -> None:
        """Look at objects, those of groups in the place of their group."""
        kinds = pdf_calls.kinds(objects)
        self.has_picture |= _PICTURE in kinds
        self._has_shading |= _SHADING in kinds or _PICTURE in kinds
        looks = iter(self._looks_of([each for each, kind in zip(objects, kinds, strict=True) if kind == _TEXT]))
        if _GROUP not in kinds:
            self._objects += zip(kinds, objects, repeat(place))
            self._looks += looks
            return
        for each, kind in zip(objects, kinds, strict=True):
            if kind == _GROUP and depth < _MAX_DEPTH:
                inner = self._matrix(each) if place is None else _product(self._matrix(each), place)
                self._add(pdf_calls.objects_in(each, MAX_OBJECTS), inner, depth=depth + 1)
            elif kind != _GROUP:
                self._objects.append((kind, each, place))
                self._looks += [next(looks)] if kind == _TEXT else []

    def _looks_of(self, texts: Sequence[int]) -> list[_Look]:
        """Return how texts are drawn, and note whether one of them is odd."""
        modes, fills, clipped = pdf_calls.modes(texts), pdf_calls.fills(texts), self._clipped(texts)
        known: dict[tuple[int, pdf_calls.Colour | None, bool], _Look] = {}
        found = []
        for at, style in enumerate(zip(modes, fills, clipped, strict=True)):
            look = known.get(style)
            if look is None:
                look = self._look_of(texts[at], *style)
                if style[0] == _FILLED:
                    known[style] = look
            found.append(look)
        return found

    def _look_of(self, each: int, mode: int, fill: pdf_calls.Colour | None, is_clipped: bool) -> _Look:  # noqa: FBT001
        colour, opacity = _plain(fill)
        if mode != _FILLED:
            self._is_odd = True
            outline = _plain(*pdf_calls.outlines([each]))
            if mode == _OUTLINED:
                colour, opacity = outline
            elif outline[0] != colour:
                colour, opacity = _MANY, max(opacity, outline[1])
        is_odd = is_clipped or opacity <= _CLEAR or _is_white(colour)
        self._is_odd |= is_odd
        return mode, colour, opacity, is_clipped, is_odd

    def _texts(self) -> list[Text]:
        """Return the texts that were looked at, in the order in which they are drawn."""
        texts = [(each, place) for kind, each, place in self._objects if kind == _TEXT]
        boxes = pdf_calls.bounds([each for each, _ in texts])
        return [
            Text(each, place, box if place is None else _moved(box, place), *look)
            for (each, place), box, look in zip(texts, boxes, self._looks, strict=True)
        ]

    def _areas(self) -> "list[_Area | None]":
        """Return what each of the other objects paints over, in the order in which they are drawn."""
        others = [one for one in self._objects if one[0] != _TEXT]
        boxes = pdf_calls.bounds([each for _, each, _ in others])
        return [self._area(*one, box) for one, box in zip(others, boxes, strict=True)]

    def _in_order(self, texts: Iterable[Text], areas: "Iterable[_Area | None]") -> "Iterator[Text | _Area | None]":
        texts, areas = iter(texts), iter(areas)
        return (next(texts) if kind == _TEXT else next(areas) for kind, _, _ in self._objects)

    def _matrix(self, each: int) -> Matrix:
        matrix = self._raw.FS_MATRIX()
        self._raw.FPDFPageObj_GetMatrix(pdf_calls.object_at(each), ctypes.byref(matrix))
        return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f

    def _clipped(self, texts: Sequence[int]) -> list[bool]:
        """Return for each text whether a part of it lies beyond its clip, or may do so."""
        found = pdf_calls.clips(texts)
        if all(n_paths <= 0 for _, n_paths in found):
            return [False] * len(texts)
        boxes = pdf_calls.bounds(texts)
        return [
            n_paths > 0 and _is_beyond(clip, n_paths, box) for (clip, n_paths), box in zip(found, boxes, strict=True)
        ]

    # --- what is odd

    def _are_odd(self, runs: Sequence[Run]) -> bool:
        """Whether some runs stand beside the page or are too small to read."""
        left, bottom, right, top = self.box
        for run in runs:
            x, low, end, high = run
            if high - low < LEAST_SIZE or end - x < LEAST_SIZE:
                return True
            if (x < left or low < bottom or end > right or high > top) and self._is_beside(run):
                return True
        return False

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
        own = self._matrix(text.address)
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

    def _in_odd_places(self, drawn: Iterable["Text | _Area | None"]) -> set[Text]:
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

    def _area(self, kind: int, each: int, place: Matrix | None, own_box: Box) -> "_Area | None":
        """Return what an object paints over; None for lines and what lets most through."""
        box = own_box if place is None else _moved(own_box, place)
        if box[2] - box[0] < _THICK or box[3] - box[1] < _THICK:
            return None
        if kind != _PATH:
            return _Area(box, _PICTURED, is_picture=kind == _PICTURE)
        raw, handle = self._raw, pdf_calls.object_at(each)
        mode, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(handle, ctypes.byref(mode), ctypes.byref(stroke))
        if mode.value:
            colour, opacity = _plain(*pdf_calls.fills([each]))
        else:
            width = ctypes.c_float()
            raw.FPDFPageObj_GetStrokeWidth(handle, ctypes.byref(width))
            if width.value < _THICK:
                return None
            colour, opacity = _plain(*pdf_calls.outlines([each]))
        return _Area(box, colour, is_picture=False) if opacity >= _OPAQUE else None


def _plain(colour: pdf_calls.Colour | None) -> tuple[int, int]:
    """Return a colour, red first, and its opacity."""
    if colour is None:
        return _MANY, 255
    red, green, blue, opacity = colour
    return red << 16 | green << 8 | blue, opacity


def _is_long(left: float, bottom: float, right: float, top: float) -> bool:
    return right - left > _DASH and right - left > _LONG * (top - bottom)


def _is_beyond(clip: int, n_paths: int, box: Box) -> bool:
    """Whether a part of a box lies beyond a clip, or may do so."""
    for path in range(n_paths):
        points = pdf_calls.points_of_clip(clip, path, _MAX_CLIP_POINTS)
        if not points:
            return True
        xs, ys = zip(*points, strict=True)
        if box[0] < min(xs) - 1 or box[1] < min(ys) - 1 or box[2] > max(xs) + 1 or box[3] > max(ys) + 1:
            return True
    return False


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
