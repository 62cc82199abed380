"""What fits into the model, and cutting what does not: sizes in tokens of the model's own tokenizer."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from openrag_cli.documents.chunking.token_count import MeasuredText, TokenCounter

MAX_CHARS_PER_TOKEN = 16
"""A chunk has at most this many characters for each token it may have. Spaces cost no token, and a word of a hundred
thousand characters is one unknown token: counted in tokens alone a chunk could be a whole file."""

_HEADING_SHARE = 4  # what stands above a text may take up to a quarter of the model's tokens
_SMALL_SHARE = 4  # a section of less than a quarter of a chunk is merged with a neighbour if both fit
_MAX_BLANKS = 500  # above a line
_WINDOW_CHUNKS = 8  # a long text is split in windows of this many chunks of the greatest length

Range = tuple[int, int]
"""Where a piece of a text begins and ends."""


class Sizer:
    """What fits into a model that reads `budget` tokens, special tokens apart."""

    def __init__(self, counter: TokenCounter, budget: int) -> None:
        self.counter = counter
        self.budget = budget

    def split_heading(self, title: str) -> list[str]:
        """Return pieces of `title` that keep to the share of headings."""
        limit = self.budget // _HEADING_SHARE

        def size(text: str) -> int:
            """Return the size of a piece."""
            return _size(limit, len(text), self.counter.count, text)

        if size(title) <= limit:
            return [title]
        pieces: list[str] = _splitter_class(has_headings=False).from_callback(size, limit).chunks(title)
        return pieces

    def of(self, text: str) -> "SizedText":
        """Return `text` with its sizes."""
        return SizedText(text, self)


class SizedText(MeasuredText):
    """A text: what of it fits, and where it is cut. Ranges are of its characters."""

    def __init__(self, text: str, sizer: Sizer) -> None:
        super().__init__(text, sizer.counter)
        self._sizer = sizer

    def fits(self, prefix: str, start: int, end: int) -> bool:
        """Whether the passage made of `prefix` and the range can be read whole."""
        room = self._room(prefix)
        return self._size(prefix, room, start, end) <= room

    def is_small(self, start: int, end: int) -> bool:
        """Whether the range is a small part of a chunk."""
        budget = self._sizer.budget
        return _size(budget, end - start, self.n_tokens, start, end) < budget // _SMALL_SHARE

    def split(self, prefix: str, start: int, end: int, *, has_headings: bool) -> Iterator[Range]:
        """Yield pieces of the range that fit under `prefix`, at a cost linear in its length.

        The last piece of a window is cut by the window's end: it is left to the next.
        """
        room, window = self._room(prefix), _WINDOW_CHUNKS * MAX_CHARS_PER_TOKEN * self._sizer.budget
        splitter_class = _splitter_class(has_headings=has_headings)
        while start < end:
            stop = min(start + window, end)
            splitter = splitter_class.from_callback(self._sizing(prefix, room, start), room)
            pieces = splitter.chunk_indices(self.text[start:stop])
            is_last = stop == end
            for offset, piece in pieces if is_last or len(pieces) < 2 else pieces[:-1]:
                yield start + offset, start + offset + len(piece)
            start = stop if is_last or len(pieces) < 2 else start + pieces[-1][0]

    def _room(self, prefix: str) -> int:
        counter = self._sizer.counter
        return self._sizer.budget - (counter.count(prefix) + counter.joint if prefix else 0)

    def _size(self, prefix: str, room: int, start: int, end: int) -> int:
        """Return the size of a range: by its words, and where those may be too few by the passage itself."""
        counter, size = self._sizer.counter, _size(room, end - start, self.n_tokens, start, end)
        if size > room or counter.is_additive:
            return size
        text = self.text[start:end]
        return max(size, counter.count(f"{prefix}\n{text}" if prefix else text) - self._sizer.budget + room)

    def _sizing(self, prefix: str, room: int, start: int) -> Callable[[str], int]:
        """Return what tells the splitter the size of a piece of the text from `start` on.

        It is not told where the piece is, but pieces of one chunk begin together, with or without the line's indent and
        the blank lines above, and those of the next one later: the first such text from there on is it, or the same text
        elsewhere.
        """
        at = start

        def size(piece: str) -> int:
            """Return the size of a piece."""
            nonlocal at
            if not self.text.startswith(piece, at):
                line = max(start, self.text.rfind("\n", start, at) + 1)
                above = max(start, line - _MAX_BLANKS)
                found = self.text.find(piece, above + len(self.text[above:line].rstrip()))
                at = found if found >= 0 else self.text.index(piece, start)
            return self._size(prefix, room, at, at + len(piece))

        return size


def _size(limit: int, n_chars: int, count: Callable[..., int], *where: Any) -> int:
    """Return the size of a text in tokens; of one that is too long for `limit` something above it."""
    by_length = math.ceil(n_chars / MAX_CHARS_PER_TOKEN)
    return by_length if by_length > limit else max(by_length, count(*where))


def _splitter_class(*, has_headings: bool) -> Any:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    return MarkdownSplitter if has_headings else TextSplitter
