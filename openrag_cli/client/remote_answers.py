"""Answers and sessions of a server: what `Engine.answer` and `Engine.sessions` are here."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openrag_cli import errors
from openrag_cli.answering.events import Event, Retrieved, TextDelta
from openrag_cli.answering.llm.sse import SseParser
from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import error_of, path_of
from openrag_cli.contract import answer_events
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Session, Turn

if TYPE_CHECKING:
    import httpx

    from openrag_cli.answering.pipeline import ChatRequest

Json = dict[str, Any]


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
                for found in _events(parser, block, response):
                    is_whole |= not isinstance(found, Retrieved | TextDelta)
                    yield found
    if not is_whole:
        raise errors.UpstreamError("the server broke the answer off", hint="see the server's log, and ask again")


def _events(parser: SseParser, block: bytes, response: "httpx.Response") -> Iterator[Event]:
    try:
        for event in parser.feed(block):
            yield answer_events.from_json(json.loads(event.data))
    except (ValueError, KeyError, TypeError) as exc:
        raise errors.UpstreamError(
            f"what answers at {response.url} is no openrag server, or of another version",
            hint="check the URL given with --server",
        ) from exc


class RemoteSessions:
    """The conversations that a server keeps; see `Sessions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Session]:
        """Return every session, the one used last first."""
        return [_session(entry) for entry in self._connection.get("/sessions")["sessions"]]

    def get(self, name: str) -> Session:
        """Return one session. Raises: SessionNotFound."""
        return _session(self._connection.get(path_of("sessions", name)))

    def last(self) -> Session:
        """Return the session used last. Raises: SessionNotFound, when there is none."""
        found = self.all()
        if not found:
            raise errors.SessionNotFound(None)
        return found[0]

    def open(self, name: str | None, partitions: Sequence[str], scope: Json | None = None) -> Session:
        """Return the session of that name, made now if there is none. Raises: InvalidInput."""
        body: Json = {"session": name or None, "partitions": list(partitions)}
        body |= {} if scope is None else {"scope": scope}
        return _session(self._connection.json("POST", "/sessions", json=body))

    def turns(self, name: str) -> list[Turn]:
        """Return the messages of a session in order. Raises: SessionNotFound."""
        turns = self._connection.get(path_of("sessions", name))["turns"]
        return [
            Turn(turn["role"], turn["content"], datetime.fromisoformat(turn["at"]), tuple(turn["citations"]))
            for turn in turns
        ]

    def append_answered(
        self,
        name: str,
        question: str,
        answer: str,
        citations: Sequence[Json] = (),
        *,
        replaces_last: bool = False,
    ) -> None:
        """Add a question with its answer, both or neither. Raises: SessionNotFound."""
        body = {"question": question, "answer": answer, "citations": list(citations), "replaces_last": replaces_last}
        self._connection.send("POST", path_of("sessions", name), json=body)

    def rename(self, name: str, new_name: str) -> None:
        """Give a session another name. Raises: SessionNotFound, InvalidInput; Conflict: the new name is taken."""
        self._connection.send("PATCH", path_of("sessions", name), json={"session": new_name})

    def delete(self, name: str) -> None:
        """Delete a session with its messages. Raises: SessionNotFound."""
        self._connection.send("DELETE", path_of("sessions", name))


def _session(entry: Json) -> Session:
    created_at, updated_at = (datetime.fromisoformat(entry[name]) for name in ("created_at", "updated_at"))
    partitions, scope = tuple(entry["partitions"]), entry.get("scope", {})
    return Session(entry["session"], partitions, entry["messages"], created_at, updated_at, scope)
