"""Language models: the `ChatModel` protocol, and any OpenAI-compatible upstream over HTTP.

The answer is always asked for as a stream, whatever our own client wants: so silence is noticed, and an answer that
nobody waits for any more is cancelled upstream. Reference: OpenAI API, "Create chat completion"; server-sent events
are read as the HTML standard says.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from openrag_cli.answering.events import Usage
from openrag_cli.config.secret import Url
from openrag_cli.config.settings import Settings
from openrag_cli.domain import Passage
from openrag_cli.errors import UpstreamBusy, UpstreamDown, UpstreamError, UpstreamTimeout, network_reason

if TYPE_CHECKING:
    import httpx


OPENAI_URL = "https://api.openai.com/v1"
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 8.0
RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
MAX_EVENT_CHARS = 8 << 20
_HINT = "check OPENRAG_LLM_BASE_URL, OPENRAG_LLM_MODEL and OPENRAG_LLM_API_KEY, or use --no-llm"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked: OpenAI messages, and the same in its parts for a model that reads no messages.

    `parameters` go to the upstream as they are (temperature, tools, stop and so on).
    """

    messages: Sequence[Json]
    question: str
    passages: Sequence[Passage] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer; `finish_reason` and `usage` come with the last pieces, `tool_calls` verbatim.

    `quotes` are the very parts of passages that the text was taken from verbatim: such text has no marks of its own yet.
    """

    text: str = ""
    tool_calls: tuple[Json, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    quotes: tuple[Passage, ...] = ()


class ChatModel(Protocol):
    """Answers from passages.

    Raises:
        UpstreamError and kin: it cannot be asked, or broke off.
    """

    @property
    def name(self) -> str:
        """What it is called, for a person."""

    def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer in pieces; closing the iterator cancels it."""


async def complete(model: ChatModel, ask: ModelRequest) -> str:
    """Return the text of a whole answer. Raises: UpstreamError and kin."""
    return "".join([delta.text async for delta in model.stream(ask)])


class HttpChatModel:
    """A model behind an OpenAI-compatible API. Use it within one event loop, and close it there."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.llm_base_url or Url(OPENAI_URL)
        self._key = settings.llm_api_key
        self._model = settings.llm_model
        self._retries = settings.llm_retries
        self._connect_s = settings.llm_connect_timeout_s
        self._read_s = settings.llm_read_timeout_s
        self._made: httpx.AsyncClient | None = None

    @property
    def _base_url(self) -> str:
        """The upstream's URL as it may be shown."""
        return str(self._url).rstrip("/")

    def _endpoint(self, path: str) -> str:
        """Return the URL to connect to, without the user's name and password, which go into the header."""
        return f"{self._url.address.rstrip('/')}/{path}"

    def _filtered(self, text: str) -> str:
        """Return what the upstream wrote without our key and password, should it repeat them."""
        text = self._url.hidden_in(text)
        return self._key.hidden_in(text) if self._key else text

    @property
    def name(self) -> str:
        """The model's own name, or the URL when it has not been asked for yet."""
        return self._model or self._base_url

    def with_model(self, model: str | None) -> "HttpChatModel":
        """Return this upstream with another of its models; the connections are shared."""
        if not model or model == self._model:
            return self
        other = object.__new__(HttpChatModel)
        other.__dict__.update(self.__dict__, _model=model, _made=self._client)
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.aclose()
            self._made = None

    @property
    def _client(self) -> "httpx.AsyncClient":
        import httpx

        if self._made is None:
            headers = [(b"Authorization", f"Bearer {self._key.reveal()}".encode())] if self._key else []
            self._made = httpx.AsyncClient(
                headers=headers,
                auth=self._url.credentials,
                timeout=httpx.Timeout(self._read_s, connect=self._connect_s, pool=None),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                follow_redirects=True,
            )
        return self._made

    async def models(self) -> list[str]:
        """Return the ids of the upstream's models. Raises: UpstreamError and kin."""
        async with self._translated():
            response = await self._client.get(self._endpoint("models"))
            if response.status_code >= 400:
                raise self._refused(response.status_code, response.text)
            try:
                return [str(entry["id"]) for entry in response.json()["data"]]
            except (ValueError, KeyError, TypeError) as exc:
                raise UpstreamError(f"the LLM at {self._base_url} lists no models", hint=_HINT) from exc

    async def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`. Sent again, after a pause, only while nothing of an answer has come."""
        if self._model is None:
            names = await self.models()
            if not names:
                raise UpstreamError(f"the LLM at {self._base_url} has no model", hint=_HINT)
            self._model = names[0]
        body = {
            "stream_options": {"include_usage": True},
            **ask.parameters,
            "model": self._model,
            "messages": list(ask.messages),
            "stream": True,
        }
        for attempt in range(self._retries + 1):
            has_begun = False
            try:
                async with aclosing(self._once(body)) as deltas:
                    async for delta in deltas:
                        has_begun = True
                        yield delta
            except UpstreamError as exc:
                if has_begun or attempt == self._retries or exc.retry_after_s is None:
                    raise
                await asyncio.sleep(_pause_s(attempt, exc.retry_after_s))
            else:
                return

    async def _once(self, body: Json) -> AsyncGenerator[Delta, None]:
        url = self._endpoint("chat/completions")
        async with self._translated(), self._client.stream("POST", url, json=body) as response:
            if response.status_code >= 400:
                text = (await response.aread()).decode("utf-8", "replace")
                raise self._refused(response.status_code, text, response.headers.get("retry-after"))
            if "event-stream" not in response.headers.get("content-type", ""):
                yield _whole(await response.aread(), self._base_url, self._filtered)
                return
            async for delta in self._deltas(response):
                yield delta

    async def _deltas(self, response: "httpx.Response") -> AsyncIterator[Delta]:
        has_ended = False
        async for event in _events(response.aiter_text()):
            if event.strip() == "[DONE]":
                return
            delta = self._delta(event)
            has_ended |= delta.finish_reason is not None
            yield delta
        if not has_ended:
            raise UpstreamError(f"the LLM at {self._base_url} broke off in the middle of its answer")

    def _delta(self, event: str) -> Delta:
        try:
            body = json.loads(event)
        except ValueError as exc:
            raise UpstreamError(
                f"the LLM at {self._base_url} sent what is not JSON: {self._filtered(event[:80])!r}"
            ) from exc
        if not isinstance(body, dict):
            raise UpstreamError(f"the LLM at {self._base_url} sent no object: {self._filtered(event[:80])!r}")
        if body.get("error"):
            raise UpstreamError(f"the LLM at {self._base_url} failed: {self._filtered(_message(body))}")
        return _to_delta(body, "delta")

    def _refused(self, status: int, text: str, retry_after: str | None = None) -> UpstreamError:
        try:
            why = _message(json.loads(text))
        except (ValueError, AttributeError):
            why = " ".join(text.split())[:200] or "no reason given"
        kind = UpstreamBusy if status == 429 else UpstreamTimeout if status in {408, 504} else UpstreamError
        return kind(
            f"the LLM at {self._base_url} answered {status}: {self._filtered(why)}",
            hint=_HINT,
            retry_after_s=_retry_after_s(status, retry_after),
        )

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        import httpx

        where = f"the LLM at {self._base_url}"
        try:
            yield
        except httpx.ConnectTimeout as exc:
            raise UpstreamTimeout(
                f"{where} took over {self._connect_s:g} s to connect", hint=_HINT, retry_after_s=0
            ) from exc
        except httpx.TimeoutException as exc:
            raise UpstreamTimeout(f"{where} was silent for {self._read_s:g} s", hint=_HINT) from exc
        except httpx.ConnectError as exc:
            raise UpstreamDown(
                f"{where} cannot be reached: {network_reason(exc)}", hint=_HINT, retry_after_s=0
            ) from exc
        except (httpx.TransportError, httpx.TooManyRedirects) as exc:
            why = network_reason(exc)
            raise UpstreamError(f"{where} broke the connection: {why}", hint=_HINT, retry_after_s=0) from exc
        except (httpx.InvalidURL, httpx.DecodingError) as exc:
            raise UpstreamError(f"{where} cannot be asked: {type(exc).__name__}", hint=_HINT) from None


def _retry_after_s(status: int, header: str | None) -> float | None:
    """Return the pause that a status and its `Retry-After` (RFC 9110, 10.2.3; seconds only) ask for."""
    if status not in RETRIED:
        return None
    return min(float(header), MAX_PAUSE_S) if header and header.isdigit() else 0.0


def _pause_s(attempt: int, wanted_s: float) -> float:
    """Return a pause that doubles with each attempt, with full jitter, and is never under what the peer asked for."""
    return max(wanted_s, random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 - no secret


def _message(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else body
    found = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return " ".join(str(found or error).split())[:500]


async def _events(blocks: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield the data of server-sent events; comments, other fields and empty events are skipped."""
    held = ""
    lines: list[str] = []
    async for block in blocks:
        held += block
        if len(held) > MAX_EVENT_CHARS:
            raise UpstreamError("the LLM sent a line without an end")
        *whole, held = held.replace("\r\n", "\n").split("\n")
        for line in whole:
            if line.startswith("data:"):
                lines.append(line[5:].removeprefix(" "))
            elif not line and lines:
                yield "\n".join(lines)
                lines = []
    if held.startswith("data:"):
        lines.append(held[5:].removeprefix(" "))
    if lines:
        yield "\n".join(lines)


def _whole(content: bytes, base_url: str, filtered: Callable[[str], str]) -> Delta:
    """Read an answer that came in one piece although a stream was asked for."""
    try:
        body = json.loads(content)
    except ValueError as exc:
        shown = filtered(content[:80].decode("utf-8", "replace"))
        raise UpstreamError(f"the LLM at {base_url} sent what is not JSON: {shown!r}", hint=_HINT) from exc
    if not isinstance(body, dict) or not body.get("choices"):
        raise UpstreamError(f"the LLM at {base_url} sent no answer: {filtered(_message(body))}", hint=_HINT)
    delta = _to_delta(body, "message")
    return delta if delta.finish_reason else replace(delta, finish_reason="stop")


def _to_delta(body: Json, key: str) -> Delta:
    """Read a chunk (`key` is `delta`) or a whole answer (`message`); what is missing or of another type counts as none."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    part = choice.get(key)
    part = part if isinstance(part, dict) else {}
    content = part.get("content")
    calls = part.get("tool_calls")
    usage = body.get("usage")
    return Delta(
        text=content if isinstance(content, str) else "",
        tool_calls=tuple(call for call in calls if isinstance(call, dict)) if isinstance(calls, list) else (),
        finish_reason=choice.get("finish_reason") or None,
        usage=_usage(usage) if isinstance(usage, dict) else None,
    )


def _usage(body: Json) -> Usage:
    counts = (body.get("prompt_tokens"), body.get("completion_tokens"))
    return Usage(*(count if isinstance(count, int) else 0 for count in counts))
