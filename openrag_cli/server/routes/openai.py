"""The OpenAI-compatible endpoints: every partition is a model."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from openrag_cli import limits
from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Event
from openrag_cli.answering.pipeline import TOP_K, ChatRequest
from openrag_cli.domain import ALL_PARTITIONS, File, SearchMode
from openrag_cli.engine import Engine
from openrag_cli.errors import InvalidInput, NotFound, PartitionNotFound
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.server import openai_schemas as shapes
from openrag_cli.server.error_handlers import body as error_body
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.openai_answers import OpenAIAnswer, check_numbers, merged, to_messages
from openrag_cli.server.routes.search import check_searched
from openrag_cli.server.sse import DONE, answered, event, streamed
from openrag_cli.server.urls import engine_of, extract_link, link

PREFIX = "openrag-"
ALL_MODELS = (f"{PREFIX}{ALL_PARTITIONS}", "partition-all")
EMBED_BATCH = 16
MAX_PROMPTS = 20
MAX_INPUTS = limits.most("embedding_texts")
_STOPPED = error_body("/v1/", 503, "the server is being stopped; ask again", "shutting_down")

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.OpenAIError, "description": text}
    for status, text in (
        (400, "The request is wrong"),
        (401, "The token is missing or wrong"),
        (408, "The body came too slowly"),
        (413, "The body is too large"),
        (415, "The body is not JSON"),
        (422, "The request is wrong"),
        (429, "The LLM limits our rate"),
        (502, "The LLM failed"),
        (503, "The LLM cannot be reached"),
        (504, "The LLM took too long"),
    )
}
NO_MODEL: dict[int | str, dict[str, Any]] = {404: {"model": shapes.OpenAIError, "description": "No such model"}}
_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS, route_class=JsonRoute)


class ModelNotFound(NotFound, code="model_not_found"):
    """No partition and no view of the model's name."""


@router.get("/models")
def models(request: Request) -> shapes.Models:
    """List the partitions and the views as models; `openrag-all` searches every partition."""
    engine = engine_of(request)
    made = {f"{PREFIX}{entry.name}": int(entry.created_at.timestamp()) for entry in engine.partitions()}
    made |= {f"{PREFIX}{entry.name}": int(entry.created_at.timestamp()) for entry in engine.views.all()}
    first = min(made.values(), default=int(time.time()))
    known = made | dict.fromkeys(ALL_MODELS, first)
    return shapes.Models(data=[shapes.Model(id=name, created=created) for name, created in known.items()])


@router.get("/models/{model_id:path}", responses=NO_MODEL)
def model(request: Request, model_id: Annotated[str, Path(description="Id of the model")]) -> shapes.Model:
    """Return one model, by its id or another of the names under which it is taken."""
    known = {entry.id: entry for entry in models(request).data}
    for name in names_of(model_id):
        if name in known:
            return known[name].model_copy(update={"id": model_id})
    raise ModelNotFound(f"The model '{model_id}' does not exist")


@router.post("/chat/completions", responses=NO_MODEL | _STREAM, response_model=shapes.ChatCompletion)
async def chat_completions(request: Request, body: shapes.ChatBody) -> Any:
    """Answer a conversation from the documents of a partition, with citations."""
    can_see = engine_of(request).settings.llm_can_see
    messages = to_messages(body.messages, can_see=can_see)
    return await _answer(request, body, messages, OpenAIAnswer(body.model, links(request), file_links(request)))


@router.post("/completions", responses=NO_MODEL | _STREAM, response_model=shapes.TextCompletion)
async def completions(request: Request, body: shapes.CompletionBody) -> Any:
    """Answer one prompt, in the older shape."""
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if not prompts or len(prompts) > MAX_PROMPTS or not all(isinstance(prompt, str) for prompt in prompts):
        raise InvalidInput(f"prompt: a text is read, or up to {MAX_PROMPTS} texts, and no tokens")
    if len(prompts) > 1 and body.stream:
        raise InvalidInput("prompt: several texts are answered whole, not as a stream")
    answers = [
        await _answer(
            request,
            body,
            [Message("user", prompt)],
            OpenAIAnswer(body.model, links(request), file_links(request), is_chat=False),
        )
        for prompt in prompts
    ]
    if len(answers) == 1 or not all(isinstance(made, shapes.TextCompletion) for made in answers):
        return answers[0]
    return merged(answers)


@router.post("/embeddings", response_model=shapes.Embeddings)
async def embeddings(request: Request, body: shapes.EmbeddingBody) -> Any:
    """Embed texts with the model of the store, whatever model is asked for; the answer names it."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not texts or len(texts) > MAX_INPUTS:
        raise InvalidInput(f"input: between 1 and {MAX_INPUTS:,} texts are read")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput("input: texts are read, not arrays of tokens: they depend on the model's own vocabulary")
    if not all(texts):
        raise InvalidInput("input: a text is empty")
    return await answered(request, _embeddings(engine_of(request), body, texts))


async def _embeddings(engine: Engine, body: shapes.EmbeddingBody, texts: list[str]) -> shapes.Embeddings:
    vectors, n_tokens = await _embedded(engine, texts)
    if body.dimensions not in {None, vectors.shape[1]}:
        raise InvalidInput(f"dimensions: this model has {vectors.shape[1]}, and no other number")
    is_packed = body.encoding_format == "base64"
    return shapes.Embeddings(
        data=[
            shapes.Embedding(
                index=at,
                embedding=base64.b64encode(row.astype("<f4").tobytes()).decode() if is_packed else row.tolist(),
            )
            for at, row in enumerate(vectors)
        ],
        model=engine.embedding_model,
        usage=shapes.EmbeddingUsage(prompt_tokens=n_tokens, total_tokens=n_tokens),
    )


async def _embedded(engine: Engine, texts: list[str]) -> Any:
    """Return the vectors of texts and their tokens, batch by batch: between two, the work may be given up."""
    import numpy as np

    batches = [texts[at : at + EMBED_BATCH] for at in range(0, len(texts), EMBED_BATCH)]
    found = [await asyncio.to_thread(engine.embed, batch) for batch in batches]
    return np.concatenate([vectors for vectors, _ in found]), sum(n_tokens for _, n_tokens in found)


def links(request: Request) -> Any:
    """Return what makes the link to a chunk."""
    return lambda chunk_id: extract_link(request, chunk_id)


def file_links(request: Request) -> Callable[[File], str]:
    """Return what makes the link to a file's original."""
    return lambda file: link(request, "partition", file.partition, "content", file.file_id)


def names_of(model_id: str) -> tuple[str, str]:
    """Return the names that a model's id may mean, as it is first: clients write `openai/` before it, `:latest` behind."""
    plain = model_id.removeprefix("openai/")
    return plain, plain.removesuffix(":latest")


def partition_of(engine: Engine, model_id: str) -> str:
    """Return the partition or view that a model's id names, `all` for every partition. Raises: ModelNotFound."""
    for name in names_of(model_id):
        if name in ALL_MODELS:
            return ALL_PARTITIONS
        if name.startswith(PREFIX):
            with contextlib.suppress(PartitionNotFound):
                check_searched(engine, [name.removeprefix(PREFIX)])
                return name.removeprefix(PREFIX)
    raise ModelNotFound(f"The model '{model_id}' does not exist")


async def answer_of(
    request: Request, body: shapes.ChatBody | shapes.CompletionBody, messages: list[Message], answering: OpenAIAnswer
) -> AsyncGenerator[Event, None]:
    """Return the events of the answer to a request, checked but not begun. Raises: InvalidInput, ModelNotFound."""
    if body.n not in {None, 1}:
        raise InvalidInput("n: one answer is made, not more")
    engine = engine_of(request)
    partition = await asyncio.to_thread(partition_of, engine, body.model)
    options = body.search_options()
    search = SearchRequest(
        "",
        partitions=(partition,),
        file_ids=tuple(options.files),
        top_k=options.top_k or TOP_K,
        mode=options.mode or SearchMode.HYBRID,
        min_score=options.min_score,
        filter=options.filter,
        context=options.context,
    )
    answering.not_obeyed = body.not_obeyed()
    answering.calls_functions = isinstance(body, shapes.ChatBody) and body.calls_functions
    answering.extra_is_text = engine.settings.chat_extra == "string"
    answering.appends_sources = (options.sources or engine.settings.chat_sources) == "append"
    chat = ChatRequest(messages, search=search, parameters=body.parameters(), waits_when_busy=False)
    _ = chat.question  # before anything is sent: a conversation without a question is a mistake of the caller
    answering.tells_usage = bool(body.stream_options and body.stream_options.include_usage)
    return engine.answer(chat)


async def _answer(
    request: Request, body: shapes.ChatBody | shapes.CompletionBody, messages: list[Message], answering: OpenAIAnswer
) -> Any:
    check_numbers(body.parameters(), "")
    for at, message in enumerate(messages):
        check_numbers(message.extra, f"messages.{at}")
    events = await answer_of(request, body, messages, answering)
    if not body.stream:
        return await answered(request, answering.whole(events))
    return await streamed(request, answering.stream(events), lambda: event(_STOPPED) + DONE)
