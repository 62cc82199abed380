"""What a query asks for: its words and what each is worth, its phrases, and how long it is."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from openrag_cli.retrieval.query_words import STOP_WORDS
from openrag_cli.retrieval.tokens import Tokenizer, folded, visible
from openrag_cli.store.searching.word_counts import Totals

IDF_POWER = 0.25
"""Rare words count more than BM25 has it: idf to the power of one more than this."""

RARE_SHARE = 0.1
"""A word in more of the chunks than this names no file: a store may have it in thousands of titles."""

MAX_WORDS = 128
"""Words of a query that are looked for: of a longer text the rarest."""

MIN_TELLING = 4
"""Words, at least, that what is asked must have for the sentences around it to count less: not in "how do I mend it?"."""

MIN_CLAUSE_WORDS = 4
"""Words, at least, of a clause before the question that may be an instruction ("using only the balance sheet")."""

_QUOTED = re.compile(r"(?<!\w)(?:\"([^\"\n]*\w[^\"\n]*)\"|“([^”\n]*\w[^”\n]*)”|«([^»\n]*\w[^»\n]*)»)(?!\w)")
_RUN = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.?!:;])\s+|(?<=[?!。])(?=[^\x00-\x7f])")
_ASKS = re.compile(r"[?؟][\"'»)\s]*$")
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read.

    `text` is what was asked without the marks around phrases; a chunk must hold each of `phrases` (folded) and the
    words that are `required` for that. `order` is its words as they come. `weights` says what each word that the
    index knows is worth (`rare` those of words that can name a file), `boosts` how much more than its BM25 score;
    `ceiling` is the worth of all, where a word with parts counts by these. `gate` is 0 for up to two words and 1 from
    eight on, `length` 0 for up to eight and 1 from 25 on, `verbatim` 1 for up to four and 0 from twelve on: how much it
    counts that the letters of the query stand in a chunk, but for whole words. `aside` are words that only stand in the
    instructions around what is asked.
    """

    text: str
    folded: str
    phrases: tuple[str, ...]
    required: tuple[str, ...]
    order: tuple[str, ...]
    weights: Mapping[str, float]
    boosts: Mapping[str, float]
    ceiling: float
    gate: float
    length: float
    verbatim: float
    mean_words: float
    rare: Mapping[str, float]
    aside: AbstractSet[str] = frozenset()


class Counted(Protocol):
    """In how many chunks words stand: see `WordCounts`."""

    def totals(self) -> Totals:
        """Return what is counted in all."""

    def chunks_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many chunks each of the words stands; those in none are left out."""


class Titled(Protocol):
    """How many chunks the files have in whose titles words stand: see `Titles`."""

    def chunks_titled(self, words: Iterable[str]) -> dict[str, int]:
        """Return the number for each of the words; those in no title are left out."""


def read_query(text: str, tokenizer: Tokenizer, counts: Counted, titles: Titled) -> Query:
    """Return the query that `text` is, weighted by the words of the store."""
    n_runs = len(_RUN.findall(text))
    phrases = [next(filter(None, found.groups())) for found in _QUOTED.finditer(text)]
    plain = " ".join(_QUOTED.sub(lambda found: f" {next(filter(None, found.groups()))} ", text).split())
    tokens = tokenizer.query(plain)
    totals = counts.totals()
    known = counts.chunks_with(token.text for token in tokens)
    known |= titles.chunks_titled(token.text for token in tokens if token.text not in known)
    rare = {word for word, n_chunks in known.items() if n_chunks <= max(RARE_SHARE * totals.n_chunks, 10)}
    aside, empty = _Frame(tokenizer, titles, rare).around(plain, known)
    idf = _idf({word: n_chunks for word, n_chunks in known.items() if word not in empty}, totals)
    rarest = math.log1p((totals.n_chunks - 0.5) / 1.5) if totals.n_chunks > 1 else 1.0
    boosts = {word: max(value / rarest, 1e-3) ** IDF_POWER for word, value in idf.items()}
    weights = {word: value * boosts[word] for word, value in idf.items()}
    required = {
        token.text for phrase in phrases for token in tokenizer.tokens(phrase, is_query=True) if not token.is_extra
    }
    return Query(
        text=plain or text,
        folded=folded(plain),
        phrases=tuple(map(folded, phrases)),
        required=tuple(sorted(required)),
        order=tuple(token.text for token in tokens if not token.is_extra),
        weights=weights,
        boosts=boosts,
        ceiling=sum(weights.get(token.text, 0.0) for token in tokens if not token.is_extra),
        gate=_clip((n_runs - 2) / 6),
        length=_clip((n_runs - 8) / 17),
        verbatim=_clip((12 - len(plain.split())) / 8),
        rare={word: weights[word] for word in weights if word in rare},
        mean_words=totals.n_words / totals.n_chunks if totals.n_chunks else 1.0,
        aside=aside,
    )


class _Frame:
    """Tells what a text asks from the instructions around it. `rare` are the words that may name a file."""

    def __init__(self, tokenizer: Tokenizer, titles: Titled, rare: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._titles = titles
        self._rare = [word for word in rare if not word.isdigit()]

    def around(self, text: str, known: Collection[str]) -> tuple[AbstractSet[str], AbstractSet[str]]:
        """Return the words that stand in instructions alone, and those that then say nothing.

        What is asked are the sentences with a question mark; without any those that name a file. Words with a digit
        never stand aside, and none does where what is asked has few words.
        """
        parts = [part for sentence in _SENTENCE_END.split(visible(text)) for part in self._clauses(sentence)]
        if len(parts) < 2:
            return frozenset(), frozenset()
        asked = [part for part in parts if _ASKS.search(part)] or [part for part in parts if self._names(part)]
        wanted = self._telling(" ".join(asked))
        if len(asked) == len(parts) or len(wanted.intersection(known)) < MIN_TELLING:
            return frozenset(), frozenset()
        telling = self._telling(text) | wanted
        stops = {token.text for token in self._tokenizer.query(" ".join(filter(_is_stop, text.split())))}
        return {word for word in telling - wanted if not any(map(str.isdigit, word))}, stops - telling

    def _clauses(self, sentence: str) -> list[str]:
        """Return a sentence in two where a longer clause stands before a question, and only the question names a file."""
        before, _, question = sentence.partition(", ")
        is_led = len(before.split()) >= MIN_CLAUSE_WORDS and _ASKS.search(question) and ", " not in question
        return [before, question] if is_led and self._names(question) and not self._names(before) else [sentence]

    @cached_property
    def _named(self) -> Collection[str]:
        return self._titles.chunks_titled(self._rare)

    def _names(self, text: str) -> bool:
        return any(token.text in self._named for token in self._tokenizer.query(text))

    def _telling(self, text: str) -> set[str]:
        """Return the words of a text without those that say nothing."""
        words = " ".join(word for word in text.split() if not _is_stop(word))
        return {token.text for token in self._tokenizer.query(words)}


def _is_stop(word: str) -> bool:
    return _EDGES.sub("", word).casefold() in STOP_WORDS


def _idf(known: Mapping[str, int], totals: Totals) -> dict[str, float]:
    """Return the inverse document frequency of words, given in how many chunks each stands; of many words the rarest."""
    kept = sorted(known, key=lambda word: (known[word], word))[:MAX_WORDS]
    n_chunks = totals.n_chunks
    return {word: math.log1p((max(n_chunks - known[word], 0) + 0.5) / (known[word] + 0.5)) for word in kept}


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
