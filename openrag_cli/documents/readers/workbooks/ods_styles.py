"""Which cells of an OpenDocument spreadsheet show nothing: their words have the colour of their ground, or no size."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from openrag_cli.documents.readers.workbooks.unseen import are_near

_FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_PAPER = "FFFFFF"
_MAX_PARENTS = 20
_TINY = frozenset({"0pt", "0.5pt"})


@dataclass(frozen=True, slots=True)
class _Look:
    """What a style says; None where its parent says it."""

    parent: str
    colour: str | None
    ground: str | None
    is_tiny: bool
    is_conditional: bool


class CellStyles:
    """The styles of one spreadsheet; cells name theirs, or have that of their row or column."""

    def __init__(self, *roots: ET.Element) -> None:
        self._looks: dict[tuple[str, str], _Look] = {}
        for root in roots:
            for style in root.iter(f"{_STYLE}style"):
                self._looks[style.get(f"{_STYLE}family", ""), style.get(f"{_STYLE}name", "")] = _look(style)
            for style in root.iter(f"{_STYLE}default-style"):
                self._looks[style.get(f"{_STYLE}family", ""), "Default"] = _look(style)
        # Conditions may give a cell any ground.
        self._has_conditions = any(
            element.tag.endswith("}conditional-formats") for root in roots for element in root.iter()
        )

    def is_unseen(self, cell: ET.Element, name: str, around: tuple[str, str]) -> bool:
        """Whether nothing is seen of a cell with a style of that name; `around` names those of its row and table."""
        looks = list(self._line("table-cell", cell.get(f"{_TABLE}style-name") or name or "Default"))
        if self._has_conditions or any(look.is_conditional for look in looks):
            return False
        colour = next((look.colour for look in looks if look.colour), None)
        grounds = [look.ground for look in looks]
        for family, style in zip(("table-row", "table"), around, strict=True):
            grounds += [look.ground for look in self._line(family, style)]
        ground = next((each for each in grounds if each), _PAPER)
        is_tiny = any(look.is_tiny for look in looks)
        pieces = list(_pieces(cell, ""))
        return bool(pieces) and all(self._is_hidden(span, colour, ground, is_tiny=is_tiny) for span in pieces)

    def _is_hidden(self, span: str, colour: str | None, ground: str, *, is_tiny: bool) -> bool:
        looks = list(self._line("text", span))
        own = next((look.colour for look in looks if look.colour), colour)
        own_ground = next((look.ground for look in looks if look.ground), ground)
        is_tiny = is_tiny or any(look.is_tiny for look in looks)
        return is_tiny or (own is not None and are_near(own, own_ground))

    def _line(self, family: str, name: str) -> Iterator[_Look]:
        for _ in range(_MAX_PARENTS):
            look = self._looks.get((family, name))
            if look is None:
                return
            yield look
            name = look.parent


def _look(style: ET.Element) -> _Look:
    colour = ground = None
    is_tiny = False
    for part in style:
        shade = part.get(f"{_FO}background-color", "")
        ground = _PAPER if shade == "transparent" and ground is None else shade.lstrip("#").upper() or ground
        if part.tag == f"{_STYLE}text-properties":
            colour = part.get(f"{_FO}color", "").lstrip("#").upper() or None
            is_tiny = part.get(f"{_FO}font-size", "") in _TINY or part.get(f"{_TEXT}display") == "none"
            if part.get(f"{_STYLE}use-window-font-color") == "true":
                colour = "auto"
    is_conditional = any(part.tag == f"{_STYLE}map" for part in style)
    return _Look(style.get(f"{_STYLE}parent-style-name", ""), colour, ground, is_tiny, is_conditional)


def _pieces(element: ET.Element, span: str) -> Iterator[str]:
    """Yield the style of each piece of text in a cell, empty for that of the cell."""
    if (element.text or "").strip():
        yield span
    for part in element:
        if part.tag == f"{_TEXT}span":
            yield from _pieces(part, part.get(f"{_TEXT}style-name") or span)
        elif not part.tag.endswith("}annotation"):
            yield from _pieces(part, span)
        if (part.tail or "").strip():
            yield span
