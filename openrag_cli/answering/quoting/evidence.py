"""Whether there is enough to answer from, and what is said when there is not.

Calibrated by `benchmarks/calibrate.py`, which prints the curves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from openrag_cli.answering.quoting.asked import Question
from openrag_cli.answering.quoting.names import called_by, is_titled, missing_names
from openrag_cli.answering.words import language
from openrag_cli.domain import Passage

NOTHING = "Nothing in the documents answers this."

PASSAGES = 3
"""Passages that evidence is looked for in."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What each part of the evidence is worth, and how much of it a question needs.

    From the certainty `sure` of the best unit on an answer is short; another may have as many words as `room`.
    """

    score: float
    meaning: float
    words: float
    subject: float
    floor: float
    sure: float
    room: int


ENGLISH = Measure(score=0.7, meaning=1.0, words=0.75, subject=0.1, floor=1.44, sure=0.25, room=70)
ELSEWHERE = Measure(score=0.45, meaning=0.9, words=1.0, subject=0.1, floor=1.05, sure=0.5, room=79)
"""Other languages: the embedding was trained on English, and tells less there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer: the score of the best passage, the best cosine of a unit, the best share of the
    question's words in the passages of a file, and whether the best file is called by what the question names."""

    score: float
    meaning: float
    words: float
    is_subject: bool

    def total(self, measure: Measure) -> float:
        """Return how much there is, by a measure."""
        told = measure.score * self.score + measure.meaning * self.meaning + measure.words * self.words
        return told + measure.subject * self.is_subject


def evidence(question: Question, passages: Sequence[Passage], meaning: Sequence[float]) -> Evidence:
    """Return what speaks for an answer from passages, the best first; `meaning` has the cosines of their units."""
    best = passages[:PASSAGES]
    return Evidence(
        score=max((passage.score for passage in best), default=0.0),
        meaning=max(meaning, default=0.0),
        words=max((question.told(words) for words in _words_by_file(question, best)), default=0.0),
        is_subject=bool(best) and is_titled(question.asks, best[0]),
    )


def measure_for(question: str, passages: Sequence[Passage]) -> Measure:
    """Return how evidence is weighed, by the language of a question, or of the best passage where it is too short."""
    spoken = language(question) or (language(passages[0].text) if passages else None)
    return ENGLISH if spoken in {"en", None} else ELSEWHERE


def refusal(question: str, passages: Sequence[Passage]) -> str:
    """Return the sentence that refuses to answer: with what no document names, where the question names something."""
    missing = missing_names(question, passages)
    if not missing:
        return NOTHING
    *first, last = missing
    return f"No document names {', '.join(first)} or {last}." if first else f"No document names {last}."


def _words_by_file(question: Question, passages: Sequence[Passage]) -> Iterable[set[str]]:
    """Return the words of the passages of each file, its name and headings among them."""
    found: dict[str, set[str]] = {}
    for passage in passages:
        text = " ".join([*passage.heading, *passage.head, called_by(passage.file), passage.text])
        found.setdefault(passage.file.revision, set()).update(question.terms(text))
    return found.values()
