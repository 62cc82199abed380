"""Splitting a document into chunks that the embedding model can read whole.

What is embedded for a chunk, its passage, is the path of headings above it, a newline and its text; passage and
special tokens together never exceed the model's limit, so nothing that is stored is hidden from the model.

Chunks are made of whole sections where these fit. A section that does not is cut at its largest inner boundaries that
fit (blocks, paragraphs, sentences, words; semantic-text-splitter). A chunk never crosses a page. The covering rule:
spans are in order and disjoint, and every character that is not white space (`str.isspace`) is in exactly one span.
"""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from openrag_cli.documents.chunking.outline import Section, sections
from openrag_cli.documents.chunking.token_count import token_counter
from openrag_cli.domain import Document, Span
from openrag_cli.errors import ConfigError

MIN_MODEL_TOKENS = 32
"""A model that reads fewer tokens at once is refused: headings and text would not both fit."""

MAX_CHARS_PER_TOKEN = 16
"""A chunk has at most this many characters for each token it may have. Spaces cost no token, and a word of a hundred
thousand characters is one unknown token: counted in tokens alone a chunk could be a whole file."""

_HEADING_SHARE = 4  # the path of headings may take up to a quarter of the model's tokens
_SMALL_SHARE = 4  # a section of less than a quarter of a chunk is merged with a neighbour if both fit
_WINDOW_CHUNKS = 8  # a long text is split in windows of this many chunks of the greatest length
_JOINT_TOKENS = 2  # what a newline between heading path and text may cost in tokenizers that are not BERT's
_UNCOUNTED_TOKENS = 1  # semantic-text-splitter 0.33 leaves out a leading space that is a token of its own
_SEPARATOR = " > "
_BOUNDARIES = (re.compile(r"\n[ \t]*\n"), re.compile(r"\n"), re.compile(r"[.!?] +"), re.compile(r" +"))  # best first

_Range = tuple[int, int]
_Piece = tuple[int, str]


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
        tokenizer = _read_tokenizer(tokenizer_path)
        budget = max_tokens - _n_special_tokens(tokenizer.get("post_processor"))
        count = token_counter(tokenizer)
        self._sizer: _Sizer = _CountingSizer(count, budget) if count else _TokenizerSizer(tokenizer, budget)

    def split(self, document: Document) -> list[Span]:
        """Return the chunks of `document`, in order; none for a document of white space."""
        text, outline = document.markdown, sections(document)
        lines = [0, *(newline.end() for newline in re.finditer("\n", text))]
        spans = []
        for number, unit in _units(document):
            for section, start, end in self._ranges(document, _clip(outline, unit)):
                first, last = bisect_right(lines, start), bisect_right(lines, end - 1)
                spans.append(Span(text[start:end], start, end, first, last, number, section.path))
        return spans

    def passage(self, heading: tuple[str, ...], text: str) -> str:
        """Return what is embedded for a chunk: its heading path, shortened if it is very long, above its text."""
        prefix = self._prefix(heading)
        return f"{prefix}\n{text}" if prefix else text

    def _prefix(self, heading: tuple[str, ...]) -> str:
        """Join the titles; drop the outermost, and at last cut the innermost, to keep to the share of headings."""
        for outermost in range(len(heading)):
            pieces = self._sizer.split_heading(_SEPARATOR.join(heading[outermost:]))
            if len(pieces) == 1 or (pieces and outermost == len(heading) - 1):
                return pieces[0]
        return ""

    def _ranges(self, document: Document, unit: list[Section]) -> Iterator[tuple[Section, int, int]]:
        """Yield the stretches of one page, or of a document without pages, that become chunks."""
        for section in self._grouped(document.markdown, _without_bare_headings(document.markdown, unit)):
            text = document.markdown[section.start : section.end]
            for offset, piece in self._pieces(self._prefix(section.path), text, has_headings=document.has_headings):
                start = section.start + offset + len(piece) - len(piece.lstrip())
                if piece.strip():
                    yield section, start, start + len(piece.strip())

    def _pieces(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[_Piece]:
        """Cut a section, if need be; a scrap (the heading above a large table) is shared with its neighbour."""
        if self._sizer.fits(prefix, text):
            yield 0, text
            return
        pieces = self._sizer.split(prefix, text, has_headings=has_headings)
        held = next(pieces, None)
        for piece in pieces:
            assert held is not None
            pair = [held, piece]
            if self._sizer.is_small(held[1]) or self._sizer.is_small(piece[1]):
                pair = self._rebalanced(prefix, text, held, piece)
            yield from pair[:-1]
            held = pair[-1]
        if held is not None:
            yield held

    def _rebalanced(self, prefix: str, text: str, first: _Piece, second: _Piece) -> list[_Piece]:
        """Join two neighbours, or move the cut between them to the best place near the middle; else leave them."""
        start, end = first[0], second[0] + len(second[1])
        if self._sizer.fits(prefix, text[start:end]):
            return [(start, text[start:end])]
        quarter = (end - start) // 4
        for boundary in _BOUNDARIES:
            cuts = [found.end() for found in boundary.finditer(text, start + quarter, end - quarter)]
            if cuts:
                cut = min(cuts, key=lambda cut: abs(cut - start - 2 * quarter))
                if self._sizer.fits(prefix, text[start:cut]) and self._sizer.fits(prefix, text[cut:end]):
                    return [(start, text[start:cut]), (cut, text[cut:end])]
        return [first, second]

    def _grouped(self, text: str, unit: list[Section]) -> Iterator[Section]:
        """Merge all sections if they fit one chunk, else small ones with a neighbour."""
        if not unit:
            return
        group = unit[0]
        if self._fits(text, group, unit[-1].end):
            yield replace(group, end=unit[-1].end)
            return
        for section in unit[1:]:
            is_below = len(section.path) >= len(group.path)
            is_scrap = self._is_small(text, group) or (is_below and self._is_small(text, section))
            if is_scrap and self._fits(text, group, section.end):
                group = replace(group, end=section.end)
            else:
                yield group
                group = section
        yield group

    def _is_small(self, text: str, section: Section) -> bool:
        return self._sizer.is_small(text[section.start : section.end])

    def _fits(self, text: str, first: Section, end: int) -> bool:
        return self._sizer.fits(self._prefix(first.path), text[first.start : end])


def _read_tokenizer(path: Path) -> dict[str, Any]:
    """Read a tokenizer.json without its truncation and padding, which would falsify every count."""
    try:
        tokenizer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"the tokenizer {path} cannot be read: {exc}") from exc
    if not isinstance(tokenizer, dict) or "model" not in tokenizer:
        raise ConfigError(f"{path} is not a tokenizer of Hugging Face tokenizers")
    return {**tokenizer, "truncation": None, "padding": None}


def _n_special_tokens(post_processor: dict[str, Any] | None) -> int:
    """Return how many tokens the tokenizer adds to a single text."""
    match post_processor:
        case {"type": "TemplateProcessing", "single": parts}:
            return sum("SpecialToken" in part for part in parts)
        case {"type": "BertProcessing" | "RobertaProcessing"}:
            return 2
        case {"type": "Sequence", "processors": processors}:
            return sum(_n_special_tokens(processor) for processor in processors)
    return 0


def _units(document: Document) -> list[tuple[int | None, _Range]]:
    """Return page number and range of the stretches that no chunk may cross; together they are the whole text."""
    if not document.pages:
        return [(None, (0, len(document.markdown)))]
    bounds = [0, *(page.start for page in document.pages[1:]), len(document.markdown)]
    return list(zip((page.number for page in document.pages), pairwise(bounds), strict=True))


def _clip(outline: list[Section], unit: _Range) -> list[Section]:
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


class _Sizer(Protocol):
    """What fits into the model, and cutting what does not. Sizes leave out special tokens."""

    def fits(self, prefix: str, text: str) -> bool:
        """Whether the passage made of `prefix` and `text` can be read whole."""

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[_Piece]:
        """Yield pieces of `text` that fit under `prefix`, and their offsets."""

    def is_small(self, text: str) -> bool:
        """Whether `text` is a small part of a chunk."""

    def split_heading(self, title: str) -> list[str]:
        """Return pieces of `title` that keep to the share of headings."""


class _CountingSizer:
    """Counts with a fast function."""

    def __init__(self, count: Callable[[str], int], budget: int) -> None:
        self._count = count
        self._budget = budget

    def fits(self, prefix: str, text: str) -> bool:
        room = self._room(prefix)
        return self._size(room, text) <= room

    def is_small(self, text: str) -> bool:
        return self._size(self._budget, text) < self._budget // _SMALL_SHARE

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[_Piece]:
        room = self._room(prefix)
        return _split_in_windows(self._splitter(room, has_headings=has_headings), text, self._budget)

    def split_heading(self, title: str) -> list[str]:
        limit = self._budget // _HEADING_SHARE
        return [title] if self._size(limit, title) <= limit else self._splitter(limit).chunks(title)

    def _splitter(self, capacity: int, *, has_headings: bool = False) -> Any:
        return _splitter_class(has_headings=has_headings).from_callback(partial(self._size, capacity), capacity)

    def _room(self, prefix: str) -> int:
        return self._budget - self._count(prefix)

    def _size(self, limit: int, text: str) -> int:
        """Return the size of `text` in tokens; of one that is too long for `limit` something above it."""
        by_length = math.ceil(len(text) / MAX_CHARS_PER_TOKEN)
        return by_length if by_length > limit else max(by_length, self._count(text))


class _TokenizerSizer:
    """Asks the tokenizer itself, whatever it is: exact, slower."""

    def __init__(self, tokenizer: dict[str, Any], budget: int) -> None:
        self._json = json.dumps(tokenizer)
        self._budget = budget - _UNCOUNTED_TOKENS
        self._splitters: dict[tuple[bool, int], Any] = {}

    def fits(self, prefix: str, text: str) -> bool:
        return self._is_within(self._budget, f"{prefix}\n{text}" if prefix else text)

    def is_small(self, text: str) -> bool:
        return self._is_within(self._budget // _SMALL_SHARE, text)

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[_Piece]:
        splitter = self._splitter(self._room(prefix), has_headings=has_headings)
        for offset, piece in _split_in_windows(splitter, text, self._budget):
            # A run of unknown characters may be one token, however long.
            for start, part in _splitter_class(has_headings=False)(self._budget * MAX_CHARS_PER_TOKEN).chunk_indices(
                piece
            ):
                yield offset + start, part

    def split_heading(self, title: str) -> list[str]:
        chunks: list[str] = self._splitter(self._budget // _HEADING_SHARE).chunks(title)
        return chunks

    def _room(self, prefix: str) -> int:
        return self._budget - (self._budget // _HEADING_SHARE + _JOINT_TOKENS if prefix else 0)

    def _is_within(self, limit: int, text: str) -> bool:
        return len(text) <= limit * MAX_CHARS_PER_TOKEN and len(self._splitter(limit).chunks(text)) <= 1

    def _splitter(self, capacity: int, *, has_headings: bool = False) -> Any:
        key = (has_headings, capacity)
        if key not in self._splitters:
            kind = _splitter_class(has_headings=has_headings)
            self._splitters[key] = kind.from_huggingface_tokenizer_str(self._json, capacity)
        return self._splitters[key]


def _splitter_class(*, has_headings: bool) -> Any:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    return MarkdownSplitter if has_headings else TextSplitter


def _split_in_windows(splitter: Any, text: str, budget: int) -> Iterator[_Piece]:
    """Yield what the splitter makes of `text`, at a cost linear in its length.

    The last piece of a window is cut by the window's end: it is left to the next.
    """
    window = _WINDOW_CHUNKS * MAX_CHARS_PER_TOKEN * budget
    position = 0
    while position < len(text):
        end = position + window
        pieces = splitter.chunk_indices(text[position:end])
        is_last = end >= len(text)
        for offset, piece in pieces if is_last or len(pieces) < 2 else pieces[:-1]:
            yield position + offset, piece
        position = end if is_last or len(pieces) < 2 else position + pieces[-1][0]
