"""What comes from an LLM: any legal shape of an answer, whole or as a stream, read as `Delta`s of one form.

References: OpenAI API, "Create chat completion" and its streamed chunks; the shapes of other servers are read where
they differ: text in parts, thoughts (`reasoning_content`, `reasoning`), calls without index, finish reasons of their own.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from openrag_cli.answering.events import Usage
from openrag_cli.answering.llm.guards import FenceFilter, RepeatGuard
from openrag_cli.answering.llm.model import Delta
from openrag_cli.answering.llm.thoughts import ThoughtSplitter
from openrag_cli.answering.llm.tool_calls import ToolCallReader
from openrag_cli.errors import NoAnswer
from openrag_cli.retrieval.llm_tokens import estimate_tokens

Json = dict[str, Any]

_REASONS = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "function_call": "tool_calls", "tool_use": "tool_calls", "max_tokens": "length", "model_length": "length",
    "max_output_tokens": "length", "max_length": "length", "model_context_window_exceeded": "length",
    "safety": "content_filter", "recitation": "content_filter", "refusal": "content_filter", "blocklist": "content_filter",
    "prohibited_content": "content_filter", "spii": "content_filter", "error_toxic": "content_filter",
}  # fmt: skip
_FAILURES = frozenset(
    ["error", "abort", "aborted", "cancelled", "canceled", "timeout", "insufficient_system_resource", "error_limit",
     "malformed_function_call"]
)  # fmt: skip
"""Reasons of an answer that its server gave up."""

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_OVER_LIMIT = 2
"""An answer is stopped here when our estimate is so many times what was asked for: servers that count stop long before."""

_MAX_COUNT = 1 << 40

REPEATS = "stopped: it repeats itself"
OVER = "stopped: it went on past max_tokens"


@dataclass(slots=True)
class AnswerReader:
    """Reads the chunks of one answer; `read` and `close` return its pieces, the last with a finish reason.

    `is_over` becomes true when the answer is stopped on our side: then nothing more is to be read.
    """

    max_tokens: int | None = None
    fence: str | None = None
    assumes_thought: bool = False
    is_over: bool = False
    has_ended: bool = False
    failure: str = ""
    """Why the server gave the answer up, where it says so as the reason of its end."""
    _calls: ToolCallReader = field(default_factory=ToolCallReader)
    _splitter: ThoughtSplitter = field(default_factory=ThoughtSplitter)
    _repeats: RepeatGuard = field(default_factory=RepeatGuard)
    _fences: FenceFilter | None = None
    _half: str = ""
    _reason: str | None = None
    _n_thought: int = 0
    _n_text: int = 0
    _has_text: bool = False
    _has_refusal: bool = False

    def __post_init__(self) -> None:
        self._splitter.assumes = self.assumes_thought
        if self.fence:
            self._fences = FenceFilter(self.fence)

    @property
    def begins_within_thought(self) -> bool:
        """Whether the answer began within a thought that nothing opened."""
        return self._splitter.was_unopened

    def read(self, body: Json) -> Delta:
        """Return what a chunk, or a whole answer, holds; what is missing or of another type counts as none."""
        choice = _choice(body.get("choices"))
        is_whole = isinstance(choice.get("message"), dict) and not isinstance(choice.get("delta"), dict)
        part = choice.get("message" if is_whole else "delta")
        part = part if isinstance(part, dict) else {}
        text, in_parts = _content(part.get("content") if "content" in part else choice.get("text"))
        refusal = part.get("refusal")
        calls = self._calls.read(part.get("tool_calls"), is_whole=is_whole)
        calls += self._calls.read_legacy(part.get("function_call"))
        self._end(choice)
        return self._delta(
            text,
            thought=in_parts + _thought(part),
            refusal=refusal if isinstance(refusal, str) else "",
            calls=calls,
            usage=_usage(body.get("usage")),
        )

    def _end(self, choice: Json) -> None:
        """Note what a choice says of the answer's end."""
        given = choice.get("finish_reason")
        if reason := finish_reason(given):
            self._reason, self.has_ended = reason, True
        error = choice.get("error")
        if error:
            self.failure = str(error.get("message") or error) if isinstance(error, dict) else str(error)
        elif isinstance(given, str) and given.lower() in _FAILURES:
            self.failure = f"it gave the answer up (finish_reason {given})"

    def _delta(self, text: str, *, thought: str, refusal: str, calls: tuple[Json, ...], usage: Usage | None) -> Delta:
        text, self._half = _joined(self._half + text)
        if thought:
            self._splitter.assumes = False
        was_unopened = self._splitter.was_unopened
        in_tags, text = self._splitter.feed(text)
        retracts = self._splitter.was_unopened and not was_unopened and self._has_text
        self._has_text &= not retracts
        if self._fences:
            text = self._fences.feed(text)
        note = self._watch(text, thought + in_tags)
        self._has_text |= bool(text.strip())
        self._has_refusal |= bool(refusal.strip())
        return Delta(
            text=text,
            thought=whole_text(thought + in_tags),
            refusal=whole_text(refusal),
            tool_calls=calls,
            usage=usage,
            note=note,
            retracts=retracts,
        )

    def _watch(self, text: str, thought: str) -> str:
        """Return why the answer is stopped here, if it is."""
        self._n_thought += estimate_tokens(thought) - 1 if thought else 0
        self._n_text += estimate_tokens(text) - 1 if text else 0
        if self._repeats.feed(text):  # a thought may go round in circles on its way to an answer
            self.is_over, self._reason = True, "length"
            return REPEATS
        if self.max_tokens and self._n_text + self._n_thought > _OVER_LIMIT * self.max_tokens + 100:
            self.is_over, self._reason = True, "length"
            return OVER
        return ""

    def close(self) -> Delta:
        """Return the last piece: what was held back, and the finish reason.

        Raises:
            NoAnswer: nothing came that is an answer: no text, no call, no refusal.
        """
        last = self.rest()
        self._has_text = (self._has_text and not last.retracts) or bool(last.text.strip())
        reason = self._reason or "stop"
        if self._calls.n_calls and reason == "stop":
            reason = "tool_calls"
        if not (self._has_text or self._has_refusal or self._calls.n_calls):
            raise NoAnswer(_why_nothing(reason, self._n_thought + len(last.thought) // 4))
        return replace(last, tool_calls=self._calls.close(), finish_reason=reason)

    def rest(self) -> Delta:
        """Return what was held back of an answer that ends here."""
        was_unopened = self._splitter.was_unopened
        half, self._half = whole_text(self._half), ""
        first_thought, first = self._splitter.feed(half)
        thought, text = self._splitter.close()
        text = first + text
        if self._fences:
            text = self._fences.feed(text) + self._fences.close()
        return Delta(
            text=text,
            thought=first_thought + thought,
            retracts=self._splitter.was_unopened and not was_unopened and self._has_text,
        )


def _choice(choices: Any) -> Json:
    """Return the first answer of those that a chunk holds pieces of; {} where it holds none of it."""
    if not isinstance(choices, list):
        return {}
    found = [choice for choice in choices if isinstance(choice, dict) and choice.get("index") in {None, 0}]
    return found[0] if found else {}


def _thought(part: Json) -> str:
    """Return what a message says under the first of the names that thoughts have: some servers send several."""
    for name in _THOUGHTS:
        if isinstance(said := part.get(name), str) and said:
            return said
    details = part.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    texts = [entry.get("text") or entry.get("summary") for entry in details if isinstance(entry, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _why_nothing(reason: str, n_thought: int) -> str:
    spent = f"; it spent about {n_thought} tokens thinking" if n_thought else ""
    return f"gave no answer (finish_reason {reason}{spent})"


def finish_reason(given: Any) -> str | None:
    """Return one of OpenAI's reasons for whatever a server calls it; None where the answer goes on."""
    if given is None or given == "":
        return None
    return _REASONS.get(str(given).lower(), "stop") if isinstance(given, str) else "stop"


def _content(content: Any) -> tuple[str, str]:
    """Return (text, thoughts) of a content that is a text or a list of parts."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = str(part.get("type", "text"))
            said = part.get("text") or part.get("thinking") or part.get("content")
            into = thoughts if kind in {"thinking", "reasoning"} else texts
            into.append(said if isinstance(said, str) else "".join(_content(said)))
    return "".join(texts), "".join(thoughts)


def _joined(text: str) -> tuple[str, str]:
    """Return a text whose halves of pairs are joined, and a half at its end whose other one may still come."""
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return whole_text(text[: len(text) - len(half)]), half


def whole_text(text: str) -> str:
    """Return a text as valid Unicode: halves of a pair joined, a lone one as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _usage(body: Any) -> Usage | None:
    """Return the tokens that a chunk tells; None where it tells none."""
    if not isinstance(body, dict):
        return None
    told = [
        body.get("prompt_tokens", body.get("input_tokens")),
        body.get("completion_tokens", body.get("output_tokens")),
    ]
    counts = [int(n) if isinstance(n, int | float) and 0 <= n < _MAX_COUNT else 0 for n in told]
    return Usage(*counts) if any(counts) else None
