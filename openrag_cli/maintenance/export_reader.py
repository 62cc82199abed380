"""An export as it is read: its head, and its files with their text, chunks and vectors, one at a time."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from openrag_cli import limits
from openrag_cli.documents.sandbox.protocol import Converted
from openrag_cli.domain import Document, DocumentWarning, FileSource, Metadata, Span
from openrag_cli.errors import InvalidInput, PathNotFound, StoreDamaged, os_errors
from openrag_cli.maintenance.export_checks import (
    MAX_HEAD_BYTES,
    check_entry,
    check_head,
    check_spans,
    check_vectors,
    lines,
    pages_of,
    plain_file,
)
from openrag_cli.maintenance.parquet import read_vectors
from openrag_cli.store.files.dates import read_date
from openrag_cli.store.files.sources import imported_source
from openrag_cli.store.metadata import check_metadata, document_metadata, tame
from openrag_cli.store.names import check_file_id

if TYPE_CHECKING:
    import numpy as np

SCHEMA = "openrag.export/1"
HEAD, DOCUMENTS, CHUNKS, VECTORS, ORIGINALS = (
    "partition.json", "documents.jsonl", "chunks.jsonl", "vectors.parquet", "originals",
)  # fmt: skip

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file of an export, with its text, chunks, and their vectors, float16[n, dimension]."""

    file_id: str
    filename: str
    media_type: str
    sha256: str
    metadata: Metadata
    converted: Converted
    vectors: "np.ndarray"
    original: Path
    changed_at: datetime | None = None
    source: FileSource | None = None


class Export:
    """An export, read and checked."""

    def __init__(self, folder: Path) -> None:
        """Read the head and check the other files against it.

        Raises:
            PathNotFound, InvalidInput: no export. StoreDamaged: it is not what its head says.
        """
        self._folder = folder
        with os_errors(f"reading {folder}"):
            is_folder = folder.is_dir()
        if not is_folder:
            raise PathNotFound(f"{folder}: no such folder", hint="openrag export -p PART -o DIR makes one")
        try:
            with plain_file(folder / HEAD).open(encoding="utf-8") as stream:
                self._head: dict[str, Any] = limits.read_json(stream.read(MAX_HEAD_BYTES), HEAD)
        except (OSError, ValueError, InvalidInput) as exc:
            raise InvalidInput(
                f"{folder} is not an export: {HEAD} cannot be read", hint="see openrag export"
            ) from exc
        if not isinstance(self._head, dict) or self._head.get("schema") != SCHEMA:
            raise InvalidInput(f"{folder} is not an export that this openrag reads", hint=f"its schema is {SCHEMA}")
        try:
            check_head(self._head, (DOCUMENTS, CHUNKS, VECTORS))
            for name in (DOCUMENTS, CHUNKS, VECTORS):
                plain_file(folder / name)
            plain_file(folder / ORIGINALS / "x")
        except (ValueError, InvalidInput) as exc:
            raise StoreDamaged(f"{folder} is damaged: {exc}", hint="export it again") from exc
        with os_errors(f"reading {folder}"):
            for name, expected in self._head["sha256"].items():
                if not (folder / name).is_file() or sha256_of_file(folder / name) != expected:
                    raise StoreDamaged(f"{folder / name} is not what {HEAD} says", hint="export it again")

    @property
    def partition(self) -> str:
        """The name of the partition that was exported."""
        return str(self._head["partition"])

    @property
    def model(self) -> str:
        """The identity of the embedding model of the vectors."""
        return str(self._head["model"])

    @property
    def identity(self) -> str:
        """What tells this export from every other: the sha256 of its head, which has those of the rest."""
        return hashlib.sha256(json.dumps(self._head, sort_keys=True).encode()).hexdigest()

    @property
    def counts(self) -> tuple[int, int]:
        """How many files and chunks there are."""
        return int(self._head["files"]), int(self._head["chunks"])

    @property
    def size(self) -> int:
        """How many bytes its files say they have."""
        with os_errors(f"reading {self._folder}"):
            return sum(path.lstat().st_size for path in self._folder.rglob("*"))

    def files(self, *, dimension: int | None = None) -> Iterator[ImportedFile]:
        """Yield the files in order, one at a time in memory; `dimension` is what vectors of the model have.

        Raises:
            StoreDamaged: a line that is not what an export writes, or chunks and vectors that are not its file's.
        """
        try:
            with (
                (self._folder / DOCUMENTS).open(encoding="utf-8") as documents,
                (self._folder / CHUNKS).open(encoding="utf-8") as chunks,
            ):
                spans = _grouped(limits.read_json(line, CHUNKS) for line in lines(chunks, CHUNKS))
                vectors = read_vectors(self._folder / VECTORS)
                for line in lines(documents, DOCUMENTS):
                    entry = check_entry(limits.read_json(line, DOCUMENTS))
                    file = self._file(entry, _own(entry["file_id"], spans), _own(entry["file_id"], vectors))
                    check_vectors(file.vectors, dimension)
                    yield file
        except (ValueError, KeyError, TypeError, InvalidInput) as exc:
            raise StoreDamaged(f"{self._folder} is damaged: {exc}", hint="export it again") from exc

    def _file(self, entry: dict[str, Any], spans: list[Span], vectors: "np.ndarray") -> ImportedFile:
        pages = pages_of(entry)
        check_spans(spans, entry["text"])
        warnings = tuple(DocumentWarning(**warning) for warning in entry.get("warnings", ()))
        reader = str(entry.get("reader", ""))
        own, more = document_metadata(entry.get("document_metadata", {}))
        warnings = (*warnings, *more)
        document = Document(entry["text"], pages, entry["media_type"], warnings=warnings, metadata=own, reader=reader)
        sha256 = entry["sha256"]
        if len(spans) != len(vectors):
            raise ValueError(f"'{entry['file_id']}' has {len(spans)} chunks and {len(vectors)} vectors")
        return ImportedFile(
            file_id=check_file_id(entry["file_id"]),
            filename=entry["filename"],
            media_type=entry["media_type"],
            sha256=sha256,
            metadata=check_metadata(tame(entry["metadata"])),  # 0.1.0 took keys that are ours
            converted=Converted(document, tuple(spans), str(entry.get("chunker", ""))),
            vectors=vectors,
            original=plain_file(self._folder / ORIGINALS / sha256),
            changed_at=read_date(entry.get("modified_at")),  # 0.2 did not tell
            source=imported_source(entry.get("source")),
        )


def _grouped(entries: Iterator[dict[str, Any]]) -> Iterator[tuple[str, list[Span]]]:
    """Yield the chunks of one file after the other: an export has them in the order of its files."""
    for file_id, group in itertools.groupby(entries, key=lambda entry: str(entry["file_id"])):
        yield file_id, [_span(entry) for entry in group]


def _span(entry: dict[str, Any]) -> Span:
    own = {name: value for name, value in entry.items() if name not in {"file_id", "ordinal"}}
    paths = {name: tuple(entry.get(name, ())) for name in ("heading", "head")}
    return Span(**{**own, **paths})


def _own(file_id: str, groups: "Iterator[tuple[str, _T]]") -> "_T":
    """Return the next group, which must be that file's. Raises: ValueError."""
    found, group = next(groups, ("", None))
    if group is None or found != file_id:
        raise ValueError(f"'{file_id}' has no chunks where they should be")
    return group


def sha256_of_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
