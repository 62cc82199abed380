"""Which declarations of a page's own style sheets hold for which element, of the properties that can hide text."""

from collections.abc import Iterable
from typing import Any

from openrag_cli.documents.readers.unseen.css import Declared, declarations, is_faint, rules

SHAPE = frozenset({
        "display", "visibility", "opacity", "content-visibility", "position", "left", "top", "right", "bottom", "clip",
        "clip-path", "transform", "text-indent", "width", "height", "max-width", "max-height", "overflow", "overflow-x",
        "overflow-y", "font", "font-size", "mso-hide", "fill", "fill-opacity", "stroke",
    })  # fmt: skip
COLOURS = frozenset({
        "color", "background", "background-color", "background-image", "background-clip", "-webkit-background-clip",
        "-webkit-text-fill-color", "text-shadow",
    })  # fmt: skip
MAX_MATCHED = 300
"""Rules that are looked for in the page; each is a walk through it."""

Weight = tuple[bool, bool, tuple[int, int, int], int]


class Cascade:
    """The declarations of each element. `knows_colours`: no sheet from elsewhere, and no more rules than are looked at."""

    def __init__(self, root: Any, sheets: Iterable[str], *, has_others: bool) -> None:
        self._sheets: dict[Any, dict[str, tuple[str, Weight]]] = {}
        self.knows_colours = not has_others
        found = [rule for sheet in sheets for rule in rules(sheet)]
        self._match(root, found, SHAPE, may_matter=_may_hide)
        if self.knows_colours:
            self._match(root, found, COLOURS, may_matter=lambda said: bool(COLOURS & said.keys()))

    def _match(self, root: Any, found: list[tuple[str, Any]], names: frozenset[str], *, may_matter: Any) -> None:
        wanted = {name for _, said in found if may_matter(said) for name in names & said.keys()}
        if not wanted:
            return
        chosen = [(at, text, said) for at, (text, said) in enumerate(found) if wanted & said.keys()]
        if len(chosen) > MAX_MATCHED:
            self.knows_colours = self.knows_colours and names is not COLOURS
            chosen = [one for one in chosen if _may_hide(one[2])][:MAX_MATCHED] if names is SHAPE else []
        for at, text, said in chosen:
            self._apply(root, at, text, {name: said[name] for name in wanted & said.keys()})

    def _apply(self, root: Any, at: int, selectors: str, said: Declared) -> None:
        from cssselect import HTMLTranslator, SelectorError, parse
        from lxml import etree

        translator = HTMLTranslator()
        try:
            parsed = parse(selectors)
            paths = [
                (translator.selector_to_xpath(one), one.specificity()) for one in parsed if one.pseudo_element is None
            ]
            matched = [(root.xpath(path), specificity) for path, specificity in paths]
        except (SelectorError, etree.XPathError, RecursionError):  # no selector that is known
            return
        for elements, specificity in matched:
            for element in elements:
                own = self._sheets.setdefault(element, {})
                for name, (value, is_important) in said.items():
                    _put(own, name, value, (is_important, False, specificity, at))

    def of(self, element: Any) -> dict[str, str]:
        """Return the properties that are declared for an element, by its sheets and its `style`."""
        sheets, style = self._sheets.get(element), element.get("style")
        if not style:
            return {name: value for name, (value, _) in sheets.items()} if sheets else {}
        own = dict(sheets or {})
        for name, (value, is_important) in declarations(style).items():
            _put(own, name, value, (is_important, True, (0, 0, 0), 0))
        return {name: value for name, (value, _) in own.items()}


def _put(own: dict[str, tuple[str, Weight]], name: str, value: str, weight: Weight) -> None:
    if name not in own or own[name][1] <= weight:
        own[name] = (value, weight)


def _may_hide(said: Declared) -> bool:
    """Whether a rule might hide something: whatever it says of a property that can, but for plain sizes and places."""
    value = {name: text for name, (text, _) in said.items()}
    return bool(
        value.get("display") == "none"
        or value.get("visibility") in {"hidden", "collapse"}
        or value.get("content-visibility") == "hidden"
        or is_faint(value.get("opacity", "1"))
        or value.get("font-size", "9")[:1] in {"0", ".", "1"}
        or value.get("text-indent", "")[:1] == "-"
        or value.get("position") in {"absolute", "fixed"}
        or value.get("mso-hide") == "all"
        or value.get("fill") == "none"
        or {"clip", "clip-path", "transform", "max-height", "fill-opacity", "font"} & value.keys()
    )
