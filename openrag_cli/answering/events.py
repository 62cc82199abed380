"""What an answer is made of, as events: first what was retrieved, then pieces of text, last what it came to."""

from dataclasses import dataclass
from typing import Any

from openrag_cli.answering.citations import Mark
from openrag_cli.domain import Passage


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as the model counts them, or as we estimate where it does not say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: what was searched for (None: nothing was retrieved), and what the model is shown."""

    query: str | None
    passages: tuple[Passage, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer: text whose marks are checked, or tool calls, verbatim."""

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event. `citations` are the passages that the marks name (of a quoting model: the very sentences), by number.

    `unknown` are numbers of marks that were taken out because they named nothing shown.
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


Event = Retrieved | TextDelta | Finished
