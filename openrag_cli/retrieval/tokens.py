"""From text to the words that are indexed and asked for: one function for both sides.

A word is folded (compatibility forms, case, characters that nobody sees), stemmed, and then loses its accents: before
the stemmer they help it (French: 0.009 nDCG@10). Beside a whole word stand its parts: `fetchPendingInvoices` is also
`fetch`, `pending`, `invoices`; `FY2019` also `fy` and `2019`; a number in groups is also one number; the beginnings of
a long hash; pairs of characters where a script writes no blanks, and of Hangul, where particles are glued on. The text
that is stored and shown stays as it is.

When this module makes something else of a text, raise `WORDS_VERSION` in index/words.py: the full-text index is then
built again from the stored text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from openrag_cli.documents.escapes import as_letters

MAX_WORD_CHARS = 80
MAX_JOINED_CHARS = 40
_MIN_HASH_CHARS = 20
_HASH_PREFIXES = range(7, 13)
_CACHED_CHARS = 48


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text. `is_extra` says that it stands beside others for the same letters: a whole that has parts."""

    text: str
    is_extra: bool = False


class Tokenizer:
    """Makes words of texts in one language, given by its English name; an unknown one is not stemmed."""

    def __init__(self, language: str) -> None:
        self._stem = _stemmer(language)
        self._cached = lru_cache(maxsize=1 << 16)(lambda piece: tuple(self._tokens_of(piece)))
        self._joined = lru_cache(maxsize=1 << 16)(lambda piece: _joined_texts(self._tokens_of(piece)))

    def for_search(self, text: str) -> str:
        """Return the words of `text` with a blank between two, in order, each part after its whole."""
        folded = visible(text)
        words = [
            self._joined(piece) if len(piece) <= _CACHED_CHARS else _joined_texts(self._tokens_of(piece))
            for piece in folded.split()
        ]
        return " ".join(filter(None, [*words, _joined_texts(_beside(folded)), _joined_texts(_alone_in(folded))]))

    def query(self, text: str) -> list[Token]:
        """Return the words of a query, each once; a single character of a script without blanks only where it stands
        alone."""
        found: dict[str, Token] = {}
        for token in self.tokens(text, is_query=True):
            known = found.get(token.text)
            if known is None or (known.is_extra and not token.is_extra):
                found[token.text] = token
        return list(found.values())

    def tokens(self, text: str, *, is_query: bool) -> Iterator[Token]:
        """Yield the words of `text`, with those beside them."""
        return (token for token in self._all_tokens(text, is_query=is_query) if token.text)

    def _all_tokens(self, text: str, *, is_query: bool) -> Iterator[Token]:
        folded = visible(text)
        for piece in folded.split():
            yield from self._cached(piece) if len(piece) <= _CACHED_CHARS else self._tokens_of(piece)
        yield from _beside(folded)
        if not is_query:
            yield from _alone_in(folded)

    def _tokens_of(self, piece: str) -> Iterator[Token]:
        """Yield the words of a stretch without blanks."""
        for sign in _SIGNED.findall(piece):
            yield Token(sign.casefold())
        words = _WORD.findall(piece)
        if len(words) > 1 and not piece.isalpha():
            yield from _joined(piece)
        for word in words:
            yield from self._word(word)

    def _word(self, word: str) -> Iterator[Token]:
        if word.isascii() and word.isalpha() and (word.islower() or word.istitle() or word.isupper()):
            yield Token(self._term(word))
            return
        word = word.strip("_")
        runs = _SCRIPTS.findall(word) if not word.isascii() else [word]
        for run in runs:
            yield from _pairs(run) if _UNSPACED.match(run) else self._spaced(run)

    def _spaced(self, word: str) -> Iterator[Token]:
        """Yield a word of a script with blanks: the whole, and its parts where it has any."""
        parts = _parts(word)
        if len(parts) < 2:
            yield Token(self._term(word))
            if len(word) > 2 and _HANGUL.match(word):
                yield from (Token(word[at : at + 2]) for at in range(len(word) - 1))
            return
        whole = word.replace("_", "")
        if len(whole) >= _MIN_HASH_CHARS and _HEX.fullmatch(whole.casefold()):
            yield Token(whole.casefold()[:MAX_WORD_CHARS])
            yield from (Token(whole[:length].casefold(), is_extra=True) for length in _HASH_PREFIXES)
            return
        yield Token(self._term(whole), is_extra=True)
        yield from (Token(self._term(part)) for part in parts)
        year = _YEAR.fullmatch(whole)
        if year:
            yield Token(f"20{year[1] or year[2] or year[3]}", is_extra=True)

    def _term(self, word: str) -> str:
        """Return a word as it is looked for."""
        folded = word.casefold()[:MAX_WORD_CHARS]
        if folded.isalpha():
            folded = self._stem(folded)
        return folded if folded.isascii() else without_marks(folded)


def _stemmer(language: str) -> Any:
    import Stemmer

    known = Stemmer.algorithms()
    return Stemmer.Stemmer(language.lower()).stemWord if language.lower() in known else lambda word: word


# --- folding


_IGNORABLE = {
    **dict.fromkeys((0xAD, 0x34F, 0x61C, 0x640, 0x670, 0xFEFF)),
    **dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]),
    **dict.fromkeys([*range(0x64B, 0x660), *range(0x591, 0x5BE), *range(0xFE00, 0xFE10)]),
}
_PLAIN = {
    **dict.fromkeys((0x2018, 0x2019, 0x201B, 0x2BC, 0x2032, 0x60, 0xB4), "'"),
    **dict.fromkeys((0x201C, 0x201D, 0x201E, 0x201F, 0xAB, 0xBB, 0x2033), '"'),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    0x2044: "/",
}
_LETTERS = str.maketrans(
    {"\u0131": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0649": "\u064a"}
)
_RAISED = re.compile(r"(?<=\d)(?=[⁰¹²³⁴-⁹⁻])")
_IS_RAISED = re.compile("[⁰¹²³⁴-⁹⁻]")
_IGNORED, _IS_PLAIN = (re.compile(f"[{''.join(map(chr, sorted(some)))}]") for some in (_IGNORABLE, _PLAIN))
"""Patterns of these: a text is mostly others, and `translate` looks each of its characters up."""


def visible(text: str) -> str:
    """Return `text` as a reader sees it: escapes and entities as letters, one form for each, nothing that is not seen."""
    text = as_letters(text)
    if text.isascii():
        return text
    if _IS_RAISED.search(text):
        text = _RAISED.sub(" ", text)
    text = unicodedata.normalize("NFKC", _IGNORED.sub("", text))
    return text.translate(_PLAIN) if _IS_PLAIN.search(text) else text


def without_marks(text: str) -> str:
    """Return `text`, of one case, without the accents of Latin, Greek, Cyrillic and Arabic letters."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFD", text).translate(_LETTERS)
    return unicodedata.normalize("NFC", _MARKS.sub("", letters))


_MARKS = re.compile("[\u0300-\u036f\u0653-\u0655]")


def folded(text: str) -> str:
    """Return `text` for a comparison of letters: visible, of one case, without accents, one blank between words."""
    return " ".join(without_marks(visible(text).casefold()).split())


# --- the parts of words


_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711"
    "\u0730-\u074a\u0900-\u0963\u0966-\u0dff\u0e00-\u0e4e\u0e50-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3"
)
_WORD = re.compile(rf"[\w{_LETTER_MARKS}]+")
_UNSPACED = re.compile(f"[{_SPACELESS}]+")
_SCRIPTS = re.compile(f"[{_SPACELESS}]+|[^{_SPACELESS}]+")
_HANGUL = re.compile("[\uac00-\ud7a3]{2,}")
_SIGNED = re.compile(r"(?<![\w+#])[A-Za-z](?:\+\+|#)(?![\w+#])")
_ASCII_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]|_")
_DIGIT_SIDE = re.compile(r"\d+|[^\W\d]+")
_CHAIN = re.compile(r"[A-Za-z0-9]+(?:[-./:,'_][A-Za-z0-9]+)+")
_DIGIT_GROUPS = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}|[A-Z]{2}\d{2}|\d{2,5})(?:(?: | \(|\) )[A-Z]{0,4}\d{2,5}){2,8}(?![\w.,]\d)"
)
_HEX = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]+")
_YEAR = re.compile(r"[Ff][Yy]([0-4]\d)|[1-4][Qq]([0-4]\d)|[Qq][1-4]([0-4]\d)")


def _parts(word: str) -> list[str]:
    """Return the parts of a word: at underscores, at a change of case, between letters and digits."""
    if word.isascii():
        if not _CAMEL.search(word):
            return _DIGIT_SIDE.findall(word) if not (word.isalpha() or word.isdigit()) else [word]
        return _ASCII_PARTS.findall(word)
    if "_" not in word and not any(char.isdigit() for char in word) and not any(map(str.isupper, word[1:])):
        return [word]
    return [part for stretch in word.split("_") for side in _sides(stretch) for part in _humps(side)]


def _sides(word: str) -> list[str]:
    return re.findall(r"\d+|[^\d]+", word)


def _humps(word: str) -> list[str]:
    """Return the parts of a word of letters that are not ASCII, cut where a capital follows a small letter."""
    cuts = [at for at in range(1, len(word)) if word[at].isupper() and word[at - 1].islower()]
    return [word[start:end] for start, end in zip([0, *cuts], [*cuts, len(word)], strict=True)]


def _joined_texts(tokens: Iterable[Token]) -> str:
    return " ".join([token.text for token in tokens if token.text])


def _beside(folded: str) -> Iterator[Token]:
    """Yield numbers whose groups stand apart, as those of telephones and accounts, as one."""
    for group in _DIGIT_GROUPS.findall(folded):
        joined = re.sub(r"[^0-9A-Za-z]", "", group)
        if 8 <= len(joined) <= MAX_JOINED_CHARS:
            yield Token(joined.casefold(), is_extra=True)


def _alone_in(folded: str) -> Iterator[Token]:
    """Yield the characters of scripts without blanks that are words on their own."""
    return (Token(char) for run in _UNSPACED.findall(folded) for char in _alone(run))


def _joined(piece: str) -> Iterator[Token]:
    """Yield what is written in groups with a digit among them as one: dates, versions, product codes, 1,099.50."""
    for chain in _CHAIN.findall(piece):
        joined = re.sub(r"[^0-9A-Za-z]", "", chain).casefold()
        if len(joined) <= MAX_JOINED_CHARS and not joined.isalpha():
            yield Token(joined, is_extra=True)


def _pairs(run: str) -> Iterator[Token]:
    """Yield the pairs of neighbours of a run in a script without blanks; a single one is a word."""
    if len(run) == 1:
        yield Token(run)
    yield from (Token(run[at : at + 2]) for at in range(len(run) - 1))


def _alone(run: str) -> str:
    """Return the characters of a run that are words on their own beside the pairs: those of Chinese and Japanese."""
    return "".join(char for char in run if char >= "\u3400") if len(run) > 1 else ""
