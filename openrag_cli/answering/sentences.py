"""Where the sentences of a text are, in any language, Markdown and source code included."""

import re
from collections.abc import Iterator
from itertools import pairwise

MAX_SENTENCE_CHARS = 600


_BLOCK = re.compile(
    r"(?m)^[ \t]*(?:#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]|>|\||```|~~~|=+[ \t]*$|-+[ \t]*$)|\n[ \t]*\n"
)
_END = re.compile(r"(?:[.!?…](?:[\"'”’)\]\0]|\s?»)*(?=\s+[^\s\da-zà-ÿ])|[。！？؟][”」』]?|[!?][\"'”’»)\]]*(?=\s))\s*")
_ABBREVIATION = re.compile(
    r"(?i)(?:^|[\s(])(?:[a-z]|mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|cf|fig|no|nr|vol|p|pp|ed|al|inc|ltd|co|approx|"
    r"mme|mlle|env|av|apr|bzw|z\.b|d\.h|sr|sra|art|ca)\.\s*$"
)
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]|[ \t]*[=~`*_-]{3,}[ \t]*$|[ \t]*\|?[ \t:|-]+\|?[ \t]*$")
_MARKER = re.compile(r"[ \t]*(?:[-*+•>|]|\d{1,3}[.)])[ \t]+")
_LETTER = re.compile(r"\w")


def split(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of a text begin and end: of prose its sentences; items, rows and lines of code whole.

    Headings and rules are left out; a sentence over 600 characters is cut between words.
    """
    breaks = sorted({0, len(text), *(found.start() for found in _BLOCK.finditer(text))})
    for low, high in pairwise(breaks):
        start = low + len(text[low:high]) - len(text[low:high].lstrip("\n"))
        if _HEADING.match(text[start:high].partition("\n")[0]):
            newline = text.find("\n", start, high)
            start = high if newline < 0 else newline
        yield from _sentences(text, start, high)


def _sentences(text: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    start = low
    for found in _END.finditer(text, low, high):
        if not _ABBREVIATION.search(text, max(low, found.start() - 8), found.start() + 1):
            yield from _trimmed(text, start, found.end())
            start = found.end()
    yield from _trimmed(text, start, high)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    marker = _MARKER.match(text, start, end)
    start = marker.end() if marker else start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MAX_SENTENCE_CHARS:
        space = text.rfind(" ", start + 1, start + MAX_SENTENCE_CHARS)
        cut = space if space > 0 else start + MAX_SENTENCE_CHARS
        yield start, cut
        start = cut + (space > 0)
    if _LETTER.search(text, start, end):
        yield start, end
