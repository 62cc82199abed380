"""From a conversation to an answer with checked citations: query, retrieval, prompt, model, marks."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from openrag_cli import limits
from openrag_cli.answering import conversation
from openrag_cli.answering.citations import CitationFilter
from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Event, Finished, Retrieved, Usage
from openrag_cli.answering.extractive import GREETING, ExtractiveModel
from openrag_cli.answering.followups import merged, queries_for
from openrag_cli.answering.llm.client import HttpChatModel
from openrag_cli.answering.llm.model import ChatModel, Delta, ModelRequest
from openrag_cli.answering.messages import SMALL_PASSAGES, Composer
from openrag_cli.answering.partial import PartialAnswer
from openrag_cli.answering.passages import DocumentOf, gather
from openrag_cli.answering.quoting.evidence import PASSAGES
from openrag_cli.answering.quoting.further import further_passages
from openrag_cli.answering.support import attached, checked_marks
from openrag_cli.answering.words import language
from openrag_cli.domain import Hit, Passage
from openrag_cli.errors import (
    ContextTooLong,
    InvalidInput,
    RevisionGone,
    StoreBusy,
    UpstreamError,
    UpstreamRejected,
)
from openrag_cli.retrieval.llm_tokens import estimate_tokens
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.store.files.results import Results

logger = logging.getLogger(__name__)

TOP_K = 8
"""Hits behind an answer, unless the caller says otherwise."""

QUOTE_TOKENS = 4000
"""How much the extractive answerer reads for an answer, in tokens."""

TEMPERATURE = 0.1
"""Asked of the LLM unless the caller says otherwise: answers from documents are no place for invention."""

MAX_LOOKS = 20
"""Searches for one answer, at most: one is made again when a file was replaced before its text was read."""

MARGIN_TOKENS = 200
MIN_PASSAGE_TOKENS = 128
_LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to be answered; the last message of role `user` is the question.

    `search` says where to look and how; its text is not read. `model` names a model of the upstream. `parameters` are
    OpenAI's. `waits_when_busy`: whether a rate limit of the LLM is waited for; a server's clients wait themselves.
    """

    messages: Sequence[Message]
    search: SearchRequest = field(default_factory=lambda: SearchRequest("", top_k=TOP_K))
    model: str | None = None
    is_extractive: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    waits_when_busy: bool = True

    @property
    def question(self) -> str:
        """The last user message. Raises: InvalidInput, when there is none, or no text in it."""
        for message in reversed(self.messages):
            if message.role == "user":
                if not message.content.strip() and not message.extra:
                    raise InvalidInput("the question is empty", hint='for example: openrag ask "how often?"')
                return message.content
        raise InvalidInput("there is no message of role 'user'")


@dataclass(frozen=True, slots=True)
class Window:
    """What the LLM reads and writes together, and the longest answer asked of it, in tokens."""

    context_tokens: int
    max_tokens: int


class Chat:
    """Answers conversations on one store. Without `llm` every answer is extractive."""

    def __init__(
        self,
        *,
        search: Callable[[SearchRequest], Sequence[Hit]],
        document_of: DocumentOf,
        llm: HttpChatModel | None,
        extractive: ExtractiveModel,
        composer: Composer,
        window: Window,
    ) -> None:
        self._search = search
        self._document_of = document_of
        self._llm = llm
        self._extractive = extractive
        self._composer = composer
        self._window = window

    async def end_chat(self) -> None:
        """Close the connections to the LLM."""
        if self._llm is not None:
            await self._llm.aclose()

    def model(self, request: ChatRequest) -> ChatModel:
        """Return who answers a request."""
        if self._llm is None or request.is_extractive:
            return self._extractive
        return self._llm.with_model(request.model)

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Yield `Retrieved`, pieces, `Finished`; closing the iterator cancels what is under way.

        An LLM that breaks off in the middle ends in a `Finished` with its `error`; one that says nothing is raised.

        Raises:
            InvalidInput, PartitionNotFound and kin: the request. UpstreamError, ConfigError: the model.
        """
        began = time.monotonic()
        model = self.model(request)
        if isinstance(model, HttpChatModel):
            model.prepare()  # the connection opens while the documents are searched
        else:
            _check_kept(request.parameters)
        retrieved, ask = await self._prepare(request, model)
        yield retrieved
        answer = PartialAnswer(CitationFilter(len(retrieved.passages), "response_format" in request.parameters))
        stream = self._stream(request, model, retrieved, ask)
        async with aclosing(stream) as events:
            try:
                async for found in events:
                    if isinstance(found, Retrieved):  # asked again with fewer passages
                        retrieved = found
                        answer.checked.n_passages = len(found.passages)
                        yield found
                        continue
                    answer.first_s = answer.first_s or time.monotonic() - began
                    if shown := answer.take(found):
                        yield shown
            except UpstreamError as exc:
                if not answer.first_s:
                    raise
                answer.error = exc
        if rest := answer.close():
            yield rest
        yield self._finished(answer, retrieved, ask, model, began)

    async def _stream(
        self, request: ChatRequest, model: ChatModel, retrieved: Retrieved, ask: ModelRequest
    ) -> AsyncGenerator[Delta | Retrieved, None]:
        """Yield the model's pieces; where the passages did not fit its window, once more with fewer, said first."""
        if model is self._extractive and retrieved.query is None:
            is_task = conversation.is_task_prompt(request.messages)
            yield Delta(conversation.task_answer(request.messages) if is_task else GREETING, finish_reason="stop")
            return
        try:
            async with aclosing(model.stream(ask)) as deltas:
                async for delta in deltas:
                    yield delta
        except ContextTooLong as exc:
            window = exc.window or self._window.context_tokens // 2
            fewer, again = self._smaller(request, retrieved.passages, ask, window)
            if fewer == retrieved.passages and again.parameters == ask.parameters:
                raise
        else:
            return
        logger.info("the LLM's window is %d tokens: asked again with fewer passages", window)
        yield replace(retrieved, passages=fewer)
        async with aclosing(model.stream(again)) as deltas:
            async for delta in deltas:
                yield delta

    def _smaller(
        self, request: ChatRequest, passages: tuple[Passage, ...], ask: ModelRequest, window: int
    ) -> tuple[tuple[Passage, ...], ModelRequest]:
        """Return the passages that fit a window, and what is asked with them: for no longer an answer than half of it."""
        limits = {name: _limit(ask.parameters, 0) for name in _LIMITS if name in ask.parameters}
        parameters = {**ask.parameters, **{name: min(most, max(1, window // 2)) for name, most in limits.items()}}
        if not passages:
            return passages, replace(ask, parameters=parameters)
        room = self._room(request, replace(self._window, context_tokens=window))
        fewer = _fitting(passages, min(room, _total(passages) // 2))
        messages, fence = self._messages(request, fewer, window)
        return fewer, replace(ask, messages=messages, passages=fewer, fence=fence, parameters=parameters)

    def _finished(
        self, answer: PartialAnswer, retrieved: Retrieved, ask: ModelRequest, model: ChatModel, began: float
    ) -> Finished:
        checked, text = answer.checked, "".join(answer.texts)
        marks = tuple(checked.marks)
        ours: tuple[Passage, ...] = ()
        if model is not self._extractive and not checked.is_verbatim:
            marks = checked_marks(text, marks, retrieved.passages)
            ours = attached(text, retrieved.passages) if not marks else ()
        warnings = [*retrieved.notes, *answer.notes]
        if checked.unknown:
            gone = ", ".join(f"[{number}]" for number in dict.fromkeys(checked.unknown))
            warnings.append(f"marks that name no passage were taken out: {gone}")
        if answer.finish_reason == "length" and not any(note.startswith("stopped") for note in answer.notes):
            wanted = _limit(ask.parameters, self._window.max_tokens)
            warnings.append(f"the answer was cut at {wanted:,} tokens (OPENRAG_LLM_MAX_TOKENS, max_tokens)")
        if answer.finish_reason == "content_filter":
            warnings.append("the LLM's own filter cut the answer (finish_reason content_filter)")
        if answer.error:
            warnings.append(f"the answer broke off: {answer.error.message}")
        return Finished(
            text=text,
            marks=marks,
            citations=tuple(_citations(checked.cited, retrieved.passages, answer.quotes)),
            unknown=tuple(checked.unknown),
            finish_reason=answer.finish_reason,
            usage=answer.usage or _estimate(ask, text),
            model=model.name,
            first_s=round(answer.first_s, 4),
            seconds=round(time.monotonic() - began, 4),
            thought="".join(answer.thoughts),
            refusal="".join(answer.refusals),
            attached=ours,
            warnings=tuple(warnings),
            error=answer.error,
        )

    # --- what is asked

    async def _prepare(self, request: ChatRequest, model: ChatModel) -> tuple[Retrieved, ModelRequest]:
        question = request.question
        parameters: dict[str, Any] = {"temperature": TEMPERATURE, **request.parameters}
        if not any(name in parameters for name in _LIMITS):
            parameters["max_tokens"] = self._window.max_tokens
        ask = ModelRequest([], question, parameters=parameters, waits_when_busy=request.waits_when_busy)
        history = self._window.context_tokens // 3
        if conversation.is_task_prompt(request.messages):
            messages = [
                {"role": message.role, "content": message.content, **message.extra} for message in request.messages
            ]
            return Retrieved(None, (), 0.0), replace(ask, messages=messages)
        if (
            conversation.is_small_talk(question) or not question.strip()
        ):  # a picture alone: there is nothing to search for
            rules = self._composer.prompts.render("small_talk")
            messages = self._composer.with_rules(rules, request.messages, history_tokens=history)
            return Retrieved(None, (), 0.0), replace(ask, messages=messages)
        began = time.monotonic()
        queries = await queries_for(
            conversation.asked_within(question) or question,
            request.messages,
            None if model is self._extractive else model,
            self._composer.prompts,
            waits_when_busy=request.waits_when_busy,
        )
        query = queries[0]
        window = await self._told_window(model)
        room = self._room(request, window) if model is not self._extractive else QUOTE_TOKENS
        passages = await asyncio.to_thread(self._retrieve, request.search, queries, room)
        if isinstance(model, HttpChatModel):
            passages = await asyncio.to_thread(self._shown, queries, passages)
        else:
            search = replace(request.search, text=query)
            passages += await asyncio.to_thread(further_passages, self._retrieve, search, passages)
        notes = () if passages else await asyncio.to_thread(self._notes, replace(request.search, text=query))
        retrieved = Retrieved(query, tuple(passages), round(time.monotonic() - began, 4), notes)
        messages, fence = self._messages(request, passages, window.context_tokens)
        if not any(name in request.parameters for name in _LIMITS):
            most = min(self._window.max_tokens, window.context_tokens // 2)
            ask = replace(ask, parameters={**parameters, "max_tokens": most})
        return retrieved, replace(ask, messages=messages, question=query, passages=passages, fence=fence)

    async def _told_window(self, model: ChatModel) -> Window:
        told = await model.window() if isinstance(model, HttpChatModel) else None
        return replace(self._window, context_tokens=min(told, self._window.context_tokens)) if told else self._window

    def _retrieve(self, request: SearchRequest, queries: Sequence[str], max_tokens: int) -> list[Passage]:
        """Return passages whose texts are all of one look: of files that are replaced meanwhile, the new versions."""
        # What finds passages is the beginning of a very long question; the model is shown all of it.
        texts = [query[: limits.most("query_chars")] for query in queries]
        searches = [replace(request, text=text, max_tokens=max_tokens) for text in texts]
        for _ in range(MAX_LOOKS):
            lists = [self._search(search) for search in searches]
            hits = merged(lists, request) if len(lists) > 1 else lists[0]
            try:
                return gather(hits, self._document_of, max_tokens=max_tokens) if hits else []
            except RevisionGone as exc:
                gone = exc
        raise StoreBusy("the files found are replaced faster than they can be read", hint="ask again") from gone

    def _notes(self, request: SearchRequest) -> tuple[str, ...]:
        """Return what the filter may have got wrong that lets nothing through."""
        found = self._search(replace(request, top_k=1)) if request.filter else ()
        return tuple(note.message for note in found.warnings) if isinstance(found, Results) else ()

    def _shown(self, queries: Sequence[str], passages: list[Passage]) -> list[Passage]:
        """Return what the LLM is shown of what was found: nothing that the extractive answerer would not answer from."""
        if not any(self._is_answered(query, passages) for query in queries):
            return []
        return passages[:SMALL_PASSAGES] if self._composer.profile == "small" else passages

    def _is_answered(self, query: str, passages: list[Passage]) -> bool:
        """Whether passages pass the floor. It is one of words: it holds where question and passage are of one language."""
        spoken = language(query)
        is_same = spoken is not None and any(language(passage.text) == spoken for passage in passages[:PASSAGES])
        return not is_same or self._extractive.has_evidence(query, passages)

    def _room(self, request: ChatRequest, window: Window) -> int:
        """Return how many tokens of passages fit beside everything else."""
        answer = min(_limit(request.parameters, window.max_tokens), window.context_tokens // 2)
        at = conversation.last_question(request.messages)
        asked = sum(estimate_tokens(message.content) for message in request.messages[at:])
        before = sum(estimate_tokens(message.content) for message in request.messages[:at])
        said = asked + min(before, window.context_tokens // 3)
        tools = estimate_tokens(str(request.parameters.get("tools") or ""))
        rules = self._composer.rules_tokens()
        return max(MIN_PASSAGE_TOKENS, window.context_tokens - answer - said - tools - rules - MARGIN_TOKENS)

    def _messages(
        self, request: ChatRequest, passages: Sequence[Passage], context_tokens: int
    ) -> tuple[list[dict[str, Any]], str]:
        return self._composer.with_passages(
            request.messages, request.question, passages, history_tokens=context_tokens // 3
        )


def _limit(parameters: Mapping[str, Any], default: int) -> int:
    wanted = next((parameters[name] for name in _LIMITS if parameters.get(name) is not None), default)
    return wanted if isinstance(wanted, int) else default


def _check_kept(parameters: Mapping[str, Any]) -> None:
    """Refuse what an answer without an LLM cannot keep. Raises: UpstreamRejected."""
    form = parameters.get("response_format")
    if isinstance(form, dict) and form.get("type") not in {None, "text"}:
        raise UpstreamRejected("response_format: there is no LLM here that could keep it", param="response_format")
    choice = parameters.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        raise UpstreamRejected("tool_choice: there is no LLM here that could call a tool", param="tool_choice")


def _total(passages: Sequence[Passage]) -> int:
    return sum(estimate_tokens(passage.text) for passage in passages)


def _fitting(passages: Sequence[Passage], max_tokens: int) -> tuple[Passage, ...]:
    """Return the first passages that fit; one at least, unless none was there."""
    kept: list[Passage] = []
    for passage in passages:
        max_tokens -= estimate_tokens(passage.text)
        if kept and max_tokens < 0:
            break
        kept.append(passage)
    return tuple(kept)


def _citations(cited: Sequence[int], passages: Sequence[Passage], quotes: Sequence[Passage]) -> list[Passage]:
    found: list[Passage] = []
    for number in sorted(cited):
        own = [quote for quote in quotes if quote.number == number]
        whole = passages[number - 1]
        if own:
            whole = whole.narrowed(min(quote.start for quote in own), max(quote.end for quote in own))
        found.append(whole)
    return found


def _estimate(ask: ModelRequest, text: str) -> Usage:
    asked = sum(estimate_tokens(str(message.get("content") or "")) for message in ask.messages)
    return Usage(asked, estimate_tokens(text) if text else 0)
