"""Headings of a PDF that has no outline: "Item 7." and numbered lines, where their numbers follow one another."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from openrag_cli.documents.headings import Heading

MAX_CANDIDATES = 500
MAX_TITLE_WORDS = 16

MIN_BODY_CHARS = 100
"""Characters of text between two headings of a level, at least: entries of lists, of tables of contents, rows have less."""

MIN_ITEMS, MIN_NUMBERED = 2, 3
"""Headings in a row, at least: a line that begins with "Item 7." is hardly anything else, one with a number often is."""

_PART = r"(?:PART|Part)[ \t]+(?P<part>I{1,3}|IV)\b[^\n]{0,60}"
_NUMBER = r"(?:ITEM|Item)[ \t]+(?P<number>\d{1,2})(?P<letter>[A-C]?)[.:]?"
_TITLE = r"[ \t]*[-\u2013\u2014]?[ \t]*(?P<title>[A-Z\[][^\n]*)"
_GOES_ON = r"(?!\n[ \t]*[a-zà-ÿ])"
_ITEM = re.compile(rf"^[ \t]*(?:{_PART}|{_NUMBER}{_TITLE})${_GOES_ON}", re.MULTILINE)
_NUMBERED = re.compile(
    rf"^[ \t]*(?P<number>\d{{1,2}}(?:\.\d{{1,2}}){{0,3}})[.)]?[ \t]+(?P<title>[^\W\d_][^\n]*)${_GOES_ON}",
    re.MULTILINE,
)
_CONTENTS = re.compile(r"(?:\.{2,}|\s)[ \t]*\d{1,4}[ \t]*$")
_SENTENCE = re.compile(r"[,;:]\s*$|[a-z]\.\s*$|\w\. [A-Z]\w+ \w+ \w+")
_PARTS = ("", "I", "II", "III", "IV")

Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that may be a heading; `key` is its number, to be compared."""

    start: int
    end: int
    key: Key
    title: str


def numbered_headings(text: str) -> tuple[Heading, ...]:
    """Return the headings of a text that its numbers tell: items of a filing, and below them numbered lines.

    A line is one of them only in a row of others whose numbers follow each other, so neither what a sentence mentions
    nor a table of contents makes one.
    """
    items = [Heading(line.start, line.end, 1, line.title) for line in _chain(list(_items(text)), _is_later)]
    items = items if len(items) >= MIN_ITEMS else []
    lines = _chain(list(_numbered(text)), _is_next)
    above = 1 if items else 0
    numbered = [Heading(line.start, line.end, above + len(line.key), line.title) for line in lines]
    return tuple(sorted([*items, *(numbered if len(numbered) >= MIN_NUMBERED else [])]))


def _items(text: str) -> Iterator[_Line]:
    part = 0
    for found in _ITEM.finditer(text):
        if found["part"]:
            part = _PARTS.index(found["part"])
            continue
        title = " ".join(found["title"].split()).rstrip(".")
        if _is_title(title):
            key = (part, int(found["number"]), ord(found["letter"] or "@"))
            yield _Line(found.start(), found.end(), key, f"Item {found['number']}{found['letter']}. {title}")


def _numbered(text: str) -> Iterator[_Line]:
    for found in _NUMBERED.finditer(text):
        title = " ".join(found["title"].split())
        if title[0].isupper() and _is_title(title):
            key = tuple(map(int, found["number"].split(".")))
            yield _Line(found.start(), found.end(), key, f"{found['number']} {title}")


def _is_title(title: str) -> bool:
    is_word = sum(map(str.isalpha, title)) > 2
    return (
        is_word
        and len(title.split()) <= MAX_TITLE_WORDS
        and not _CONTENTS.search(title)
        and not _SENTENCE.search(title)
    )


def _chain(lines: Sequence[_Line], follows: Callable[[Key, Key], bool]) -> list[_Line]:
    """Return the longest row of lines of which each follows the one before it; of equal rows the last."""
    kept = [
        line
        for line, after in pairwise([*lines[:MAX_CANDIDATES], None])
        if line and (after is None or len(after.key) > len(line.key) or after.start - line.end >= MIN_BODY_CHARS)
    ]
    lengths, before = [0] * len(kept), [-1] * len(kept)
    for at, line in enumerate(kept):
        if follows((), line.key):
            lengths[at] = 1
        for earlier in range(at):
            if lengths[earlier] and lengths[earlier] >= lengths[at] and follows(kept[earlier].key, line.key):
                lengths[at], before[at] = lengths[earlier] + 1, earlier
    at = max(range(len(kept)), key=lambda place: (lengths[place], place), default=-1)
    found = []
    while at >= 0 and lengths[at]:
        found.append(kept[at])
        at = before[at]
    return found[::-1]


def _is_later(one: Key, other: Key) -> bool:
    return one < other


def _is_next(one: Key, other: Key) -> bool:
    """Whether a number comes next: the first below another, or the next of it or of one that it is below."""
    *above, last = other
    if above and last == 1:
        return tuple(above) == one or _is_next(one, tuple(above))
    if not one:
        return last == 1
    depth = len(above)
    return depth < len(one) and one[:depth] == tuple(above) and last == one[depth] + 1
