"""Calls of PDFium for many things at a time.

To make a pointer of each object and a number of each answer takes several times as long as PDFium needs. Here addresses
are plain numbers, what goes through them is `map`, and PDFium writes all of its numbers into one buffer.
"""

import ctypes
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import repeat
from typing import Any

ADDRESS, INT, DOUBLE = ctypes.c_void_p, ctypes.c_int, ctypes.c_double

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

Colour = tuple[int, int, int, int]
"""Red, green, blue, opacity."""


@cache
def call(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of PDFium that takes and gives addresses as numbers. Other threads wait while it runs."""
    from pypdfium2 import raw

    return ctypes.PYFUNCTYPE(result, *arguments)(address(getattr(raw, name)))


def address(pointer: Any) -> int:
    """Return the address that a pointer holds."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def object_at(where: int) -> Any:
    """Return the pointer to the object of a page at an address."""
    from pypdfium2 import raw

    return ctypes.cast(where, raw.FPDF_PAGEOBJECT)


def objects_of(page: int, places: range) -> list[int]:
    """Return the objects at some places of a page."""
    # The place goes as an address too, of which PDFium reads the lower half: ctypes takes longer over an int.
    return list(map(call("FPDFPage_GetObject", ADDRESS, ADDRESS, ADDRESS), repeat(page), places))


def objects_in(group: int, most: int) -> list[int]:
    """Return up to so many objects of a group."""
    n_objects = min(call("FPDFFormObj_CountObjects", INT, ADDRESS)(group), most)
    get = call("FPDFFormObj_GetObject", ADDRESS, ADDRESS, ctypes.c_ulong)
    return list(map(get, repeat(group), range(n_objects)))


def kinds(objects: Iterable[int]) -> list[int]:
    """Return which kind each object is of."""
    return list(map(call("FPDFPageObj_GetType", INT, ADDRESS), objects))


def modes(texts: Iterable[int]) -> list[int]:
    """Return how each text is drawn: filled, as outlines, not at all."""
    return list(map(call("FPDFTextObj_GetTextRenderMode", INT, ADDRESS), texts))


def clips(objects: Iterable[int]) -> list[tuple[int, int]]:
    """Return the clip of each object and how many paths it has."""
    found = list(map(call("FPDFPageObj_GetClipPath", ADDRESS, ADDRESS), objects))
    return list(zip(found, map(call("FPDFClipPath_CountPaths", INT, ADDRESS), found), strict=True))


def bounds(objects: Sequence[int]) -> list[Box]:
    """Return the box of each object, where its group places it not counted."""
    get = call("FPDFPageObj_GetBounds", INT, ADDRESS, *[ADDRESS] * 4)
    return _groups(get, "f", len(objects), (0, 1, 2, 3), objects)[1]


def fills(objects: Sequence[int]) -> list[Colour | None]:
    """Return the colour that each object is filled with; None for a pattern."""
    return _colours("FPDFPageObj_GetFillColor", objects)


def outlines(objects: Sequence[int]) -> list[Colour | None]:
    """Return the colour of each object's outline; None for a pattern."""
    return _colours("FPDFPageObj_GetStrokeColor", objects)


def _colours(name: str, objects: Sequence[int]) -> list[Colour | None]:
    get = call(name, INT, ADDRESS, *[ADDRESS] * 4)
    is_known, colours = _groups(get, "I", len(objects), (0, 1, 2, 3), objects)
    if all(is_known):
        return colours
    return [colour if known else None for known, colour in zip(is_known, colours, strict=True)]


def stretches(text_page: int, places: range) -> list[Box]:
    """Return the boxes of some stretches of a page's text, in double precision."""
    get = call("FPDFText_GetRect", INT, ADDRESS, INT, *[ADDRESS] * 4)
    is_there, boxes = _groups(
        get, "d", len(places), (0, 3, 2, 1), repeat(text_page), places
    )  # left, top, right, bottom
    return [box for there, box in zip(is_there, boxes, strict=True) if there]


def _groups(
    function: Callable[..., int], kind: str, n: int, order: Sequence[int], *arguments: Iterable[int]
) -> tuple[list[int], list[Any]]:
    """Call a function `n` times with the addresses of a few numbers; return its answers, and those numbers.

    `order` says where among them each goes.
    """
    size, length = struct.calcsize(kind), len(order) * struct.calcsize(kind)
    buffer = (ctypes.c_char * (length * n))()
    start, end = ctypes.addressof(buffer), ctypes.addressof(buffer) + len(buffer)
    targets = [range(start + at * size, end, length) for at in order]
    answers = list(map(function, *arguments, *targets))
    return answers, list(struct.iter_unpack(f"{len(order)}{kind}", buffer))


def points_of_clip(clip: int, path: int, most: int) -> list[tuple[float, float]]:
    """Return the points of a path of a clip; none where it has more than `most`."""
    n_points = call("FPDFClipPath_CountPathSegments", INT, ADDRESS, INT)(clip, path)
    if not 0 < n_points <= most:
        return []
    get = call("FPDFClipPath_GetPathSegment", ADDRESS, ADDRESS, INT, INT)
    return points(list(map(get, repeat(clip), repeat(path), range(n_points))))


def points(segments: Sequence[int]) -> list[tuple[float, float]]:
    """Return where each segment of a path ends."""
    return _pairs(call("FPDFPathSegment_GetPoint", INT, *[ADDRESS] * 3), "f", len(segments), segments)


def n_segments(path: int) -> int:
    """Return how many segments a drawing is made of."""
    found: int = call("FPDFPath_CountSegments", INT, ADDRESS)(path)
    return found


def has_outline(path: int) -> bool:
    """Return whether the outline of a drawing is drawn."""
    fill, outline = ctypes.c_int(), ctypes.c_int()
    call("FPDFPath_GetDrawMode", INT, ADDRESS, ADDRESS, ADDRESS)(path, ctypes.byref(fill), ctypes.byref(outline))
    return bool(outline.value)


def origins(text_page: int, n_chars: int) -> list[tuple[int, tuple[float, float]]]:
    """Return for each of the first characters of a page its place in the text (below 0: none), and where it stands."""
    at = list(map(call("FPDFText_GetTextIndexFromCharIndex", INT, ADDRESS, INT), repeat(text_page), range(n_chars)))
    get = call("FPDFText_GetCharOrigin", INT, ADDRESS, INT, ADDRESS, ADDRESS)
    return list(zip(at, _pairs(get, "d", n_chars, repeat(text_page), range(n_chars)), strict=True))


def _pairs(function: Callable[..., int], kind: str, n: int, *arguments: Iterable[int]) -> list[tuple[float, float]]:
    return _groups(function, kind, n, (0, 1), *arguments)[1]
