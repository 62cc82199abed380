"""Which units make an answer: the best first, others while they may answer too and there is room."""

import re
from collections.abc import Sequence

from openrag_cli.answering.quoting.blocks import Kind
from openrag_cli.answering.quoting.evidence import Measure
from openrag_cli.answering.quoting.names import years_of
from openrag_cli.answering.quoting.scoring import Scored
from openrag_cli.answering.quoting.units import Unit, n_words

SURE_WORDS = 58
"""Words of an answer of several units, at most, where the best of them is sure; a single unit may be longer."""

ALONE = 0.8
"""From this certainty on the best unit is the answer: one right block is better than four sentences."""

SAME = 0.95
"""A unit with such a cosine to one that is chosen says the same in the same words."""

FAR = 3.0
"""A unit is added only if its score is at most so much less than the best one's."""

MAX_UNITS = 4

_ASKS_SUM = re.compile(
    r"\b(?:ratio|average|margin|change|growth|percent(?:age)?|difference|increase[ds]?|decrease[ds]?|compute|calculate|turnover|"
    r"year-over-year|days payable|total of|sum of|CAGR)\b",
    re.IGNORECASE,
)


def is_computation(question: str) -> bool:
    """Whether a question asks for what has to be computed from figures."""
    return bool(_ASKS_SUM.search(question)) and bool(years_of(question))


def chosen(question: str, candidates: Sequence[Scored], measure: Measure) -> list[Unit]:
    """Return the units of the answer, the best first."""
    left = sorted(candidates, key=lambda one: -one.score)
    best = left[0]
    n_left = (SURE_WORDS if best.certainty >= measure.sure else measure.room) - n_words(best.unit.shown)
    needs_rows = is_computation(question) and best.unit.kind is Kind.FIGURES
    picked = [best]
    for one in left[1:]:
        cost = n_words(one.unit.shown)
        is_alone = best.certainty >= ALONE and not needs_rows
        if is_alone or len(picked) == MAX_UNITS or one.score < best.score - FAR:
            break
        if cost > n_left or (needs_rows and one.unit.kind is not Kind.FIGURES) or _is_said(one, picked):
            continue
        picked.append(one)
        n_left -= cost
    return [one.unit for one in picked]


def _is_said(one: Scored, picked: Sequence[Scored]) -> bool:
    """Whether a unit says what one that is picked says, or is a part of it."""
    return any(
        float(one.vector @ other.vector) > SAME
        or (
            one.unit.passage.file == other.unit.passage.file
            and one.unit.start < other.unit.end
            and other.unit.start < one.unit.end
        )
        for other in picked
    )
