"""What nobody sees of a slide: shapes beside it, words that are clear, of a point at most, or white on a white slide."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from openrag_cli.documents.readers.package import Package, attribute, child_of, local, number_of
from openrag_cli.documents.readers.slides.order import Box

_TINY = 100  # hundredths of a point
_WHITE = re.compile(r"f[a-f](?:f[a-f]){2}", re.IGNORECASE)
_FILLS = frozenset({"solidFill", "gradFill", "blipFill", "pattFill", "grpFill"})
_WHITE_NAMES = frozenset({"bg1", "lt1"})
_DRAWN = frozenset({"sp", "pic", "graphicFrame", "grpSp"})
_SIZE = (9144000, 6858000)


def slide_size(package: Package, main: str) -> tuple[int, int]:
    """Return how wide and high the slides of a presentation are."""
    root = package.xml(main) if package.has(main) else None
    size = child_of(root, "sldSz") if root is not None else None
    if size is None:
        return _SIZE
    return number_of(attribute(size, "cx"), _SIZE[0]), number_of(attribute(size, "cy"), _SIZE[1])


def is_beside(box: Box, size: tuple[int, int]) -> bool:
    """Whether a shape stands outside of the slide, all of it."""
    if box.width <= 0 or box.height <= 0:
        return False
    return box.right <= 0 or box.left >= size[0] or box.top + box.height <= 0 or box.top >= size[1]


def take_out_words(shapes: list[tuple[Any, Box]], hide: Callable[[str], bool], *, is_white_slide: bool) -> None:
    """Take out of shapes what cannot be read of their words; `hide` is asked of each piece."""
    grounds = [box for shape, box in shapes if _has_fill(shape)]
    for shape, box in shapes:
        x, y = box.left + box.width / 2, box.top + box.height / 2
        is_on_paper = is_white_slide and local(shape) == "sp" and not _has_fill(shape)
        is_on_paper = is_on_paper and not any(
            ground.left <= x <= ground.right and ground.top <= y <= ground.top + ground.height for ground in grounds
        )
        for run in shape.iter():
            text = child_of(run, "t") if local(run) in {"r", "fld"} else None
            if text is None or not text.text or not _is_unseen(child_of(run, "rPr"), is_on_paper=is_on_paper):
                continue
            if hide(text.text):
                text.text = ""


def is_white_slide(package: Package, part: str) -> bool:
    """Whether a slide, its layout and its master have a white ground, and nothing but words on it."""
    for depth, (name, root) in enumerate(_line(package, part)):
        slide = child_of(root, "cSld")
        ground, tree = child_of(slide, "bg"), child_of(slide, "spTree")
        if ground is not None:
            names = {attribute(each, "val") for each in ground.iter() if local(each) == "schemeClr"}
            if not names or names - _WHITE_NAMES or not _is_light(package, name, root):
                return False
        if depth and tree is not None and any(_has_fill(shape) for shape in tree if local(shape) in _DRAWN):
            return False
    return True


def _line(package: Package, part: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, root) of a slide, its layout and its master."""
    for kind in ("slideLayout", "slideMaster", ""):
        root = package.xml(part) if package.has(part) else None
        if root is None:
            return
        yield part, root
        part = next((target for each, target, _ in package.relations(part).values() if each == kind), "")


def _is_light(package: Package, name: str, root: Any) -> bool:
    """Whether the first colour of the ground is white in the theme of a master."""
    mapped = child_of(root, "clrMap")
    if mapped is None:
        return True  # as its master has it
    theme = next((target for kind, target, _ in package.relations(name).values() if kind == "theme"), "")
    colours = package.xml(theme) if theme and package.has(theme) else None
    first = attribute(mapped, "bg1", "lt1")
    for each in colours.iter() if colours is not None else ():
        if local(each) == first:
            return any(_WHITE.fullmatch(attribute(c, "lastClr") or attribute(c, "val")) for c in each)
    return False


def _has_fill(shape: Any) -> bool:
    if local(shape) != "sp":
        return True
    own = child_of(shape, "spPr")
    fills = {local(each) for each in own} if own is not None else set()
    if fills & _FILLS:
        return True
    style = child_of(shape, "style", "fillRef")
    return "noFill" not in fills and style is not None and attribute(style, "idx", "0") != "0"


def _is_unseen(properties: Any, *, is_on_paper: bool) -> bool:
    if properties is None:
        return False
    if 0 < number_of(attribute(properties, "sz"), 1800) <= _TINY:
        return True
    fill = child_of(properties, "solidFill")
    if fill is None:
        return False
    for each in fill.iter():
        if local(each) == "alpha" and attribute(each, "val") in {"0", "0%"}:
            return True
    colour = child_of(fill, "srgbClr")
    return is_on_paper and colour is not None and bool(_WHITE.fullmatch(attribute(colour, "val")))
