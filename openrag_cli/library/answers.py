"""Answers for callers without an event loop: the loop runs in a thread of its own, the caller takes piece by piece."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from openrag_cli.domain import Passage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator

    from openrag_cli.answering.events import Event, Finished

T = TypeVar("T")


class AnswerLoop:
    """The event loop of one library's answers; its thread begins with the first answer."""

    def __init__(self, end_chat: Callable[[], Awaitable[None]]) -> None:
        self._end_chat = end_chat
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` comes to, in the loop. Raises: what it raises."""
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="answers", daemon=True)
                self._thread.start()
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def close(self) -> None:
        """End the loop and its thread."""
        if self._loop is None or self._thread is None:
            return
        self.run(self._ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    async def _ended(self) -> None:
        await self._end_chat()
        assert self._loop is not None
        await self._loop.shutdown_asyncgens()


class Answer:
    """An answer on its way. Iterating gives its pieces of text; the other members wait for its end.

    Its marks, such as [1], name `citations` by `number`. An answer that breaks off raises its error where it is read.
    """

    def __init__(
        self,
        loop: AnswerLoop,
        events: AsyncGenerator[Event, None],
        on_finished: Callable[[Finished], None] = lambda _: None,
    ) -> None:
        self._loop = loop
        self._on_finished = on_finished
        self._events = events
        self._pieces: list[str] = []
        self._sources: tuple[Passage, ...] = ()
        self._finished: Finished | None = None

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces of the text, from the first one."""
        at = 0
        while True:
            while at < len(self._pieces):
                yield self._pieces[at]
                at += 1
            if not self._advance():
                return

    def _advance(self) -> bool:
        """Take one more event; return whether there may be more. Raises: what broke the answer off."""
        from openrag_cli.answering.events import Finished, Retrieved

        if self._finished is None:
            event = self._loop.run(_next(self._events))
            if isinstance(event, Retrieved):
                self._sources = event.passages
            elif isinstance(event, Finished):
                self._finished = event
                self._loop.run(_close(self._events))
                self._on_finished(event)
            elif event.text or event.refusal:
                self._pieces.append(event.text or event.refusal)
            return True
        if self._finished.error:
            raise self._finished.error
        return False

    @property
    def finished(self) -> Finished:
        """All that is known at the end: model, usage, times, marks. Raises: what broke the answer off."""
        while self._advance():
            pass
        assert self._finished is not None
        return self._finished

    @property
    def text(self) -> str:
        """The whole answer."""
        return self.finished.text

    @property
    def citations(self) -> tuple[Passage, ...]:
        """The passages that its marks name."""
        return self.finished.citations

    @property
    def sources(self) -> tuple[Passage, ...]:
        """All passages that the answer was made from, best first."""
        _ = self.finished
        return self._sources

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the answer: cut, or broken off."""
        return self.finished.warnings

    def __str__(self) -> str:
        return self.text

    def close(self) -> None:
        """Stop the answer, when its end is not wanted."""
        self._loop.run(_close(self._events))


async def _next(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)


async def _close(events: AsyncGenerator[Event, None]) -> None:
    await events.aclose()
