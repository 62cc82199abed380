"""What the styles of an OpenDocument text say of its words: bold, raised, hidden; headings; numbered lists."""

import re
from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local, number_of

_MAX_PARENTS = 20
_TINY = frozenset({"0", "0pt", "0.5pt", "1pt"})
_ON_SOMETHING = frozenset({"table-cell", "text-box", "frame", "custom-shape", "rect", "shape"})
_WHITE = re.compile(r"#f[a-f](?:f[a-f]){2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Look:
    """How a style looks; None where it says nothing, and its parent may."""

    is_bold: bool | None = None
    is_italic: bool | None = None
    is_struck: bool | None = None
    shift: int | None = None
    is_hidden: bool | None = None
    is_tiny: bool | None = None
    is_white: bool | None = None


class Styles:
    """The styles of one document, by name."""

    def __init__(self, *roots: Any) -> None:
        self._looks: dict[tuple[str, str], Look] = {}
        self._parents: dict[tuple[str, str], str] = {}
        self._numbered: dict[str, dict[int, bool]] = {}
        self._grounds: set[tuple[str, str]] = set()
        self.has_page_ground = False
        for root in roots:
            for element in root.iter() if root is not None else ():
                self._note(element)

    def _note(self, element: Any) -> None:
        name = local(element)
        if name == "style":
            key = (attribute(element, "family"), attribute(element, "name"))
            self._parents[key] = attribute(element, "parent-style-name")
            self._looks[key] = _look(child_of(element, "text-properties"))
            if any(_is_ground(attribute(part, "background-color")) for part in element):
                self._grounds.add(key)
        elif name == "page-layout-properties":
            self.has_page_ground |= _is_ground(attribute(element, "background-color"))
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

    def is_unseen(self, element: Any, family: str) -> bool:
        """Whether nobody sees the words of a paragraph or a span: hidden, tiny, or white on the page itself."""
        look = self.look(family, attribute(element, "style-name"))
        if look.is_hidden or look.is_tiny or not look.is_white or self.has_page_ground:
            return bool(look.is_hidden or look.is_tiny)
        spans = [each for each in element.iter() if local(each) == "span"]
        if any(self.look("text", attribute(span, "style-name")).is_white is False for span in spans):
            return False
        return not any(self._has_ground(each) for each in (element, *element.iterancestors()))

    def _has_ground(self, element: Any) -> bool:
        name = local(element)
        family = {"p": "paragraph", "h": "paragraph", "span": "text"}.get(name, "")
        style = attribute(element, "style-name")
        return name in _ON_SOMETHING or any(key in self._grounds for key in self._line(family, style))

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
    is_auto = attribute(properties, "use-window-font-color") == "true"  # black on white, white on black
    position = attribute(properties, "text-position").split(" ")[0]
    return Look(
        is_bold=None if not weight else weight in {"bold", "600", "700", "800", "900"},
        is_italic=None if not style else style in {"italic", "oblique"},
        is_struck=None if not struck else struck != "none",
        shift=_shift(position) if position else None,
        is_hidden=_is_hidden(properties, is_auto=is_auto),
        is_tiny=None if not (size := attribute(properties, "font-size")) else size in _TINY,
        is_white=False
        if is_auto
        else None
        if not (colour := attribute(properties, "color"))
        else bool(_WHITE.fullmatch(colour)),
    )


def _is_hidden(properties: Any, *, is_auto: bool) -> bool | None:
    """Whether words are not shown, or let everything through; what is said of that goes with a colour."""
    display = attribute(properties, "display")
    is_clear = attribute(properties, "text-transparency") == "100%" or attribute(properties, "opacity") in {"0", "0%"}
    if is_clear and not is_auto:
        return True
    return None if not display else display == "none"


def _is_ground(colour: str) -> bool:
    return colour not in {"", "transparent"} and not _WHITE.fullmatch(colour)


def _shift(position: str) -> int:
    """Return 1, 0 or -1 for `super`, `sub` or a share of the line's height."""
    if position in {"super", "sub"}:
        return 1 if position == "super" else -1
    percent = number_of(position.rstrip("%").split(".")[0], 0)
    return (percent > 0) - (percent < 0)
