"""The answerer that needs no language model: the units of the passages that say most about the question.

A unit (see `quoting/units.py`) is scored by its words, its meaning, its passage and by what kind of thing was asked for
(`quoting/scoring.py`); the best comes first, and others are added while they may answer too (`quoting/choosing.py`).
"""

import asyncio
import re
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openrag_cli.answering.llm.model import Delta, ModelRequest
from openrag_cli.answering.quoting.accounts import rows_for
from openrag_cli.answering.quoting.asked import Question
from openrag_cli.answering.quoting.blocks import Kind
from openrag_cli.answering.quoting.choosing import chosen, is_computation
from openrag_cli.answering.quoting.entries import asked_entry
from openrag_cli.answering.quoting.evidence import NOTHING, PASSAGES, at_least, evidence, measure_for, refusal
from openrag_cli.answering.quoting.scoring import Scored, scored
from openrag_cli.answering.quoting.units import Unit, units
from openrag_cli.domain import Passage
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.llm_tokens import estimate_tokens

GREETING = "Hello. Ask me something about your documents."
MAX_CANDIDATES = 20
"""Units of a passage that are embedded, at most: those that hold most of the question's words."""

FIRST = 4
"""Units that are embedded first when only whether there is evidence is asked: on SciFact they settle 30 of 45 questions,
and 57% fewer are embedded."""

LEAST_MEANING = -1.0
"""No cosine is less."""

TO_COMPUTE = "The result asked for has to be computed from these rows."

PARAGRAPH = "\n\n"
_WORDS = re.compile(r"\S+")

__all__ = ["GREETING", "NOTHING", "ExtractiveModel"]


@dataclass(frozen=True, slots=True)
class Examined:
    """A question, and the units that may answer it with their scores."""

    question: Question
    found: Sequence[Scored] = ()

    def best(self) -> list[Unit]:
        """Return the units that answer, the best first."""
        if entry := asked_entry(self.question.text, self.found):
            return [entry.unit]
        measure = measure_for(self.question.text, [self.found[0].unit.passage])
        return chosen(self.question.text, self.found, measure)


class ExtractiveModel:
    """A `ChatModel` that quotes. It never makes up a word, and says so when nothing fits."""

    name = "extractive"

    def __init__(self, embedder: Callable[[], Embedder], read: Callable[[str], Question]) -> None:
        self._embedder = embedder
        self._read = read

    async def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`: one delta for each unit, with its quote."""
        chosen = await asyncio.to_thread(self.choose, ask.question, ask.passages)
        if not chosen:
            yield Delta(text=refusal(ask.question, ask.passages), finish_reason="stop")
            return
        stops = _stops(ask.parameters.get("stop"))
        left = _limit(ask.parameters)
        is_one = len({unit.passage.file.revision for unit in chosen}) == 1
        for before, unit in zip([None, *chosen], chosen, strict=False):
            text = _marked(unit, before, "" if is_one else unit.passage.file.file_id)
            at = min((found for stop in stops if (found := text.find(stop)) >= 0), default=len(text))
            fits = _fitting(text[:at], left, is_first=before is None)
            if fits.strip():
                yield Delta(text=fits, quotes=(unit.passage.narrowed(unit.start, unit.end),))
            if len(fits) < at:
                yield Delta(finish_reason="length")
                return
            left -= estimate_tokens(fits)
            if at < len(text):
                break
        if is_computation(ask.question) and all(unit.label for unit in chosen):
            yield Delta(text=f"\n\n{TO_COMPUTE}")
        yield Delta(finish_reason="stop")

    def has_evidence(self, question: str, passages: Sequence[Passage]) -> bool:
        """Whether the best passages say enough about the question to answer from.

        A few units that share most words with it are embedded first: often they are enough, whatever the others mean.
        """
        best = passages[:PASSAGES]
        asked = self._read(question)
        found = _candidates(asked, best)
        measure = measure_for(question, best)
        if not found:
            return False
        shares = [asked.share(asked.terms(unit.text)) for unit in found]
        order = sorted(range(len(found)), key=lambda at: (-shares[at], at))
        query = self._embedder().embed_query(asked.asks)
        meaning = [LEAST_MEANING] * len(found)
        for places, weigh in ((order[:FIRST], at_least), (order[FIRST:], evidence)):
            if places:
                vectors = self._embedder().embed_passages([found[at].text for at in places])
                for at, cosine in zip(places, vectors @ query, strict=True):
                    meaning[at] = float(cosine)
            if weigh(best, scored(asked, found, meaning, [query] * len(found))).total(measure) >= measure.floor:
                return True
        return False

    def choose(self, question: str, passages: Sequence[Passage]) -> list[Unit]:
        """Return the units that answer, the best first; none when nothing relevant is there."""
        if refusal(question, passages) != NOTHING:
            return []
        if rows := rows_for(question, passages):
            return rows
        examined = self.examine(question, [one for one in passages if one.score > 0 or is_in_hand(one)])
        return examined.best() if _is_enough(examined, passages) else []

    def examine(self, question: str, passages: Sequence[Passage]) -> Examined:
        """Return the units of passages, scored for a question."""
        asked = self._read(question)
        found = _candidates(asked, passages)
        if not found:
            return Examined(asked)
        vectors = self._embedder().embed_passages([unit.text for unit in found])
        meaning = vectors @ self._embedder().embed_query(asked.asks)
        return Examined(asked, scored(asked, found, [float(cosine) for cosine in meaning], list(vectors)))


def is_in_hand(passage: Passage) -> bool:
    """Whether a passage is of a text that was given with the question, and of no partition."""
    return not passage.file.partition


def _is_enough(examined: Examined, passages: Sequence[Passage]) -> bool:
    held = [one for one in examined.found if is_in_hand(one.unit.passage)]
    if any(one.values["words"] > 0 for one in held) or asked_entry(examined.question.text, held):
        return True  # what somebody holds is what the question is about
    measure = measure_for(examined.question.text, passages)
    return bool(examined.found) and evidence(passages, examined.found).total(measure) >= measure.floor


def _candidates(question: Question, passages: Sequence[Passage]) -> list[Unit]:
    """Return the units of passages, in reading order; of a long passage those that hold most of the question's words."""
    kept: list[Unit] = []
    for passage in passages:
        found = units(passage)
        if len(found) > MAX_CANDIDATES:
            shares = [question.share(question.terms(unit.text)) for unit in found]
            order = sorted(range(len(found)), key=lambda at: (-shares[at], at))
            found = [found[at] for at in sorted(order[:MAX_CANDIDATES])]
        kept += found
    return kept


def _marked(unit: Unit, before: Unit | None, source: str) -> str:
    """Return a unit so that a mark can stand right behind it: below a block, after a sentence; with its document.

    The line that announces it is not said again where the unit before it was announced by it too.
    """
    shown, apart = unit.shown, PARAGRAPH
    if before is not None and unit.lead and unit.lead == before.lead:
        shown = shown.removeprefix(unit.lead).lstrip("\n")
        apart = "\n" if unit.kind is before.kind is Kind.ITEM else PARAGRAPH
    is_block = shown.rsplit("\n", 1)[-1].startswith(("```", "~~~", "|"))
    whose = f"({source})" if source else ""
    between = PARAGRAPH if is_block else " " if whose else ""
    return f"{'' if before is None else apart}{shown}{between}{whose}"


def _stops(given: object) -> list[str]:
    stops = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [stop for stop in stops if isinstance(stop, str) and stop]


def _fitting(text: str, most: int, *, is_first: bool) -> str:
    """Return what is at most so many tokens of a text: all or nothing; of the first, its first words."""
    if estimate_tokens(text) <= most or not is_first:
        return text if estimate_tokens(text) <= most else ""
    ends = [found.end() for found in _WORDS.finditer(text)]
    n_fitting = bisect_right(ends, most, key=lambda end: estimate_tokens(text[:end]))
    return text[: ends[n_fitting - 1]] if n_fitting else ""


def _limit(parameters: Mapping[str, Any]) -> int:
    wanted = parameters.get("max_tokens", parameters.get("max_completion_tokens"))
    return wanted if isinstance(wanted, int) else 1 << 30
