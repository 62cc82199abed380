"""The stream of an answer from a server, however its bytes are cut."""

import asyncio
import json
from contextlib import nullcontext

import httpx
import pytest

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Event, Finished, TextDelta, Usage
from openrag_cli.answering.pipeline import ChatRequest
from openrag_cli.client import remote_answers
from openrag_cli.contract import answer_events
from openrag_cli.errors import NotFound, OpenRAGError, UpstreamError

EVENTS: list[Event] = [
    TextDelta("Schlüssel "),
    TextDelta("🔑"),
    Finished("Schlüssel 🔑", (), (), (), "stop", Usage(), "m", 0.1, 0.2),
]


class _Connection:
    filtered = False

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def translating(self):
        return nullcontext()

    def async_client(self) -> httpx.AsyncClient:
        async def body():
            for block in self._blocks:
                yield block

        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body()))
        return httpx.AsyncClient(transport=transport, base_url="http://server")


def stream_of(events: list[dict], newline: str = "\n") -> bytes:
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}{newline}{newline}" for event in events]
    return f": a ping{newline}{newline}".encode() + "".join(lines).encode()


def read(blocks: list[bytes]) -> tuple[list[Event], OpenRAGError | None]:
    found: list[Event] = []

    async def run() -> None:
        async for event in remote_answers.answer(_Connection(blocks), ChatRequest([Message("user", "which?")])):
            found.append(event)

    try:
        asyncio.run(run())
    except OpenRAGError as exc:
        return found, exc
    return found, None


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_events_are_whole_wherever_the_stream_is_cut(size, newline):
    sent = stream_of([answer_events.as_json(event) for event in EVENTS], newline)
    blocks = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert read(blocks) == (EVENTS, None)


def test_an_answer_that_breaks_off_within_an_event_gives_what_came_before():
    sent = stream_of([answer_events.as_json(event) for event in EVENTS])
    found, error = read([sent[:-20]])
    assert found == EVENTS[:2]
    assert isinstance(error, UpstreamError)
    assert "broke the answer off" in error.message


def test_what_came_before_an_error_is_told():
    broken = answer_events.error_as_json(NotFound("there is no such thing"))
    found, error = read([stream_of([answer_events.as_json(EVENTS[0]), broken])])
    assert found == EVENTS[:1]
    assert isinstance(error, OpenRAGError)
    assert error.message == "there is no such thing"
