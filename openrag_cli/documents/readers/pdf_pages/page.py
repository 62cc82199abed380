"""The text of one page: what can be seen of it, in reading order, and whether pictures stand on it."""

import ctypes
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.notes import letters
from openrag_cli.documents.readers.base import Source
from openrag_cli.documents.readers.pdf_pages.bidi import RIGHT_TO_LEFT, glyphs_of, with_lines_turned
from openrag_cli.documents.readers.pdf_pages.columns import MAX_RUNS, Run, woven_columns
from openrag_cli.documents.readers.pdf_pages.raised import raised_pieces, replaced
from openrag_cli.documents.readers.pdf_pages.ruled import Drawn, Grid, grids, pieces_of, with_tables

MAX_OBJECTS = 4_000
"""Of a page with more objects only the first are looked at for what is hidden."""

_MAX_DEPTH = 4  # of groups within groups
BROKEN = "\ufffe"
"""Where a word was broken at a line's end, as PDFium marks it, and joined: `hyphens.py` decides whether a hyphen stays."""

# Control characters come from fonts without a Unicode map.
_BROKEN = re.compile("[\ufffe\x02]+")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\uffff\ud800-\udfff]")
_HYPHEN_AT_END = re.compile(r"(?<=[^\W\d_])\u2010\n(?=[^\W\d_])")  # PDFium knows the one of ASCII alone
_LEAST_SIDE = 72.0  # points; the box of a smaller page says nothing of what its text is for
_SAMPLE = 400  # objects
_LEAST_CHARS = 80  # of a page that may have columns
_WHITE = 250
_CLEAR = 5  # of 255
_MARGIN = 1.0  # points
# PDFium's numbers (fpdf_edit.h): kinds of objects, and how text is drawn.
_TEXT, _PATH, _PICTURE, _GROUP = 1, 2, 3, 5
_FILLED, _OUTLINED, _INVISIBLE, _CLIP = 0, 1, 3, 7

Box = tuple[float, float, float, float]
Placed = tuple[Any, Any]
"""The group that holds an object, None for the page itself, and the object."""


@dataclass(frozen=True, slots=True)
class PageText:
    """A page: its text and, for one without, whether a picture stands on it."""

    text: str
    has_picture: bool
    table: Drawn | None = None
    """The table that ends the page."""


def page_text(
    source: Source, page: Any, layers_off: Callable[[], frozenset[str]], before: Drawn | None = None
) -> PageText:
    """Return the text of an open page; `layers_off` says which layers of the document are off, `before` is the table
    that ends the page before."""
    glance = _Glance(page)
    with ExitStack() as stack:
        text_page = stack.enter_context(_text_page(page))
        text, runs = _text_and_runs(text_page)
        if glance.is_odd or layers_off() or not text.strip() or glance.is_left_by(runs):
            seen = _Look(page, layers_off, glance)
            hidden = seen.hidden if seen.has_picture else [*seen.hidden, *seen.invisible]
            has_picture = seen.has_picture
            if hidden and _left_out(source, page, text_page, hidden):
                stack.close()
                text_page = stack.enter_context(_text_page(page))
                text, runs = _text_and_runs(text_page)
        else:
            has_picture = False  # which is asked of pages without text alone
        tables = grids(glance.paths()) if glance.has_lines else []
        text, table = _arranged(text, runs, text_page, tables, before)
    return PageText(text.strip("\n"), has_picture, table)


def _arranged(
    text: str, runs: Sequence[Run], text_page: Any, tables: Sequence[Grid], before: Drawn | None
) -> tuple[str, Drawn | None]:
    """Return the text of a page as it is read (raised pieces apart, tables in rows, columns one after the other), and
    the table that ends it."""
    table = None
    plain = text
    raised = raised_pieces(text, runs, text_page) if len(runs) <= MAX_RUNS else []
    if tables and not RIGHT_TO_LEFT.search(text):
        text, table = with_tables(*pieces_of(text, raised, text_page), tables, before)
    else:
        text = replaced(text, raised)
        if len(text) > _LEAST_CHARS and 0 < len(runs) == text_page.count_rects():
            text = woven_columns(runs, lambda box: str(text_page.get_text_bounded(*box))) or text
    if text != plain and (letters(plain) - letters(text)).total() * 20 > len(plain):
        text, table = plain, None  # better out of order than not there
    return with_lines_turned(_cleaned(text), lambda: glyphs_of(text_page)), table


def _text_and_runs(text_page: Any) -> tuple[str, list[Run]]:
    """Return the text of a page and where its stretches are; of more than `MAX_RUNS` some."""
    from pypdfium2 import raw

    text = str(text_page.get_text_range())
    n_runs = text_page.count_rects() if text.strip() else 0
    step = 1 if n_runs <= MAX_RUNS else n_runs // _SAMPLE
    sides = tuple(ctypes.c_double() for _ in range(4))
    handle, references = text_page.raw, tuple(map(ctypes.byref, sides))
    left, top, right, bottom = sides
    return text, [
        Run(left.value, bottom.value, right.value, top.value)
        for at in range(0, n_runs, step)
        if raw.FPDFText_GetRect(handle, at, *references)
    ]


def _left_out(source: Source, page: Any, text_page: Any, hidden: list[Placed]) -> bool:
    """Whether text that cannot be seen was there and is taken off the page."""
    text = " ".join(filter(None, (_object_text(each, text_page) for _, each in hidden)))
    if not text or not source.is_hidden(text):
        return False
    for parent, each in hidden:
        _remove(page, parent, each)
    return True


class _text_page:  # noqa: N801 - used as a function
    """Open the text of a page and close it again."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def __enter__(self) -> Any:
        self._text_page = self._page.get_textpage()
        return self._text_page

    def __exit__(self, *_: object) -> None:
        self._text_page.close()


def _cleaned(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad\n", "-\n").replace("\xad", "")
    text = _HYPHEN_AT_END.sub(BROKEN, text)
    return _CONTROLS.sub("", _BROKEN.sub(BROKEN, text))


# --- what cannot be seen


class _Glance:
    """Looks over the objects of a page for text that may not be seen; of very many some, since each costs time."""

    def __init__(self, page: Any) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._page = page.raw
        self._parts = tuple(ctypes.c_uint() for _ in range(4))
        self._references = tuple(map(ctypes.byref, self._parts))
        self._paths: list[Any] = []
        self.box: Box = page.get_bbox()  # what is inherited included
        self.has_room = min(self.box[2] - self.box[0], self.box[3] - self.box[1]) >= _LEAST_SIDE
        self.n_objects = min(raw.FPDFPage_CountObjects(self._page), MAX_OBJECTS)
        self._step = max(1, self.n_objects // _SAMPLE)
        get, kind_of = raw.FPDFPage_GetObject, raw.FPDFPageObj_GetType
        odd = False
        for at in range(0, self.n_objects, self._step):
            each = get(self._page, at)
            kind = kind_of(each)
            if kind == _PATH:
                self._paths.append(each)
            elif not odd:
                odd = self._is_odd(each, kind, depth=0)
        self.is_odd = odd

    @property
    def has_lines(self) -> bool:
        """Whether something is drawn on the page that may be a line."""
        return bool(self._paths)

    def paths(self) -> list[Any]:
        """Return the drawings of the page."""
        if self._step == 1:
            return self._paths
        get, kind_of = self._raw.FPDFPage_GetObject, self._raw.FPDFPageObj_GetType
        objects = (get(self._page, at) for at in range(self.n_objects))
        return [each for each in objects if kind_of(each) == _PATH]

    def is_left_by(self, runs: Sequence[Run]) -> bool:
        """Whether some of the runs stand outside of the page."""
        left, bottom, right, top = self.box
        return self.has_room and any(
            run.right < left or run.left > right or run.top < bottom or run.bottom > top for run in runs
        )

    def _is_odd(self, each: Any, kind: int, *, depth: int) -> bool:
        raw = self._raw
        if kind == _TEXT:
            if raw.FPDFTextObj_GetTextRenderMode(each) != _FILLED:
                return True
            red, green, blue, opacity = self._parts
            is_known = raw.FPDFPageObj_GetFillColor(each, *self._references)
            is_white = red.value >= _WHITE and green.value >= _WHITE and blue.value >= _WHITE
            return bool(is_known and (is_white or opacity.value <= _CLEAR))
        if kind == _GROUP and depth < _MAX_DEPTH:
            n = min(raw.FPDFFormObj_CountObjects(each), MAX_OBJECTS)
            inner = (raw.FPDFFormObj_GetObject(each, at) for at in range(n))
            return any(self._is_odd(one, raw.FPDFPageObj_GetType(one), depth=depth + 1) for one in inner)
        return False


class _Look:
    """Looks through the objects of a page in the order they are drawn, for what cannot be seen. Numbers go through
    buffers made once."""

    def __init__(self, page: Any, layers_off: Callable[[], frozenset[str]], glance: _Glance) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._layers_off = layers_off
        self._floats = tuple(ctypes.c_float() for _ in range(4))
        self._ints = tuple(ctypes.c_uint() for _ in range(4))
        self._float_refs = tuple(map(ctypes.byref, self._floats))
        self._int_refs = tuple(map(ctypes.byref, self._ints))
        self._box, self._has_room = glance.box, glance.has_room
        self._coloured: list[Box] = []
        self._white_in_groups: list[Placed] = []
        self.hidden: list[Placed] = []
        self.invisible: list[Placed] = []
        self.has_picture = False
        for at in range(glance.n_objects):
            self._object((None, raw.FPDFPage_GetObject(page, at)), depth=0)
        if not self._coloured:
            self.hidden += self._white_in_groups

    def _object(self, placed: Placed, *, depth: int) -> None:
        raw, each = self._raw, placed[1]
        kind = raw.FPDFPageObj_GetType(each)
        n_marks = raw.FPDFPageObj_CountMarks(each)
        if n_marks > 0 and self._is_on_layer_off(each, n_marks):
            self.hidden += self._texts(placed, depth=depth)
        elif kind == _TEXT:
            self._text(placed)
        elif kind == _GROUP:
            if not depth and self._has_room and _is_outside(self._bounds(each), self._box):
                self.hidden += self._texts(placed, depth=depth)
                return
            for inner in self._members(each, depth=depth):
                self._object(inner, depth=depth + 1)
        else:
            self.has_picture |= kind == _PICTURE
            if kind != _PATH or self._is_filled(each):
                self._coloured.append(self._bounds(each))

    def _members(self, group: Any, *, depth: int) -> list[Placed]:
        raw = self._raw
        n = min(raw.FPDFFormObj_CountObjects(group), MAX_OBJECTS) if depth < _MAX_DEPTH else 0
        return [(group, raw.FPDFFormObj_GetObject(group, at)) for at in range(n)]

    def _texts(self, placed: Placed, *, depth: int) -> list[Placed]:
        """Return the texts that an object is or holds."""
        kind = self._raw.FPDFPageObj_GetType(placed[1])
        if kind != _GROUP:
            return [placed] if kind == _TEXT else []
        members = self._members(placed[1], depth=depth)
        return [text for member in members for text in self._texts(member, depth=depth + 1)]

    def _text(self, placed: Placed) -> None:
        parent, each = placed
        mode = self._raw.FPDFTextObj_GetTextRenderMode(each)
        if mode in {_INVISIBLE, _CLIP}:
            self.invisible.append(placed)
            return
        is_white, is_clear = self._paint(each, mode)
        if is_clear:
            self.hidden.append(placed)
        elif parent is not None:  # its place is that of the group, which is not known here
            self._white_in_groups += [placed] if is_white else []
        else:
            bounds = self._bounds(each)
            is_outside = self._has_room and _is_outside(bounds, self._box)
            if is_outside or (is_white and not any(_overlap(bounds, box) for box in self._coloured)):
                self.hidden.append(placed)

    def _paint(self, text: Any, mode: int) -> tuple[bool, bool]:
        """Return whether a text is drawn in white alone, and whether it lets everything through."""
        raw = self._raw
        calls = {_FILLED: [raw.FPDFPageObj_GetFillColor], _OUTLINED: [raw.FPDFPageObj_GetStrokeColor]}.get(
            mode, [raw.FPDFPageObj_GetFillColor, raw.FPDFPageObj_GetStrokeColor]
        )
        white, clear = [], []
        for call in calls:
            is_known = bool(call(text, *self._int_refs))
            red, green, blue, opacity = (each.value for each in self._ints)
            white.append(is_known and min(red, green, blue) >= _WHITE)
            clear.append(is_known and opacity <= _CLEAR)
        return all(white), all(clear)

    def _is_on_layer_off(self, each: Any, n_marks: int) -> bool:
        raw = self._raw
        for at in range(n_marks):
            mark = raw.FPDFPageObj_GetMark(each, at)
            if _mark_text(raw.FPDFPageObjMark_GetName, mark) != "OC":
                continue
            name = _mark_text(
                lambda *rest: raw.FPDFPageObjMark_GetParamStringValue(rest[0], b"Name", *rest[1:]), mark
            )
            if name in self._layers_off():
                return True
        return False

    def _bounds(self, each: Any) -> Box:
        self._raw.FPDFPageObj_GetBounds(each, *self._float_refs)
        left, bottom, right, top = self._floats
        return left.value, bottom.value, right.value, top.value

    def _is_white(self, each: Any) -> bool:
        if not self._raw.FPDFPageObj_GetFillColor(each, *self._int_refs):
            return False
        red, green, blue, _ = self._ints
        return red.value >= _WHITE and green.value >= _WHITE and blue.value >= _WHITE

    def _is_filled(self, each: Any) -> bool:
        """Whether a drawing has a colour other than white in it."""
        mode, stroke = ctypes.c_int(), ctypes.c_int()
        self._raw.FPDFPath_GetDrawMode(each, ctypes.byref(mode), ctypes.byref(stroke))
        return mode.value != 0 and not self._is_white(each)


def _mark_text(call: Callable[..., Any], mark: Any) -> str:
    size = ctypes.c_ulong()
    buffer = (ctypes.c_ushort * 256)()
    if not call(mark, buffer, ctypes.sizeof(buffer), ctypes.byref(size)) or size.value > ctypes.sizeof(buffer):
        return ""
    return bytes(buffer)[: max(0, size.value - 2)].decode("utf-16-le", "replace")


def _is_outside(bounds: Box, box: Box) -> bool:
    left, bottom, right, top = bounds
    is_known = right > left or top > bottom
    return is_known and (right < box[0] or left > box[2] or top < box[1] or bottom > box[3])


def _overlap(one: Box, other: Box) -> bool:
    """Whether the middle of one box lies within the other."""
    x, y = (one[0] + one[2]) / 2, (one[1] + one[3]) / 2
    left, bottom, right, top = other
    return left - _MARGIN <= x <= right + _MARGIN and bottom - _MARGIN <= y <= top + _MARGIN


def _object_text(each: Any, text_page: Any) -> str:
    from pypdfium2 import raw

    size = raw.FPDFTextObj_GetText(each, text_page, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    raw.FPDFTextObj_GetText(each, text_page, buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace").strip()


def _remove(page: Any, parent: Any, each: Any) -> None:
    from pypdfium2 import raw

    is_removed = (
        raw.FPDFPage_RemoveObject(page, each) if parent is None else raw.FPDFFormObj_RemoveObject(parent, each)
    )
    if is_removed:
        raw.FPDFPageObj_Destroy(each)
