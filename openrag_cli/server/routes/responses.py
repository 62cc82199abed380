"""OpenAI's Responses API on the same answers: create and stream, with `file_citation` annotations. Nothing is kept.

Reference: OpenAI API, "Create a model response" and its streaming events.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict

from openrag_cli.answering.events import Event, Finished, Retrieved, TextDelta
from openrag_cli.errors import InvalidInput, OpenRAGError
from openrag_cli.server import openai_schemas as shapes
from openrag_cli.server.error_handlers import body_of
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.openai_answers import OpenAIAnswer, check_numbers, to_messages, unsaid
from openrag_cli.server.routes.openai import ERRORS, NO_MODEL, answer_of, file_links, links
from openrag_cli.server.sse import answered, event, streamed

Json = dict[str, Any]

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS, route_class=JsonRoute)
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_KEEPS_NOTHING = "nothing is kept between responses"
_NOT_HERE = {
    "previous_response_id": _KEEPS_NOTHING,
    "conversation": _KEEPS_NOTHING,
    "prompt": f"{_KEEPS_NOTHING}, so there are no templates",
    "background": f"{_KEEPS_NOTHING}: an answer comes now, whole or as a stream",
    "tools": "no tool is called",
}
NOT_KEPT = "store is not obeyed: nothing is kept here"


class ResponseBody(BaseModel):
    """A response to be made. Fields that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str
    input: str | shapes.Parts
    instructions: str | None = None
    stream: shapes.Truth | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: shapes.Truth | None = None
    prompt: Annotated[Json | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)] = None
    top_logprobs: int | None = None
    tools: shapes.Jsons | None = None
    tool_choice: str | Json | None = None
    text: Json | None = None
    reasoning: Json | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: shapes.TokenLimit = None
    openrag: shapes.SearchOptions | None = None
    metadata: Annotated[Json | None, BeforeValidator(lambda value: value or None)] = None

    def chat(self) -> shapes.ChatBody:
        """Return the same as a chat. Raises: InvalidInput: what nothing here can keep."""
        for name, why in _NOT_HERE.items():
            if getattr(self, name):
                raise InvalidInput(f"{name}: {why}")
        if self.tool_choice == "required" or isinstance(self.tool_choice, dict):
            raise InvalidInput("tool_choice: no tool is called here")
        messages = [{"role": "system", "content": self.instructions}] if self.instructions else []
        items = [{"role": "user", "content": self.input}] if isinstance(self.input, str) else self.input
        messages += [_message(item) for item in items if not _is_thought(item)]
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_output_tokens,
            "openrag": self.openrag,
            "top_logprobs": self.top_logprobs,
            "metadata": self.metadata,
            "response_format": self._format(),
            "reasoning_effort": (self.reasoning or {}).get("effort"),
        }
        return shapes.ChatBody.model_validate({"model": self.model, "messages": messages, **given})

    def _format(self) -> Json | None:
        """Return the form that is asked for as a chat asks for it; None where it is plain text. Raises: InvalidInput."""
        wanted = (self.text or {}).get("format")
        if wanted is None or (isinstance(wanted, dict) and wanted.get("type") in {None, "text"}):
            return None
        if not isinstance(wanted, dict):
            raise InvalidInput("text.format: it is no object")
        kind = wanted.get("type")
        return (
            {"type": kind, kind: {k: v for k, v in wanted.items() if k != "type"}}
            if kind == "json_schema"
            else wanted
        )


def _is_thought(item: Any) -> bool:
    """Whether an item is what a model thought before an earlier answer, which is not sent back."""
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _message(item: Any) -> Json:
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if item.get("type", "message") != "message" or "role" not in item:
        raise InvalidInput(f"input: an item of type {item.get('type')!r} is not read")
    return {"role": item["role"], "content": item.get("content")}


@dataclass(slots=True)
class ResponseAnswer:
    """One answer on its way to a client of the Responses API."""

    body: ResponseBody
    answering: OpenAIAnswer
    id: str = field(default_factory=lambda: f"resp_{uuid4().hex}")
    item_id: str = field(default_factory=lambda: f"msg_{uuid4().hex}")
    thought_id: str = field(default_factory=lambda: f"rs_{uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    _n_events: int = 0
    _thought: str = ""
    _part: str = ""
    """What the message that has begun is made of."""
    _at: int = 0
    """Where the message stands in the output."""

    async def whole(self, events: AsyncGenerator[Event, None]) -> Json:
        """Return the whole response. Raises: what broke the answer off."""
        retrieved, finished = Retrieved(None, (), 0.0), None
        async with aclosing(events):
            async for found in events:
                retrieved = found if isinstance(found, Retrieved) else retrieved
                finished = found if isinstance(found, Finished) else finished
        assert finished is not None, "an answer ends with Finished"
        if error := finished.error or unsaid(finished):
            raise self.answering.with_sources(error, retrieved)
        return self._response("completed", retrieved, finished)

    async def stream(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
        """Yield the streaming events. An error before the first piece is raised; one after it is an event."""
        retrieved, has_begun = Retrieved(None, (), 0.0), False
        async with aclosing(events):
            try:
                async for found in events:
                    if isinstance(found, Retrieved):
                        retrieved = found
                        continue
                    if not has_begun:
                        for kind in ("response.created", "response.in_progress"):
                            yield self._event(kind, response=self._response("in_progress"))
                    has_begun = True
                    if isinstance(found, TextDelta):
                        for piece in self._pieces(found):
                            yield piece
                    else:
                        for ended in self._end(retrieved, found):
                            yield ended
            except OpenRAGError as exc:
                if not has_begun:
                    raise
                yield self._failed(exc)

    def _pieces(self, found: TextDelta) -> Iterator[bytes]:
        if found.thought and not self._part:
            if not self._thought:
                item = {
                    "id": self.thought_id,
                    "type": "reasoning",
                    "status": "in_progress",
                    "summary": [],
                    "content": [],
                }
                yield self._event("response.output_item.added", output_index=0, item=item)
            self._thought += found.thought
            yield self._reasoning("response.reasoning_text.delta", delta=found.thought)
        if text := found.text or found.refusal:
            yield from self._begin("refusal" if found.refusal else "output_text")
            yield self._text(f"response.{self._part}.delta", delta=text)

    def _begin(self, part: str) -> Iterator[bytes]:
        """Begin the message, behind what was thought, with a text or a refusal."""
        if self._part:
            return
        yield from self._end_thought()
        self._part = part
        item = {"id": self.item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        yield self._event("response.output_item.added", output_index=self._at, item=item)
        begun: Json = (
            {"type": part, "refusal": ""} if part == "refusal" else {"type": part, "text": "", "annotations": []}
        )
        yield self._text("response.content_part.added", part=begun)

    def _end_thought(self) -> Iterator[bytes]:
        if self._thought:
            yield self._reasoning("response.reasoning_text.done", text=self._thought)
            yield self._event("response.output_item.done", output_index=0, item=self._thought_item(self._thought))
            self._at = 1

    def _end(self, retrieved: Retrieved, finished: Finished) -> Iterator[bytes]:
        if error := finished.error or unsaid(finished):
            yield self._failed(error)
            return
        yield from self._begin("refusal" if finished.refusal and not finished.text else "output_text")
        done = self._response("completed", retrieved, finished)
        item = done["output"][-1]
        part = item["content"][0]
        key = "refusal" if part["type"] == "refusal" else "text"
        appended = part[key][len(finished.text or finished.refusal) :]
        if appended:
            yield self._text(f"response.{self._part}.delta", delta=appended)
        for number, annotation in enumerate(part.get("annotations", [])):
            yield self._text("response.output_text.annotation.added", annotation_index=number, annotation=annotation)
        yield self._text(f"response.{self._part}.done", **{key: part[key]})
        yield self._text("response.content_part.done", part=part)
        yield self._event("response.output_item.done", output_index=self._at, item=item)
        yield self._event(f"response.{done['status']}", response=done)

    def _failed(self, error: OpenRAGError) -> bytes:
        told = body_of("/v1/", error)["error"]
        return self._event("error", code=told["code"], message=told["message"], param=told["param"])

    def stopped(self) -> bytes:
        """Return the event that says that the server ends."""
        return self._event(
            "error", code="shutting_down", message="the server is being stopped; ask again", param=None
        )

    def _text(self, kind: str, **more: Any) -> bytes:
        return self._event(kind, item_id=self.item_id, output_index=self._at, content_index=0, **more)

    def _reasoning(self, kind: str, **more: Any) -> bytes:
        return self._event(kind, item_id=self.thought_id, output_index=0, content_index=0, **more)

    def _thought_item(self, thought: str) -> Json:
        content = [{"type": "reasoning_text", "text": thought}]
        return {"id": self.thought_id, "type": "reasoning", "status": "completed", "summary": [], "content": content}

    def _event(self, kind: str, **more: Any) -> bytes:
        body = {"type": kind, "sequence_number": self._n_events, **more}
        self._n_events += 1
        return f"event: {kind}\n".encode() + event(body)

    def _response(self, status: str, retrieved: Retrieved | None = None, finished: Finished | None = None) -> Json:
        body = self.body
        made: Json = {
            "id": self.id, "object": "response", "created_at": self.created_at, "status": status, "model": body.model,
            "error": None, "incomplete_details": None, "instructions": body.instructions, "metadata": body.metadata or {},
            "output": [], "parallel_tool_calls": False, "temperature": body.temperature, "top_p": body.top_p,
            "tool_choice": "auto", "tools": [], "store": False, "previous_response_id": None, "usage": None,
            "max_output_tokens": body.max_output_tokens,
        }  # fmt: skip
        if retrieved is None or finished is None:
            return made
        if reason := _INCOMPLETE.get(finished.finish_reason):
            made |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        usage = finished.usage
        made["usage"] = {
            "input_tokens": usage.prompt_tokens, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.completion_tokens, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }  # fmt: skip
        extra = self.answering.told(retrieved, finished)
        if body.store:
            extra.warnings.append(NOT_KEPT)
        made["extra"] = self.answering.extra_of(extra.model_dump(by_alias=True))
        text = (finished.text or finished.refusal) + self.answering.appended(finished)
        content: Json = {"type": "output_text", "text": text, "annotations": _citations(retrieved, finished)}
        if finished.refusal and not finished.text:
            content = {"type": "refusal", "refusal": text}
        item = {
            "id": self.item_id,
            "type": "message",
            "status": made["status"],
            "role": "assistant",
            "content": [content],
        }
        thoughts = [self._thought_item(finished.thought)] if finished.thought else []
        return made | {"output": [*thoughts, item]}


def _citations(retrieved: Retrieved, finished: Finished) -> list[Json]:
    found = []
    for mark in finished.marks:
        file = retrieved.passages[mark.number - 1].file
        found.append(
            {"type": "file_citation", "file_id": file.file_id, "filename": file.filename, "index": mark.start}
        )
    return found


@router.post("/responses", responses=NO_MODEL)
async def create_response(request: Request, body: ResponseBody) -> Any:
    """Answer from the documents of a partition, in the shape of OpenAI's Responses API."""
    chat = body.chat()
    messages = to_messages(chat.messages, can_see=request.app.state.engine.settings.llm_can_see)
    check_numbers(chat.parameters(), "")
    for at, message in enumerate(messages):
        check_numbers(message.extra, f"input.{at}")
    answering = OpenAIAnswer(body.model, links(request), file_links(request))
    made = ResponseAnswer(body, answering)
    events = await answer_of(request, chat, messages, answering)
    if not body.stream:
        return await answered(request, made.whole(events))
    return await streamed(request, made.stream(events), made.stopped)
