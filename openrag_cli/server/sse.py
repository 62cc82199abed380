"""Answers that take their time: server-sent events, and clients that leave before the end.

Reference: HTML standard, "Server-sent events". A comment goes out while there is nothing to say, so that proxies do
not take the silence for death.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from openrag_cli.terminal import for_json

T = TypeVar("T")
PING_S = 5.0
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Of every stream: proxies pass it on piece by piece."""

CLIENT_LEFT = 499  # nginx's name for it; nobody reads it


class ClientLeft(Exception):
    """The client has gone; nobody reads the answer."""


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Return what `work` comes to; cancel it when the client leaves first.

    Raises:
        ClientLeft: it did.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        for future in (task, gone):
            if not future.done():
                future.cancel()
                with suppress(asyncio.CancelledError):
                    await future


async def answered(request: Request, work: Awaitable[Any]) -> Any:
    """Return what `work` comes to as the answer to a request; a response that nobody reads when the client leaves."""
    try:
        return await unless_gone(request, work)
    except ClientLeft:
        return Response(status_code=CLIENT_LEFT)


async def streamed(request: Request, items: AsyncGenerator[bytes, None], last: Callable[[], bytes]) -> Response:
    """Return a stream of items, with pings; `last` makes the event that ends it when the server is stopped.

    Raises: an error that comes before the first item does, so that it has its status.
    """
    ahead = PeekableStream(items)
    async with AsyncExitStack() as held:
        held.push_async_callback(ahead.aclose)
        try:
            await unless_gone(request, ahead.peek(PING_S))
        except ClientLeft:
            return Response(status_code=CLIENT_LEFT)
        held.pop_all()
    stream = with_pings(ahead, request.app.state.stopping, last)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event(body: dict[str, Any]) -> bytes:
    """Return one event."""
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace").decode()
    return b"data: " + for_json(text).encode() + b"\n\n"


class PeekableStream(AsyncIterator[T]):
    """An iterator whose next item is already being made: so that one can look whether it comes soon."""

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._source = source
        self._next: asyncio.Future[T] = asyncio.ensure_future(anext(source))

    async def peek(self, timeout_s: float, stopping: asyncio.Event | None = None) -> bool:
        """Return whether the next item comes within a time, and before `stopping`.

        Raises: the source's error, if that comes instead.
        """
        ends = asyncio.ensure_future(stopping.wait()) if stopping else None
        try:
            waited: set[asyncio.Future[Any]] = {self._next, *([ends] if ends else [])}
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if ends:
                ends.cancel()
        done = self._next.done()
        if done and (error := self._next.exception()) and not isinstance(error, StopAsyncIteration):
            raise error
        return done

    async def __anext__(self) -> T:
        """Return the next item."""
        item = await self._next
        self._next = asyncio.ensure_future(anext(self._source))
        return item

    async def aclose(self) -> None:
        """Cancel what is under way."""
        self._next.cancel()
        await asyncio.wait({self._next})
        if not self._next.cancelled():
            self._next.exception()  # seen, or asyncio complains that nobody looked
        await self._source.aclose()


async def with_pings(
    items: PeekableStream[bytes], stopping: asyncio.Event, last: Callable[[], bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield the items, and a comment whenever none has come for 5 s; closing cancels the source.

    Once `stopping` is set, what `last` makes is yielded in the place of all that is still to come.
    """
    async with aclosing(items):
        while True:
            while not stopping.is_set() and not await items.peek(PING_S, stopping):
                if not stopping.is_set():
                    yield PING
            if stopping.is_set():
                yield last()
                return
            try:
                yield await anext(items)
            except StopAsyncIteration:
                return
