"""The nouns of openrag, as frozen data; the rules for their names are in store/names.py.

Nothing here touches a file, a library or the clock. Times are aware UTC datetimes.
"""

import enum
import hashlib
import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

ALL_PARTITIONS = "all"
"""The reserved name that means every partition in a search."""

DEFAULT_PARTITION = "default"
"""Where files go, and are looked for, when no partition is named."""

Metadata = dict[str, Any]


class TaskState(enum.StrEnum):
    """Where a task is; the names are those that OpenRAG clients know."""

    QUEUED = "QUEUED"
    SERIALIZING = "SERIALIZING"  # the document is being converted to text
    CHUNKING = "CHUNKING"
    INSERTING = "INSERTING"  # embedding and the index commit
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether a task in this state never changes again."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED})
LIVE_STATES = frozenset(TaskState) - FINAL_STATES


class TaskKind(enum.StrEnum):
    """What a task does to its file."""

    ADD = "add"
    REPLACE = "replace"


class SearchMode(enum.StrEnum):
    """How chunks are ranked."""

    HYBRID = "hybrid"  # a weighted sum of the two below
    DENSE = "dense"  # cosine similarity of embeddings
    TEXT = "text"  # BM25 over stemmed words


@dataclass(frozen=True, slots=True)
class Partition:
    """A named set of files."""

    name: str
    created_at: datetime
    file_count: int = 0
    chunk_count: int = 0


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made a file's text, chunks and vectors: reader and chunker as `name@version`, the model's identity."""

    reader: str
    chunker: str
    model: str


SourceKind = Literal["folder", "file", "url", "upload"]


@dataclass(frozen=True, slots=True)
class FileSource:
    """Where a file came from; `root` is a folder of this machine, as bytes, and is never told to others. `path` is what
    the file is called below it, written as an id; empty where only its id tells."""

    kind: SourceKind
    label: str
    root: bytes = b""
    path: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """One version of a file as the catalog knows it; `revision` is the id of the task that made it.

    `metadata` is what the user says, `document_metadata` what the document says of itself (see store/metadata.py).
    `modified_at` is when the document was last changed, as it says itself, as its file did, or when it was sent.
    """

    partition: str
    file_id: str
    revision: str
    filename: str
    media_type: str
    size: int
    sha256: str
    metadata: Metadata
    chunk_count: int
    created_at: datetime
    updated_at: datetime
    warnings: "tuple[DocumentWarning, ...]" = ()
    document_metadata: Metadata = field(default_factory=dict)
    made_by: MadeBy | None = None
    source: FileSource | None = None
    modified_at: datetime | None = None

    @property
    def dated(self) -> datetime:
        """Its `modified_at`, or when it was last indexed where a server of an older version does not tell."""
        return self.modified_at or self.updated_at


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document: characters `start` to `end` of its text; `number` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DocumentWarning:
    """What a reader could not read, left out or cut: a stable code, one sentence, and where, such as `page 3`."""

    code: str
    message: str
    place: str | None = None

    @property
    def sentence(self) -> str:
        """The message, after its place if it has one."""
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a file after conversion.

    `pages` is in order and covers `markdown`, or is empty where the format has no pages. `has_headings` says whether
    lines that begin with `#` are headings (Markdown) or just text (a shell script, a log). `warnings` tell what
    is not in it, such as pages without text. `metadata` is what the document says of itself: front matter, mail, PDF.
    `reader` is what made the text, as `name@version`.
    For cutting it into chunks alone: `outline` is the headings (start, end, level, title) where the
    text does not mark them, `masked` the stretches, in order, that are neither embedded nor searched, such as running heads.
    """

    markdown: str
    pages: tuple[Page, ...] = ()
    media_type: str = "text/plain"
    has_headings: bool = False
    warnings: tuple[DocumentWarning, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    reader: str = ""
    outline: tuple[tuple[int, int, int, str], ...] = ()
    masked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a document before it has an identity: `markdown[start:end] == text`.

    Lines and pages count from 1; `line_end` is the line of the last character. `heading` is the path of headings
    above the piece, outermost first. `head` is the lines that a part of a table stands under without holding them:
    caption, unit line, names of the columns; they are embedded, searched and shown with it. `plain` is the text
    without its markup, which is embedded, searched and quoted in its place; None where there is no difference.
    """

    text: str
    start: int
    end: int
    line_start: int
    line_end: int
    page: int | None
    heading: tuple[str, ...]
    head: tuple[str, ...] = ()
    plain: str | None = None

    @property
    def indexed(self) -> str:
        """The text that is embedded and searched by words."""
        return self.text if self.plain is None else self.plain

    @property
    def shown(self) -> str:
        """The text below the head that it stands under, for a reader who sees nothing else of the document."""
        return "\n".join([*self.head, self.text])


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of one revision of a file, as it is indexed and shown."""

    id: str
    partition: str
    revision: str
    ordinal: int
    span: Span


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found by a search, with the file that holds it. A higher score is better, always.

    `scores` keeps the parts apart: see retrieval/scoring.py. `others` are the ids of chunks that this one stands for:
    of its page, or of nearly the same text. `passage` is what it grew to with its neighbours, where that was asked for;
    `within` then names the chunk of the better hit whose passage holds it.
    """

    chunk: Chunk
    file: File
    score: float
    scores: dict[str, float]
    others: tuple[str, ...] = ()
    passage: Span | None = None
    within: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that an answer is made from: `document[start:end] == text`.

    `number` counts from 1, best first; `page` and lines count from 1. `pages` are those that it stands on, where it is
    on more than one; `page` is the first. `scores` are the parts of its score. `chunk_id` is that of its best hit. `head` is
    the lines that its first table row stands under (see `Span`), where the text does not hold them. `quotable` is the
    text with a NUL for each character of markup, which is not quoted; empty where there is no difference.
    """

    number: int
    file: File
    chunk_id: str
    score: float
    start: int
    end: int
    page: int | None
    line_start: int
    line_end: int
    heading: tuple[str, ...]
    text: str
    head: tuple[str, ...] = ()
    quotable: str = ""
    pages: tuple[Page, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def page_end(self) -> int | None:
        """The page of its last character."""
        return self.pages[-1].number if self.pages else self.page

    def narrowed(self, start: int, end: int) -> "Passage":
        """Return the part between two offsets of the document, `end` excluded."""
        before = self.text[: start - self.start]
        text = self.text[start - self.start : end - self.start]
        first = self.line_start + before.count("\n")
        quotable = self.quotable[start - self.start : end - self.start]
        last = first + text.rstrip("\n").count("\n")
        part = replace(self, start=start, end=end, text=text, line_start=first, line_end=last, quotable=quotable)
        return part.placed(self.pages)

    def placed(self, pages: Sequence[Page]) -> "Passage":
        """Return it on those of `pages` that hold some of it."""
        own = tuple(page for page in pages if page.start < self.end and self.start < page.end)
        page = own[0].number if own else self.page
        return replace(self, page=page, pages=own if len(own) > 1 else ())


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task failed: one sentence, a stable code, what to do, and lines for an engineer."""

    message: str
    code: str
    hint: str | None = None
    stage: str | None = None
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a session. `citations` are JSON objects as `--json` shows them, of an answer's marks."""

    role: str
    content: str
    at: datetime
    citations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation that is kept, over some partitions; `scope` is what else narrows its searches, as it was chosen."""

    name: str
    partitions: tuple[str, ...]
    message_count: int
    created_at: datetime
    updated_at: datetime
    scope: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a caller asks to be indexed: bytes already stored under `revision`, and what they are called.

    With `keeps_metadata` a replacement has what its file has when it is published, and `metadata` on top. `changed_at`
    is when the file was last changed, where that is known.
    """

    partition: str
    file_id: str
    revision: str
    filename: str
    media_type: str
    size: int
    sha256: str
    metadata: Metadata
    keeps_metadata: bool = False
    source: FileSource | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of slow work on one file."""

    id: str
    kind: TaskKind
    state: TaskState
    upload: Upload
    attempts: int
    worker: str | None
    error: TaskError | None
    created_at: datetime
    updated_at: datetime
    warnings: tuple[DocumentWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a task's log."""

    at: datetime
    level: str
    message: str


_TASK_ID = re.compile(r"[0-9a-f]{48}")


def new_task_id() -> str:
    """Return a fresh id: 48 lowercase hex characters, ordered by time (12 of milliseconds, 36 random)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(18)}"


def is_task_id(text: str) -> bool:
    """Whether `text` has the form of a task id."""
    return _TASK_ID.fullmatch(text) is not None


def chunk_id(partition: str, file_id: str, revision: str, ordinal: int) -> str:
    """Return the id of a chunk: 32 hex characters, the same on a retry, new on a replacement."""
    key = json.dumps([partition, file_id, revision, ordinal], ensure_ascii=True)
    return hashlib.sha256(key.encode()).hexdigest()[:32]
