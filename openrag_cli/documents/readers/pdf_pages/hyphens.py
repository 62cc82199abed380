"""Words that were broken at the end of a line: joined, unless the hyphen is their own."""

import re
from collections.abc import Sequence

from openrag_cli.documents.readers.pdf_pages.page import BROKEN

_PART = r"[^\W\d_]+"
_BREAK = re.compile(rf"(?<![^\W_])({_PART}){BROKEN}(\s*)({_PART})")
_WORD = re.compile(rf"{_PART}(?:-{_PART})*")
_FIRST_PARTS = frozenset(
    {"well", "self", "non", "ex", "high", "low", "long", "short", "full", "half", "cross", "first", "second", "third"}
    | {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "state", "all", "off", "up"}
)
"""First parts of English compounds that are seldom the beginning of another word, as printers break words."""


def without_breaks(texts: Sequence[str]) -> list[str]:
    """Return texts with their broken words whole.

    A hyphen stays where the document has the compound elsewhere, or has both parts as words of their own and not the
    word that they would make; words of the document itself decide, so that any language may be read.
    """
    if not any(BROKEN in text for text in texts):
        return list(texts)
    found = {word for text in texts for word in _WORD.findall(_BREAK.sub(" ", text) if BROKEN in text else text)}
    words = set(map(str.lower, found))
    return [
        _BREAK.sub(lambda found: _joined(found, words), text).replace(BROKEN, "-") if BROKEN in text else text
        for text in texts
    ]


def _joined(found: "re.Match[str]", words: set[str]) -> str:
    first, blank, second = found.groups()
    one, two = first.lower(), second.lower()
    if blank:
        return f"{first}-{blank}{second}"
    if one + two in words:
        return first + second
    is_compound = f"{one}-{two}" in words or second[0].isupper() or one in _FIRST_PARTS
    return f"{first}-{second}" if is_compound or (one in words and two in words) else first + second
