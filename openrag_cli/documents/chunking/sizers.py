"""What fits into the model, and cutting what does not: sizes in tokens, of a BERT tokenizer or any other.

`CountingSizer` counts with a fast function; `TokenizerSizer` asks the tokenizer itself.
"""

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

MAX_CHARS_PER_TOKEN = 16
"""A chunk has at most this many characters for each token it may have. Spaces cost no token, and a word of a hundred
thousand characters is one unknown token: counted in tokens alone a chunk could be a whole file."""

_HEADING_SHARE = 4  # what stands above a text may take up to a quarter of the model's tokens
_SMALL_SHARE = 4  # a section of less than a quarter of a chunk is merged with a neighbour if both fit
_WINDOW_CHUNKS = 8  # a long text is split in windows of this many chunks of the greatest length
_JOINT_TOKENS = 2  # what a newline between heading path and text may cost in tokenizers that are not BERT's
_UNCOUNTED_TOKENS = 1  # semantic-text-splitter 0.33 leaves out a leading space that is a token of its own

Piece = tuple[int, str]


class Sizer(Protocol):
    """What fits into the model, and cutting what does not. Sizes leave out special tokens."""

    def fits(self, prefix: str, text: str) -> bool:
        """Whether the passage made of `prefix` and `text` can be read whole."""

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[Piece]:
        """Yield pieces of `text` that fit under `prefix`, and their offsets."""

    def is_small(self, text: str) -> bool:
        """Whether `text` is a small part of a chunk."""

    def split_heading(self, title: str) -> list[str]:
        """Return pieces of `title` that keep to the share of headings."""


class CountingSizer:
    """Counts with a fast function."""

    def __init__(self, count: Callable[[str], int], budget: int) -> None:
        self._count = count
        self._budget = budget

    def fits(self, prefix: str, text: str) -> bool:
        """See `Sizer.fits`."""
        room = self._room(prefix)
        return self._size(room, text) <= room

    def is_small(self, text: str) -> bool:
        """See `Sizer.is_small`."""
        return self._size(self._budget, text) < self._budget // _SMALL_SHARE

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[Piece]:
        """See `Sizer.split`."""
        room = self._room(prefix)
        return _split_in_windows(self._splitter(room, has_headings=has_headings), text, self._budget)

    def split_heading(self, title: str) -> list[str]:
        """See `Sizer.split_heading`."""
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


class TokenizerSizer:
    """Asks the tokenizer itself, whatever it is: exact, slower."""

    def __init__(self, tokenizer: dict[str, Any], budget: int) -> None:
        self._json = json.dumps(tokenizer)
        self._budget = budget - _UNCOUNTED_TOKENS
        self._splitters: dict[tuple[bool, int], Any] = {}

    def fits(self, prefix: str, text: str) -> bool:
        """See `Sizer.fits`."""
        return self._is_within(self._budget, f"{prefix}\n{text}" if prefix else text)

    def is_small(self, text: str) -> bool:
        """See `Sizer.is_small`."""
        return self._is_within(self._budget // _SMALL_SHARE, text)

    def split(self, prefix: str, text: str, *, has_headings: bool) -> Iterator[Piece]:
        """See `Sizer.split`."""
        splitter = self._splitter(self._room(prefix), has_headings=has_headings)
        for offset, piece in _split_in_windows(splitter, text, self._budget):
            # A run of unknown characters may be one token, however long.
            for start, part in _splitter_class(has_headings=False)(self._budget * MAX_CHARS_PER_TOKEN).chunk_indices(
                piece
            ):
                yield offset + start, part

    def split_heading(self, title: str) -> list[str]:
        """See `Sizer.split_heading`."""
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


def _split_in_windows(splitter: Any, text: str, budget: int) -> Iterator[Piece]:
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
