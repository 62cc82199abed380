"""Splitting a document into chunks that the embedding model can read whole.

What is embedded for a chunk, its passage, is what it carries (the title of the file, the path of headings above it; for
rows of a table the lines above the table and its head), a newline and its text, of which a row of figures keeps the first.
Passage and special tokens together never exceed the model's limit, so nothing that is stored is hidden from the model.
What is carried takes a quarter of it at most.

Chunks are made of whole sections where these fit. A section that does not is cut at its largest inner boundaries that
fit (blocks, paragraphs, sentences, words; semantic-text-splitter). A chunk never crosses a page. The covering rule:
spans are in order and disjoint, and every character that is neither white space (`str.isspace`) nor masked is in
exactly one span.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from openrag_cli.documents.chunking.figure_rows import first_figures
from openrag_cli.documents.chunking.markup import masks_of
from openrag_cli.documents.chunking.masks import unmasked
from openrag_cli.documents.chunking.outline import Section, sections
from openrag_cli.documents.chunking.sizers import Range, Sizer
from openrag_cli.documents.chunking.table_pieces import TableCutter, TablePiece
from openrag_cli.documents.chunking.table_rows import TableRegion, table_regions
from openrag_cli.documents.chunking.token_count import TokenCounter, open_tokenizer
from openrag_cli.domain import Document, Span
from openrag_cli.errors import ConfigError

MIN_MODEL_TOKENS = 32
"""A model that reads fewer tokens at once is refused: headings and text would not both fit."""

_SEPARATOR = " > "
_MOST_PREFIXES = 1_000
_BOUNDARIES = (re.compile(r"\n[ \t]*\n"), re.compile(r"\n"), re.compile(r"[.!?] +"), re.compile(r" +"))  # best first


class Chunker:
    """Splits documents for one model, given by its tokenizer.json and the number of tokens that it reads at once.

    `max_tokens` includes special tokens; a caller that puts a prefix before each passage subtracts its tokens.

    Raises:
        ConfigError: the tokenizer file cannot be read, or the model reads too few tokens.
    """

    def __init__(self, tokenizer_path: Path, max_tokens: int) -> None:
        if max_tokens < MIN_MODEL_TOKENS:
            raise ConfigError(
                f"the embedding model reads {max_tokens} tokens; at least {MIN_MODEL_TOKENS} are needed"
            )
        self._title = ""
        self._prefixes: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        tokenizer = open_tokenizer(tokenizer_path)
        budget = max_tokens - tokenizer.num_special_tokens_to_add(is_pair=False)
        self._sizer = Sizer(TokenCounter(tokenizer), budget)

    def titled(self, title: str) -> "Chunker":
        """Return a chunker whose passages begin with the title of a file."""
        other = copy(self)
        other._title, other._prefixes = title, {}  # noqa: SLF001 - its own kind
        return other

    def split(self, document: Document) -> list[Span]:
        """Return the chunks of `document`, in order; none for a document of white space."""
        text, outline, tables = document.markdown, sections(document), table_regions(document)
        masks, cut = masks_of(document), _Cut(document, self._sizer, self._prefix)
        lines = [0, *(newline.end() for newline in re.finditer("\n", text))]
        spans = []
        for number, unit in _units(document):
            for path, piece in cut.ranges(_clip(outline, unit), _within(tables, unit)):
                stretch = text[piece.start : piece.end]
                start = piece.start + len(stretch) - len(stretch.lstrip())
                end = start + len(stretch.strip())
                first, last = bisect_right(lines, start), bisect_right(lines, end - 1)
                plain = unmasked(text, start, end, masks)
                if plain is None or plain.strip():
                    spans.append(Span(text[start:end], start, end, first, last, number, path, piece.head, plain))
        return spans

    def embedded(self, span: Span) -> str:
        """Return what is embedded for a chunk: its passage, of which a row of figures keeps the first."""
        return first_figures(self.passage(span))

    def passage(self, span: Span) -> str:
        """Return what is searched of a chunk: what it carries, shortened if it is very long, above its text."""
        prefix = self._prefix(span.heading, span.head)
        return f"{prefix}\n{span.indexed}" if prefix else span.indexed

    def _prefix(self, heading: tuple[str, ...], head: tuple[str, ...] = ()) -> str:
        """Return what a chunk under some headings and head lines carries: many chunks carry the same."""
        known = self._prefixes.get((heading, head))
        if known is None:
            if len(self._prefixes) >= _MOST_PREFIXES:
                self._prefixes.clear()
            known = self._prefixes[heading, head] = self._carried(heading, head)
        return known

    def _carried(self, heading: tuple[str, ...], head: tuple[str, ...]) -> str:
        """Join titles and head lines, as many as keep to their share: the nearest first, and that one cut at last."""
        heading = _under(self._title, heading)
        titles: tuple[str, ...] = ()
        kept: tuple[str, ...] = ()
        for is_title, part in _by_importance(heading, head):
            more_titles, more_lines = ((part, *titles), kept) if is_title else (titles, (part, *kept))
            pieces = self._sizer.split_heading(_joined(more_titles, more_lines))
            if len(pieces) == 1:
                titles, kept = more_titles, more_lines
            elif pieces and not titles and not kept:
                return pieces[0]
            elif is_title:
                break
        return _joined(titles, kept)


class _Cut:
    """One document being cut. `prefix` joins what chunks under some headings and head lines carry."""

    def __init__(self, document: Document, sizer: Sizer, prefix: Callable[..., str]) -> None:
        self._text = document.markdown
        self._has_headings = document.has_headings
        self._sizer = sizer
        self._sized = sizer.of(document.markdown)
        self._prefix = prefix

    def ranges(
        self, unit: list[Section], tables: Sequence[TableRegion]
    ) -> Iterator[tuple[tuple[str, ...], TablePiece]]:
        """Yield the stretches of one page, or of a document without pages, that become chunks, and their headings."""
        for section in self._grouped(_without_bare_headings(self._text, unit)):
            for piece in self._pieces(section, _within(tables, (section.start, section.end))):
                if self._text[piece.start : piece.end].strip():
                    yield section.path, piece

    def _pieces(self, section: Section, tables: Sequence[TableRegion]) -> Iterator[TablePiece]:
        """Cut a section, if need be: its tables by rows, what stands between them by its blocks."""
        path = section.path
        if self._fits(section, section.end):
            yield TablePiece(section.start, section.end, ())
            return
        position = section.start
        for table in tables:
            if self._sized.is_small(position, table.start):  # a heading, a line that announces the table
                start = position
            else:
                yield from self._text_pieces(path, position, table.start)
                start = table.start
            yield from self._cutter(path, table).pieces(start)
            position = table.end
        yield from self._text_pieces(path, position, section.end)

    def _cutter(self, path: tuple[str, ...], table: TableRegion) -> TableCutter:
        return TableCutter(
            self._text,
            table,
            fits=lambda head, start, end: self._sized.fits(self._prefix(path, head), start, end),
            carries=lambda head: len(self._sizer.split_heading("\n".join(head))) == 1,
            split=lambda head, start, end: self._sized.split(
                self._prefix(path, head), start, end, has_headings=False
            ),
        )

    def _text_pieces(self, path: tuple[str, ...], start: int, end: int) -> Iterator[TablePiece]:
        for first, last in self._text_cuts(self._prefix(path), start, end):
            yield TablePiece(first, last, ())

    def _text_cuts(self, prefix: str, start: int, end: int) -> Iterator[Range]:
        """Cut a text, if need be; a scrap (the heading above a large block) is shared with its neighbour."""
        if self._sized.fits(prefix, start, end):
            yield start, end
            return
        pieces = self._sized.split(prefix, start, end, has_headings=self._has_headings)
        held = next(pieces, None)
        for piece in pieces:
            assert held is not None
            pair = [held, piece]
            if self._sized.is_small(*held) or self._sized.is_small(*piece):
                pair = self._rebalanced(prefix, held, piece)
            yield from pair[:-1]
            held = pair[-1]
        if held is not None:
            yield held

    def _rebalanced(self, prefix: str, first: Range, second: Range) -> list[Range]:
        """Join two neighbours, or move the cut between them to the best place near the middle; else leave them."""
        start, end = first[0], second[1]
        if self._sized.fits(prefix, start, end):
            return [(start, end)]
        quarter = (end - start) // 4
        for boundary in _BOUNDARIES:
            cuts = [found.end() for found in boundary.finditer(self._text, start + quarter, end - quarter)]
            if cuts:
                cut = min(cuts, key=lambda cut: abs(cut - start - 2 * quarter))
                if self._sized.fits(prefix, start, cut) and self._sized.fits(prefix, cut, end):
                    return [(start, cut), (cut, end)]
        return [first, second]

    def _grouped(self, unit: list[Section]) -> Iterator[Section]:
        """Merge all sections if they fit one chunk, else small ones with a neighbour."""
        if not unit:
            return
        group = unit[0]
        if self._fits(group, unit[-1].end):
            yield replace(group, end=unit[-1].end)
            return
        for section in unit[1:]:
            is_below = len(section.path) >= len(group.path)
            is_scrap = self._is_small(group) or (is_below and self._is_small(section))
            if is_scrap and self._fits(group, section.end):
                group = replace(group, end=section.end)
            else:
                yield group
                group = section
        yield group

    def _is_small(self, section: Section) -> bool:
        return self._sized.is_small(section.start, section.end)

    def _fits(self, first: Section, end: int) -> bool:
        return self._sized.fits(self._prefix(first.path), first.start, end)


def _units(document: Document) -> list[tuple[int | None, Range]]:
    """Return page number and range of the stretches that no chunk may cross; together they are the whole text."""
    if not document.pages:
        return [(None, (0, len(document.markdown)))]
    bounds = [0, *(page.start for page in document.pages[1:]), len(document.markdown)]
    return list(zip((page.number for page in document.pages), pairwise(bounds), strict=True))


def _within(tables: Sequence[TableRegion], unit: Range) -> list[TableRegion]:
    """Return the tables that lie inside `unit`."""
    first = bisect_left(tables, unit[0], key=lambda table: table.start)
    last = bisect_right(tables, unit[1], key=lambda table: table.end)
    return list(tables[first:last])


def _by_importance(heading: tuple[str, ...], head: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Yield (is a title, text): the two nearest head lines, the innermost title, then the rest from within."""
    yield from ((False, line) for line in head[:-3:-1])
    yield from ((True, title) for title in heading[:-2:-1])
    yield from ((False, line) for line in head[-3::-1])
    yield from ((True, title) for title in heading[-2::-1])


def _under(title: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path of headings below the file's title, where the first of them does not say the same."""
    if not title or (path and _letters(title) in _letters(path[0])):
        return path
    is_said = bool(path) and _letters(path[0]) in _letters(title)
    return (title, *path[1:]) if is_said else (title, *path)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _joined(titles: tuple[str, ...], lines: tuple[str, ...]) -> str:
    path = _SEPARATOR.join(titles)
    return "\n".join([path, *lines] if path else lines)


def _clip(outline: list[Section], unit: Range) -> list[Section]:
    """Return the parts of the sections that are inside `unit`."""
    start, end = unit
    first = bisect_right(outline, start, key=lambda section: section.end)
    last = bisect_left(outline, end, key=lambda section: section.start)
    return [replace(s, start=max(s.start, start), end=min(s.end, end)) for s in outline[first:last]]


def _without_bare_headings(text: str, unit: list[Section]) -> list[Section]:
    """Merge a heading without text of its own into the section that follows."""
    merged: list[Section] = []
    for section in unit:
        if merged and not text[merged[-1].body : merged[-1].end].strip():
            merged[-1] = replace(section, start=merged[-1].start)
        else:
            merged.append(section)
    return merged
