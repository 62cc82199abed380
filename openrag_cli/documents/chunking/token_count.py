"""Token counts by any tokenizer of Hugging Face, from one tokenisation of a text.

Most tokenizers join nothing across a blank, so a text is the sum of its words, each with the blanks before it; of a long
word (Chinese has no blanks) the sum of the parts that the tokenizer itself cuts it into. A text is measured once, and
a word that was seen before not again. Each stretch of the text is then two look-ups among the offsets, and the words that
its ends cut.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

from openrag_cli.errors import ConfigError

_WORD = re.compile(r"[ \t\n\r]*+[^ \t\n\r]+|[ \t\n\r]+")
_LONGEST_WORD = 64
_MOST_KEPT = 200_000
_BLOCK_CHARS = 1 << 18  # looked through at once; a longer word is cut


def open_tokenizer(path: Path) -> Any:
    """Open a tokenizer.json, without its truncation and padding, which are for another length. Raises: ConfigError."""
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"the tokenizer {path} cannot be read: {exc}") from exc
    except Exception as exc:  # tokenizers 0.23 raises bare Exception
        raise ConfigError(
            f"{path} is not a tokenizer: {exc}", hint="save it as tokenizer.json (Hugging Face)"
        ) from exc
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class _Counts(dict[str, int]):
    """Counts seen so far; a missing one is counted when it is asked for."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._encode = tokenizer.encode

    def __missing__(self, text: str) -> int:
        n_tokens = len(self._encode(text, add_special_tokens=False))
        if len(text) <= _LONGEST_WORD:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[text] = n_tokens
        return n_tokens


class TokenCounter:
    """Counts the tokens of texts, without those that begin and end each: `count(text)`."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.count = count = _Counts(tokenizer).__getitem__
        self.joint = max(0, count("a\nb") - count("a") - count("b"))
        """What a line break between two texts costs."""
        self.is_additive = all(self._parts_at(blank) for blank in " \t\n\r")
        """Whether a text is the sum of its words; else a word may be more tokens behind a blank than alone."""

    def _parts_at(self, blank: str) -> bool:
        words = self._tokenizer.encode(f"a{blank}b", add_special_tokens=False).word_ids
        return bool(words) and words[0] != words[-1]

    def words(self, text: str) -> Iterator[list[str]]:
        """Yield the words of a text, many at a time: joined they are the text."""
        at = 0
        while words := _WORD.findall(text, at, at + _BLOCK_CHARS):
            if len(words) > 1 and at + _BLOCK_CHARS < len(text):
                words.pop()  # the end of the block may have cut it
            at += sum(map(len, words))
            if max(map(len, words)) > _LONGEST_WORD:
                words = [part for word in words for part in self._parts(word)]
            yield words

    def _parts(self, word: str) -> list[str]:
        """Cut a long word where the tokenizer does before it makes tokens."""
        if len(word) <= _LONGEST_WORD:
            return [word]
        encoding = self._tokenizer.encode(word, add_special_tokens=False)
        first = dict(zip(reversed(encoding.word_ids), reversed(encoding.offsets), strict=True))
        cuts = sorted({0, len(word), *(start for start, _ in first.values())})
        return [word[start:end] for start, end in pairwise(cuts)]


class MeasuredText:
    """A text and where its tokens are."""

    def __init__(self, text: str, counter: TokenCounter) -> None:
        self.text = text
        self._count = counter.count
        self._starts, self._before = array("L", [0]), array("L", [0])  # of words; how many tokens come before each
        for words in counter.words(text):
            self._starts.extend(islice(accumulate(map(len, words), initial=self._starts[-1]), 1, None))
            self._before.extend(islice(accumulate(map(self._count, words), initial=self._before[-1]), 1, None))

    def n_tokens(self, start: int, end: int) -> int:
        """Return how many tokens the characters from `start` to `end` are by themselves."""
        first, last = bisect_left(self._starts, start), bisect_right(self._starts, end) - 1
        if first > last:  # inside a word
            return self._count(self.text[start:end])
        n_tokens = self._before[last] - self._before[first]
        if start < self._starts[first]:
            n_tokens += self._count(self.text[start : self._starts[first]])
        if end > self._starts[last]:
            n_tokens += self._count(self.text[self._starts[last] : end])
        return n_tokens
