"""The lines of a chunk that say most about a query, for a person's eyes. Nothing here ranks."""

import re
import textwrap
from collections.abc import Callable, Iterator

_WORD = re.compile(r"\w+")
_MIN_STEM = 3
_FULL_LINE = 60  # a longer line goes on in the next one, as wrapped prose does
_OWN_LINE = re.compile(r"\s|[-*+|#>`=<{}]|\d+[.)]")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")


def stems(query: str) -> set[str]:
    """Return the beginnings of the query's words: what a word of the text must begin with to be marked."""
    words = [word.casefold() for word in _WORD.findall(query)]
    return {word[: max(_MIN_STEM, len(word) - 2)] for word in words if len(word) > _MIN_STEM} or set(words)


def _match(word: str, wanted: set[str]) -> str | None:
    folded = word.casefold()
    return next((stem for stem in wanted if folded.startswith(stem)), None)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the text's lines, those of wrapped prose joined, without Markdown headings (they are shown above)."""
    held = ""
    for line in text.splitlines():
        if held and len(held.rsplit("\n", 1)[-1]) >= _FULL_LINE and line.strip() and not _OWN_LINE.match(line):
            held += "\n" + line
            continue
        if held.strip():
            yield " ".join(held.split())
        held = "" if _HEADING.match(line) else line
    if held.strip():
        yield " ".join(held.split())


def best_lines(text: str, query: str, *, width: int, n_lines: int) -> list[str]:
    """Return up to `n_lines` neighbouring lines, wrapped to `width` columns, with the most words of the query."""
    paragraphs = list(_paragraphs(text)) or [" ".join(text.split())]
    lines = [part for paragraph in paragraphs for part in textwrap.wrap(paragraph, width)]
    wanted = stems(query)
    found = [{stem for word in _WORD.findall(line) if (stem := _match(word, wanted))} for line in lines]
    windows = range(max(1, len(lines) - n_lines + 1))
    best = max(windows, key=lambda begin: (len(set().union(*found[begin : begin + n_lines])), -begin))
    return lines[best : best + n_lines]


def marked(line: str, query: str, mark: Callable[[str], str]) -> str:
    """Return `line` with the words of the query passed through `mark`."""
    wanted = stems(query)
    return _WORD.sub(lambda word: mark(word[0]) if _match(word[0], wanted) else word[0], line)
