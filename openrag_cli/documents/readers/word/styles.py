"""What Word's styles say of words and paragraphs, with what they have from their parents."""

import re
from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local, number_of
from openrag_cli.documents.readers.word.ground import is_shaded, is_white

_MAX_PARENTS = 20
_TINY = 2  # half points
_RAISED = 4  # half points; less is the fine work of a typesetter
_OFF = frozenset({"0", "false", "off"})
_HEADING = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_CODE = re.compile(r"(?:html preformatted|source ?code|code(?: ?block)?|verbatim|preformatted.*)", re.IGNORECASE)
_MONOSPACED = re.compile(
    r"courier|consolas|menlo|monaco|lucida console|\bmono\b|mono$|fixedsys|inconsolata", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Look:
    """How words look; None where nothing is said, and a style may."""

    is_bold: bool | None = None
    is_italic: bool | None = None
    is_struck: bool | None = None
    is_hidden: bool | None = None
    is_monospaced: bool | None = None
    shift: int | None = None
    is_tiny: bool | None = None
    is_white: bool | None = None
    is_marked: bool | None = None

    def over(self, other: "Look") -> "Look":
        """Return this look, with what it does not say from another."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in Look.__slots__)
        return Look(*(own if own is not None else theirs for own, theirs in pairs))


NOTHING = Look()


def look_of(properties: Any) -> Look:
    """Return the look that run properties (`rPr`) state."""
    if properties is None or not len(properties):
        return NOTHING
    said: dict[str, Any] = {}
    for entry in properties:
        name = local(entry)
        if name in _TOGGLES:
            said[_TOGGLES[name]] = attribute(entry, "val") not in _OFF
        elif name == "vertAlign":
            said["shift"] = {"superscript": 1, "subscript": -1}.get(attribute(entry, "val"), 0)
        elif name == "position" and "shift" not in said:
            height = number_of(attribute(entry, "val"), 0)
            said["shift"] = (height >= _RAISED) - (height <= -_RAISED)
        elif name == "rFonts":
            said["is_monospaced"] = bool(_MONOSPACED.search(attribute(entry, "ascii") or attribute(entry, "hAnsi")))
        elif name == "sz":
            said["is_tiny"] = number_of(attribute(entry, "val"), 24) <= _TINY
        elif name == "color":
            said["is_white"] = is_white(attribute(entry, "val"))
        elif name == "highlight" or (name == "shd" and is_shaded(entry)):
            said["is_marked"] = attribute(entry, "val") not in {"none", "white"}
    return Look(**said) if said else NOTHING


_TOGGLES = {
    "b": "is_bold", "i": "is_italic", "strike": "is_struck", "dstrike": "is_struck", "vanish": "is_hidden",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """What a style says of a whole paragraph. `level` is that of a heading; `number` and `indent` are of its list."""

    level: int | None = None
    is_code: bool = False
    number: str | None = None
    indent: int | None = None


class Styles:
    """The styles of one document, by id."""

    def __init__(self, root: Any) -> None:
        self._elements: dict[str, Any] = {}
        self._looks: dict[str, Look] = {}
        self._paragraphs: dict[str, ParagraphStyle] = {}
        for element in root if root is not None else ():
            if local(element) == "style":
                self._elements.setdefault(attribute(element, "styleId"), element)

    def look(self, style: str) -> Look:
        """Return the look of the words of a style."""
        if style not in self._looks:
            found = NOTHING
            for element in self._line(style):
                found = found.over(look_of(child_of(element, "rPr")))
            self._looks[style] = found
        return self._looks[style]

    def is_shaded(self, style: str) -> bool:
        """Whether a style of paragraphs or tables gives them, or parts of them, a ground."""
        return any(
            local(part) == "shd" and is_shaded(part) for element in self._line(style) for part in element.iter()
        )

    def paragraph(self, style: str) -> ParagraphStyle:
        """Return what a style says of its paragraphs."""
        if style not in self._paragraphs:
            self._paragraphs[style] = self._paragraph(style)
        return self._paragraphs[style]

    def _paragraph(self, style: str) -> ParagraphStyle:
        level: int | None = _level_of_name(style)
        is_code, number, indent = False, None, None
        for at, element in enumerate(self._line(style)):
            named = child_of(element, "name")
            name = attribute(named, "val") if named is not None else ""
            properties = child_of(element, "pPr")
            outline = child_of(properties, "outlineLvl")
            if level is None and outline is not None:
                stated = number_of(attribute(outline, "val"), 9)
                level = stated + 1 if stated < 9 else 0
            if level is None and not (at and name.lower() == "title"):  # authors and dates are set as titles are
                level = _level_of_name(name)
            is_code = is_code or bool(_CODE.fullmatch(name))
            numbered = child_of(properties, "numPr")
            if number is None and numbered is not None:
                number, indent = number_properties(numbered)
        return ParagraphStyle(level or None, is_code, number, indent)

    def _line(self, style: str) -> list[Any]:
        line: list[Any] = []
        seen = set()
        while style in self._elements and style not in seen and len(line) < _MAX_PARENTS:
            seen.add(style)
            line.append(self._elements[style])
            parent = child_of(self._elements[style], "basedOn")
            style = attribute(parent, "val") if parent is not None else ""
        return line


def number_properties(element: Any) -> tuple[str | None, int | None]:
    """Return (list, level) of `numPr`; None for what it does not say."""
    number, level = child_of(element, "numId"), child_of(element, "ilvl")
    return (
        attribute(number, "val") or None if number is not None else None,
        number_of(attribute(level, "val"), 0) if level is not None else None,
    )


def _level_of_name(name: str) -> int | None:
    if name.lower() == "title":
        return 1
    match = _HEADING.fullmatch(name)
    return int(match[1]) if match else None
