"""Token counts of BERT-like tokenizers, from a cache of word counts.

A BERT tokenizer joins nothing across white space or around a CJK character, so the count of a text is the sum of the
counts of its words, and words repeat: a sum over a dictionary is many times faster than tokenising. Follows the
`BertNormalizer`, `BertPreTokenizer` and `WordPiece` of Hugging Face tokenizers (Devlin et al., 2019).

Exact for words of characters whose category has not changed since Unicode 3.2, which is nearly all text. The tables
of Python and of the tokenizer may disagree about younger characters, so a word with one of those counts as many
tokens as it could at most have (one for each character after canonical decomposition): never too few.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

_CJK = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)
_SPACE = " \t\n\r\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = re.compile(f"[{_CJK}]|[^{_SPACE}{_CJK}]+")
_ASCII_PIECE = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_REMOVED = {"Cc", "Cf", "Co"}
_LONGEST_CACHED_WORD = 64
_MOST_CACHED_WORDS = 100_000


def token_counter(tokenizer: dict[str, Any]) -> Callable[[str], int] | None:
    """Return a function that counts the tokens of a text without special tokens, or None.

    `tokenizer` is the content of a tokenizer.json. None means that it is not an uncased BERT tokenizer, and must be
    asked itself. A count is never below the real one.
    """
    if not _is_uncased_bert(tokenizer):
        return None
    model = tokenizer["model"]
    vocabulary = frozenset(model["vocab"])
    return _WordPiece(vocabulary, model["continuing_subword_prefix"], model["max_input_chars_per_word"]).count


def _is_uncased_bert(tokenizer: dict[str, Any]) -> bool:
    normalizer, model = tokenizer.get("normalizer") or {}, tokenizer.get("model") or {}
    return (
        normalizer.get("type") == "BertNormalizer"
        and all(normalizer.get(option) for option in ("clean_text", "handle_chinese_chars", "lowercase"))
        and normalizer.get("strip_accents") is not False
        and (tokenizer.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and model.get("type") == "WordPiece"
        # An added token is cut out before words are made; between punctuation that can only lower the count.
        and all(re.fullmatch(r"\[.*]|<.*>", token["content"]) for token in tokenizer.get("added_tokens") or ())
    )


class _Counts(dict[str, int]):
    """Counts seen so far; a missing one is counted when it is asked for."""

    def __init__(self, count: Callable[[str], int]) -> None:
        super().__init__()
        self._count = count

    def __missing__(self, word: str) -> int:
        n_tokens = self._count(word)
        if len(word) <= _LONGEST_CACHED_WORD:
            if len(self) >= _MOST_CACHED_WORDS:
                self.clear()
            self[word] = n_tokens
        return n_tokens


class _WordPiece:
    """Counts of words (between spaces, as written) and of their pieces (between punctuation, normalised)."""

    def __init__(self, vocabulary: frozenset[str], continuation: str, max_piece_chars: int) -> None:
        self._vocabulary = vocabulary
        self._continuation = continuation
        self._max_piece_chars = max_piece_chars
        self._longest_token = max(map(len, vocabulary), default=1)
        self._words = _Counts(self._count_word)
        self._pieces = _Counts(self._count_piece)

    def count(self, text: str) -> int:
        """Return how many tokens a text has, without those that begin and end every text."""
        return sum(map(self._words.__getitem__, _WORD.findall(text)))

    def _count_word(self, word: str) -> int:
        if word.isascii() and word.isprintable():
            pieces = _ASCII_PIECE.findall(word.lower())
        elif all(map(_is_settled, word)):
            pieces = _normalised_pieces(word)
        else:
            return sum(map(_most_tokens, word))
        return sum(map(self._pieces.__getitem__, pieces))

    def _count_piece(self, piece: str) -> int:
        """Count by greedy longest match; a piece that cannot be matched is one unknown token."""
        if piece in self._vocabulary or len(piece) > self._max_piece_chars:
            return 1
        n_tokens, start, prefix = 0, 0, ""
        while start < len(piece):
            for end in range(min(len(piece), start + self._longest_token), start, -1):
                if prefix + piece[start:end] in self._vocabulary:
                    break
            else:
                return 1
            n_tokens, start, prefix = n_tokens + 1, end, self._continuation
        return n_tokens


def _is_settled(char: str) -> bool:
    category = unicodedata.category(char)
    return category != "Cn" and category == unicodedata.ucd_3_2_0.category(char)


def _most_tokens(char: str) -> int:
    # No canonical decomposition is longer than four; that of an assigned character never changes.
    return 4 if unicodedata.category(char) == "Cn" else len(unicodedata.normalize("NFD", char))


def _normalised_pieces(word: str) -> list[str]:
    """Normalise a word and cut it at punctuation, which makes pieces of its own."""
    cleaned = "".join(char for char in word if unicodedata.category(char) not in _REMOVED and char != "\ufffd")
    decomposed = unicodedata.normalize("NFD", cleaned)
    text = "".join(char for char in decomposed if unicodedata.category(char) != "Mn").lower()
    return "".join(f" {char} " if _is_punctuation(char) else char for char in text).split(" ")


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P") or (char.isascii() and not char.isalnum())
