"""What the styles of an OpenDocument text say of its words: bold, raised, hidden; headings; numbered lists."""

from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local, number_of

_MAX_PARENTS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """How a style looks; None where it says nothing, and its parent may."""

    is_bold: bool | None = None
    is_italic: bool | None = None
    is_struck: bool | None = None
    shift: int | None = None
    is_hidden: bool | None = None


class Styles:
    """The styles of one document, by name."""

    def __init__(self, *roots: Any) -> None:
        self._looks: dict[tuple[str, str], Look] = {}
        self._parents: dict[tuple[str, str], str] = {}
        self._numbered: dict[str, dict[int, bool]] = {}
        for root in roots:
            for element in root.iter() if root is not None else ():
                self._note(element)

    def _note(self, element: Any) -> None:
        name = local(element)
        if name == "style":
            key = (attribute(element, "family"), attribute(element, "name"))
            self._parents[key] = attribute(element, "parent-style-name")
            self._looks[key] = _look(child_of(element, "text-properties"))
        elif name == "list-style":
            self._numbered[attribute(element, "name")] = {
                number_of(attribute(level, "level"), 1): bool(attribute(level, "num-format"))
                for level in element
                if local(level) == "list-level-style-number"
            }

    def look(self, family: str, name: str) -> Look:
        """Return the look of a style, with what it has from its parents."""
        values: dict[str, Any] = {}
        for key in self._line(family, name):
            known = self._looks.get(key, Look())
            for slot in Look.__slots__:
                if values.get(slot) is None:
                    values[slot] = getattr(known, slot)
        return Look(**values)

    def is_title(self, name: str) -> bool:
        """Whether a paragraph of that style is the title of the document."""
        return any(key[1] == "Title" for key in self._line("paragraph", name))

    def is_code(self, name: str) -> bool:
        """Whether a paragraph of that style is preformatted."""
        return any(key[1] == "Preformatted_20_Text" for key in self._line("paragraph", name))

    def is_numbered(self, list_style: str, level: int) -> bool:
        """Whether a list of that style has numbers at a level, from 1."""
        return self._numbered.get(list_style, {}).get(level, False)

    def _line(self, family: str, name: str) -> list[tuple[str, str]]:
        line: list[tuple[str, str]] = []
        while name and len(line) < _MAX_PARENTS and (family, name) not in line:
            line.append((family, name))
            name = self._parents.get((family, name), "")
        return line


def _look(properties: Any) -> Look:
    if properties is None:
        return Look()
    weight, style = attribute(properties, "font-weight"), attribute(properties, "font-style")
    struck = attribute(properties, "text-line-through-style")
    position = attribute(properties, "text-position").split(" ")[0]
    display = attribute(properties, "display")
    return Look(
        is_bold=None if not weight else weight in {"bold", "600", "700", "800", "900"},
        is_italic=None if not style else style in {"italic", "oblique"},
        is_struck=None if not struck else struck != "none",
        shift=_shift(position) if position else None,
        is_hidden=None if not display else display == "none",
    )


def _shift(position: str) -> int:
    """Return 1, 0 or -1 for `super`, `sub` or a share of the line's height."""
    if position in {"super", "sub"}:
        return 1 if position == "super" else -1
    percent = number_of(position.rstrip("%").split(".")[0], 0)
    return (percent > 0) - (percent < 0)
