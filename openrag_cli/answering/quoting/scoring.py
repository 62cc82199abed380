"""How likely each unit is to answer a question.

What is measured of a unit is a number for each name in `WEIGHTS`; their weighted sum is its score, and the scores of all
units together give the share of certainty that each has. `benchmarks/calibrate.py --weights` finds the weights.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.answering.quoting.asked import Kind, Question, fits
from openrag_cli.answering.quoting.blocks import Kind as Block
from openrag_cli.answering.quoting.names import called_by, years_of
from openrag_cli.answering.quoting.units import Unit, n_words
from openrag_cli.answering.words import content_words
from openrag_cli.domain import Passage

if TYPE_CHECKING:
    import numpy as np

WEIGHTS: Mapping[str, float] = {
    "words": 5.0,
    "density": 1.8,
    "above": 4.7,
    "before": 1.1,
    "passage": 3.0,
    "pairs": 0.5,
    "akin": 1.0,
    "meaning": 5.0,
    "beside": 1.8,
    "score": 1.6,
    "of_best": 2.4,
    "titled": 2.0,
    "first": -1.3,
    "kind": 1.7,
    "way": 1.4,
    "length": 0.6,
    "long": -1.7,
}

ROW_WEIGHT = 2.5
"""What the share of a row's name that the question has adds to its score."""

LONG = 40
"""Words of a unit over this count against it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A unit with its score, what that was made of, its embedding (float32[dimension]), and its share of certainty."""

    unit: Unit
    score: float
    values: Mapping[str, float]
    vector: "np.ndarray"
    certainty: float = 0.0


@dataclass(frozen=True, slots=True)
class _Around:
    """What is measured once for a passage: the words of its title and headings, and all of its words."""

    title: frozenset[str]
    above: frozenset[str]
    words: frozenset[str]


def scored(
    question: Question, found: Sequence[Unit], meaning: Sequence[float], vectors: "Sequence[np.ndarray]"
) -> list[Scored]:
    """Return the units with their scores, in the order given."""
    measured = features(question, found, meaning)
    scores = [
        sum(WEIGHTS[name] * value for name, value in one.items()) + ROW_WEIGHT * row_fit(question.text, unit)
        for one, unit in zip(measured, found, strict=True)
    ]
    return [
        Scored(unit, score, values, vector, certainty)
        for unit, score, values, vector, certainty in zip(
            found, scores, measured, vectors, certainties(scores), strict=True
        )
    ]


def certainties(scores: Sequence[float]) -> list[float]:
    """Return the share of certainty that each score has among others."""
    best = max(scores, default=0.0)
    worth = [math.exp(score - best) for score in scores]
    return [one / sum(worth) for one in worth]


def features(question: Question, found: Sequence[Unit], meaning: Sequence[float]) -> list[dict[str, float]]:
    """Return what is measured of each unit, by the names in `WEIGHTS`."""
    words = [question.terms(unit.text) for unit in found]
    around = {id(unit.passage): _around(question, unit.passage) for unit in found}
    best = max((unit.passage.score for unit in found), default=0.0)
    pairs = set(zip(question.order, question.order[1:], strict=False))
    out = []
    for at, unit in enumerate(found):
        held, stands_in = set(words[at]), around[id(unit.passage)]
        beside = [near for near in (at - 1, at + 1) if _is_beside(found, at, near)]
        earlier = held.union(words[at - 1]) if at - 1 in beside else held
        above = held.union(stands_in.above, question.terms(" ".join([*unit.heading, unit.lead])))
        share = question.share(held)
        length = n_words(unit.shown)
        out.append(
            {
                "words": share,
                "density": share / math.log1p(max(4, len(words[at]))),
                "above": question.share(above) - share,
                "before": question.share(earlier) - share,
                "passage": question.share(stands_in.words),
                "pairs": len(pairs.intersection(zip(words[at], words[at][1:], strict=False))) / max(1, len(pairs)),
                "akin": question.akin(held),
                "meaning": meaning[at],
                "beside": max((meaning[near] for near in beside), default=0.0),
                "score": unit.passage.score,
                "of_best": unit.passage.score / best if best > 0 else 0.0,
                "titled": len(stands_in.title.intersection(question.order)) / max(1, len(stands_in.title)),
                "first": float(at == 0 or found[at - 1].passage is not unit.passage),
                "kind": float(fits(question, unit.shown)),
                "way": float(question.kind is Kind.WAY and fits(question, unit.shown)),
                "length": math.log1p(length),
                "long": max(0, length - LONG) / LONG,
            }
        )
    return out


def _is_beside(found: Sequence[Unit], at: int, near: int) -> bool:
    return 0 <= near < len(found) and found[near].passage is found[at].passage


def _around(question: Question, passage: Passage) -> _Around:
    name = passage.file.file_id.rsplit("/", 1)[-1].rpartition(".")
    title = question.terms(" ".join([*passage.heading[:1], name[0] or name[2]]))
    above = question.terms(" ".join([*passage.heading, *passage.head, called_by(passage.file)]))
    return _Around(frozenset(title), frozenset(above), frozenset([*question.terms(passage.text), *above]))


def row_fit(question: str, unit: Unit) -> float:
    """Return how well the name of a row of figures is that of the question, -1 to 1; 0 for other units."""
    if unit.kind is not Block.FIGURES:
        return 0.0
    label = content_words(unit.label)
    if not label:
        return -1.0
    held = label & content_words(question)
    years = years_of(question)
    has_year = not years or any(year in unit.text for year in years)
    return (2.0 * len(held) / (len(label) + 0.5) - 0.6) * (1.0 if has_year else 0.5)
