"""Any OpenAI-compatible server as a `ChatModel`.

The answer is always asked for as a stream, whatever our own client wants: so silence is noticed, and an answer that
nobody waits for any more is cancelled upstream. Reference: OpenAI API, "Create chat completion".
"""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from openrag_cli.answering.llm import refusals
from openrag_cli.answering.llm.connection import Upstream
from openrag_cli.answering.llm.model import Delta, Json, ModelRequest
from openrag_cli.answering.llm.request import Dialect, clean, whole
from openrag_cli.answering.llm.response import AnswerReader
from openrag_cli.answering.llm.sse import LineTooLong, SseEvent, SseParser
from openrag_cli.config.settings import Settings
from openrag_cli.errors import (
    ContextTooLong,
    LlmMisconfigured,
    NoAnswer,
    UpstreamBusy,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)

if TYPE_CHECKING:
    import httpx

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 8.0
MAX_BUSY_S = 60.0
"""A rate limit that asks for a longer pause is an error at once."""

STARTING_S = 60.0
"""How long a server that is loading its model, or overloaded, is waited for."""

STARTING_PAUSE_S = 1.0
WINDOW_S = 2.0
MAX_LESSONS = 6
_MAX_PING = 200
_PING = re.compile(
    r'"(?:type|event|object)"\s*:\s*"(?:ping|heartbeat|keep-?alive|status|progress|metadata)"', re.IGNORECASE
)
_OLLAMA_HINT = "for Ollama OPENRAG_LLM_BASE_URL ends in /v1"


class HttpChatModel:
    """A model behind an OpenAI-compatible API. Use it within one event loop, and close it there."""

    def __init__(self, settings: Settings) -> None:
        self._upstream = Upstream(settings)
        self._model = settings.llm_model
        self._retries = settings.llm_retries
        self._pause_s = settings.llm_read_timeout_s
        self._first_s = settings.llm_first_token_timeout_s or settings.llm_read_timeout_s
        self._is_guessed = settings.llm_model is None

    @property
    def name(self) -> str:
        """The model's own name, or the server when it has not been asked for yet."""
        return self._model or self._upstream.where.removeprefix("the LLM at ")

    def with_model(self, model: str | None) -> "HttpChatModel":
        """Return this server with another of its models; the connections are shared."""
        if not model or model == self._model:
            return self
        other = object.__new__(HttpChatModel)
        other.__dict__.update(self.__dict__, _model=model, _is_guessed=False)
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        await self._upstream.aclose()

    def prepare(self) -> None:
        """Open the connection now, in the background: what comes before the question is asked costs no time then."""
        self._upstream.begin_listing()

    async def window(self) -> int | None:
        """Return how many tokens the model reads and writes together, where its server says so soon."""
        told = await self._upstream.window(self._model, timeout_s=WINDOW_S)
        known = [n for n in (told, self._model and self._upstream.dialect(self._model).window) if n]
        return min(known, default=None)

    async def models(self) -> list[str]:
        """Return the ids of the server's models. Raises: UpstreamError, ConfigError."""
        return [info.id for info in await self._upstream.models()]

    async def stream(self, ask: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`. Sent again only while nothing of an answer has come.

        Asked otherwise when the server names what it does not take; after a pause when it is busy; for up to a minute
        while it loads its model.
        """
        messages = whole(clean(ask.messages))
        parameters = whole(dict(ask.parameters))
        attempt, n_lessons = 0, 0
        starting_until = time.monotonic() + STARTING_S
        while True:
            model = self._model = self._model or await self._upstream.chosen_model()
            dialect = self._upstream.dialect(model)
            body = dialect.body(parameters, messages, model)
            has_begun = False
            try:
                async with aclosing(self._once(body, ask, dialect)) as deltas:
                    async for delta in deltas:
                        has_begun = True
                        yield delta
            except (LlmMisconfigured, UpstreamRejected) as exc:
                if isinstance(exc, ContextTooLong):
                    dialect.window = exc.window or dialect.window
                if (
                    has_begun
                    or n_lessons >= MAX_LESSONS
                    or not self._learns(exc, dialect, body, is_first=n_lessons == 0)
                ):
                    raise
                n_lessons += 1
            except UpstreamError as exc:
                if not has_begun and n_lessons < MAX_LESSONS and dialect.learn_roles(exc.message):
                    n_lessons += 1
                    continue
                pause_s = None if has_begun else self._pause(exc, ask, attempt, starting_until)
                if pause_s is None:
                    raise
                attempt += not exc.is_starting
                await asyncio.sleep(pause_s)
            else:
                return

    def _pause(self, error: UpstreamError, ask: ModelRequest, attempt: int, starting_until: float) -> float | None:
        """Return how long to wait before asking again, in seconds; None where that is not to be done."""
        if error.retry_after_s is None:
            return None
        if error.is_starting:
            pause_s = max(STARTING_PAUSE_S, min(error.retry_after_s, MAX_PAUSE_S))
            return pause_s if time.monotonic() < starting_until else None
        return (
            _pause_s(attempt, error.retry_after_s) if attempt < self._retries and _is_waited_for(error, ask) else None
        )

    def _learns(
        self, error: LlmMisconfigured | UpstreamRejected, dialect: Dialect, body: Json, *, is_first: bool
    ) -> bool:
        """Take from a refusal what is to be asked otherwise; return whether there was something."""
        if isinstance(error, UpstreamRejected):
            return dialect.learn(error.reason, body)
        return error.is_missing and self._is_other_way(is_first=is_first)

    def _is_other_way(self, *, is_first: bool) -> bool:
        """After a 404: whether there is another address, or another model where none was named, to try."""
        if self._upstream.try_version():
            return True
        if self._is_guessed and is_first:
            self._model = None
            self._upstream.forget_listing()
            return True
        return False

    async def _once(self, body: Json, ask: ModelRequest, dialect: Dialect) -> AsyncGenerator[Delta, None]:
        upstream = self._upstream
        limit = next((body[name] for name in ("max_tokens", "max_completion_tokens") if name in body), None)
        reader = AnswerReader(
            max_tokens=limit if isinstance(limit, int) else None,
            fence=ask.fence,
            assumes_thought=dialect.begins_within_thought,
        )
        try:
            async with upstream.translated(), aclosing(self._bodies(body)) as bodies:
                async for found in self._watched(bodies, reader):
                    yield found
                    if reader.is_over:
                        break
        except (UpstreamError, LineTooLong) as exc:
            rest = reader.rest()
            if rest.text or rest.thought or rest.retracts:
                yield rest
            if isinstance(exc, LineTooLong):
                raise UpstreamError(f"{upstream.where} sent a line without an end") from exc
            raise
        try:
            yield reader.close()
        except NoAnswer as exc:
            hint = "raise OPENRAG_LLM_MAX_TOKENS" if "length" in exc.message else "ask again, or use --no-llm"
            raise NoAnswer(f"{upstream.where} {exc.message}", hint=hint) from None
        finally:
            dialect.begins_within_thought = reader.begins_within_thought

    async def _watched(self, bodies: AsyncIterator[Json], reader: AnswerReader) -> AsyncIterator[Delta]:
        """Yield what the chunks hold; the first token and every later one have their time, pings renew neither."""
        limit_s = self._first_s
        until = asyncio.get_running_loop().time() + limit_s
        while True:
            try:
                async with asyncio.timeout_at(until):
                    delta = reader.read(await anext(bodies))
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                raise UpstreamTimeout(
                    f"{self._upstream.where} was silent for {limit_s:g} s", hint=refusals.HINT
                ) from exc
            if delta.text or delta.thought or delta.tool_calls or delta.refusal:
                limit_s = self._pause_s
                until = asyncio.get_running_loop().time() + limit_s
            if delta != Delta():
                yield delta
            if reader.failure:
                raise UpstreamError(f"{self._upstream.where} failed: {self._upstream.masked(reader.failure)}")

    async def _bodies(self, body: Json) -> AsyncGenerator[Json, None]:
        """Yield the JSON objects of one answer: its chunks, or the whole of one that came in one piece."""
        upstream = self._upstream
        async with upstream.client.stream("POST", upstream.url("chat/completions"), json=body) as response:
            model = str(body["model"])
            if response.status_code >= 400:
                text = upstream.masked((await response.aread()).decode("utf-8", "replace"))
                raise refusals.refusal(upstream.where, response.status_code, text, response.headers, model=model)
            kind = response.headers.get("content-type", "").lower()
            if "json" in kind and "event-stream" not in kind and "ndjson" not in kind:
                content = (await response.aread()).decode("utf-8-sig", "replace")
                if not content.lstrip().startswith(("data:", ":", "event:")):
                    yield self._object(content, model)
                    return
                events = SseParser()
                found = [*events.feed(content.encode()), *events.close()]
                async for chunk in self._chunks(_each(found), events, model):
                    yield chunk
                return
            parser = SseParser()
            async for chunk in self._chunks(_events(response, parser), parser, model):
                yield chunk

    async def _chunks(self, events: AsyncIterator[SseEvent], parser: SseParser, model: str) -> AsyncIterator[Json]:
        has_ended = has_any = False
        async for event in events:
            for text in _texts(event):
                if text.strip().lower() == "[done]":
                    return
                if event.name != "error" and _is_ping(text):
                    continue
                chunk = self._object(text, model, is_error=event.name == "error", is_first=not has_any)
                has_any = True
                has_ended |= _has_end(chunk)
                yield chunk
        stray = parser.stray.strip()
        if stray and (not has_any or (not has_ended and stray.startswith("{"))):
            for text in _texts(SseEvent("message", stray)):
                chunk = self._object(text, model, is_first=not has_any)
                has_any, has_ended = True, has_ended or _has_end(chunk)
                yield chunk
        if not has_ended:
            raise UpstreamError(f"{self._upstream.where} broke off in the middle of its answer", retry_after_s=None)

    def _object(self, text: str, model: str, *, is_error: bool = False, is_first: bool = True) -> Json:
        where = self._upstream.where
        if is_error:
            raise refusals.failure(where, self._upstream.masked(text), model=model, is_first=is_first)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as exc:
            shown = self._upstream.masked(text)
            if text.lstrip()[:1] == "<":
                raise UpstreamError(f"{where} sent a page: {refusals.message_of(shown)}", hint=refusals.HINT) from exc
            if text.lstrip().startswith('{"message"') or '"done":' in text:
                raise UpstreamError(f"{where} speaks another API than OpenAI's", hint=_OLLAMA_HINT) from exc
            raise UpstreamError(f"{where} sent what is not JSON: {shown[:80]!r}", hint=refusals.HINT) from exc
        if isinstance(body, dict) and "choices" in body and not body.get("error"):
            return body
        shown = self._upstream.masked(text)
        if not isinstance(body, dict):
            raise UpstreamError(f"{where} sent no object: {shown[:80]!r}", hint=refusals.HINT)
        if body.get("error"):
            raise refusals.failure(where, shown, model=model, is_first=is_first)
        if "done" in body:
            raise UpstreamError(f"{where} speaks another API than OpenAI's", hint=_OLLAMA_HINT)
        if "usage" not in body:
            raise UpstreamError(f"{where} sent no answer: {refusals.message_of(shown)}", hint=refusals.HINT)
        return body


def _texts(event: SseEvent) -> list[str]:
    """Return the JSON texts of an event: one, or one a line, where a server ends its events without a blank line."""
    if "\n" not in event.data or event.name == "error":
        return [event.data]
    try:
        json.loads(event.data)
    except (ValueError, RecursionError):
        return [line for line in event.data.split("\n") if line.strip()]
    return [event.data]


def _is_ping(text: str) -> bool:
    """Whether an event only keeps the connection alive, or tells of what we do not read."""
    text = text.strip()
    return text in {"{}", "null", "[]"} or (len(text) < _MAX_PING and bool(_PING.search(text)))


def _has_end(chunk: Json) -> bool:
    choices = chunk.get("choices")
    return isinstance(choices, list) and any(_is_end(choice) for choice in choices)


def _is_end(choice: object) -> bool:
    return isinstance(choice, dict) and (bool(choice.get("finish_reason")) or "message" in choice)


async def _each(events: list[SseEvent]) -> AsyncIterator[SseEvent]:
    for event in events:
        yield event


async def _events(response: "httpx.Response", parser: SseParser) -> AsyncIterator[SseEvent]:
    async for block in response.aiter_bytes():
        for event in parser.feed(block):
            yield event
    for event in parser.close():
        yield event


def _is_waited_for(error: UpstreamError, ask: ModelRequest) -> bool:
    if not isinstance(error, UpstreamBusy):
        return True
    return ask.waits_when_busy and (error.retry_after_s or 0.0) <= MAX_BUSY_S


def _pause_s(attempt: int, wanted_s: float) -> float:
    """Return a pause that doubles with each attempt, with full jitter, and is never under what the peer asked for."""
    return max(wanted_s, random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 - no secret
