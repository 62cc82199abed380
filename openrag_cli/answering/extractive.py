"""The answerer that needs no language model: the units of the passages that say most about the question.

A unit (see `quoting/units.py`) is scored by meaning (the cosine with the question), by words (how much of the
question's weight of words it holds, rare words weighing more), by the rank of its passage and by what kind of thing was
asked for; the best comes first, and others are added while they are near it, different from it, and short.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openrag_cli.answering.llm.model import Delta, ModelRequest
from openrag_cli.answering.quoting import scoring
from openrag_cli.answering.quoting.evidence import MIN_EVIDENCE_TO_SHOW, NOTHING, evidence, floor, refusal
from openrag_cli.answering.quoting.units import Unit, units
from openrag_cli.domain import Passage
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.llm_tokens import estimate_tokens

if TYPE_CHECKING:
    from openrag_cli.answering.quoting.scoring import Scored

GREETING = "Hello. Ask me something about your documents."
MAX_CANDIDATES = 160
"""Units embedded for one answer, at most: of each passage those that hold most of the question's words."""

MAX_CHECKED = 40
"""Units embedded to tell whether there is evidence, at most."""

TO_COMPUTE = "The result asked for has to be computed from these rows."

PARAGRAPH = "\n\n"

__all__ = ["GREETING", "NOTHING", "ExtractiveModel"]


class ExtractiveModel:
    """A `ChatModel` that quotes. It never makes up a word, and says so when nothing fits."""

    name = "extractive"

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    async def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`: one delta for each unit, with its quote."""
        chosen = await asyncio.to_thread(self.choose, ask.question, ask.passages)
        if not chosen:
            yield Delta(text=refusal(ask.question, ask.passages), finish_reason="stop")
            return
        stops = _stops(ask.parameters.get("stop"))
        left = _limit(ask.parameters)
        for before, unit in zip([None, *chosen], chosen, strict=False):
            text = f"{_marked(unit, before)}"
            at = min((found for stop in stops if (found := text.find(stop)) >= 0), default=len(text))
            left -= estimate_tokens(text[:at])
            if left < 0:
                yield Delta(finish_reason="length")
                return
            if text[:at].strip():
                yield Delta(text=text[:at], quotes=(unit.passage.narrowed(unit.start, unit.end),))
            if at < len(text):
                break
        if scoring.is_computation(ask.question) and all(unit.label for unit in chosen):
            yield Delta(text=f"\n\n{TO_COMPUTE}")
        yield Delta(finish_reason="stop")

    def has_evidence(self, question: str, passages: Sequence[Passage]) -> bool:
        """Whether a unit of the passages says enough about the question to answer from."""
        found = list(_candidates(question, passages, MAX_CHECKED))
        if not found:
            return False
        shares = scoring.shares(question, found)
        if max(shares) >= scoring.SURE_SHARE:
            return True
        return evidence(self._meaning(question, found)[0], shares, passages) >= MIN_EVIDENCE_TO_SHOW

    def choose(self, question: str, passages: Sequence[Passage]) -> list[Unit]:
        """Return the units that answer, the best first; none when nothing relevant is there."""
        found = list(_candidates(question, passages, MAX_CANDIDATES))
        if not found or refusal(question, passages) != NOTHING:
            return []
        shares = scoring.shares(question, found)
        meaning, vectors = self._meaning(question, found)
        if evidence(meaning, shares, passages) < floor(question):
            return []
        scored: list[Scored] = scoring.scored(question, found, meaning, shares, vectors)
        return scoring.chosen(question, scored)

    def _meaning(self, question: str, found: Sequence[Unit]) -> tuple[list[float], Any]:
        vectors = self._embedder().embed_passages([unit.text for unit in found])
        return [float(cosine) for cosine in vectors @ self._embedder().embed_query(question)], vectors


def _candidates(question: str, passages: Sequence[Passage], most: int) -> Iterator[Unit]:
    """Yield at most so many units, an equal share of each passage: those that hold most of the question's words."""
    each = max(8, most // max(1, len(passages)))
    wanted = scoring.words_of(question)
    for passage in passages[:most]:
        found = units(passage)
        if len(found) > each:
            order = sorted(range(len(found)), key=lambda at: (-len(scoring.words_of(found[at].text) & wanted), at))
            found = [found[at] for at in sorted(order[:each])]
        yield from found


def _marked(unit: Unit, before: Unit | None) -> str:
    """Return a unit so that a mark can stand right behind it: below a block, after a sentence.

    The line that announces it is not said again where the unit before it was announced by it too.
    """
    shown = unit.shown
    if before is not None and unit.lead and unit.lead == before.lead:
        shown = shown.removeprefix(unit.lead).lstrip("\n")
    is_block = shown.rsplit("\n", 1)[-1].startswith(("```", "~~~", "|"))
    return f"{'' if before is None else PARAGRAPH}{shown}{PARAGRAPH if is_block else ''}"


def _stops(given: object) -> list[str]:
    stops = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [stop for stop in stops if isinstance(stop, str) and stop]


def _limit(parameters: Mapping[str, Any]) -> int:
    wanted = parameters.get("max_tokens", parameters.get("max_completion_tokens"))
    return wanted if isinstance(wanted, int) else 1 << 30
