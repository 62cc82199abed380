"""Taking out of a page what a browser does not show, before it is read.

What is gone with all that it holds (`display: none`, off the screen, clipped away) is taken out whole; what a child may
undo (`visibility`, a size of nought, the colour of the ground) goes text by text.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openrag_cli.documents.readers.unseen.cascade import Cascade
from openrag_cli.documents.readers.unseen.css import Rgb, colour, is_clear, is_faint, is_shown_medium, pixels

Hide = Callable[[str], bool]

_WITHOUT_TEXT = frozenset({"script", "style", "head", "title"})
_NEVER_SHOWN = frozenset({"template", "noscript"})
_STORED = frozenset({"defs", "symbol", "clippath", "mask", "marker", "pattern"})
"""Elements of a drawing that are shown where something uses them."""

_ATTRIBUTES = ("visibility", "fill", "fill-opacity", "stroke", "font-size")
"""What an element of a drawing may say outside of its style."""

_FAR = -900.0  # pixels
_TINY = 1.5
_CLOSE = 10  # of 255, in each colour
_BARE_PAGE = frozenset({"html", "body"})
_FONT = re.compile(r"(?:^|\s)([\d.]+[a-z%]*)(?:\s*/|\s+\S)")
_PLACED = frozenset({"absolute", "fixed", "sticky"})
_UNKNOWN_GROUND = ("background-image", "text-shadow")
_COLOURED = re.compile(r"#[0-9a-f]{3,8}\b|rgba?\([^)]*\)|[a-z]+")
_IMAGE = re.compile(r"url\(|gradient|image|var\(")


@dataclass(frozen=True, slots=True)
class _State:
    """How the text of an element looks. `ink`, `ground`: colours, None for one that is not known."""

    ink: Rgb | None = (0, 0, 0)
    ground: Rgb | None = (255, 255, 255)
    is_clear: bool = False
    is_invisible: bool = False
    is_tiny: bool = False
    is_unfilled: bool = False
    is_stroked: bool = False
    is_drawing: bool = False

    @property
    def is_unseen(self) -> bool:
        """Whether nobody sees a text that looks so."""
        if self.is_invisible or self.is_tiny or self.is_clear:
            return True
        if self.is_drawing:
            return self.is_unfilled and not self.is_stroked
        if self.ink is None or self.ground is None:
            return False
        return all(abs(one - other) <= _CLOSE for one, other in zip(self.ink, self.ground, strict=True))


def take_out(root: Any, hide: Hide, sheets: Iterable[str] | None = ()) -> None:
    """Take what a browser does not show out of a tree of lxml; `hide` is asked of each piece.

    `sheets` are style sheets that belong to the page beside its own; None: there are some that are not known.
    """
    if not hide(""):
        return
    styles = [style for style in root.iter() if _name(style) == "style" and is_shown_medium(style.get("media"))]
    own = ["".join(style.itertext()) for style in styles]
    given = list(sheets or ())
    has_others = sheets is None or any("@import" in css for css in [*given, *own])
    if not given:
        has_others |= any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
    cascade = Cascade(root, [*given, *own], has_others=has_others)
    used = {
        value.lstrip("#")
        for use in root.iter()
        if _name(use) == "use"
        for key, value in use.attrib.items()
        if key.endswith("href")
    }
    waiting = [(root, _State(is_drawing=_name(root) == "svg"))]
    while waiting:
        element, state = waiting.pop()
        said = cascade.of(element)
        if element is not root and _is_gone(element, said, used) and hide(_text(element)):
            _drop(element)
            continue
        if said or element.attrib or _name(element) == "svg":
            state = _under(element, said, state, knows_colours=cascade.knows_colours)
        if state.is_unseen:
            _blank(element, hide)
        waiting += [(child, state) for child in reversed(element) if _name(child) not in _WITHOUT_TEXT]


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _drop(element: Any) -> None:
    """Remove an element; what stands behind it stays."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _blank(element: Any, hide: Hide) -> None:
    """Remove the texts that stand in an element itself."""
    text = " ".join(" ".join([element.text or "", *(child.tail or "" for child in element)]).split())
    if text and hide(text):
        element.text = None
        for child in element:
            child.tail = " " if child.tail else None


# --- what is gone whole


def _is_gone(element: Any, said: Mapping[str, str], used: set[str]) -> bool:
    name = _name(element)
    if (
        name in _NEVER_SHOWN
        or element.get("display") == "none"
        or (name == "dialog" and "open" not in element.attrib)
    ):
        return True
    if "hidden" in element.attrib:
        return bool(element.get("hidden") != "until-found")
    if name in _STORED:
        return not any(each.get("id") in used for each in element.iter() if isinstance(each.tag, str))
    if is_faint(element.get("opacity") or "1"):
        return True
    return bool(said) and name not in _BARE_PAGE and (_is_put_away(said) or _is_cut_away(said))


def _is_put_away(said: Mapping[str, str]) -> bool:
    if said.get("display") == "none" or said.get("content-visibility") == "hidden" or said.get("mso-hide") == "all":
        return True
    if is_faint(said.get("opacity", "1")):
        return True
    if said.get("position") in {"absolute", "fixed"}:
        sides = (pixels(said.get(side, "")) for side in ("left", "top", "right", "bottom"))
        if any(side is not None and side <= _FAR for side in sides):
            return True
    indent = pixels(said.get("text-indent", ""))
    return indent is not None and indent <= _FAR


def _is_cut_away(said: Mapping[str, str]) -> bool:
    clip = said.get("clip", "").replace(" ", ",")
    if said.get("position") in {"absolute", "fixed"} and clip.startswith("rect("):
        edges = [pixels(edge) for edge in clip[5:].rstrip(")").split(",") if edge]
        if edges and all(edge is not None and abs(edge) <= 1 for edge in edges):
            return True
    if re.match(r"(?:inset\((?:50|100)%|circle\(0)", said.get("clip-path", "")):
        return True
    if re.search(r"\bscale(?:3d|x|y)?\(\s*0(?:\.0+)?\s*[,)]", said.get("transform", "")):
        return True
    is_cut = any(
        said.get(name, "").startswith(("hidden", "clip")) for name in ("overflow", "overflow-x", "overflow-y")
    )
    sizes = (pixels(said.get(name, "")) for name in ("width", "height", "max-width", "max-height"))
    return is_cut and any(size is not None and abs(size) <= 1 for size in sizes)


# --- what a child may undo


def _under(element: Any, said: Mapping[str, str], state: _State, *, knows_colours: bool) -> _State:
    """Return how the text of an element looks, from how that of its parent does."""
    name = _name(element)
    if name == "svg":
        state = replace(state, is_drawing=True)
    if state.is_drawing:
        said = {**{key: element.get(key).strip().lower() for key in _ATTRIBUTES if element.get(key)}, **said}
    if name in _BARE_PAGE:
        said = {key: value for key, value in said.items() if key != "visibility"}  # until its script has run
    if "visibility" in said:
        state = replace(state, is_invisible=said["visibility"] in {"hidden", "collapse"})
    size = said.get("font-size") or _size_of(said.get("font", ""))
    if size:
        length = pixels(size) if size[-1:] != "%" else 0.0 if size.strip("0.%") == "" else None
        is_relative = size.endswith(("em", "%")) and not size.endswith("rem")
        is_tiny = length is not None and length <= _TINY
        state = replace(state, is_tiny=is_tiny or (is_relative and state.is_tiny))
    if state.is_drawing:
        return _filled(said, state)
    return _coloured(element, said, state) if knows_colours else state


def _size_of(font: str) -> str:
    found = _FONT.search(font)
    return found[1] if found else ""


def _filled(said: Mapping[str, str], state: _State) -> _State:
    if "fill" in said:
        state = replace(state, is_unfilled=said["fill"] == "none" or is_clear(said["fill"]))
    if "fill-opacity" in said and is_faint(said["fill-opacity"]):
        state = replace(state, is_unfilled=True)
    return replace(state, is_stroked=said["stroke"] != "none") if "stroke" in said else state


def _coloured(element: Any, said: Mapping[str, str], state: _State) -> _State:
    name = _name(element)
    ground = said.get("background-color") or said.get("background") or (element.get("bgcolor") or "").lower()
    if said.get("position") in _PLACED or element.get("background") or any(key in said for key in _UNKNOWN_GROUND):
        state = replace(state, ground=None)
    elif ground:
        state = replace(state, ground=_ground(ground, state.ground))
    ink = said.get("-webkit-text-fill-color") or said.get("color")
    if not ink and name == "font":
        ink = (element.get("color") or "").lower()
    if not ink and name == "body":
        ink = (element.get("text") or "").lower()
    if not ink or ink in {"inherit", "currentcolor", "unset"}:
        return state
    is_cut_out = "text" in (said.get("background-clip", ""), said.get("-webkit-background-clip", ""))
    return replace(state, ink=colour(ink), is_clear=is_clear(ink) and not is_cut_out and "text-shadow" not in said)


def _ground(value: str, before: Rgb | None) -> Rgb | None:
    """Return the colour of a ground; None where it is not known, or a picture."""
    if value in {"none", "transparent", "inherit", "unset", "initial"} or is_clear(value):
        return before
    if _IMAGE.search(value):
        return None
    found = _COLOURED.search(value)
    return colour(found[0]) if found else before
