"""The lines of a chunk that say most about a query, for a person's eyes. Nothing here ranks."""

import re
import textwrap
from collections.abc import Callable, Sequence

_WORD = re.compile(r"\w+")
_MIN_STEM = 3


def stems(query: str) -> set[str]:
    """Return the beginnings of the query's words: what a word of the text must begin with to be marked."""
    words = [word.casefold() for word in _WORD.findall(query)]
    return {word[: max(_MIN_STEM, len(word) - 2)] for word in words if len(word) >= _MIN_STEM} or set(words)


def _matches(word: str, wanted: set[str]) -> str | None:
    folded = word.casefold()
    return next((stem for stem in wanted if folded.startswith(stem)), None)


def best_lines(text: str, query: str, *, width: int, n_lines: int) -> list[str]:
    """Return up to `n_lines` neighbouring lines, wrapped to `width` columns, with the most words of the query."""
    lines = [part for line in text.splitlines() if line.strip() for part in textwrap.wrap(line.strip(), width)]
    wanted = stems(query)
    found = [{stem for word in _WORD.findall(line) if (stem := _matches(word, wanted))} for line in lines]
    windows: Sequence[int] = range(max(1, len(lines) - n_lines + 1))
    best = max(windows, key=lambda begin: (len(set().union(*found[begin : begin + n_lines])), -begin))
    return lines[best : best + n_lines]


def marked(line: str, query: str, mark: Callable[[str], str]) -> str:
    """Return `line` with the words of the query passed through `mark`."""
    wanted = stems(query)
    return _WORD.sub(lambda word: mark(word[0]) if _matches(word[0], wanted) else word[0], line)
