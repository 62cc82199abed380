"""Tables of figures in the text of a PDF: runs of lines that end in numbers, and the lines above that name them.

A PDF says nothing of tables, but a statement reads "Total current assets 3,316 1,616" under "2031 2030": the lines
between the title and the first figures are what every part of it needs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from openrag_cli.documents.chunking.table_rows import MAX_CAPTION_CHARS, TableRegion
from openrag_cli.domain import Document

MIN_ROWS = 4
"""Fewer lines of figures than this are no table."""

_MAX_HEAD_LINES = 5
_MAX_GAP_LINES = 2  # labels without figures between rows
_LABEL_CHARS = 110
_FIGURE = r"(?:[-\u2212(]?\s?[$€£¥]?\s?[-\u2212(]?\d[\d.,\u2019']*\s?[%)]{0,2}|[$€£¥]?\s?[\u2014\u2013]|n/?a|N/?A)"
_FIGURES = re.compile(rf"(?:^|(?<=\s))(?:{_FIGURE})(?:\s+{_FIGURE})*\s*$")
_ONE = re.compile(_FIGURE)
_YEARS = re.compile(r"(?:19|20|21)\d\d")
_HEAD_WORDS = re.compile(
    r"\b(?:19|20|21)\d\d\b|\b(?:in|en|en) (?:thousands|millions|billions|Tausend|Mio|milliers)", re.IGNORECASE
)
_SENTENCE = re.compile(r"[.!?]\s*$")


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str
    n_figures: int
    page: int

    @property
    def is_head_like(self) -> bool:
        """Whether a line may name columns."""
        return bool(_HEAD_WORDS.search(self.text)) or len(self.text) < _LABEL_CHARS // 2


def figure_tables(document: Document) -> list[TableRegion]:
    """Return the tables of figures of a document with pages, none of which crosses a page.

    One that begins at the top of a page without a head of its own, with as many columns, has that of the page before.
    """
    regions: list[TableRegion] = []
    n_columns, page_before = 0, -1
    starts = [page.start for page in document.pages] or [0]
    ends = [*starts[1:], len(document.markdown)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        lines = _lines(document.markdown, start, end, number)
        for first, last in _runs(lines):
            usual = _usual(lines[first : last + 1])
            top, region = _region(lines, first, last)
            is_next = bool(regions) and top <= 3 and page_before == number - 1 and usual == n_columns
            if is_next and not region.head:
                before = regions[-1]
                region = replace(region, caption=before.caption, head=before.head, head_line=before.head_line)
            regions.append(region)
            n_columns, page_before = usual, number
    return regions


def _lines(text: str, start: int, end: int, page: int) -> list[_Line]:
    lines = []
    position = start
    for raw in text[start:end].split("\n"):
        line = raw.strip()
        lines.append(_Line(position, position + len(raw), line, _n_figures(line), page))
        position += len(raw) + 1
    return lines


def _n_figures(line: str) -> int:
    """Return how many numbers end the line; none where they are years, or where prose ends in one."""
    if not line or len(line) > 2 * _LABEL_CHARS or not (line[-1].isdigit() or line[-1] in "%)\u2014\u2013aA"):
        return 0
    found = _FIGURES.search(line)
    if not found or found.start() > _LABEL_CHARS:
        return 0
    figures = [one.strip() for one in _ONE.findall(found[0])]
    if all(_YEARS.fullmatch(figure) for figure in figures):
        return 0
    return len(figures)


def _runs(lines: Sequence[_Line]) -> list[tuple[int, int]]:
    """Return (first, last) of lines with figures that stand together, `MIN_ROWS` of them at least."""
    found: list[tuple[int, int]] = []
    rows: list[int] = []
    for at, line in enumerate([*lines, _Line(0, 0, "x" * 500, 0, 0)]):
        if line.n_figures:
            rows.append(at)
            continue
        is_label = len(line.text) <= _LABEL_CHARS and not _SENTENCE.search(line.text)
        if rows and is_label and at - rows[-1] <= _MAX_GAP_LINES:
            continue
        if len(rows) >= MIN_ROWS and not _is_listing(lines, rows):
            found.append((rows[0], rows[-1]))
        rows = []
    return found


def _is_listing(lines: Sequence[_Line], rows: Sequence[int]) -> bool:
    """Whether the figures are page numbers of a table of contents: one each, never falling."""
    numbers = [lines[at].text.rsplit(None, 1)[-1] for at in rows]
    if any(lines[at].n_figures != 1 for at in rows) or not all(number.isdigit() for number in numbers):
        return False
    values = [int(number) for number in numbers]
    return values == sorted(values) and values[-1] < 2_000


def _usual(lines: Sequence[_Line]) -> int:
    counts = [line.n_figures for line in lines if line.n_figures]
    return max(set(counts), key=counts.count)


def _region(lines: Sequence[_Line], first: int, last: int) -> tuple[int, TableRegion]:
    """Return (the line of the page where it begins, the table): the lines above it that name it belong to it."""
    top = first
    while top > 0 and first - top < _MAX_HEAD_LINES and _is_above(lines[top - 1]):
        top -= 1
    names = [line.text for line in lines[top:first] if line.text]
    head = names[-1:] if names else []
    rows = [(lines[at].start, lines[at].end) for at in range(first, last + 1) if lines[at].text]
    rows[0] = (lines[top].start, rows[0][1])
    joined = tuple(name[:MAX_CAPTION_CHARS] for name in names[:-1])
    line = head[0] if head else ""
    region = TableRegion(
        start=rows[0][0],
        body=lines[first].start,
        end=rows[-1][1],
        caption=joined,
        head=(line,) if line else (),
        head_line=line,
        rows=tuple(rows),
    )
    return top, region


def _is_above(line: _Line) -> bool:
    return bool(line.text) and not line.n_figures and line.is_head_like and len(line.text) <= MAX_CAPTION_CHARS
