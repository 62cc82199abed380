"""The `ChatModel` protocol: what a model is asked, and the pieces of its answer."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from openrag_cli.answering.events import Usage
from openrag_cli.domain import Passage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked: OpenAI messages, and the same in its parts for a model that reads no messages.

    `parameters` are OpenAI's (temperature, tools, stop and so on). `fence` is the word around quoted passages, which
    must not come back. `waits_when_busy`: whether a 429 is waited for here; a server's own clients wait themselves.
    """

    messages: Sequence[Json]
    question: str
    passages: Sequence[Passage] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fence: str | None = None
    waits_when_busy: bool = True


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer.

    `text` is shown and cited; `thought` is what the model thinks aloud, never cited and never searched; `refusal` says
    why it does not answer. `tool_calls` are pieces of calls as a stream of OpenAI's API has them, each with its index,
    the first of each with id and name, arguments as text. `finish_reason` is stop, length, tool_calls or content_filter.
    `quotes` are the very parts of passages that the text was taken from verbatim: such text has no marks of its own yet.
    `note` says what was done to the answer here, such as that it was stopped. `retracts`: all text before this piece was a
    thought, whose end alone was marked.
    """

    text: str = ""
    thought: str = ""
    refusal: str = ""
    tool_calls: tuple[Json, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    quotes: tuple[Passage, ...] = ()
    note: str = ""
    retracts: bool = False


class ChatModel(Protocol):
    """Answers from passages.

    Raises:
        UpstreamError, ConfigError: it cannot be asked, broke off, or gave no answer.
    """

    @property
    def name(self) -> str:
        """What it is called, for a person."""

    def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer in pieces; closing the iterator cancels it."""


async def complete(model: ChatModel, ask: ModelRequest) -> str:
    """Return the text of a whole answer, thoughts left out. Raises: UpstreamError, ConfigError."""
    text = ""
    async for delta in model.stream(ask):
        text = delta.text if delta.retracts else text + delta.text
    return text
