"""What the elements of HTML are to a reader of text: blocks, marks, layout."""

import re
from collections.abc import Iterable
from typing import Any

from openrag_cli.documents.readers.unseen.css import rules

MAX_COLSPAN = 20
"""An 88 KB page of wide spans became 4 MB of bars once."""

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(
    {
        "address", "article", "aside", "body", "caption", "center", "details", "dialog", "dir", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "head", "header", "hgroup", "html", "legend", "li",
        "main", "menu", "nav", "noframes", "ol", "optgroup", "option", "p", "search", "section", "summary", "svg",
        "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "frameset", "noscript", "desc",
    })  # fmt: skip
APART = frozenset(["button", "label", "meter", "output", "progress", "textarea", "text"])
"""Inline elements that a browser draws apart from their neighbours."""

WITHOUT_TEXT = frozenset(
    {
        "script", "style", "link", "meta", "base", "source", "track", "param", "area", "embed", "iframe", "audio",
        "video", "canvas", "object", "applet", "title", "rp", "annotation", "annotation-xml", "datalist", "colgroup",
        "col",
    })  # fmt: skip
LINE_MARKS: dict[str, dict[str, Any]] = {
    "b": {"is_bold": True}, "strong": {"is_bold": True}, "i": {"is_italic": True}, "em": {"is_italic": True},
    "cite": {"is_italic": True}, "var": {"is_italic": True}, "dfn": {"is_italic": True},
    "s": {"is_struck": True}, "strike": {"is_struck": True}, "del": {"is_struck": True},
    "sup": {"shift": 1}, "sub": {"shift": -1},
}  # fmt: skip
SHOWN_INPUTS = frozenset({
        "text", "search", "email", "tel", "url", "number", "date", "time", "month", "week", "submit", "reset", "button",
    })  # fmt: skip

_SHIFT_STYLE = re.compile(
    r"(?:^|;)\s*vertical-align\s*:\s*(super|sub|-?[\d.]*[1-9][\d.]*(?:px|pt|em|ex|rem|%))", re.IGNORECASE
)
_CLASS = re.compile(r"[a-z]*\.([\w-]+)")
_INLINE = ("span", "a", "b", "big", "em", "font", "i", "small", "strong")
_NOTE_CLASSES = frozenset({"footnote-ref", "footnote-reference", "footnoteref", "noteref", "note-ref", "endnote-ref"})
_LAYOUT_ROLES = frozenset({"presentation", "none"})


def state_shifts(root: Any, sheets: Iterable[str]) -> None:
    """Let inline elements that a style sheet raises or lowers by their class say so themselves."""
    shifts: dict[str, str] = {}
    own = ("".join(style.itertext()) for style in root.iter("style"))
    for css in (css for css in (*sheets, *own) if "vertical-align" in css):
        for selectors, said in rules(css):
            value = f"vertical-align: {said['vertical-align'][0]}" if "vertical-align" in said else ""
            if _SHIFT_STYLE.search(value):
                named = (_CLASS.fullmatch(selector.strip()) for selector in selectors.split(","))
                shifts |= {found[1]: value for found in named if found}
    for element in root.iter(*_INLINE) if shifts else ():
        value = next((shifts[name] for name in (element.get("class") or "").split() if name in shifts), "")
        if value:
            element.set("style", f"{value}; {element.get('style') or ''}")


def line_marks(element: Any) -> dict[str, Any]:
    """Return the form that an inline element gives its text: by its kind, by a style that raises it, as a note's mark."""
    marks = LINE_MARKS.get(element.tag)
    if marks is not None:
        return marks
    style = element.get("style")
    shift = _SHIFT_STYLE.search(style) if style else None
    if shift:
        return {"shift": -1 if shift[1].lower() == "sub" or shift[1].startswith("-") else 1}
    if element.tag != "a":
        return {}
    classes = (element.get("class") or "").lower().split()
    is_mark = "noteref" in element.attrib.values() or element.get("role") == "doc-noteref"
    is_mark |= not _NOTE_CLASSES.isdisjoint(classes) and element.find("sup") is None
    return {"shift": 1} if is_mark else {}


def is_layout(table: Any, rows: list[tuple[Any, list[Any]]]) -> bool:
    """Whether a table only places things on a page: it says so, has one column, or holds whole parts of a page."""
    if (table.get("role") or "").lower() in _LAYOUT_ROLES:
        return True
    if max((len(cells) for _, cells in rows), default=0) <= 1:
        return True
    has_heads = any(cell.tag == "th" for _, cells in rows for cell in cells) or table.find("caption") is not None
    if has_heads:
        return False
    return any(_holds_parts(cell) for _, cells in rows for cell in cells)


def _holds_parts(cell: Any) -> bool:
    n_paragraphs = 0
    for element in cell.iter():
        if element.tag in HEADINGS or element.tag in {"form", "article", "section", "pre", "blockquote"}:
            return True
        if element.tag == "table" and sum(1 for _ in element.iter("td", "th")) > 6:
            return True
        n_paragraphs += element.tag == "p"
    return n_paragraphs > 3
