"""Where the tables of a text are: their rows, their head, and the lines above them that say what they show.

Markdown tables (of any reader), CSV and TSV, and in a PDF lines that end in figures. Nothing here cuts: offsets point
into the document, and `TablePieces` makes chunks of them.
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from openrag_cli.documents.tables import find_head
from openrag_cli.domain import Document

MAX_CAPTION_CHARS = 160
"""A longer line above a table is a paragraph, and no title or unit line."""

_MAX_CAPTION_LINES = 3
_MAX_QUOTED_LINES = 200  # of one CSV row: a quote that is never closed must not swallow the file
_SAMPLE_ROWS = 60
_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TableRegion:
    """A table in a text, characters `start` to `end`: its caption lines, its head, then its rows.

    `rows` are in order and cover the region; the first includes caption and head, and its own text begins at `body`.
    `head` is the texts of the head's cells, none where the table has none. `cells_of` gives the places of a row's
    cells; it is absent where a row is words alone. `head_line` is the head as it stands in the text.
    """

    start: int
    body: int
    end: int
    caption: tuple[str, ...]
    head: tuple[str, ...]
    head_line: str
    rows: tuple[_Range, ...]
    cells_of: Callable[[int, int], list[_Range]] | None = None


def table_regions(document: Document) -> list[TableRegion]:
    """Return the tables of a document, in order; they do not overlap."""
    if document.media_type in {"text/csv", "text/tab-separated-values"}:
        return _separated(document.markdown, document.media_type)
    if document.media_type == "application/pdf":
        from openrag_cli.documents.chunking.figure_lines import figure_tables

        drawn = _continued(_markdown_tables(document.markdown)) if "| --- |" in document.markdown else []
        found = [*drawn, *(region for region in figure_tables(document) if not _is_in(region, drawn))]
        return sorted(found, key=lambda region: region.start)
    return list(_markdown_tables(document.markdown)) if document.has_headings else []


def _continued(regions: Iterable[TableRegion]) -> list[TableRegion]:
    """Return tables in which one without a head, which goes on with that of the page before, has its head."""
    found: list[TableRegion] = []
    for region in regions:
        before = found[-1] if found else None
        if before and not region.head and region.rows:
            region = replace(region, caption=before.caption, head=before.head, head_line=before.head_line)  # noqa: PLW2901
        found.append(region)
    return found


def _is_in(region: TableRegion, others: Sequence[TableRegion]) -> bool:
    return any(region.start < other.end and other.start < region.end for other in others)


# --- Markdown

_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})", re.MULTILINE)
_BAR = re.compile(r"(?<!\\)\|")
_NO_CAPTION = re.compile(r"[ \t]*(?:#{1,6}[ \t]|[-*+][ \t]|>|\||```|~~~|={2,}|-{2,}|<!--)")


def _markdown_tables(text: str) -> Iterator[TableRegion]:
    fences = [found.start() for found in _FENCE.finditer(text)]
    done = 0
    for rule in _RULE.finditer(text):
        if rule.start() < done or "|" not in rule[0] or bisect_right(fences, rule.start()) % 2:
            continue
        head_start = text.rfind("\n", 0, max(rule.start() - 1, 0)) + 1
        head_line = text[head_start : max(rule.start() - 1, 0)]
        if head_start < done or not _BAR.search(head_line):
            continue
        rows = _lines_with_bars(text, rule.end() + 1)
        start, caption = _caption(text, head_start, done)
        head = tuple(text[first:last] for first, last in markdown_cells(text, head_start, rule.start() - 1))
        ranges = _covering(start, rule.end(), rows)
        done = ranges[-1][1]
        yield TableRegion(
            start=start,
            body=rows[0][0] if rows else done,
            end=done,
            caption=caption,
            head=head if any(head) else (),
            head_line=head_line.strip() if any(head) else "",
            rows=ranges,
            cells_of=partial(markdown_cells, text),
        )


def _covering(start: int, head_end: int, rows: Sequence[_Range]) -> tuple[_Range, ...]:
    """Return the rows, the first one with what stands above it."""
    return ((start, rows[0][1]), *rows[1:]) if rows else ((start, head_end),)


def _lines_with_bars(text: str, position: int) -> list[_Range]:
    rows: list[_Range] = []
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        if not _BAR.search(text, position, end):
            break
        rows.append((position, end))
        position = end + 1
    return rows


def markdown_cells(text: str, start: int, end: int) -> list[_Range]:
    """Return where the cells of a Markdown table's row are, without the blanks around them."""
    bars = [found.start() for found in _BAR.finditer(text, start, end)]
    first = start if not bars or text[start : bars[0]].strip() else bars.pop(0) + 1
    places: list[_Range] = []
    for bar in [*bars, end]:
        cell = text[first:bar]
        if bar < end or cell.strip():
            begin = first + len(cell) - len(cell.lstrip())
            places.append((begin, max(begin, begin + len(cell.strip()))))
        first = bar + 1
    return places


def _caption(text: str, head_start: int, floor: int) -> tuple[int, tuple[str, ...]]:
    """Return (where they begin, the short lines right above a table), nearest last."""
    start = head_start
    lines: list[str] = []
    while len(lines) < _MAX_CAPTION_LINES:
        above = text[floor:start].rstrip()
        if not above:
            break
        begin = floor + above.rfind("\n") + 1
        line = text[begin : floor + len(above)].strip()
        is_far = text[floor + len(above) : start].count("\n") > 2
        if is_far or len(line) > MAX_CAPTION_CHARS or _NO_CAPTION.match(line) or _is_inside_prose(text, begin, floor):
            break
        start, lines = begin, [line, *lines]
    return start, tuple(lines)


def _is_inside_prose(text: str, begin: int, floor: int) -> bool:
    """Whether the line that begins here goes on a paragraph: a long line stands right above it."""
    above = text[max(floor, begin - MAX_CAPTION_CHARS - 2) : max(begin - 1, floor)]
    line = above.rsplit("\n", 1)[-1]
    return len(line) > MAX_CAPTION_CHARS // 2 and not line.lstrip().startswith(("#", "|"))


# --- CSV, TSV


def _separated(text: str, media_type: str) -> list[TableRegion]:
    rows = list(_records(text))
    if len(rows) < 2:
        return []
    separator = "\t" if media_type != "text/csv" else _separator(text, rows)
    sample = [_values(text[start:end], separator) for start, end in rows[:_SAMPLE_ROWS]]
    n_above, n_head = find_head(sample)
    if max(map(len, sample)) < 2:
        return []
    first = n_above + n_head
    caption = tuple(" ".join(filter(None, map(str.strip, row))) for row in sample[:n_above])
    head_line = "\n".join(text[start:end] for start, end in rows[n_above:first])
    head = tuple(" ".join(cell.split()) for cell in sample[n_above]) if n_head else ()
    ranges = _covering(rows[0][0], rows[first - 1][1] if first else rows[0][1], rows[first:])
    return [
        TableRegion(
            start=ranges[0][0],
            body=rows[first][0] if first < len(rows) else ranges[0][1],
            end=ranges[-1][1],
            caption=tuple(line[:MAX_CAPTION_CHARS] for line in caption[-_MAX_CAPTION_LINES:] if line),
            head=head,
            head_line=head_line,
            rows=ranges,
            cells_of=partial(_separated_cells, separator, text),
        )
    ]


def _records(text: str) -> Iterator[_Range]:
    """Yield the rows: lines, and lines that a quoted cell joins."""
    start, position = 0, 0
    n_lines = n_quotes = 0
    held: list[_Range] = []
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        n_quotes += text.count('"', position, end)
        n_lines += 1
        held.append((position, end))
        position = end + 1
        if n_quotes % 2 and n_lines < _MAX_QUOTED_LINES and position < len(text):
            continue
        if n_quotes % 2:  # it was no quote after all
            yield from (line for line in held if text[line[0] : line[1]].strip())
        elif text[start:end].strip():
            yield start, end
        start, n_lines, n_quotes, held = position, 0, 0, []


def _separator(text: str, rows: Sequence[_Range]) -> str:
    """Return the one of `,` `;` tab and bar that cuts most rows into the same number of cells."""
    lines = [text[start:end] for start, end in rows[:20]]

    def score(separator: str) -> tuple[int, int]:
        """Return how many lines a separator cuts into the same number of columns, and that number."""
        counts = [len(_values(line, separator)) for line in lines]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) if usual > 1 else 0, usual)

    return max(",;\t|", key=score)


def _values(row: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([*row.splitlines(keepends=True)], delimiter=separator), [])
    except csv.Error:
        return row.split(separator)


def _separated_cells(separator: str, text: str, start: int, end: int) -> list[_Range]:
    """Return where the cells of a row are, with their quotes."""
    places: list[_Range] = []
    is_quoted, first = False, start
    for at in range(start, end):
        if text[at] == '"':
            is_quoted = not is_quoted
        elif text[at] == separator and not is_quoted:
            places.append((first, at))
            first = at + 1
    return [*places, (first, end)]
