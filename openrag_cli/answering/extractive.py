"""The answerer that needs no language model: the sentences of the passages that say most about the question.

A sentence is scored by meaning (the cosine with the question), by words (how much of the question's weight of words
it holds, rare words weighing more) and by the rank of its passage; then sentences are picked one by one, each as
good and as different from those before as possible (maximal marginal relevance, Carbonell and Goldstein, SIGIR 1998).
"""

import asyncio
import math
import re
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openrag_cli.answering.llm.model import Delta, ModelRequest
from openrag_cli.answering.sentences import split
from openrag_cli.answering.tokens import estimate_tokens
from openrag_cli.domain import Passage
from openrag_cli.inference.onnx_embedder import Embedder

if TYPE_CHECKING:
    import numpy as np

NOTHING = "Nothing in the documents answers this."
GREETING = "Hello. Ask me something about your documents."
MAX_SENTENCES = 4
MAX_CANDIDATES = 150
"""Sentences embedded for one answer, at most: those of the best passages."""

WORD_WEIGHT = 0.35
MEANING_WEIGHT = 0.25
RANK_WEIGHT = 0.40
"""Measured with benchmarks/answers.py (PIAF, 427 questions; PEPs, 40): the gold answer is in the cited sentences for
0.75 and 0.80 of the questions, and in the top 5 chunks for 0.84 and 0.90. With 3 sentences: 0.70 and 0.70."""

DIVERSITY = 0.2
SAME = 0.99
"""A sentence with such a cosine to one that is chosen says the same in the same words."""

NEAR_BEST = 0.6
"""A sentence is added only if its score is at least this share of the best one's."""

MIN_EVIDENCE = 0.7
"""The best cosine and the best share of words together; under it nothing relevant was found. Measured: questions that
the documents answer have 0.8 to 1.9 (5th percentile 0.8 French, 1.0 English), others 0.2 to 1.0 (median 0.6)."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters `start` to `end` of the document of a passage."""

    passage: Passage
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Scored:
    sentence: Sentence
    score: float
    vector: "np.ndarray"


class ExtractiveModel:
    """A `ChatModel` that quotes. It never makes up a word, and says so when nothing fits."""

    name = "extractive"

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    async def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`: one delta for each sentence, with its quote."""
        chosen = await asyncio.to_thread(self.choose, ask.question, ask.passages)
        stops = _stops(ask.parameters.get("stop"))
        left = _limit(ask.parameters)
        said = ""
        for n_before, sentence in enumerate(chosen):
            text = f"{' ' if n_before else ''}{_flat(sentence.text)}"
            at = min((found for stop in stops if (found := text.find(stop)) >= 0), default=len(text))
            left -= estimate_tokens(text[:at])
            if left < 0:
                yield Delta(finish_reason="length")
                return
            said += text[:at]
            if text[:at].strip():
                quote = sentence.passage.narrowed(sentence.start, sentence.end)
                yield Delta(text=text[:at], quotes=(quote,))
            if at < len(text):
                break
        yield Delta(text="" if said else NOTHING, finish_reason="stop")

    def has_evidence(self, question: str, passages: Sequence[Passage]) -> bool:
        """Whether a sentence of the passages says enough about the question to answer from."""
        sentences = [sentence for passage in passages for sentence in _sentences(passage)][:MAX_CANDIDATES]
        if not sentences:
            return False
        words = _shares(question, sentences)
        if max(words) >= MIN_EVIDENCE:
            return True
        vectors = self._embedder().embed_passages([sentence.text for sentence in sentences])
        return float((vectors @ self._embedder().embed_query(question)).max()) + max(words) >= MIN_EVIDENCE

    def choose(self, question: str, passages: Sequence[Passage]) -> list[Sentence]:
        """Return the sentences that answer, in reading order; none when nothing relevant is there."""
        sentences = [sentence for passage in passages for sentence in _sentences(passage)][:MAX_CANDIDATES]
        if not sentences:
            return []
        vectors = self._embedder().embed_passages([sentence.text for sentence in sentences])
        meaning = vectors @ self._embedder().embed_query(question)
        words = _shares(question, sentences)
        if float(meaning.max()) + max(words) < MIN_EVIDENCE:
            return []
        best = max(passage.score for passage in passages) or 1.0
        scored = [
            _Scored(
                sentence,
                MEANING_WEIGHT * max(0.0, float(meaning[at]))
                + WORD_WEIGHT * words[at]
                + RANK_WEIGHT * max(0.0, sentence.passage.score / best),
                vectors[at],
            )
            for at, sentence in enumerate(sentences)
        ]
        return sorted(_diverse(scored), key=lambda one: (one.passage.number, one.start))


def _stops(given: object) -> list[str]:
    stops = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [stop for stop in stops if isinstance(stop, str) and stop]


def _limit(parameters: Mapping[str, Any]) -> int:
    wanted = parameters.get("max_tokens", parameters.get("max_completion_tokens"))
    return wanted if isinstance(wanted, int) else 1 << 30


def _diverse(scored: Sequence[_Scored]) -> list[Sentence]:
    left = sorted(scored, key=lambda one: -one.score)
    floor = NEAR_BEST * left[0].score
    chosen: list[_Scored] = []
    while left and len(chosen) < MAX_SENTENCES:
        near = [max((float(one.vector @ other.vector) for other in chosen), default=0.0) for one in left]
        gains = {
            at: one.score - DIVERSITY * likeness
            for at, (one, likeness) in enumerate(zip(left, near, strict=True))
            if likeness < SAME
        }
        at = max(gains, key=gains.__getitem__, default=-1)
        if at < 0 or left[at].score < floor:
            break
        chosen.append(left.pop(at))
    return [one.sentence for one in chosen]


def _sentences(passage: Passage) -> Iterator[Sentence]:
    shown = passage.quotable or passage.text
    for start, end in split(shown):
        yield Sentence(passage, passage.start + start, passage.start + end, shown[start:end].replace("\0", ""))


def _flat(text: str) -> str:
    return " ".join(text.split())


# --- words

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEM_CHARS = 5


def _words(text: str) -> set[str]:
    """Return the beginnings of the words of a text, without case and accents; of CJK text its characters."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    found = {word[:_STEM_CHARS] for word in _WORD.findall(plain) if not _CJK.search(word)}
    return found | set(_CJK.findall(plain))


def _shares(question: str, sentences: Sequence[Sentence]) -> list[float]:
    """Return for each sentence which share of the question's words it holds, words in few sentences weighing more.

    A word of three letters or less weighs a quarter: most are articles and the like.
    """
    wanted = _words(question)
    held = [_words(sentence.text) & wanted for sentence in sentences]
    counts = {word: sum(word in words for words in held) for word in wanted}
    weight = {
        word: math.log(1 + (len(sentences) + 1) / (counts[word] + 1))
        * (0.25 if len(word) <= 3 and word.isascii() else 1.0)
        for word in wanted
    }
    total = sum(weight.values()) or 1.0
    return [sum(weight[word] for word in words) / total for words in held]
