"""One run over questions: what each measure comes to, for each question and on average."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openrag_cli.evaluation.measures import ANSWER, Bound, Measure, has_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openrag_cli.evaluation.questions import Question


@dataclass(frozen=True, slots=True)
class Judged:
    """A question with the value of each measure, by its name."""

    question: Question
    values: dict[str, float]


@dataclass(slots=True)
class Run:
    """What came of a run; `name` says how it searched."""

    name: str
    judged: list[Judged] = field(default_factory=list)

    def mean(self, measure: Measure) -> float | None:
        """Return the mean over the questions that have it; None when none has."""
        values = [one.values[str(measure)] for one in self.judged if str(measure) in one.values]
        return sum(values) / len(values) if values else None

    def missed(self, bounds: Sequence[Bound]) -> list[tuple[Bound, float]]:
        """Return the bounds that are not reached, each with what was; a measure that no question has reaches nothing."""
        found = [(bound, self.mean(bound.measure) or 0.0) for bound in bounds]
        return [(bound, value) for bound, value in found if value < bound.least]


def run(
    name: str,
    questions: Sequence[Question],
    measures: Sequence[Measure],
    *,
    search: Callable[[str], Sequence[str]],
    cited: Callable[[str], Sequence[str]],
    on_question: Callable[[], None] = lambda: None,
) -> Run:
    """Ask every question. `search` returns the ids of files, best first; `cited` the texts that an answer cites."""
    found = Run(name)
    for question in questions:
        values: dict[str, float] = {}
        if question.relevant:
            ranking = _known_as(search(question.text), question)
            values |= {str(one): one.of(ranking, question) for one in measures if one.name != ANSWER}
        if question.answers:
            values[ANSWER] = float(has_answer(cited(question.text), question.answers))
        found.judged.append(Judged(question, values))
        on_question()
    return found


def _known_as(ranking: Sequence[str], question: Question) -> list[str]:
    """Return file ids as the judgements have them: some name documents without the extension of their files."""
    return [
        file_id
        if file_id in question.relevant or (stem := file_id.rpartition(".")[0]) not in question.relevant
        else stem
        for file_id in ranking
    ]
