"""Words that a PDF breaks: at the end of a line, where they are joined unless the hyphen is their own, and by blanks that
PDFium takes wide letters for ("Th e Towe r"), as programs of scanners set what they recognised over the picture."""

import ctypes
import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from openrag_cli.documents.readers.pdf_pages.raised import Piece

BROKEN = "\ufffe"
"""Where a word was broken at a line's end, as PDFium marks it, and joined: it is decided here whether a hyphen stays."""

_PART = r"[^\W\d_]+"
_BREAK = re.compile(rf"(?<![^\W_])({_PART}){BROKEN}(\s*)({_PART})")
_WORD = re.compile(rf"{_PART}(?:-{_PART})*")
_FIRST_PARTS = frozenset(
    {"well", "self", "non", "ex", "high", "low", "long", "short", "full", "half", "cross", "first", "second", "third"}
    | {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "state", "all", "off", "up"}
)
"""First parts of English compounds that are seldom the beginning of another word, as printers break words."""

_LEAST_SHARE = 0.12  # of words that are followed by a letter alone; in plain text 0.03 are ("a", "I", "y")
_LEAST_RUNS = 20
_LEAST_GAPS = 3  # between letters of a line
_TOLERANCE = 1.2
_RUN = re.compile(r"[^\W_]+")
_LETTER_BEHIND = re.compile(r"[^\W\d_]{2,} [^\W\d_](?![^\W_])")
_LINE = re.compile(r"[^\r\n]+")


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


def spaced_pieces(text: str, text_page: Any) -> list[Piece]:
    """Return the blanks of a page that stand within words, as pieces of no text."""
    n_words = len(_RUN.findall(text))
    if n_words < _LEAST_RUNS or len(_LETTER_BEHIND.findall(text)) < _LEAST_SHARE * n_words or max(text) > "\uffff":
        return []
    return [
        (at, at + 1, "") for line in _LINE.finditer(text) for at in _blanks_within_words(text, line.span(), text_page)
    ]


def _blanks_within_words(text: str, line: tuple[int, int], text_page: Any) -> Iterator[int]:
    """Yield where PDFium made up a blank whose gap is no wider than those between the letters of the line."""
    places = [_extent(text_page, at) for at in range(*line)]
    letters: list[float] = []
    blanks: list[tuple[int, float, float]] = []  # where, how wide, and how wide the gap before the letter before
    for at, (before, place, after) in enumerate(zip(places, places[1:], places[2:], strict=False), start=line[0] + 1):
        if place is None and text[at] == " " and before and after:
            within = letters[-1] if letters and text[at - 2 : at].isalnum() else 0.0
            blanks.append((at, after[0] - before[1], within))
        elif before and place and not text[at - 1 : at + 1].count(" "):
            letters.append(place[0] - before[1])
    if len(letters) >= _LEAST_GAPS and (usual := median(letters)) > 0:
        yield from (at for at, gap, within in blanks if gap <= _TOLERANCE * max(usual, within))


def _extent(text_page: Any, at: int) -> Sequence[float] | None:
    """Return where the character at a place of the text begins and ends; None for one that PDFium made up."""
    from pypdfium2 import raw

    index = raw.FPDFText_GetCharIndexFromTextIndex(text_page, at)
    box = raw.FS_RECTF()
    if raw.FPDFText_IsGenerated(text_page, index) == 1 or not raw.FPDFText_GetLooseCharBox(
        text_page, index, ctypes.byref(box)
    ):
        return None
    return box.left, box.right
