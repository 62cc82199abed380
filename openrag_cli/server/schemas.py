"""Every answer of the HTTP API, for `/openapi.json`. Shapes may grow, never change."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from openrag_cli.contract.nouns import chunk, error, file, partition, task
from openrag_cli.contract.nouns.shape import TEXT, Schema, also, list_of

Metadata = dict[str, Any]


class Noun(BaseModel):
    """What contract/nouns/ defines: its schema is from there, and so is what it is made of."""

    model_config = ConfigDict(extra="allow")
    SHAPE: ClassVar[Schema] = {}

    def __init_subclass__(cls, *, shape: Schema) -> None:
        """Give a noun its schema."""
        cls.SHAPE = shape

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the contract in the place of one made of annotations."""
        found = handler(core)
        handler.resolve_ref_schema(found).update(cls.SHAPE)
        return found


class Error(Noun, shape=error.HTTP):
    """Any error: a sentence, a stable code, and maybe what to do."""


FileMetadata = Annotated[Metadata, WithJsonSchema(file.HTTP)]
ChunkMetadata = Annotated[Metadata, WithJsonSchema(chunk.HTTP)]
Warnings = Annotated[list[Metadata], WithJsonSchema(list_of(file.WARNING))]


class Health(BaseModel):
    """Whether the server can work, what is missing, and who answers questions: an LLM or `extractive`."""

    status: str
    missing: list[str] = []
    answers: str | None = None


class Version(BaseModel):
    """The version of the package."""

    version: str


class Message(BaseModel):
    """A sentence."""

    message: str


class TaskLink(BaseModel):
    """Where to ask for the state of an upload."""

    task_status_url: str


class TaskStatus(Noun, shape=task.STATUS_SCHEMA):
    """A task; `error_url` is there when it has failed."""


class TaskLogs(BaseModel):
    """`<time> - <LEVEL> - <message>`, oldest first."""

    task_id: str
    logs: list[str]


class TaskTraceback(BaseModel):
    """Why a task failed, for an engineer: line by line, and in the parts that Python makes of it."""

    task_id: str
    traceback: list[str]
    parts: list[str] = []


class SupportedTypes(BaseModel):
    """What can be indexed."""

    extensions: list[str]
    mimetypes: list[str]


class QueueInfo(BaseModel):
    """Workers and counts of tasks."""

    workers: Metadata
    tasks: Metadata


class QueuedTask(Noun, shape=task.LISTED_SCHEMA):
    """A task in a listing."""


class QueueTasks(BaseModel):
    """Tasks, newest first, of `total`; `next`, given as `after`, brings those that follow."""

    tasks: list[QueuedTask]
    total: int
    next: str | None


class PartitionEntry(Noun, shape=partition.HTTP.schema):
    """A partition; `created_at` is in seconds since 1970 UTC."""


class Partitions(BaseModel):
    """All partitions, by name."""

    partitions: list[PartitionEntry]


class FileEntry(Noun, shape=also(file.HTTP, link=TEXT)):
    """A file in a listing, with its link."""


class Files(BaseModel):
    """Files of a partition, by id, of `total`, and what the filter may have got wrong; `next`, given as `after`, brings
    those that follow."""

    files: list[FileEntry]
    total: int
    next: str | None
    warnings: Warnings = []


class Key(BaseModel):
    """A key of metadata: how many files have it, with values of which type how many, and its commonest values."""

    key: str
    files: int
    types: dict[str, int]
    values: list[Metadata]


class Keys(BaseModel):
    """The keys of metadata that the files of a partition have, in order."""

    keys: list[Key]


class Link(BaseModel):
    """A link to a chunk."""

    link: str


class FileDetails(BaseModel):
    """A file and links to its chunks in order."""

    metadata: FileMetadata
    documents: list[Link]


class Passage(BaseModel):
    """A chunk with its link."""

    link: str
    content: str
    metadata: ChunkMetadata


class Text(BaseModel):
    """The text of a file as it was indexed; a page is a range of its characters."""

    text: str
    pages: list[Metadata]


class Chunks(BaseModel):
    """Chunks of a partition, of `total`; `next`, given as `after`, brings those that follow."""

    chunks: list[Passage]
    total: int
    next: str | None


class Documents(BaseModel):
    """Hits, best first, and what the filter may have got wrong."""

    documents: list[Passage]
    warnings: Warnings = []


class ExtractBody(BaseModel):
    """One chunk."""

    page_content: str
    metadata: ChunkMetadata
    before: list[Passage] = []
    after: list[Passage] = []
