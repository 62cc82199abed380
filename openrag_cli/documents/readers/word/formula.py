"""Office MathML (ECMA-376, part 1, chapter 22) as one line of text: `x = (-b ± √(b^2 - 4ac))/2a`."""

from collections.abc import Callable
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local

_MAX_DEPTH = 60


def formula_text(element: Any, depth: int = 0) -> str:
    """Return the text of a formula or of a part of one."""
    if depth > _MAX_DEPTH:
        return "".join(element.itertext())
    name = local(element)
    write = _WRITERS.get(name)
    if write:
        return write(element, depth + 1)
    if name in {"t", "delText"}:
        return str(element.text or "").replace("\u2061", " ").replace("\u2062", "").replace("\u2063", "")
    return "" if name.endswith("Pr") else _inner(element, depth + 1)


def _inner(element: Any, depth: int) -> str:
    return "".join(formula_text(child, depth) for child in element) if element is not None else ""


def _part(element: Any, name: str, depth: int) -> str:
    return _inner(child_of(element, name), depth).strip()


def _grouped(text: str) -> str:
    is_one = len(text) <= 1 or text.lstrip("-\u2212").isalnum() or text[0] + text[-1] in {"()", "[]"}
    return text if is_one else f"({text})"


def _fraction(element: Any, depth: int) -> str:
    return f"{_grouped(_part(element, 'num', depth))}/{_grouped(_part(element, 'den', depth))}"


def _scripts(element: Any, depth: int) -> str:
    below, above = _part(element, "sub", depth), _part(element, "sup", depth)
    if above in {"∘", "°"}:
        return f"{_part(element, 'e', depth)}°"
    marks = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{_grouped(_part(element, 'e', depth))}{marks}"


def _root(element: Any, depth: int) -> str:
    degree = _part(element, "deg", depth)
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(degree, f"root{_grouped(degree)}")
    return f"{sign}({_part(element, 'e', depth)})"


def _operator(element: Any, depth: int) -> str:
    sign = _value(element, "naryPr", "chr", "∫")
    below, above = _part(element, "sub", depth), _part(element, "sup", depth)
    marks = (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")
    return f"{sign}{marks} {_part(element, 'e', depth)}"


def _delimited(element: Any, depth: int) -> str:
    begin, end = _value(element, "dPr", "begChr", "("), _value(element, "dPr", "endChr", ")")
    parts = [_inner(part, depth) for part in element if local(part) == "e"]
    return f"{begin}{_value(element, 'dPr', 'sepChr', '|').join(parts)}{end}"


def _function(element: Any, depth: int) -> str:
    return f"{_part(element, 'fName', depth)} {_part(element, 'e', depth)}"


def _limit(element: Any, depth: int) -> str:
    mark = "_" if local(element) == "limLow" else "^"
    return f"{_part(element, 'e', depth)}{mark}{_grouped(_part(element, 'lim', depth))}"


def _matrix(element: Any, depth: int) -> str:
    rows = [
        ", ".join(_inner(cell, depth) for cell in row if local(cell) == "e") for row in element if local(row) == "mr"
    ]
    return f"[{'; '.join(rows)}]"


def _lines(element: Any, depth: int) -> str:
    return "; ".join(_inner(part, depth) for part in element if local(part) == "e")


def _value(element: Any, properties: str, name: str, default: str) -> str:
    found = child_of(element, properties, name)
    return default if found is None else attribute(found, "val")


_WRITERS: dict[str, Callable[[Any, int], str]] = {
    "f": _fraction, "sSup": _scripts, "sSub": _scripts, "sSubSup": _scripts, "sPre": _scripts, "rad": _root,
    "nary": _operator, "d": _delimited, "func": _function, "limLow": _limit, "limUpp": _limit, "m": _matrix,
    "eqArr": _lines,
}  # fmt: skip
