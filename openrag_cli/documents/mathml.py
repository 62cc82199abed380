"""MathML (HTML, OpenDocument, EPUB) as one line of text, in the form that Word's formulas have: `x_1 = √(c+1)/2`."""

from collections.abc import Callable, Sequence
from typing import Any

_MAX_DEPTH = 60
_UNSEEN = frozenset({"annotation", "annotation-xml", "mphantom", "mspace", "none", "mprescripts"})
_SILENT = str.maketrans({"\u2061": " ", "\u2062": "", "\u2063": "", "\u2064": ""})
_SPACED = frozenset("=≈≠<>≤≥≡→⇒∈+\u2212±")


def mathml_text(element: Any, depth: int = 0) -> str:
    """Return the text of a formula or of a part of one; names of elements may have a namespace."""
    if depth > _MAX_DEPTH:
        return "".join(element.itertext())
    parts = [child for child in element if isinstance(child.tag, str) and _name(child) not in _UNSEEN]
    name = _name(element)
    if name == "semantics":
        parts = parts[:1]
    if not parts:
        return _words(element.text, is_sign=name == "mo")
    shown = [mathml_text(part, depth + 1) for part in parts]
    write = _WRITERS.get(name)
    return write(shown) if write else "".join(shown)


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _words(text: str | None, *, is_sign: bool) -> str:
    words = " ".join((text or "").translate(_SILENT).split())
    return f" {words} " if is_sign and words in _SPACED else words


def _grouped(text: str) -> str:
    text = text.strip()
    is_one = len(text) <= 1 or text.lstrip("-\u2212").isalnum() or text[0] + text[-1] in {"()", "[]"}
    return text if is_one else f"({text})"


def _fraction(parts: Sequence[str]) -> str:
    return "/".join(_grouped(part) for part in parts[:2])


def _marked(*marks: str) -> Callable[[Sequence[str]], str]:
    def write(parts: Sequence[str]) -> str:
        """Return a base with what is below and above it."""
        after = (mark + _grouped(part) for mark, part in zip(marks, parts[1:], strict=False) if part.strip())
        return "".join([parts[0].strip(), *after])

    return write


def _root(parts: Sequence[str]) -> str:
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(parts[1].strip() if len(parts) > 1 else "")
    return f"{sign}({parts[0]})" if sign else f"root{_grouped(parts[1])}({parts[0]})"


_WRITERS: dict[str, Callable[[Sequence[str]], str]] = {
    "mfrac": _fraction, "msub": _marked("_"), "msup": _marked("^"), "msubsup": _marked("_", "^"),
    "munder": _marked("_"), "mover": _marked("^"), "munderover": _marked("_", "^"), "mmultiscripts": _marked("_", "^"),
    "msqrt": lambda parts: f"√({''.join(parts)})", "mroot": _root, "mfenced": lambda parts: f"({', '.join(parts)})",
    "mtd": "".join, "mtr": ", ".join, "mtable": lambda parts: f"[{'; '.join(parts)}]",
}  # fmt: skip
