"""Which units make an answer: the best first, others while they may answer too and there is room."""

import re
from collections.abc import Sequence
from itertools import combinations

from openrag_cli.answering.quoting.blocks import Kind
from openrag_cli.answering.quoting.evidence import Measure
from openrag_cli.answering.quoting.names import years_of
from openrag_cli.answering.quoting.scoring import Scored
from openrag_cli.answering.quoting.units import Unit, is_block, is_title, n_words

SURE_WORDS = 57
"""Words of an answer of several units, at most, where the best of them is sure; a single unit may be longer."""

ALONE = 0.8
"""From this certainty on a block is the answer: one right block is better than four sentences."""

SAME = 0.95
"""A unit with such a cosine to one that is chosen says the same in the same words."""

FAR = 4.0
"""A unit is added only if its score is at most so much less than the best one's."""

MAX_UNITS = 4
MAX_CHOICE = 12
"""Units, the best after the first, of which others are chosen."""

_ASKS_SUM = re.compile(
    r"\b(?:ratio|average|margin|change|growth|percent(?:age)?|difference|increase[ds]?|decrease[ds]?|compute|calculate|turnover|"
    r"year-over-year|days payable|total of|sum of|CAGR)\b",
    re.IGNORECASE,
)


def is_computation(question: str) -> bool:
    """Whether a question asks for what has to be computed from figures."""
    return bool(_ASKS_SUM.search(question)) and bool(years_of(question))


def chosen(question: str, candidates: Sequence[Scored], measure: Measure) -> list[Unit]:
    """Return the units of the answer, the best first: with it those that are together the likeliest to answer of all
    that there is room for. A title is none, unless there is nothing else."""
    told = [one for one in candidates if not is_title(one.unit)]
    best, *others = sorted(told or candidates, key=lambda one: -one.score)
    needs_rows = is_computation(question) and best.unit.kind is Kind.FIGURES
    if is_block(best.unit) and best.certainty >= ALONE and not needs_rows:
        return [best.unit]
    n_left = (SURE_WORDS if best.certainty >= measure.sure else measure.room) - n_words(best.unit.shown)
    may_stand = [
        one
        for one in others
        if one.score >= best.score - FAR
        and n_words(one.unit.shown) <= n_left
        and (one.unit.kind is Kind.FIGURES or not needs_rows)
        and not _is_said(one, best)
    ]
    sets = (some for n in range(MAX_UNITS) for some in combinations(may_stand[:MAX_CHOICE], n) if _fit(some, n_left))
    added = max(sets, key=lambda some: sum(one.certainty for one in some), default=())
    return [one.unit for one in (best, *added)]


def _fit(some: Sequence[Scored], n_left: int) -> bool:
    """Whether there is room for units, none of which says what another says."""
    return sum(n_words(one.unit.shown) for one in some) <= n_left and not any(
        _is_said(one, other) for one, other in combinations(some, 2)
    )


def _is_said(one: Scored, other: Scored) -> bool:
    """Whether a unit says what another says, or is a part of it."""
    return float(one.vector @ other.vector) > SAME or (
        one.unit.passage.file == other.unit.passage.file
        and one.unit.start < other.unit.end
        and other.unit.start < one.unit.end
    )
