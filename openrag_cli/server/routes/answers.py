"""Answers and kept conversations for openrag's own clients: all that `ask` and `chat` show, event by event."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Event
from openrag_cli.answering.pipeline import ChatRequest
from openrag_cli.contract import answer_events
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Session
from openrag_cli.errors import OpenRAGError, UpstreamError
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.routes import answer_schemas as shapes
from openrag_cli.server.routes.indexer import errors
from openrag_cli.server.routes.search import check_searched
from openrag_cli.server.sse import event, streamed
from openrag_cli.server.urls import engine_of
from openrag_cli.store.sessions import Sessions

router = APIRouter(tags=["answers"], route_class=JsonRoute)

_STOPPED = answer_events.error_as_json(UpstreamError("the server is being stopped", hint="ask again"))
SessionPath = Annotated[str, Path(description="Name of the session")]
_BODY = errors(
    s400="The request is wrong", s415="The body is not JSON", s413="The body is too large", s408="It came too slowly"
)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **_BODY,
    **errors(s404="No such partition or file", s502="The LLM failed", s503="The LLM cannot be reached"),
    200: {"content": {"text/event-stream": {}}},
}
_NO_SESSION = errors(s404="No such session")


@router.post("/answers", responses=_ANSWERS, response_class=StreamingResponse)
async def answers(request: Request, body: shapes.AnswerBody) -> Response:
    """Answer a conversation as server-sent events: `retrieved`, `delta`s and `finished`, each a JSON object."""
    engine = engine_of(request)
    search = body.search.request()
    messages = [Message(message.role, message.content) for message in body.messages]
    asked = ChatRequest(messages, search=search, model=body.model, is_extractive=body.is_extractive)
    _ = asked.question  # before anything is sent: a conversation without a question is a mistake of the caller
    await asyncio.to_thread(check_searched, engine, search.partitions)
    return await streamed(request, _encoded(engine.answer(asked)), lambda: event(_STOPPED))


async def _encoded(events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
    """Yield the events; an error before the first is raised, a later one is an event of its own."""
    has_begun = False
    async with aclosing(events):
        try:
            async for found in events:
                yield event(answer_events.as_json(found))
                has_begun = True
        except OpenRAGError as exc:
            if not has_begun:
                raise
            yield event(answer_events.error_as_json(exc))


@router.get("/sessions")
def list_sessions(request: Request) -> shapes.SessionList:
    """List the conversations that are kept here, the one used last first."""
    return shapes.SessionList(sessions=[_shown(found) for found in _sessions(request).all()])


@router.post("/sessions", responses=_BODY)
def open_session(request: Request, body: shapes.SessionBody) -> shapes.SessionEntry:
    """Return the session of that name, made now if there is none; without a name one is made up."""
    return _shown(_sessions(request).open(body.session, body.partitions, body.scope))


@router.get("/sessions/{name:path}", responses=_NO_SESSION)
def show_session(request: Request, name: SessionPath) -> shapes.SessionEntry:
    """Return a session with its messages in order."""
    found = _sessions(request).get(name)
    turns = [render.turn(turn) for turn in _sessions(request).turns(name)]
    return shapes.SessionEntry.model_validate({**render.session(found), "turns": turns})


@router.post("/sessions/{name:path}", responses=_BODY | _NO_SESSION)
def append_answer(request: Request, name: SessionPath, body: shapes.AnsweredBody) -> shapes.SessionEntry:
    """Add a question with its answer, both or neither; or put them in the place of the last ones."""
    _sessions(request).append_answered(
        name, body.question, body.answer, body.citations, replaces_last=body.replaces_last
    )
    return _shown(_sessions(request).get(name))


@router.patch("/sessions/{name:path}", responses=_BODY | _NO_SESSION | errors(s409="The name is taken"))
def rename_session(request: Request, name: SessionPath, body: shapes.SessionName) -> shapes.SessionEntry:
    """Give a session another name."""
    _sessions(request).rename(name, body.session)
    return _shown(_sessions(request).get(body.session))


@router.delete("/sessions/{name:path}", status_code=204, responses=_NO_SESSION)
def delete_session(request: Request, name: SessionPath) -> Response:
    """Delete a session with its messages."""
    _sessions(request).delete(name)
    return Response(status_code=204)


def _sessions(request: Request) -> Sessions:
    return engine_of(request).sessions


def _shown(found: Session) -> shapes.SessionEntry:
    return shapes.SessionEntry(**render.session(found))
