"""What OpenAI clients send and read. Reference: OpenAI API, chat, completions, models and embeddings.

Fields that are not named are ignored; those that are named and wrong are answered with 400.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from openrag_cli.domain import SearchMode
from openrag_cli.errors import InvalidInput
from openrag_cli.retrieval.request import MAX_CONTEXT

Json = dict[str, Any]
Jsons = Annotated[list[Json], Field(fail_fast=True)]
Parts = Annotated[list[Json | str], Field(fail_fast=True)]
"""Objects; what is wrong with the first wrong one is told, and no more."""


class OpenAIErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """Any error under /v1."""

    error: OpenAIErrorBody
    extra: dict[str, Any] | str | None = None


class Model(BaseModel):
    """A partition as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "openrag"


class Models(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def _truth(value: Any) -> Any:
    """Some clients send a number where true is meant."""
    return bool(value) if isinstance(value, int | float) else value


Truth = Annotated[bool, BeforeValidator(_truth)]


def _limit(value: Any) -> Any:
    """Some clients send -1 where they mean no limit."""
    return None if value == -1 else value


TokenLimit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_limit)]


class StreamOptions(BaseModel):
    """What a stream is to tell."""

    include_usage: Truth | None = None


class RequestMessage(BaseModel):
    """One message; what else it carries (tool calls, a name) goes to the LLM as it is."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Parts | None = None


class SearchOptions(BaseModel):
    """What is searched for an answer: the `openrag` object of a request. An unknown key in it is refused."""

    model_config = ConfigDict(extra="forbid")

    filter: str = ""
    files: list[str] = []
    top_k: int | None = Field(None, ge=1, le=1000)
    mode: SearchMode | None = None
    min_score: float | None = None
    context: int = Field(0, ge=0, le=MAX_CONTEXT)
    sources: Literal["append", "extra"] | None = None


_NOT_OBEYED = (
    "logprobs", "top_logprobs", "logit_bias", "prediction", "web_search_options", "verbosity", "echo", "suffix",
    "top_k", "top_a", "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "chat_template_kwargs", "think",
    "enable_thinking", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "grammar", "json_schema", "options",
)  # fmt: skip
"""What OpenAI's API and other servers take that changes an answer, and is not passed on here."""


class _Sampling(BaseModel):
    """What both ways of asking share; all of it but `openrag` goes to the LLM, where there is one."""

    model_config = ConfigDict(extra="allow")

    model: str
    openrag: SearchOptions | None = None
    metadata: Json | None = None
    stream: Truth | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: TokenLimit = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(fail_fast=True)] | None = None

    def search_options(self) -> SearchOptions:
        """Return what is to be searched: `openrag`, or `metadata.openrag` as a JSON text. Raises: InvalidInput."""
        told = (self.metadata or {}).get("openrag")
        if self.openrag is not None or told is None:
            return self.openrag or SearchOptions.model_validate({})
        try:
            return (
                SearchOptions.model_validate_json(told)
                if isinstance(told, str)
                else SearchOptions.model_validate(told)
            )
        except ValidationError as exc:
            where = ".".join(["metadata.openrag", *(str(part) for part in exc.errors()[0]["loc"])])
            raise InvalidInput(f"{where}: {exc.errors()[0]['msg']}") from exc

    def not_obeyed(self) -> list[str]:
        """Return what is asked for and is not passed on. Raises: InvalidInput: what would be another answer without it."""
        given = {name: value for name, value in (self.model_extra or {}).items() if value}
        kinds = given.get("modalities")
        if isinstance(kinds, list) and kinds != ["text"]:
            raise InvalidInput('modalities: answers are texts, ["text"]')
        if given.get("best_of", 1) != 1:
            raise InvalidInput("best_of: one answer is made, not more")
        return [name for name in _NOT_OBEYED if name in given]

    def parameters(self) -> Json:
        """Return what the LLM is to be given."""
        names = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop", "max_tokens")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ChatBody(_Sampling):
    """A chat completion to be made."""

    messages: Annotated[list[RequestMessage], Field(fail_fast=True)]
    max_completion_tokens: TokenLimit = None
    tools: Jsons | None = None
    tool_choice: str | Json | None = None
    functions: Jsons | None = None
    function_call: Literal["none", "auto"] | Json | None = None
    parallel_tool_calls: bool | None = None
    response_format: Json | None = None
    reasoning_effort: str | None = None

    @property
    def calls_functions(self) -> bool:
        """Whether calls are asked for, and are to be told, in the older shape: `functions`, one call an answer."""
        return self.functions is not None and self.tools is None

    def parameters(self) -> Json:
        """Return what the LLM is to be given. Raises: InvalidInput: a `function_call` that names none."""
        names = (
            "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "max_completion_tokens",
        )  # fmt: skip
        given = super().parameters() | {name: value for name in names if (value := getattr(self, name)) is not None}
        return given | self._as_tools() if self.calls_functions else given

    def _as_tools(self) -> Json:
        tools = [{"type": "function", "function": function} for function in self.functions or ()]
        asked: Json = {"tools": tools, "parallel_tool_calls": False} if tools else {}
        choice = self.function_call
        if isinstance(choice, dict):
            if not isinstance(choice.get("name"), str):
                raise InvalidInput('function_call: "none", "auto" or {"name": ...}')
            choice = {"type": "function", "function": {"name": choice["name"]}}
        return asked if choice is None else {**asked, "tool_choice": choice}


class CompletionBody(_Sampling):
    """A completion to be made of one prompt."""

    prompt: str | list[Any]


class EmbeddingBody(BaseModel):
    """Texts to be embedded."""

    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class UsageBody(BaseModel):
    """Tokens; our own estimate where the LLM does not count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class UrlCitation(BaseModel):
    """Which characters of the answer name which passage."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(BaseModel):
    """A citation in OpenAI's shape."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class Source(BaseModel):
    """A passage that the LLM was shown; `cited` where the answer names it.

    `attached`: the answer names none, and we found its words in this one. `supported`: false where it is cited by a
    sentence that shares no word with it.
    """

    model_config = ConfigDict(populate_by_name=True)

    chunk_id: str = Field(alias="_id")
    n: int
    partition: str
    file_id: str
    filename: str
    page: int | None
    line_start: int
    line_end: int
    chunk_url: str
    file_url: str | None = None
    score: float
    cited: bool
    attached: bool = False
    supported: bool = True
    content: str


class Extra(BaseModel):
    """What is beyond OpenAI's API."""

    sources: list[Source]
    warnings: list[str] = []


class AnswerMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    annotations: list[Annotation] = []
    tool_calls: list[Json] | None = None
    function_call: Json | None = None


class ChatChoice(BaseModel):
    """The only choice."""

    index: int = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: str


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageBody
    extra: Extra | str


class TextChoice(BaseModel):
    """The only choice."""

    text: str
    index: int = 0
    logprobs: None = None
    finish_reason: str


class TextCompletion(BaseModel):
    """A whole answer in the older shape."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: UsageBody
    extra: Extra | str


class Embedding(BaseModel):
    """One vector: numbers, or float32 little-endian in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
