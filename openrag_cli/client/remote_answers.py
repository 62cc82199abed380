"""Answers and sessions of a server: what `Engine.answer` and `Engine.sessions` are here."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from openrag_cli import errors
from openrag_cli.answering.events import Event, Retrieved, TextDelta
from openrag_cli.answering.llm.sse import SseParser
from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import error_of, path_of
from openrag_cli.contract import answer_events
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Session, Turn
from openrag_cli.library.kept import KeptSessions

if TYPE_CHECKING:
    import httpx

    from openrag_cli.answering.pipeline import ChatRequest

Json = dict[str, Any]
Kind = TypeVar("Kind")


def asked(request: "ChatRequest") -> Json:
    """Return what is sent for an answer."""
    search = request.search
    return {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "search": {
            "partitions": list(search.partitions),
            "file_ids": list(search.file_ids),
            "top_k": search.top_k,
            "mode": str(search.mode),
            "min_score": search.min_score,
            "per_file": search.per_file,
            "filter": search.filter,
            "collapse": search.collapse,
            **({"context": search.context} if search.context else {}),  # servers before 0.3 know none
            **render.dates_asked(search),
        },
        "model": request.model,
        "is_extractive": request.is_extractive,
    }


async def answer(connection: Connection, request: "ChatRequest") -> AsyncGenerator[Event, None]:
    """Yield the events of an answer as the server sends them; see `Engine.answer`."""
    _ = request.question
    with connection.translating():
        async with (
            connection.async_client() as client,
            client.stream("POST", "/answers", json=asked(request)) as response,
        ):
            if response.status_code >= 400:
                await response.aread()
                raise error_of(response, connection.filtered)
            is_whole = False
            parser = SseParser()  # what it still holds at the end is of an event that was broken off
            async for block in response.aiter_bytes():
                for found in read_events(parser, block, response, answer_events.from_json):
                    is_whole |= not isinstance(found, Retrieved | TextDelta)
                    yield found
    if not is_whole:
        raise errors.UpstreamError("the server broke the answer off", hint="see the server's log, and ask again")


def read_events(
    parser: SseParser, block: bytes, response: "httpx.Response", read: Callable[[Json], Kind]
) -> Iterator[Kind]:
    """Yield the events that a block of a stream ends. Raises: UpstreamError, when one is none."""
    try:
        for event in parser.feed(block):
            yield read(json.loads(event.data))
    except (ValueError, KeyError, TypeError) as exc:
        raise errors.UpstreamError(
            f"what answers at {response.url} is no openrag server, or of another version",
            hint="check the URL given with --server",
        ) from exc


class RemoteSessions(KeptSessions):
    """The conversations that a server keeps; see `Sessions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def all(self) -> list[Session]:
        return [_session(entry) for entry in self._connection.get("/sessions")["sessions"]]

    @override
    def get(self, name: str) -> Session:
        return _session(self._connection.get(path_of("sessions", name)))

    @override
    def last(self) -> Session:
        found = self.all()
        if not found:
            raise errors.SessionNotFound(None)
        return found[0]

    @override
    def open(self, name: str | None, partitions: Sequence[str], scope: Json | None = None) -> Session:
        body: Json = {"session": name or None, "partitions": list(partitions)}
        body |= {} if scope is None else {"scope": scope}
        return _session(self._connection.json("POST", "/sessions", json=body))

    @override
    def turns(self, name: str) -> list[Turn]:
        turns = self._connection.get(path_of("sessions", name))["turns"]
        return [
            Turn(turn["role"], turn["content"], datetime.fromisoformat(turn["at"]), tuple(turn["citations"]))
            for turn in turns
        ]

    @override
    def append_answered(
        self,
        name: str,
        question: str,
        answer: str,
        citations: Sequence[Json] = (),
        *,
        replaces_last: bool = False,
    ) -> None:
        body = {"question": question, "answer": answer, "citations": list(citations), "replaces_last": replaces_last}
        self._connection.send("POST", path_of("sessions", name), json=body)

    @override
    def rename(self, name: str, new_name: str) -> None:
        self._connection.send("PATCH", path_of("sessions", name), json={"session": new_name})

    @override
    def delete(self, name: str) -> None:
        self._connection.send("DELETE", path_of("sessions", name))


def _session(entry: Json) -> Session:
    created_at, updated_at = (datetime.fromisoformat(entry[name]) for name in ("created_at", "updated_at"))
    partitions, scope = tuple(entry["partitions"]), entry.get("scope", {})
    return Session(entry["session"], partitions, entry["messages"], created_at, updated_at, scope)
