"""From a conversation to an answer with checked citations: query, retrieval, prompt, model, marks.

What is retrieved is quoted material, never instruction: it stands in the last user message between fences that no
document can know in advance, and the rules about it stand in the system message alone.
"""

import asyncio
import hashlib
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
from openrag_cli.answering.events import Event, Finished, Retrieved, TextDelta, Usage
from openrag_cli.answering.extractive import GREETING, ExtractiveModel
from openrag_cli.answering.llm import ChatModel, Delta, HttpChatModel, ModelRequest, complete
from openrag_cli.answering.passages import DocumentOf, estimate_tokens, gather
from openrag_cli.answering.prompts import Prompts
from openrag_cli.domain import Hit, Passage
from openrag_cli.errors import InvalidInput, RevisionGone, StoreBusy, UpstreamError
from openrag_cli.retrieval.request import SearchRequest

logger = logging.getLogger(__name__)

TOP_K = 8
"""Hits behind an answer, unless the caller says otherwise."""

QUOTE_TOKENS = 4000
"""How much the extractive answerer reads for an answer, in tokens."""

MAX_LOOKS = 20
"""Searches for one answer, at most: one is made again when a file was replaced before its text was read."""

MARGIN_TOKENS = 200
MIN_PASSAGE_TOKENS = 256
QUERY_TOKENS = 200


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to be answered; the last message of role `user` is the question.

    `search` says where to look and how; its text is not read. `model` names a model of the upstream. `parameters` go
    to the upstream as they are.
    """

    messages: Sequence[Message]
    search: SearchRequest = field(default_factory=lambda: SearchRequest("", top_k=TOP_K))
    model: str | None = None
    is_extractive: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The last user message. Raises: InvalidInput, when there is none, or no text in it."""
        for message in reversed(self.messages):
            if message.role == "user":
                if not message.content.strip() and not message.extra:
                    raise InvalidInput("the question is empty", hint='for example: openrag ask "how often?"')
                return message.content
        raise InvalidInput("there is no message of role 'user'")


class Chat:
    """Answers conversations on one store. Without `llm` every answer is extractive."""

    def __init__(
        self,
        *,
        search: Callable[[SearchRequest], list[Hit]],
        document_of: DocumentOf,
        llm: HttpChatModel | None,
        extractive: ExtractiveModel,
        prompts: Prompts,
        window: tuple[int, int],
    ) -> None:
        self._search = search
        self._document_of = document_of
        self._llm = llm
        self._extractive = extractive
        self._prompts = prompts
        self._context_tokens, self._max_tokens = window

    async def aclose(self) -> None:
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

        Raises:
            InvalidInput, PartitionNotFound and kin: the request. UpstreamError and kin: the model.
        """
        began = time.monotonic()
        model = self.model(request)
        retrieved, ask = await self._prepare(request, model)
        yield retrieved
        checked = CitationFilter(len(retrieved.passages))
        answer: list[str] = []
        quotes: list[Passage] = []
        usage: Usage | None = None
        finish_reason = "stop"
        first_s = 0.0
        if model is self._extractive and retrieved.query is None:
            # Titles, tags and the like are asked for as JSON: an empty object is one that says nothing.
            stream = _say("{}" if conversation.is_task_prompt(ask.question) else GREETING)
        else:
            stream = model.stream(ask)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                first_s = first_s or time.monotonic() - began
                quotes += delta.quotes
                usage = delta.usage or usage
                finish_reason = delta.finish_reason or finish_reason
                text = checked.quote(delta.text, delta.quotes[0].number) if delta.quotes else checked.feed(delta.text)
                answer.append(text)
                if text or delta.tool_calls:
                    yield TextDelta(text, delta.tool_calls)
        rest = checked.close()
        if rest:
            answer.append(rest)
            yield TextDelta(rest)
        if checked.unknown:
            logger.warning("the answer cited %s, which no passage has; the marks were taken out", checked.unknown)
        text = "".join(answer)
        yield Finished(
            text=text,
            marks=tuple(checked.marks),
            citations=tuple(_citations(checked.cited, retrieved.passages, quotes)),
            unknown=tuple(checked.unknown),
            finish_reason=finish_reason,
            usage=usage or _estimate(ask, text),
            model=model.name,
            first_s=round(first_s, 4),
            seconds=round(time.monotonic() - began, 4),
        )

    # --- what is asked

    async def _prepare(self, request: ChatRequest, model: ChatModel) -> tuple[Retrieved, ModelRequest]:
        question = request.question
        parameters = {"max_tokens": self._max_tokens, **request.parameters}
        if conversation.is_task_prompt(question):
            messages = [_wire(message) for message in request.messages]
            return Retrieved(None, (), 0.0), ModelRequest(messages, question, parameters=parameters)
        if conversation.is_small_talk(question):
            rules = self._prompts.render("small_talk")
            return Retrieved(None, (), 0.0), ModelRequest(
                _with_rules(rules, request.messages), question, parameters=parameters
            )
        began = time.monotonic()
        query = await self._query(request, question, model)
        room = self._room(request, parameters) if model is not self._extractive else QUOTE_TOKENS
        passages = await asyncio.to_thread(self._retrieve, replace(request.search, text=query), room)
        retrieved = Retrieved(query, tuple(passages), round(time.monotonic() - began, 4))
        return retrieved, ModelRequest(self._messages(request, question, passages), query, passages, parameters)

    async def _query(self, request: ChatRequest, question: str, model: ChatModel) -> str:
        """Return the question so that it stands alone: by the model when there is one and it seems needed, or by rules."""
        at = _last_user(request.messages)
        earlier = [message for message in request.messages[:at] if message.role in {"user", "assistant"}]
        asked = [message.content for message in earlier if message.role == "user"]
        by_rules = conversation.standalone(question, asked)
        if model is self._extractive or not conversation.is_follow_up(question, asked):
            return by_rules
        history = "\n".join(f"{message.role}: {message.content[:1000]}" for message in earlier[-6:])
        prompt = self._prompts.render("standalone", history=history, question=question)
        ask = ModelRequest([{"role": "user", "content": prompt}], question, parameters={"max_tokens": QUERY_TOKENS})
        try:
            written = await complete(model, ask)
        except UpstreamError as exc:
            logger.warning("the question was not rewritten by the model: %s", exc.message)
            return by_rules
        line = next((line.strip() for line in written.splitlines() if line.strip()), "")
        return line[:1000] or by_rules

    def _retrieve(self, request: SearchRequest, max_tokens: int) -> list[Passage]:
        """Return passages whose texts are all of one look: of files that are replaced meanwhile, the new versions."""
        # What finds passages is the beginning of a very long question; the model is shown all of it.
        request = replace(request, text=request.text[: limits.most("query_chars")])
        for _ in range(MAX_LOOKS):
            hits = self._search(request)
            try:
                return gather(hits, self._document_of, max_tokens=max_tokens) if hits else []
            except RevisionGone as exc:
                gone = exc
        raise StoreBusy("the files found are replaced faster than they can be read", hint="ask again") from gone

    def _room(self, request: ChatRequest, parameters: Mapping[str, Any]) -> int:
        """Return how many tokens of passages fit beside everything else."""
        wanted = parameters.get("max_tokens")
        answer = wanted if isinstance(wanted, int) else self._max_tokens
        said = sum(estimate_tokens(message.content) for message in request.messages)
        rules = estimate_tokens(self._prompts.render("answer", fence="x" * 16))
        return max(MIN_PASSAGE_TOKENS, self._context_tokens - answer - said - rules - MARGIN_TOKENS)

    def _messages(self, request: ChatRequest, question: str, passages: Sequence[Passage]) -> list[dict[str, Any]]:
        fence = _fence(question, passages)
        if passages:
            quoted = "\n\n".join(_quoted(passage, fence) for passage in passages)
            content = self._prompts.render("question", passages=quoted, question=question)
        else:
            content = self._prompts.render("nothing", question=question)
        at = _last_user(request.messages)
        turns = list(_shortened(request.messages[:at], self._context_tokens // 3))
        turns += [_with_text(request.messages[at], content), *request.messages[at + 1 :]]
        return _with_rules(self._prompts.render("answer", fence=fence), turns)


async def _say(text: str) -> AsyncGenerator[Delta, None]:
    yield Delta(text, finish_reason="stop")


def _last_user(messages: Sequence[Message]) -> int:
    return max(at for at, message in enumerate(messages) if message.role == "user")


def _wire(message: Message) -> dict[str, Any]:
    """Return a message as OpenAI's API has it; what it carries beside its text (parts with images, calls) wins."""
    return {"role": message.role, "content": message.content, **message.extra}


def _with_rules(rules: str, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Put our rules into one system message, before what the client's own system messages say."""
    theirs = [message.content for message in messages if message.role in {"system", "developer"}]
    turns = [_wire(message) for message in messages if message.role not in {"system", "developer"}]
    return [{"role": "system", "content": "\n\n".join([rules, *theirs])}, *turns]


def _with_text(message: Message, text: str) -> Message:
    """Return a message with another text; its images stay."""
    parts = message.extra.get("content")
    if not isinstance(parts, list):
        return replace(message, content=text)
    others = [part for part in parts if part.get("type") != "text"]
    return Message(message.role, text, {**message.extra, "content": [{"type": "text", "text": text}, *others]})


def _shortened(messages: Sequence[Message], max_tokens: int) -> Sequence[Message]:
    """Return the last messages that fit, and the system messages all."""
    kept: list[Message] = []
    for message in reversed(messages):
        is_rule = message.role in {"system", "developer"}
        max_tokens -= 0 if is_rule else estimate_tokens(message.content)
        if is_rule or max_tokens > 0:
            kept.insert(0, message)
    return kept


def _fence(question: str, passages: Sequence[Passage]) -> str:
    """Return a word that stands in no passage, and that nobody who wrote one could know."""
    digest = hashlib.sha256(question.encode("utf-8", "replace"))
    for passage in passages:
        digest.update(passage.text.encode("utf-8", "replace"))
    while True:
        fence = f"PASSAGE-{digest.hexdigest()[:12]}"
        if not any(fence in "\n".join([*passage.head, passage.text, passage.file.file_id]) for passage in passages):
            return fence
        digest.update(b"again")


def _quoted(passage: Passage, fence: str) -> str:
    where = f"page {passage.page}" if passage.page else f"lines {passage.line_start} to {passage.line_end}"
    source = " ".join(f"Source: {passage.file.file_id}, {where}".split())
    text = "\n".join([*passage.head, passage.text])
    return f"<<<{fence} [{passage.number}]\n{source}\n\n{text}\n{fence}>>>"


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
