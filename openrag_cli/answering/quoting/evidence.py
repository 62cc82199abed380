"""Whether there is enough to answer from, and what is said when there is not.

Calibrated by `benchmarks/calibrate.py`, which prints the curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from openrag_cli.answering.quoting.names import missing_names
from openrag_cli.answering.quoting.scoring import Scored, certainties
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
    best: float
    certainty: float
    passage: float
    floor: float
    sure: float
    room: int


ENGLISH = Measure(score=1.0, meaning=0.63, best=0.024, certainty=0.2, passage=0.7, floor=1.81, sure=0.27, room=79)
ELSEWHERE = Measure(score=0.0, meaning=1.0, best=0.012, certainty=0.13, passage=0.32, floor=0.85, sure=0.6, room=79)
"""Other languages: the embedding was trained on English, and tells less there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer: the score of the best passage, the best cosine of a unit, the score of the best unit, its
    share of certainty, and the share of the question's words in its passage."""

    score: float = 0.0
    meaning: float = 0.0
    best: float = 0.0
    certainty: float = 0.0
    passage: float = 0.0

    def total(self, measure: Measure) -> float:
        """Return how much there is, by a measure."""
        parts = (getattr(measure, part.name) * getattr(self, part.name) for part in fields(self))
        return float(sum(parts))


def evidence(passages: Sequence[Passage], found: Sequence[Scored]) -> Evidence:
    """Return what speaks for an answer from the best passages, by their units."""
    near = [one for one in found if one.unit.passage.number <= PASSAGES]
    if not near:
        return Evidence()
    best = max(near, key=lambda one: one.score)
    return Evidence(
        score=max(passage.score for passage in passages[:PASSAGES]),
        meaning=max(one.values["meaning"] for one in near),
        best=best.score,
        certainty=max(certainties([one.score for one in near])),
        passage=best.values["passage"],
    )


def at_least(passages: Sequence[Passage], found: Sequence[Scored]) -> Evidence:
    """Return what speaks for an answer at the least, where of some units only the least meaning is known.

    A unit's score grows with its meaning, so the best of all is no worse; which one that is, and so its passage and its
    share of certainty, is open.
    """
    known = evidence(passages, found)
    least = min((one.values["passage"] for one in found), default=0.0)
    return replace(known, certainty=1 / max(1, len(found)), passage=least)


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
