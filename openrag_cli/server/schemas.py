"""Every answer of the HTTP API, for `/openapi.json`. Shapes may grow, never change."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Metadata = dict[str, Any]


class ExtraAllowed(BaseModel):
    """A model that may carry more than it names."""

    model_config = ConfigDict(extra="allow")


class Error(BaseModel):
    """Any error: a sentence, a stable code, and maybe what to do."""

    detail: str
    code: str
    hint: str | None = None


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


class TaskStatus(BaseModel):
    """A task; `error_url` is there when it has failed."""

    task_id: str
    task_state: str
    details: Metadata
    kind: str
    attempts: int
    error: Metadata | None = None
    created_at: str
    updated_at: str
    warnings: list[Metadata] = []
    error_url: str | None = None


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


class QueuedTask(BaseModel):
    """A task in a listing."""

    task_id: str
    state: str
    details: Metadata
    kind: str
    attempts: int
    error: Metadata | None = None
    created_at: str
    updated_at: str
    warnings: list[Metadata] = []
    url: str
    error_url: str | None = None


class QueueTasks(BaseModel):
    """Tasks, newest first, of `total`; `next`, given as `after`, brings those that follow."""

    tasks: list[QueuedTask]
    total: int
    next: str | None


class PartitionEntry(BaseModel):
    """A partition; `created_at` is in seconds since 1970 UTC."""

    partition: str
    created_at: int
    files: int
    chunks: int


class Partitions(BaseModel):
    """All partitions, by name."""

    partitions: list[PartitionEntry]


class FileEntry(ExtraAllowed):
    """A file in a listing."""

    link: str
    file_id: str
    filename: str
    partition: str


class Files(BaseModel):
    """Files of a partition, by id, of `total`, and what the filter may have got wrong; `next`, given as `after`, brings
    those that follow."""

    files: list[FileEntry]
    total: int
    next: str | None
    warnings: list[Metadata] = []


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

    metadata: Metadata
    documents: list[Link]


class Passage(BaseModel):
    """A chunk with its link."""

    link: str
    content: str
    metadata: Metadata


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
    warnings: list[Metadata] = []


class ExtractBody(BaseModel):
    """One chunk."""

    page_content: str
    metadata: Metadata
    before: list[Passage] = []
    after: list[Passage] = []
