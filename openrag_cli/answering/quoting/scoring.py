"""How much of a question each unit answers, and which units make the answer."""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.answering.quoting.blocks import Kind
from openrag_cli.answering.quoting.names import years_of
from openrag_cli.answering.quoting.units import Unit, is_block, n_words
from openrag_cli.answering.words import content_words

if TYPE_CHECKING:
    import numpy as np

WORD_WEIGHT = 0.40
MEANING_WEIGHT = 0.45
RANK_WEIGHT = 0.35
TYPE_WEIGHT = 0.15
NEAR_WEIGHT = 0.3
"""What the better neighbour of a unit adds of its own score by words and meaning: answers stand beside what was asked."""

LENGTH_WEIGHT = 0.001
"""What each word over 30 takes from the score of a unit."""

HEADING_SHARE = 0.5
"""What a word of the question counts that stands in the unit's heading or title alone."""

ROW_WEIGHT = 0.25
"""What the share of a row's name that the question has adds to its score."""

SURE_SHARE = 0.75
"""A unit that holds so much of the question's words needs no embedding to count as evidence."""

SAME = 0.95
"""A unit with such a cosine to one that is chosen says the same in the same words."""

DIVERSITY = 0.15
NEAR_BEST = 0.72
"""A unit is added only if its score is at least this share of the best one's."""

MAX_UNITS = 4
LONG = 30
MAX_WORDS = 68
"""Words of an answer of several units, at most; a single unit may be longer."""

MAX_BLOCK_WORDS = 35
"""A block with more words than this stands alone."""

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEM_CHARS = 5
_SHORT = 0.25
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|long|often|far|big|large|high|old|tall)|what (?:size|percent|number|amount|share|port|limit|"
    r"is the "
    r"(?:size|number|amount|limit|default))|combien|quel(?:le)? (?:âge|taille|somme|montant|part|pourcentage|nombre|"
    r"population|superficie)|wie ?viele?|cuánt[oa]s?)\b",
    re.IGNORECASE,
)
_ASKS_DATE = re.compile(
    r"\b(?:when|what (?:date|year|day)|which (?:date|year|day)|quand|en quelle année|"
    r"à quelle date|quelle année|quel (?:jour|siècle)|wann|cuándo)\b",
    re.IGNORECASE,
)
_ASKS_PERSON = re.compile(r"\b(?:who|whom|whose|qui|wer|quién)\b", re.IGNORECASE)
_ASKS_HOW = re.compile(
    r"\b(?:how (?:do|can|to|should|could)|(?:which|what) (?:command|option|flag|code|syntax)|comment|example)\b|"
    r"^(?:undo|install|run|list|show)\b",
    re.IGNORECASE,
)
_ASKS_SUM = re.compile(
    r"\b(?:ratio|average|margin|change|growth|percent(?:age)?|difference|increase[ds]?|decrease[ds]?|compute|calculate|turnover|"
    r"year-over-year|days payable|total of|sum of|CAGR)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|deux|trois|quatre|cinq|dix|cent|mille|zwei|drei)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1\d|20)\d\d\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|janvier|"
    r"février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre|siècle)\b",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?<=[^.!?\n] )[A-Z][\w'\u2019-]+|\b[A-Z][\w'\u2019-]+ [A-Z][\w'\u2019-]+")


@dataclass(frozen=True, slots=True)
class Scored:
    """A unit with its score and its embedding, `float32[dim]`."""

    unit: Unit
    score: float
    vector: "np.ndarray"


def words_of(text: str) -> set[str]:
    """Return the beginnings of the words of a text, without case and accents; of CJK text its characters."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    found = {word[:_STEM_CHARS] for word in _WORD.findall(plain) if not _CJK.search(word)}
    return found | set(_CJK.findall(plain))


def is_computation(question: str) -> bool:
    """Whether a question asks for what has to be computed from figures."""
    return bool(_ASKS_SUM.search(question)) and bool(years_of(question))


def shares(question: str, found: Sequence[Unit]) -> list[float]:
    """Return for each unit which share of the question's words it holds, words in few units weighing more.

    Words that the heading or the title alone has count half; words that carry no meaning count a quarter.
    """
    wanted = words_of(question)
    meant = content_words(question) or wanted
    held = [words_of(unit.text) & wanted for unit in found]
    above = [
        content_words(" ".join([*unit.heading, unit.lead, unit.passage.file.filename])) & wanted for unit in found
    ]
    counts = {word: sum(word in words for words in held) for word in wanted}
    weight = {
        word: math.log(1 + (len(found) + 1) / (counts[word] + 1))
        * (1.0 if word in meant or _CJK.match(word) else _SHORT)
        for word in wanted
    }
    total = sum(weight.values()) or 1.0
    return [
        (sum(weight[word] for word in words) + HEADING_SHARE * sum(weight[word] for word in heads - words)) / total
        for words, heads in zip(held, above, strict=True)
    ]


def scored(
    question: str, found: Sequence[Unit], meaning: Sequence[float], words: Sequence[float], vectors: "np.ndarray"
) -> list[Scored]:
    """Return the units with their scores, in the order given."""
    best = max((unit.passage.score for unit in found), default=0.0) or 1.0
    own = [MEANING_WEIGHT * max(0.0, one) + WORD_WEIGHT * share for one, share in zip(meaning, words, strict=True)]
    return [
        Scored(
            unit,
            own[at]
            + NEAR_WEIGHT * _neighbour(found, own, at)
            - LENGTH_WEIGHT * max(0, n_words(unit.shown) - LONG)
            + RANK_WEIGHT * max(0.0, unit.passage.score / best)
            + TYPE_WEIGHT * _fits(question, unit)
            + ROW_WEIGHT * _row_fit(question, unit),
            vectors[at],
        )
        for at, unit in enumerate(found)
    ]


def _neighbour(found: Sequence[Unit], own: Sequence[float], at: int) -> float:
    beside = [near for near in (at - 1, at + 1) if 0 <= near < len(found)]
    return max((own[near] for near in beside if found[near].passage is found[at].passage), default=0.0)


def _fits(question: str, unit: Unit) -> float:
    """Return whether a unit has what is asked for, 0 to 1: a number, a date, a name, a way to do it."""
    asked = words_of(question)
    if _ASKS_DATE.search(question):
        return float(bool(_DATE.search(unit.shown)))
    if _ASKS_NUMBER.search(question):
        fresh = {word for word in _WORD.findall(unit.shown) if _NUMBER.fullmatch(word[:1]) and word not in asked}
        return float(bool(fresh) or bool(_NUMBER.search(unit.shown)))
    if _ASKS_PERSON.search(question):
        return float(any(not words_of(name) <= asked for name in _CAPITAL.findall(unit.shown)))
    if _ASKS_HOW.search(question):
        return 1.0 if "```" in unit.shown else 0.6 if "`" in unit.shown else 0.0
    return -0.5 if unit.kind is Kind.CODE and "```" in unit.shown else 0.0


def _row_fit(question: str, unit: Unit) -> float:
    """Return how well the name of a row of figures is that of the question, -1 to 1; 0 for other units."""
    if unit.kind is not Kind.FIGURES:
        return 0.0
    label = content_words(unit.label)
    if not label:
        return -1.0
    held = label & content_words(question)
    years = years_of(question)
    has_year = not years or any(year in unit.text for year in years)
    return (2.0 * len(held) / (len(label) + 0.5) - 0.6) * (1.0 if has_year else 0.5)


def chosen(question: str, candidates: Sequence[Scored]) -> list[Unit]:
    """Return the units of the answer, the best first."""
    left = sorted(candidates, key=lambda one: -one.score)
    picked: list[Scored] = [left[0]]
    n_left = MAX_WORDS - n_words(left[0].unit.shown)
    is_alone = is_block(left[0].unit) and n_words(left[0].unit.shown) > MAX_BLOCK_WORDS
    needs_rows = is_computation(question) and left[0].unit.kind is Kind.FIGURES
    if is_alone and not needs_rows:
        return [left[0].unit]
    floor = NEAR_BEST * left[0].score
    for one in _by_gain(left[1:], picked, floor):
        cost = n_words(one.unit.shown)
        if cost > n_left or (needs_rows and one.unit.kind is not Kind.FIGURES):
            continue
        picked.append(one)
        n_left -= cost
        if len(picked) == MAX_UNITS:
            break
    return [one.unit for one in picked]


def _by_gain(left: Sequence[Scored], picked: Sequence[Scored], floor: float) -> Iterator[Scored]:
    """Yield what is near the best and unlike what is picked meanwhile, by score less likeness."""
    pool = [one for one in left if one.score >= floor]
    while pool:
        near = [max(float(one.vector @ other.vector) for other in picked) for one in pool]
        gains = [
            one.score - DIVERSITY * likeness if likeness < SAME and not _overlaps(one, picked) else -1.0
            for one, likeness in zip(pool, near, strict=True)
        ]
        at = max(range(len(pool)), key=gains.__getitem__)
        if gains[at] < 0:
            return
        yield pool.pop(at)


def _overlaps(one: Scored, picked: Sequence[Scored]) -> bool:
    return any(
        one.unit.passage.file == other.unit.passage.file
        and one.unit.start < other.unit.end
        and other.unit.start < one.unit.end
        for other in picked
    )
