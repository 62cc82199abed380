"""A partition as files that any program can read, and back: JSON Lines, Parquet, and the originals.

    partition.json      what this is, of which embedding model, and the sha256 of the other files
    documents.jsonl     a file a line: id, name, metadata, text, pages
    chunks.jsonl        a chunk a line: file_id, ordinal, offsets, page, lines, heading, text
    vectors.parquet     file_id, ordinal, vector (float16), in the order of the chunks
    originals/          the bytes that were added, named by their sha256

Importing goes the way of every file (spooled, queued, one index commit for many, one catalog transaction), only that
text, chunks and vectors are read instead of made; with another embedding model the vectors are made anew.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli import limits
from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.sandbox.protocol import Converted
from openrag_cli.domain import Chunk, Document, DocumentWarning, File, Metadata, Page, Span
from openrag_cli.errors import Conflict, DocumentNotFound, InvalidInput, PathNotFound, StoreDamaged, os_errors
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.maintenance.parquet import read_vectors, vector_writer
from openrag_cli.retrieval.retriever import Retriever, in_groups
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.metadata import check_metadata, document_metadata, tame

if TYPE_CHECKING:
    import numpy as np

SCHEMA = "openrag.export/1"
HEAD, DOCUMENTS, CHUNKS, VECTORS, ORIGINALS = (
    "partition.json", "documents.jsonl", "chunks.jsonl", "vectors.parquet", "originals",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportReport:
    """How much was written."""

    partition: str
    files: int
    chunks: int


class Exporter:
    """Writes one partition."""

    def __init__(
        self, *, catalog: Catalog, retriever: Retriever, index: Index, blobs: BlobStore, embedder: Embedder
    ) -> None:
        self._catalog = catalog
        self._retriever = retriever
        self._index = index
        self._blobs = blobs
        self._identity = embedder.identity
        self._dimension = embedder.dimension

    def export(self, partition: str, folder: Path) -> ExportReport:
        """Write `partition` to `folder`, which is made, or empty. A file that changes meanwhile is written as it is then.

        Raises:
            PartitionNotFound. Conflict: the folder holds something. StoreError and kin: by cause.
        """
        files = self._catalog.files(partition)
        with os_errors(f"exporting to {folder}"):
            if folder.exists() and any(folder.iterdir()):
                raise Conflict(f"{folder} is not empty", hint="name a new folder")
            (folder / ORIGINALS).mkdir(parents=True, exist_ok=True)
            n_files, n_chunks = self._write(files, folder)
            head = {
                "schema": SCHEMA,
                "partition": partition,
                "model": self._identity,
                "files": n_files,
                "chunks": n_chunks,
                "sha256": {name: _sha256(folder / name) for name in (DOCUMENTS, CHUNKS, VECTORS)},
            }
            (folder / HEAD).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
        return ExportReport(partition, n_files, n_chunks)

    def _write(self, files: Sequence[File], folder: Path) -> tuple[int, int]:
        n_files = n_chunks = 0
        with (
            (folder / DOCUMENTS).open("w", encoding="utf-8") as documents,
            (folder / CHUNKS).open("w", encoding="utf-8") as chunks,
            vector_writer(folder / VECTORS, self._dimension) as write_vectors,
        ):
            for file, found, document, vectors in self._each(files):
                with self._blobs.open(file.revision) as stream, (folder / ORIGINALS / file.sha256).open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                _line(documents, _file_entry(file, document))
                for chunk in found:
                    _line(chunks, {"file_id": file.file_id, "ordinal": chunk.ordinal, **asdict(chunk.span)})
                write_vectors(file.file_id, vectors)
                n_files += 1
                n_chunks += len(found)
        return n_files, n_chunks

    def _each(self, files: Sequence[File]) -> "Iterator[tuple[File, list[Chunk], Document, np.ndarray]]":
        """Yield each file with all that belongs to it, all of one version; what is deleted meanwhile is left out."""
        for group in in_groups(files):
            vectors = self._index.vectors([file.revision for file in group])
            for file, chunks in self._retriever.each(group):
                with contextlib.suppress(DocumentNotFound):
                    yield self._current(file, chunks, vectors[file.revision])

    def _current(
        self, file: File, chunks: "list[Chunk]", vectors: "np.ndarray"
    ) -> "tuple[File, list[Chunk], Document, np.ndarray]":
        """Return a file with what belongs to it: of its newest version, if it is replaced meanwhile."""
        while True:
            revision = chunks[0].revision
            current = self._catalog.file(file.partition, file.file_id)
            if current.revision == revision and len(vectors) == len(chunks):
                return current, chunks, self._catalog.document(revision), vectors
            file = current
            chunks = self._retriever.chunks(file)
            vectors = self._index.vectors([chunks[0].revision])[chunks[0].revision]


def _line(stream: Any, entry: dict[str, Any]) -> None:
    stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _file_entry(file: File, document: Document) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "filename": file.filename,
        "media_type": file.media_type,
        "size": file.size,
        "sha256": file.sha256,
        "metadata": file.metadata,
        "document_metadata": file.document_metadata,
        "created_at": file.created_at.isoformat(),
        "updated_at": file.updated_at.isoformat(),
        "pages": [[page.number, page.start, page.end] for page in document.pages],
        "warnings": [asdict(warning) for warning in file.warnings],
        "text": document.markdown,
        "reader": file.made_by.reader if file.made_by else "",
        "chunker": file.made_by.chunker if file.made_by else "",
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file of an export, with its text and chunks."""

    file_id: str
    filename: str
    media_type: str
    sha256: str
    metadata: Metadata
    converted: Converted
    original: Path


class Export:
    """An export, read and checked."""

    def __init__(self, folder: Path) -> None:
        """Read the head and check the other files against it.

        Raises:
            PathNotFound, InvalidInput: no export. StoreDamaged: it is not what its head says.
        """
        self._folder = folder
        if not folder.is_dir():
            raise PathNotFound(f"{folder}: no such folder", hint="openrag export -p PART -o DIR makes one")
        try:
            self._head: dict[str, Any] = limits.read_json((folder / HEAD).read_text(encoding="utf-8"), HEAD)
        except (OSError, ValueError, InvalidInput) as exc:
            raise InvalidInput(
                f"{folder} is not an export: {HEAD} cannot be read", hint="see openrag export"
            ) from exc
        if not isinstance(self._head, dict) or self._head.get("schema") != SCHEMA:
            raise InvalidInput(f"{folder} is not an export that this openrag reads", hint=f"its schema is {SCHEMA}")
        with os_errors(f"reading {folder}"):
            for name, expected in self._head["sha256"].items():
                if not (folder / name).is_file() or _sha256(folder / name) != expected:
                    raise StoreDamaged(f"{folder / name} is not what {HEAD} says", hint="export it again")

    @property
    def partition(self) -> str:
        """The name of the partition that was exported."""
        return str(self._head["partition"])

    @property
    def model(self) -> str:
        """The identity of the embedding model of the vectors."""
        return str(self._head["model"])

    def files(self) -> Iterator[ImportedFile]:
        """Yield the files in order. Raises: StoreDamaged, for a line that is not what an export writes."""
        try:
            with (self._folder / DOCUMENTS).open(encoding="utf-8") as documents:
                spans = self._spans()
                for line in documents:
                    yield self._file(limits.read_json(line, DOCUMENTS), spans)
        except (ValueError, KeyError, TypeError, InvalidInput) as exc:
            raise StoreDamaged(f"{self._folder} is damaged: {exc}", hint="export it again") from exc

    def _spans(self) -> dict[str, list[Span]]:
        found: dict[str, list[Span]] = {}
        with (self._folder / CHUNKS).open(encoding="utf-8") as chunks:
            for line in chunks:
                entry = limits.read_json(line, CHUNKS)
                file_id = entry.pop("file_id")
                del entry["ordinal"]
                paths = {name: tuple(entry.get(name, ())) for name in ("heading", "head")}
                found.setdefault(file_id, []).append(Span(**{**entry, **paths}))
        return found

    def _file(self, entry: dict[str, Any], spans: dict[str, list[Span]]) -> ImportedFile:
        pages = tuple(Page(*page) for page in entry["pages"])
        warnings = tuple(DocumentWarning(**warning) for warning in entry.get("warnings", ()))
        reader = str(entry.get("reader", ""))
        own, more = document_metadata(entry.get("document_metadata", {}))
        warnings = (*warnings, *more)
        document = Document(entry["text"], pages, entry["media_type"], warnings=warnings, metadata=own, reader=reader)
        sha256 = str(entry["sha256"])
        if not sha256.isalnum():
            raise ValueError(f"{sha256!r} is no sha256")
        return ImportedFile(
            file_id=entry["file_id"],
            filename=entry["filename"],
            media_type=entry["media_type"],
            sha256=sha256,
            metadata=check_metadata(tame(entry["metadata"])),  # 0.1.0 took keys that are ours
            converted=Converted(document, tuple(spans.get(entry["file_id"], ())), str(entry.get("chunker", ""))),
            original=self._folder / ORIGINALS / sha256,
        )

    def vectors(self) -> "dict[str, np.ndarray]":
        """Return the vectors of each file in the order of its chunks, float16[n, dimension]. Raises: StoreDamaged."""
        return read_vectors(self._folder / VECTORS)


class KnownDocuments:
    """Stands in for the converters: what a revision was converted to is known."""

    def __init__(self) -> None:
        self._known: dict[str, Converted] = {}

    def add(self, revision: str, converted: Converted) -> None:
        """Remember what a revision is to be converted to."""
        self._known[revision] = converted

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()

    def convert(self, path: Path, filename: str) -> Converted:
        """Return the document and chunks of the stored original at `path`."""
        del filename
        return self._known[path.name]

    def close(self) -> None:
        """Nothing is open."""


class KnownVectors:
    """An `Embedder` that knows the vectors of some passages, and asks another for the rest."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._chunker = Chunker(embedder.tokenizer_path, embedder.max_tokens)
        self._known: dict[str, np.ndarray] = {}
        self.n_made = 0

    def add(self, spans: Sequence[Span], vectors: "np.ndarray | None") -> None:
        """Remember the vectors of a file's chunks, if there is one for each."""
        if vectors is not None and len(spans) == len(vectors):
            self._known |= {self._chunker.passage(span): vector for span, vector in zip(spans, vectors, strict=True)}

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """See `Embedder.embed_passages`."""
        import numpy as np

        unknown = [text for text in texts if text not in self._known]
        made = dict(zip(unknown, self._embedder.embed_passages(unknown), strict=True))
        self.n_made += len(unknown)
        return np.stack([made[text] if text in made else self._known[text] for text in texts]).astype(np.float32)

    @property
    def identity(self) -> str:
        """See `Embedder`."""
        return self._embedder.identity

    @property
    def tokenizer_path(self) -> Path:
        """See `Embedder`."""
        return self._embedder.tokenizer_path

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._embedder.max_tokens
