"""OpenAI's requests as ours, and the events of an answer in OpenAI's shapes, whole or as a stream."""

import json
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Event, Finished, Retrieved, TextDelta, unsupported
from openrag_cli.answering.extractive import ExtractiveModel
from openrag_cli.contract import to_json as render
from openrag_cli.domain import File, Passage
from openrag_cli.errors import InvalidInput, NoAnswer, OpenRAGError, UpstreamError
from openrag_cli.server import openai_schemas as shapes
from openrag_cli.server.error_handlers import body_of
from openrag_cli.server.sse import DONE, event
from openrag_cli.store.metadata import resolved

LinkOf = Callable[[str], str]
Json = dict[str, Any]


def to_messages(messages: Sequence[shapes.RequestMessage], *, can_see: bool) -> list[Message]:
    """Return the messages of a conversation; the texts of parts are joined, images stay beside them.

    What a model cannot read is left out of earlier turns and of tool results with a note, and refused in the question.
    A system message alone is the question.

    Raises:
        InvalidInput: no message, or in the question an image for a model that cannot see, or a part of another kind.
    """
    if not messages:
        raise InvalidInput("messages: there is none")
    at = max((number for number, message in enumerate(messages) if message.role == "user"), default=-1)
    found = [
        _to_message(message, can_see=can_see, is_question=number == at) for number, message in enumerate(messages)
    ]
    if at < 0 and all(message.role in {"system", "developer"} for message in found):
        found[-1] = replace(found[-1], role="user")
    return found


def _to_message(message: shapes.RequestMessage, *, can_see: bool, is_question: bool) -> Message:
    extra: Json = dict(message.model_extra or {})
    if not isinstance(message.content, list):
        return Message(message.role, message.content or "", extra)
    texts: list[str] = []
    parts = [_image(part) for part in message.content]
    for part in parts:
        kind = "text" if isinstance(part, str) else part.get("type")
        if isinstance(part, str):
            texts.append(part)
        elif kind in {"text", "input_text", "output_text", "refusal"}:
            texts.append(str(part.get("text") or part.get("refusal") or ""))
        elif kind == "image_url" and can_see and message.role == "user":
            extra["content"] = parts
        elif is_question:
            what = "an image, and this model cannot see" if kind == "image_url" else f"a part of type {kind!r}"
            raise InvalidInput(f"messages: the content has {what}")
        else:
            texts.append(f"[{'an image' if kind == 'image_url' else kind} was here]")
    return Message(message.role, "\n".join(texts), extra)


def _image(part: Any) -> Any:
    """Return a part of a message, an image of the Responses API as one of the chat API."""
    if isinstance(part, dict) and part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    return part


def check_numbers(value: Any, where: str) -> None:
    """Refuse numbers that JSON has no way to write. Raises: InvalidInput, naming the place."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{where}: a number must be finite")
    if isinstance(value, dict):
        for key, entry in value.items():
            check_numbers(entry, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for at, entry in enumerate(value):
            check_numbers(entry, f"{where}.{at}")


@dataclass(slots=True)
class OpenAIAnswer:
    """One answer on its way to an OpenAI client; `is_chat` tells the newer shape from the older."""

    model: str
    link_of: LinkOf
    file_link_of: Callable[[File], str] | None = None
    is_chat: bool = True
    tells_usage: bool = False
    appends_sources: bool = False
    extra_is_text: bool = False
    calls_functions: bool = False
    """Whether a call is told in the older shape, `function_call`."""
    not_obeyed: Sequence[str] = ()
    id: str = field(init=False)
    created: int = field(init=False)
    _n_sent: int = 0

    def __post_init__(self) -> None:
        self.id = f"{'chatcmpl' if self.is_chat else 'cmpl'}-{uuid4().hex}"
        self.created = int(time.time())

    async def whole(self, events: AsyncGenerator[Event, None]) -> shapes.ChatCompletion | shapes.TextCompletion:
        """Return the whole answer."""
        retrieved = Retrieved(None, (), 0.0)
        finished: Finished | None = None
        calls: dict[Any, Json] = {}
        async with aclosing(events):
            try:
                async for found in events:
                    if isinstance(found, Retrieved):
                        retrieved = found
                    elif isinstance(found, Finished):
                        finished = found
                    else:
                        _merge_calls(calls, found.tool_calls)
            except NoAnswer as exc:
                self.with_sources(exc, retrieved)
                raise
        assert finished is not None, "an answer ends with Finished"
        if error := finished.error or (None if self.is_chat else unsaid(finished)):
            raise self.with_sources(error, retrieved)
        told = self.told(retrieved, finished)
        extra = told.model_dump_json(by_alias=True) if self.extra_is_text else told
        finished = replace(finished, text=finished.text + self.appended(finished))
        common: Json = {"id": self.id, "created": self.created, "model": self.model, "usage": _usage(finished)}
        if not self.is_chat:
            text = finished.text or finished.refusal  # this shape has no other place for it
            choice = shapes.TextChoice(text=text, finish_reason=finished.finish_reason)
            return shapes.TextCompletion(choices=[choice], extra=extra, **common)
        message = shapes.AnswerMessage(
            content=finished.text if finished.text or not (calls or finished.refusal) else None,
            refusal=finished.refusal or None,
            reasoning_content=finished.thought or None,
            annotations=self._annotations(retrieved, finished),
            tool_calls=(list(calls.values()) or None) if not self.calls_functions else None,
            function_call=next((call["function"] for call in calls.values()), None) if self.calls_functions else None,
        )
        choices = [shapes.ChatChoice(message=message, finish_reason=self._reason(finished))]
        return shapes.ChatCompletion(choices=choices, extra=extra, **common)

    async def stream(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events; the first comes when the first piece of the answer does.

        An error before that is raised; one after it is an event of its own.
        """
        retrieved = Retrieved(None, (), 0.0)
        has_begun = False
        async with aclosing(events):
            try:
                async for found in events:
                    if isinstance(found, Retrieved):
                        retrieved = found
                        continue
                    if not has_begun and self.is_chat:
                        yield self._chunk({"role": "assistant", "content": ""})
                    has_begun = True
                    for chunk in self._chunks(retrieved, found):
                        yield chunk
            except OpenRAGError as exc:
                if not has_begun:
                    raise
                yield event(body_of("/v1/", exc))
            yield DONE

    def _chunks(self, retrieved: Retrieved, found: TextDelta | Finished) -> list[bytes]:
        if isinstance(found, TextDelta):
            delta = self._delta(found)
            self._n_sent += len(found.text)
            return [self._chunk(delta)] if "content" in delta or self.is_chat else []
        chunks: list[bytes] = []
        if appended := self.appended(found):
            chunks.append(self._chunk({"content": appended}))
        # What was sent and then found to be a thought stands before the answer.
        begins = max(0, self._n_sent - len(found.text))
        annotations = [entry.model_dump() for entry in self._annotations(retrieved, found, begins=begins)]
        if annotations and self.is_chat:
            chunks.append(self._chunk({"annotations": annotations}))
        extra = self.extra_of(self.told(retrieved, found).model_dump(by_alias=True))
        if error := found.error or (None if self.is_chat else unsaid(found)):
            return [*chunks, self._chunk({}, extra=extra), event(body_of("/v1/", error))]
        chunks.append(self._chunk({}, finish_reason=self._reason(found), extra=extra))
        if self.tells_usage:
            chunks.append(event({**self._frame(), "choices": [], "usage": _usage(found).model_dump()}))
        return chunks

    def _delta(self, found: TextDelta) -> Json:
        delta: Json = {"content": found.text} if found.text else {}
        if found.tool_calls and not self.calls_functions:
            delta["tool_calls"] = list(found.tool_calls)
        for call in found.tool_calls if self.calls_functions else ():
            if call["index"] == 0:
                delta["function_call"] = call["function"]
        if found.thought:
            delta["reasoning_content"] = found.thought
        if found.refusal:
            delta["refusal" if self.is_chat else "content"] = found.refusal
        return delta

    def _reason(self, finished: Finished) -> str:
        is_call = self.calls_functions and finished.finish_reason == "tool_calls"
        return "function_call" if is_call else finished.finish_reason

    def _frame(self) -> Json:
        kind = "chat.completion.chunk" if self.is_chat else "text_completion"
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, delta: Json, *, finish_reason: str | None = None, extra: Json | str | None = None) -> bytes:
        choice: Json = {"index": 0, "finish_reason": finish_reason, "logprobs": None}
        choice |= {"delta": delta} if self.is_chat else {"text": delta.get("content", "")}
        return event({**self._frame(), "choices": [choice], **({"extra": extra} if extra else {})})

    def _annotations(self, retrieved: Retrieved, finished: Finished, *, begins: int = 0) -> list[shapes.Annotation]:
        """Return the citations; `begins`: where in what the client has read the answer begins."""
        found = []
        for mark in finished.marks:
            passage = retrieved.passages[mark.number - 1]
            found.append(
                shapes.Annotation(
                    url_citation=shapes.UrlCitation(
                        start_index=begins + mark.start,
                        end_index=begins + mark.end,
                        title=_title(passage),
                        url=self.link_of(passage.chunk_id),
                    )
                )
            )
        return found

    def appended(self, finished: Finished) -> str:
        """Return the list of sources that ends the text for clients that show nothing else; "" where it is not wanted."""
        named = finished.citations or finished.attached
        if not self.appends_sources or not named or finished.error:
            return ""
        lines = [f"[{passage.number}] {render.place(render.passage(passage))}" for passage in named]
        return "\n\n" + "\n".join(lines)

    def with_sources(self, error: OpenRAGError, retrieved: Retrieved) -> OpenRAGError:
        """Return an error of an LLM that broke off or said nothing with what was found for it, which a client may show."""
        if isinstance(error, UpstreamError):
            shown = [
                self._source(passage, is_cited=False, is_attached=False, is_supported=True)
                for passage in retrieved.passages
            ]
            error.extra = self.extra_of(shapes.Extra(sources=shown).model_dump(by_alias=True))
        return error

    def extra_of(self, told: Json) -> Json | str:
        """Return what is told beyond OpenAI's API in the form that this client reads."""
        return json.dumps(told, ensure_ascii=False) if self.extra_is_text else told

    def told(self, retrieved: Retrieved, finished: Finished) -> shapes.Extra:
        """Return what is told beyond OpenAI's API: the sources, and what is to be known of the answer."""
        cited = {passage.number: passage for passage in finished.citations}
        doubted = unsupported(finished)
        ignored = [f"not obeyed here: {', '.join(self.not_obeyed)}"] if self.not_obeyed else []
        return shapes.Extra(
            sources=[
                self._source(
                    cited.get(passage.number, passage),
                    is_cited=passage.number in cited,
                    is_attached=passage in finished.attached,
                    is_supported=passage.number not in doubted,
                )
                for passage in retrieved.passages
            ],
            warnings=[*finished.warnings, *ignored],
        )

    def _source(self, passage: Passage, *, is_cited: bool, is_attached: bool, is_supported: bool) -> shapes.Source:
        return shapes.Source(
            _id=passage.chunk_id,
            n=passage.number,
            partition=passage.file.partition,
            file_id=passage.file.file_id,
            filename=resolved(passage.file)["filename"],
            page=passage.page,
            line_start=passage.line_start,
            line_end=passage.line_end,
            chunk_url=self.link_of(passage.chunk_id),
            file_url=self.file_link_of(passage.file) if self.file_link_of else None,
            score=passage.score,
            cited=is_cited,
            attached=is_attached,
            supported=is_supported,
            content=passage.text,
        )


def unsaid(finished: Finished) -> NoAnswer | None:
    """Return what is wrong with an answer of tool calls alone, for a client whose API has none; None where it says more."""
    # What quotes calls no tool, and `max_tokens` may leave nothing of what it quotes.
    is_quoted = finished.model == ExtractiveModel.name
    if finished.text.strip() or finished.refusal or finished.error or is_quoted:
        return None
    return NoAnswer(
        f"{finished.model} gave no answer (finish_reason {finished.finish_reason}): it called a tool unasked"
    )


def merged(answers: Sequence[shapes.TextCompletion]) -> shapes.TextCompletion:
    """Return the answers to several prompts as the choices of one, their tokens added up."""
    first = answers[0]
    choices = [made.choices[0].model_copy(update={"index": at}) for at, made in enumerate(answers)]
    usage = shapes.UsageBody(
        prompt_tokens=sum(made.usage.prompt_tokens for made in answers),
        completion_tokens=sum(made.usage.completion_tokens for made in answers),
        total_tokens=sum(made.usage.total_tokens for made in answers),
    )
    return first.model_copy(update={"choices": choices, "usage": usage})


def _title(passage: Passage) -> str:
    where = f"p.{passage.page}" if passage.page else f"l.{passage.line_start}"
    return f"{resolved(passage.file)['filename']} {where}"


def _usage(finished: Finished) -> shapes.UsageBody:
    usage = finished.usage
    return shapes.UsageBody(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )


def _merge_calls(calls: dict[Any, Json], pieces: Sequence[Json]) -> None:
    """Put the pieces of tool calls together: those of one index are one call, whose arguments are joined."""
    for piece in pieces:
        new: Json = {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        known = calls.setdefault(piece["index"], new)
        known["id"] = piece.get("id") or known["id"]
        function = piece["function"]
        known["function"]["name"] += function.get("name", "")
        known["function"]["arguments"] += function.get("arguments", "")
