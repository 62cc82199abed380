"""A batch of tasks: convert and chunk, embed, one index commit, one catalog transaction (I2, I3).

Conversion runs in child processes while this process embeds. Files that are ready are gathered into one commit,
bounded by their number, their chunks and time. A failure is its own task's.
"""

import hashlib
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.sandbox.pool import Converted
from openrag_cli.documents.titles import document_title
from openrag_cli.domain import Chunk, MadeBy, Task, TaskError, TaskState, Upload, chunk_id
from openrag_cli.errors import IngestError, OpenRAGError, StoreError, is_of_machine
from openrag_cli.failpoints import failpoint
from openrag_cli.fsync import undoing
from openrag_cli.index.rows import Row
from openrag_cli.index.table import Index
from openrag_cli.index.words import WORDS_VERSION
from openrag_cli.ingest.report import Begun, Embedded, Listener, Read, TaskDone
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.publish import Completion
from openrag_cli.store.searching.word_counts import count_by_revision
from openrag_cli.store.task_queue import TaskQueue

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)
Item = TypeVar("Item")

MAX_BATCH_FILES = 256
MAX_BATCH_CHUNKS = 512
MAX_BATCH_S = 5.0
"""A commit is made when any of the three is reached, so that a crash loses little and search sees files soon."""

CLAIM_FILES = 32
"""Tasks claimed at once, and committed at once when one of them has already died with a worker: whatever a worker
holds when it is killed is under suspicion, and what is suspected twice must run alone, which is slow."""


class Converter(Protocol):
    """Turns stored originals into documents and their chunks. Safe across threads."""

    def convert(self, path: Path, filename: str) -> Converted:
        """Return the document of a file. Raises: IngestError, StoreError."""

    def close(self) -> None:
        """Give up what is under way."""


class PassageEmbedder(Protocol):
    """What is needed here of an `Embedder`."""

    @property
    def identity(self) -> str:
        """See `Embedder`."""

    @property
    def tokenizer_path(self) -> Path:
        """See `Embedder`."""

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """See `Embedder`."""


EMBED_CHARS = 48_000
"""Characters of whole documents that are embedded in one order of length. A stop waits for these, or for one document."""

STEP_CHARS = 16_000
"""Characters embedded at once: about what the model takes in one batch, a fraction of a second."""


class EmbeddedOnce:
    """Embeds passages that no row of an index holds yet: equal ones, title and head included, have equal vectors.

    A row knows what it was made of by a hash, so a passage is known as long as any file with it is there. `n_made`
    counts the vectors that were made.
    """

    def __init__(self, index: Index, embedder: PassageEmbedder) -> None:
        self._index = index
        self._embedder = embedder
        self._identity = embedder.identity
        self._made: dict[str, np.ndarray] = {}
        self.n_made = 0

    def key(self, text: str) -> str:
        """Return the hash of a passage and the model, 32 hex characters."""
        return hashlib.sha256(f"{self._identity}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def vectors(
        self,
        texts: Sequence[str],
        *,
        should_stop: Callable[[int], bool] = lambda _: False,
        on_embedded: Callable[[int], None] = lambda _: None,
    ) -> "list[np.ndarray] | None":
        """Return the vector of each passage, float[dimension].

        `should_stop(n)` is asked now and then, with how many are to be made in all; None when it says so. `on_embedded`
        is told of passages that have theirs.
        """
        keys = [self.key(text) for text in texts]
        known = self._index.vectors_made_of(set(keys)) | self._made
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        on_embedded(len(texts) - len(missing))
        order = sorted(missing, key=lambda key: len(missing[key]))  # a batch then holds passages of like length
        for some in _cut(order, lambda key: len(missing[key]), STEP_CHARS):
            if should_stop(len(order)):
                return None
            made = zip(some, self._embedder.embed_passages([missing[key] for key in some]), strict=True)
            self._made.update(made)
            self.n_made += len(some)
            on_embedded(len(some))
        return [known[key] if key in known else self._made[key] for key in keys]


def _cut(items: Sequence[Item], size: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Yield items in groups of no more than a size together, or one that is larger."""
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + size(item) > most:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


_Entry = tuple[Task, Converted]


@dataclass(slots=True)
class _Ready:
    """Converted files that wait for their commit."""

    entries: list[tuple[Task, Converted]] = field(default_factory=list)
    n_chunks: int = 0
    max_files: int = MAX_BATCH_FILES
    since: float = field(default_factory=time.monotonic)

    def add(self, task: Task, converted: Converted) -> None:
        """Take a converted file."""
        self.entries.append((task, converted))
        if task.attempts > 1:
            self.max_files = CLAIM_FILES
        self.n_chunks += len(converted.spans)

    @property
    def is_due(self) -> bool:
        """Whether the batch has reached one of its bounds."""
        return bool(self.entries) and (
            len(self.entries) >= self.max_files
            or self.n_chunks >= MAX_BATCH_CHUNKS
            or time.monotonic() - self.since >= MAX_BATCH_S
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the store or the machine had in a run, and how often the task that it stopped most has been stopped so."""

    error: OpenRAGError
    n_paused: int


class Ingester:
    """Runs claimed tasks to their end against one store; `trouble` is what stopped some of the last run, if any."""

    def __init__(  # noqa: PLR0913 - the adapters it joins
        self,
        *,
        database: Database,
        catalog: Catalog,
        queue: TaskQueue,
        index: Index,
        blobs: BlobStore,
        embedder: PassageEmbedder,
        pool: Converter,
        n_converters: int,
        for_search: Callable[[str], str],
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._queue = queue
        self._index = index
        self._blobs = blobs
        self._embedder = embedder
        self._pool = pool
        self._n_converters = n_converters
        self._for_search = for_search
        self.trouble: Trouble | None = None
        self._chunker = Chunker(embedder.tokenizer_path, embedder.max_tokens)

    def run(self, claim: Callable[[int], list[Task]], listener: Listener, should_stop: Callable[[], bool]) -> None:
        """Claim and run tasks until none is left to claim, or `should_stop`; then the batch in hand is finished.

        `claim(n)` returns up to n tasks owned by this worker, and none when there are none.
        """
        self.trouble = None
        threads = ThreadPoolExecutor(self._n_converters, thread_name_prefix="convert")
        # A second Ctrl-C, a full disk: nobody waits for a slow document any more.
        with undoing(threads.shutdown, wait=False, cancel_futures=True), undoing(self._pool.close):
            ready = self._convert_all(threads, claim, listener, should_stop)
            threads.shutdown(cancel_futures=True)
        self._commit(ready, listener, should_stop)

    def _convert_all(
        self,
        threads: ThreadPoolExecutor,
        claim: Callable[[int], list[Task]],
        listener: Listener,
        should_stop: Callable[[], bool],
    ) -> _Ready:
        """Convert what can be claimed, and commit what is due; return what still waits for its commit."""
        waiting: deque[Task] = deque()
        running: dict[Future[Converted], Task] = {}
        ready = _Ready()
        is_drained = False
        while not should_stop():
            if not waiting and not is_drained and self.trouble is None:
                waiting.extend(claim(CLAIM_FILES))
                is_drained = not waiting
                failpoint("claimed")
            while waiting and len(running) < 2 * self._n_converters:
                task = waiting.popleft()
                running[threads.submit(self._convert, task)] = task
                listener(Begun(task))
            if not running:
                break
            done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                self._collect(running.pop(future), future, ready, listener)
            if ready.is_due:
                ready, full = _Ready(), ready
                self._commit(full, listener, should_stop)
        if should_stop():
            self._pool.close()
        return ready

    def _convert(self, task: Task) -> Converted:
        self._blobs.verify(task.id, task.upload.sha256)  # a lost original is not a corrupt document
        converted = self._pool.convert(self._blobs.path(task.id), task.upload.filename)
        if not converted.spans:
            raise IngestError("the document holds no text", reason="empty", hint="there is nothing to index")
        return converted

    def _collect(self, task: Task, future: "Future[Converted]", ready: _Ready, listener: Listener) -> None:
        try:
            converted = future.result()
        except (OpenRAGError, OSError) as exc:
            if is_of_machine(exc):
                self._postpone(task, exc)
            else:
                self._fail(task, exc, TaskState.SERIALIZING, listener)
        except Exception as exc:
            logger.exception("task %s failed", task.id)
            self._fail(task, exc, TaskState.SERIALIZING, listener)
        else:
            ready.add(task, converted)
            listener(Read(task, len(converted.spans)))
            failpoint("converted")

    def _postpone(self, task: Task, exc: OpenRAGError | OSError) -> None:
        """Give a task back that is not at fault; nothing more is claimed in this run."""
        error = exc if isinstance(exc, OpenRAGError) else StoreError(f"reading a stored file: {exc}")
        n_paused = self._queue.postpone(task, TaskError(error.message, error.code, error.hint, TaskState.SERIALIZING))
        if n_paused >= (self.trouble.n_paused if self.trouble else 1):
            self.trouble = Trouble(error, n_paused)

    def _fail(self, task: Task, exc: Exception, stage: TaskState, listener: Listener) -> None:
        if isinstance(exc, OpenRAGError):
            code = exc.reason if isinstance(exc, IngestError) else exc.code
            error = TaskError(exc.message, code, exc.hint, stage, tuple(traceback.format_exception(exc)))
        else:
            lines = tuple(traceback.format_exception(exc))
            error = TaskError(f"a bug in openrag: {exc!r}", "bug", "please report it", stage, lines)
        is_owned = self._queue.fail(task, error)
        listener(TaskDone(task, error=error) if is_owned else TaskDone(task, is_lost=True))

    def _commit(self, ready: _Ready, listener: Listener, should_stop: Callable[[], bool]) -> None:
        if not ready.entries:
            return
        owned = {task.id for task in self._queue.advance([task for task, _ in ready.entries], TaskState.INSERTING)}
        entries = [(task, converted) for task, converted in ready.entries if task.id in owned]
        entries, rows = self._embed(entries, listener, should_stop)
        if not entries and should_stop():
            return
        failpoint("embedded")
        finished = self._write(entries, rows)
        counts = {task.id: len(converted.spans) for task, converted in entries}
        for task, _ in ready.entries:
            if task.id in owned and task.id not in counts:
                continue  # it waits: a stop came before it was embedded
            is_done = task.id in finished
            listener(TaskDone(task, n_chunks=counts[task.id]) if is_done else TaskDone(task, is_lost=True))

    def _embed(
        self, entries: Sequence[_Entry], listener: Listener, should_stop: Callable[[], bool]
    ) -> tuple[list[_Entry], list[Row]]:
        """Return documents with their rows: all of the batch, or until a stop those that were embedded whole."""
        done: list[_Entry] = []
        rows: list[Row] = []
        once = EmbeddedOnce(self._index, self._embedder)
        for group in _cut(entries, _n_chars, EMBED_CHARS):
            found = None if should_stop() else self._rows(group, once, listener, should_stop)
            if found is None:
                break
            done += group
            rows += found
        return done, rows

    def _rows(
        self, group: Sequence[_Entry], once: EmbeddedOnce, listener: Listener, should_stop: Callable[[], bool]
    ) -> list[Row] | None:
        """Return the rows of a few documents; None when a stop was asked for in the middle of a very long one."""
        chunks = [chunk for task, converted in group for chunk in chunks_of(task.upload, converted)]
        # A title is embedded with each chunk but searched with its file, so that a new name changes no row.
        passages = [self._chunker.passage(chunk.span) for chunk in chunks]
        embedded = [text for task, converted in group for text in self._embedded(task, converted)]
        numbers = self._catalog.partition_numbers({chunk.partition for chunk in chunks})
        is_long = sum(map(len, embedded)) > 4 * EMBED_CHARS
        vectors = once.vectors(
            embedded,
            should_stop=lambda _: is_long and should_stop(),
            on_embedded=lambda n_chunks: listener(Embedded(n_chunks)),
        )
        if vectors is None:
            return None
        return [
            Row(chunk, numbers[chunk.partition], passage, vector, self._for_search(passage), once.key(text))
            for chunk, passage, text, vector in zip(chunks, passages, embedded, vectors, strict=True)
            if chunk.partition in numbers
        ]

    def _embedded(self, task: Task, converted: Converted) -> list[str]:
        """Return what is embedded for each chunk of a file."""
        chunker = self._chunker.titled(document_title(task.upload.filename, converted.document))
        return [chunker.embedded(span) for span in converted.spans]

    def _write(self, entries: Sequence[tuple[Task, Converted]], rows: Sequence[Row]) -> set[str]:
        with self._database.write_lock():
            # Fencing (I6): between this check and the commit only this process can write to the index.
            kept = {task.id for task in self._queue.advance([task for task, _ in entries], TaskState.INSERTING)}
            retired = set(self._catalog.tombstones())
            again = [task.id for task, _ in entries if task.id in kept and (task.attempts > 1 or task.id in retired)]
            self._index.drop(again)  # what an earlier attempt may have left
            failpoint("committing")
            self._index.put([row for row in rows if row.chunk.revision in kept])
            failpoint("committed")
            counts = count_by_revision(((row.chunk.revision, row.words) for row in rows), WORDS_VERSION)
            completions = [
                Completion(task, converted.document, len(converted.spans), self._made_by(converted), counts[task.id])
                for task, converted in entries
                if task.id in kept
            ]
            finished = self._queue.complete(completions)
            failpoint("completed")
        return {task.id for task in finished}

    def _made_by(self, converted: Converted) -> MadeBy:
        return MadeBy(converted.document.reader, converted.chunker, self._embedder.identity)


def _n_chars(entry: _Entry) -> int:
    return sum(len(span.indexed) for span in entry[1].spans)


def chunks_of(upload: Upload, converted: Converted) -> list[Chunk]:
    """Return the chunks of one version of a file, with the ids that they have in the index."""
    return [
        Chunk(
            id=chunk_id(upload.partition, upload.file_id, upload.revision, ordinal),
            partition=upload.partition,
            revision=upload.revision,
            ordinal=ordinal,
            span=span,
        )
        for ordinal, span in enumerate(converted.spans)
    ]
