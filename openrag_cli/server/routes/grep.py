"""Patterns in stored texts: complete, streamed file by file, and ended when the client leaves."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StrictBool
from starlette.concurrency import run_in_threadpool

from openrag_cli import limits
from openrag_cli.contract import grep_events
from openrag_cli.contract.answer_events import error_as_json
from openrag_cli.domain import ALL_PARTITIONS
from openrag_cli.errors import OpenRAGError, UpstreamError
from openrag_cli.matching.grep import Found, GrepRequest
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.routes.indexer import errors
from openrag_cli.server.sse import event, streamed
from openrag_cli.server.urls import engine_of

router = APIRouter(tags=["search"], route_class=JsonRoute)

MAX_SECONDS = 60.0
"""What one document may take at most, in seconds."""

_STOPPED = error_as_json(UpstreamError("the server is being stopped", hint="try again"))


class GrepBody(BaseModel):
    """A pattern, a regular expression of Python or with `is_fixed` a text, and where it is looked for.

    `n_context` lines are told around each match; a document that takes longer than `max_seconds` is left out, and told.
    """

    pattern: str = Field(max_length=limits.most("query_chars"))
    partitions: list[str] = [ALL_PARTITIONS]
    file_ids: list[str] = []
    filter: str = ""
    is_fixed: StrictBool = False
    ignores_case: StrictBool = False
    n_context: int = Field(default=0, ge=0, strict=True)
    max_seconds: float = Field(default=5.0, gt=0, le=MAX_SECONDS, strict=True)

    def request(self) -> GrepRequest:
        """Return the request for the engine."""
        return GrepRequest(**self.model_dump(exclude={"max_seconds"}), limit_s=self.max_seconds)


@router.post(
    "/grep",
    responses={
        **errors(
            s400="The pattern or the filter is wrong",
            s404="No such partition or file",
            s408="It came too slowly",
            s413="The body is too large",
            s415="The body is not JSON",
        ),
        200: {"content": {"text/event-stream": {}}},
    },
    response_class=StreamingResponse,
)
async def grep(request: Request, body: GrepBody) -> Response:
    """Find every line that matches, as server-sent events: a `file` for each file with a match, and an `end`."""
    has_left = threading.Event()
    engine = engine_of(request)
    found = await run_in_threadpool(engine.grep, body.request(), should_stop=has_left.is_set)
    return await streamed(request, _encoded(found, has_left), lambda: event(_STOPPED))


async def _encoded(found: Generator[Found, None, None], has_left: threading.Event) -> AsyncGenerator[bytes, None]:
    """Yield the events; an error before the first is raised, a later one is an event. Closing ends the search at once."""
    has_begun = False
    step: asyncio.Future[Found | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(run_in_threadpool(next, found, None))
            one = await asyncio.shield(step)
            if one is None:
                return
            yield event(grep_events.as_json(one))
            has_begun = True
    except OpenRAGError as exc:
        if not has_begun:
            raise
        yield event(error_as_json(exc))
    finally:
        has_left.set()
        if step is not None and not step.done():
            await asyncio.wait({step})
        await run_in_threadpool(found.close)
