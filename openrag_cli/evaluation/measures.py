"""Measures by name: ndcg@10, recall@100, mrr@10, map@100, and answer, the share of answers whose citations hold the truth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.errors import InvalidInput
from openrag_cli.evaluation import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openrag_cli.evaluation.questions import Question

    Metric = Callable[[Sequence[str], Mapping[str, int], int], float]

METRICS: Mapping[str, Metric] = {
    "ndcg": metrics.ndcg,
    "recall": metrics.recall,
    "mrr": metrics.reciprocal_rank,
    "map": metrics.average_precision,
}
ANSWER = "answer"
_BOUND = re.compile(r"([a-z]+)(?:@(\d+))?\s*=\s*(\d*\.?\d+)")
_RUN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Measure:
    """One of `METRICS` at a rank, or `answer`."""

    name: str
    k: int = 0

    def __str__(self) -> str:
        return f"{self.name}@{self.k}" if self.k else self.name

    def of(self, ranking: Sequence[str], question: Question) -> float:
        """Return its value for the files that a question found, best first."""
        return METRICS[self.name](ranking, question.relevant, self.k)


def usual(k: int) -> list[Measure]:
    """Return what is measured when the first `k` files are looked at."""
    near = min(10, k)
    found = [
        Measure("ndcg", near),
        Measure("mrr", near),
        Measure("recall", near),
        Measure("map", k),
        Measure("recall", k),
    ]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Bound:
    """The least value that a measure may have."""

    measure: Measure
    least: float


def read_bound(text: str, *, k: int) -> Bound:
    """Return the bound that `ndcg@10=0.6` writes. Raises: InvalidInput."""
    match = _BOUND.fullmatch(text.strip())
    hint = "for example ndcg@10=0.6, recall@5=0.8, mrr@10=0.5, map@100=0.4 or answer=0.7"
    if match is None or (match[1] not in METRICS and (match[1] != ANSWER or match[2])):
        raise InvalidInput(f"{text!r} is no bound", hint=hint)
    rank = int(match[2]) if match[2] else (k if match[1] in METRICS else 0)
    if match[1] in METRICS and not 1 <= rank <= k:
        raise InvalidInput(f"{text!r}: the first {k:,} files are looked at", hint=f"-k {rank} looks at more")
    return Bound(Measure(match[1], rank), float(match[3]))


def has_answer(texts: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether one of the answers stands in one of the texts: the same words in a row, whatever stands between them."""
    spoken = [f" {_words(text)} " for text in texts]
    return any(f" {_words(answer)} " in text for answer in answers if _words(answer) for text in spoken)


def _words(text: str) -> str:
    return " ".join(_RUN.findall(text.casefold()))
