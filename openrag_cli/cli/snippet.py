"""The lines of a chunk that say most about a query, for a person's eyes. Nothing here ranks.

Prose is joined and wrapped; code keeps its lines and its indentation; a row of a table stands under the row that names
its columns. What is cut shows an ellipsis.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openrag_cli.domain import Span
from openrag_cli.retrieval.query_words import Words

if TYPE_CHECKING:
    from openrag_cli.cli.output import Output

MIN_HEADING = 12
ELLIPSIS = "…"
MAX_PROSE_COLUMNS = 100

_SECOND = "\0"  # the second column of a wide letter, while lines are broken
_WORD = re.compile(r"\w+")
_FULL_LINE = 60  # a longer line goes on in the next one, as wrapped prose does
_OWN_LINE = re.compile(r"\s|[-|#>=<{}]|[*+]\s|`{3}|\d+[.)]\s")
_GOES_ON = re.compile(r"(?:\S+\s+){4,}\S*[\w`,*)]\s*")  # a line of words that no sentence ends
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_SILENT = re.compile(
    r"\s*(?:#{1,6}\s.*|`{3,}.*|~{3,}.*|-{3,}\s*|={3,}\s*|\|?(?:\s*:?-{3,}:?\s*\|)+(?:\s*:?-+:?\s*)?)?"
)
_FENCE = re.compile(r"\s{0,3}(?:`{3,}|~{3,})")
_ROW = re.compile(r"\s*\|")
_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(?:.*\n)*?\1[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is shown: where it comes from (0 is the first line of the chunk), and whether it was cut."""

    text: str
    source: int
    begins_inside: bool = False
    ends_inside: bool = False
    is_row: bool = False
    found: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines to show, those that name the columns in `head`, and where the document matches best, counted from 1."""

    lines: tuple[str, ...]
    line: int
    column: int
    head: tuple[str, ...] = ()


@dataclass(slots=True)
class _Paragraph:
    source: int
    lines: list[str] = field(default_factory=list)

    def takes(self, line: str) -> bool:
        """Whether a line goes on with what the last one began, as wrapped prose and items of lists do."""
        if _ITEM.match(self.lines[0]) and line.startswith("  "):
            return _indent(line) > _indent(self.lines[0]) and not _OWN_LINE.match(line.lstrip())
        return len(self.lines[-1]) >= _FULL_LINE and not _OWN_LINE.match(line)


def snippet(span: Span, words: Words, *, width: int, n_lines: int) -> Snippet:
    """Return up to `n_lines` neighbouring lines of at most `width` columns with the most words of the query."""
    lines = list(_shown(span.text, words, width)) or [Line(_cut(" ".join(span.text.split()), width), 0)]
    begin = _best_window(lines, n_lines, words.of(" ".join(span.heading)))
    window = _from_a_beginning(lines[begin : begin + n_lines])
    best = max(window, key=lambda line: len(line.found))
    texts = [line.text for line in window]
    if window[0].begins_inside:
        texts[0] = f"{ELLIPSIS} {texts[0]}"
    if window[-1].ends_inside or _goes_on(span.text.splitlines(), window[-1]):
        texts[-1] = f"{texts[-1]} {ELLIPSIS}"
    source = (span.text.splitlines() or [""])[best.source]
    word = _first(source, words)
    column = word.start() + 1 if word else 1
    return Snippet(tuple(texts), span.line_start + best.source, column, _head(span, window, width))


def _from_a_beginning(window: Sequence[Line]) -> Sequence[Line]:
    """Return a window without the end of a paragraph that it begins with, where that says nothing of the query."""
    first = next((at for at, line in enumerate(window) if not line.begins_inside), 0)
    return window if any(line.found for line in window[:first]) else window[first:]


def _goes_on(sources: Sequence[str], last: Line) -> bool:
    """Whether the sentence of the last line that is shown goes on in the next one."""
    if last.is_row or last.source + 1 >= len(sources) or last.text.endswith(ELLIPSIS):
        return False
    following = sources[last.source + 1]
    is_further = following[:1].islower() or following.startswith(("``", "*"))
    return is_further and not _OWN_LINE.match(following) and bool(_GOES_ON.fullmatch(sources[last.source]))


def whole(text: str, *, width: int) -> tuple[str, ...]:
    """Return all lines of a text, those that are too long for the screen wrapped under their own indentation.

    Prose of which a line is too long is joined before, as no line of it ends where another begins.
    """
    columns = max(10, min(width, MAX_PROSE_COLUMNS))
    lines: list[str] = []
    for paragraph in _runs(text.strip("\n").expandtabs(4).splitlines()):
        is_long = any(n_columns(line) > columns for line in paragraph)
        for line in [" ".join([paragraph[0].rstrip(), *map(str.strip, paragraph[1:])])] if is_long else paragraph:
            lines += _wrap(line, columns, line[: _indent(line)][: columns // 2]) or [""]
    return tuple(lines)


def readable_lines(out: "Output", text: str) -> Sequence[str]:
    """Return the lines of a text for a person, none wider than the screen; as they are where nobody looks."""
    return whole(text, width=out.width) if out.is_terminal else text.split("\n")


def _runs(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield lines that go on with one another, as wrapped prose does; any other line alone."""
    held: _Paragraph | None = None
    in_fence = False
    for line in lines:
        in_fence ^= bool(_FENCE.match(line))
        if held and line.strip() and not in_fence and not _FENCE.match(line) and held.takes(line):
            held.lines.append(line)
            continue
        if held:
            yield held.lines
        held = _Paragraph(0, [line])
    if held:
        yield held.lines


def n_columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of East Asia and pictures take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text in lines of at most `width` columns, those after the first with an indentation."""
    padded = text if text.isascii() else "".join(char + _SECOND * (n_columns(char) - 1) for char in text)
    parts = textwrap.wrap(padded, width, subsequent_indent=indent, replace_whitespace=False)
    return [part.replace(_SECOND, "") for part in parts]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _first(text: str, words: Words) -> re.Match[str] | None:
    """Return the first word of the query in a text."""
    return next((word for word in _WORD.finditer(text) if words.of(word[0])), None)


def _best_window(lines: Sequence[Line], n_lines: int, said: set[str]) -> int:
    """Return where the window with the most words begins; of equals that whose best line is nearest to its middle.

    Words that the headings have `said` make no difference but among equals.
    """

    def worth(begin: int) -> tuple[int, int, int, bool, int, int, int]:
        """Return how much of the query a line says."""
        window = lines[begin : begin + n_lines]
        counts = [len(line.found - said) for line in window]
        every = frozenset[str]().union(*(line.found for line in window))
        at = counts.index(max(counts))
        is_far = abs(at - len(window) // 2) if every else 0
        n_new = len(every - said)
        return n_new, max(counts), sum(counts), not window[0].begins_inside, len(every), -is_far, -begin

    return max(range(max(1, len(lines) - n_lines + 1)), key=worth)


def _head(span: Span, window: Sequence[Line], width: int) -> tuple[str, ...]:
    """Return the lines that the first row of the window stands under: those of the span, or the first of its table."""
    if not any(line.is_row for line in window):
        return tuple(_cut(line, width) for line in span.head[-1:])
    outside = [line for line in span.head if not _SILENT.fullmatch(line)]
    if outside:
        return tuple(_cut(" ".join(line.split()), width) for line in outside[-2:])
    texts = span.text.splitlines()
    first = next(line.source for line in window if line.is_row)
    while first and _ROW.match(texts[first - 1]):
        first -= 1
    is_there = any(line.source <= first for line in window)
    return () if is_there else (_cut(" ".join(texts[first].split()), width),)


def _shown(text: str, words: Words, width: int) -> Iterator[Line]:
    prose = min(width, MAX_PROSE_COLUMNS) - 2 * len(f"{ELLIPSIS} ")
    for paragraph, is_code in _paragraphs(text):
        first = paragraph.lines[0]
        if is_code or _ROW.match(first):
            for at, line in enumerate(paragraph.lines, paragraph.source):
                found = frozenset(words.of(line))
                shown = _around(" ".join(line.split()), words, width) if not is_code else _cut(line, width)
                yield Line(shown, at, is_row=not is_code, found=found)
        else:
            yield from _wrapped(paragraph, words, prose)


def _wrapped(paragraph: _Paragraph, words: Words, width: int) -> Iterator[Line]:
    joined = " ".join(" ".join(line.split()) for line in paragraph.lines)
    ends: list[int] = []
    for line in paragraph.lines:
        ends.append((ends[-1] + 1 if ends else 0) + len(" ".join(line.split())))
    parts = _wrap(joined, max(width, 10))
    at = 0
    for number, part in enumerate(parts):
        at = joined.find(part, at)
        found = frozenset(words.of(part))
        match = _first(part, words) if found else None
        place = at + (match.start() if match else 0)
        source = next((n for n, end in enumerate(ends) if place < end), len(ends) - 1)
        yield Line(part, paragraph.source + source, number > 0, number < len(parts) - 1, found=found)


def _paragraphs(text: str) -> Iterator[tuple[_Paragraph, bool]]:
    """Yield the text's paragraphs and whether each is code, without headings (they are shown above) and rules."""
    begin = _FRONT_MATTER.match(text)
    n_skipped = begin[0].count("\n") if begin and begin.end() < len(text.rstrip()) else 0
    held: _Paragraph | None = None
    in_fence = False
    for at, line in enumerate(text.splitlines()):
        if at < n_skipped:
            continue
        if _FENCE.match(line):
            in_fence = not in_fence
        is_silent = _FENCE.match(line) or (not in_fence and _SILENT.fullmatch(line)) or not line.strip()
        is_code = in_fence or (line.startswith(("    ", "\t")) and not re.match(r"\s*(?:[-*+]|\d+[.)])\s", line))
        if held and not is_silent and not in_fence and held.takes(line):
            held.lines.append(line)
            continue
        if held:
            yield held, False
            held = None
        if is_silent:
            continue
        if is_code:
            yield _Paragraph(at, [line.expandtabs(4).rstrip()]), True
        else:
            held = _Paragraph(at, [line])
    if held:
        yield held, False


def _cut(line: str, width: int) -> str:
    """Return a line of at most `width` columns, with an ellipsis where something is cut."""
    if n_columns(line) <= width:
        return line
    end = min(len(line), max(0, width - 1))
    while end and n_columns(line[:end]) > width - 1:
        end -= 1
    return line[:end].rstrip() + ELLIPSIS


def _around(line: str, words: Words, width: int) -> str:
    """Return the part of a long line, its beginning if that will do, in which its first words of the query stand."""
    match = _first(line, words)
    if n_columns(line) <= width or match is None or n_columns(line[: match.end()]) < width - 1:
        return _cut(line, width)
    begin = match.start()
    while n_columns(line[begin : match.start()]) < width // 3 or n_columns(line[begin : begin + width]) < width - 1:
        begin -= 1
    return _cut(ELLIPSIS + line[begin:].lstrip(), width)


def fitting_heading(headings: Sequence[str], room: int) -> str:
    """Return headings as a path of at most `room` columns, the last ones where not all fit; nothing in too little room."""
    path = " > ".join(headings)
    if n_columns(path) <= room:
        return path
    if room <= MIN_HEADING:
        return ""
    begin = max(0, len(path) - room + 1)
    while n_columns(path[begin:]) > room - 1:
        begin += 1
    return ELLIPSIS + path[begin:]
