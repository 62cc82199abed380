"""What an answer is made of, as events: first what was retrieved, then pieces of text, last what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrag_cli.answering.citations import Mark
    from openrag_cli.domain import Passage
    from openrag_cli.errors import OpenRAGError


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as the model counts them, or as we estimate where it does not say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: what was searched for (None: nothing was retrieved), and what the model is shown.

    It comes again when the model's window was smaller than thought, and fewer passages are shown. `notes` say what the
    filter may have got wrong that let nothing through; the end of the answer has them among its warnings.
    """

    query: str | None
    passages: tuple[Passage, ...]
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer: text whose marks are checked, a thought, a refusal, or pieces of tool calls."""

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    thought: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event. `citations` are the passages that the marks name (of a quoting model: the very sentences), by number.

    `unknown` are numbers of marks that were taken out because they named nothing shown. `attached` are passages that we
    found to hold the answer's words where it names none itself. `warnings` are sentences about the answer: cut, stopped.
    `error` is what broke the answer off, when something did: what came before it is here all the same.
    """

    text: str
    marks: tuple[Mark, ...]
    citations: tuple[Passage, ...]
    unknown: tuple[int, ...]
    finish_reason: str
    usage: Usage
    model: str
    first_s: float
    seconds: float
    thought: str = ""
    refusal: str = ""
    attached: tuple[Passage, ...] = ()
    warnings: tuple[str, ...] = ()
    error: OpenRAGError | None = None

    @property
    def kept(self) -> str:
        """What a session keeps of the answer: its text, marked where it broke off, or why there is none."""
        text = self.text or self.refusal
        return f"{text} [broken off]" if self.error else text


def unsupported(finished: Finished) -> set[int]:
    """Return the numbers of cited passages that no mark of the answer is borne out by."""
    borne = {mark.number for mark in finished.marks if mark.is_supported}
    return {mark.number for mark in finished.marks} - borne


Event = Retrieved | TextDelta | Finished
