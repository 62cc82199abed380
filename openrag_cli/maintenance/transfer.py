"""A partition as files that any program can read, and back: JSON Lines, Parquet, and the originals.

    partition.json      what this is, of which embedding model, and the sha256 of the other files
    documents.jsonl     a file a line: id, name, metadata, text, pages
    chunks.jsonl        a chunk a line: file_id, ordinal, offsets, page, lines, heading, text
    vectors.parquet     file_id, ordinal, vector (float16), in the order of the chunks
    originals/          the bytes that were added, named by their sha256

Every original is compared with its sha256 on the way out, and again on the way in (importer.py). The head is written
last: what has none is no export.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.domain import Chunk, Document, File
from openrag_cli.errors import Conflict, DocumentNotFound, StoreDamaged, os_errors
from openrag_cli.fsync import undoing
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.maintenance.export_reader import (
    CHUNKS,
    DOCUMENTS,
    HEAD,
    ORIGINALS,
    SCHEMA,
    VECTORS,
    sha256_of_file,
)
from openrag_cli.maintenance.parquet import vector_writer
from openrag_cli.retrieval.retriever import Retriever, in_groups
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.files.sources import exported_source

if TYPE_CHECKING:
    import numpy as np


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
            with undoing(_empty, folder):  # no part of an export stays, so that the command can be run again
                n_files, n_chunks = self._write(files, folder)
            head = {
                "schema": SCHEMA,
                "partition": partition,
                "model": self._identity,
                "files": n_files,
                "chunks": n_chunks,
                "sha256": {name: sha256_of_file(folder / name) for name in (DOCUMENTS, CHUNKS, VECTORS)},
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
            for file, found, document, vectors in self._each(files, folder / ORIGINALS):
                _line(documents, _file_entry(file, document))
                for chunk in found:
                    _line(chunks, {"file_id": file.file_id, "ordinal": chunk.ordinal, **asdict(chunk.span)})
                write_vectors(file.file_id, vectors)
                n_files += 1
                n_chunks += len(found)
        return n_files, n_chunks

    def _each(
        self, files: Sequence[File], originals: Path
    ) -> "Iterator[tuple[File, list[Chunk], Document, np.ndarray]]":
        """Yield each file with all that belongs to it, all of one version; what is deleted meanwhile is left out."""
        for group in in_groups(files):
            vectors = self._index.vectors([file.revision for file in group])
            for file, chunks in self._retriever.each(group):
                with contextlib.suppress(DocumentNotFound):
                    yield self._current(file, chunks, vectors.get(file.revision, ()), originals)

    def _current(
        self, file: File, chunks: "list[Chunk]", vectors: "np.ndarray | tuple[()]", originals: Path
    ) -> "tuple[File, list[Chunk], Document, np.ndarray]":
        """Return a file with what belongs to it, its original copied: of its newest version, if it is replaced meanwhile."""
        while True:
            revision = chunks[0].revision
            current, document = self._catalog.current_document(file.partition, file.file_id)
            if (
                current.revision == revision
                and not isinstance(vectors, tuple)
                and len(vectors) == len(chunks)
                and self._copy(current, originals / current.sha256)
            ):
                return current, chunks, document, vectors
            file = current
            chunks = self._retriever.chunks(file)
            vectors = self._index.vectors([chunks[0].revision])[chunks[0].revision]

    def _copy(self, file: File, target: Path) -> bool:
        """Copy the original of a file; False when the file was replaced or deleted meanwhile. Raises: StoreDamaged."""
        try:
            with self._blobs.open_checked(file.revision, file.sha256) as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy)
        except StoreDamaged as exc:
            if self._catalog.file(file.partition, file.file_id).revision != file.revision:
                return False
            raise StoreDamaged(f"file '{file.file_id}': {exc.message}", hint=exc.hint) from exc
        return True


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
        "modified_at": file.dated.isoformat(),
        "pages": [[page.number, page.start, page.end] for page in document.pages],
        "source": exported_source(file.source),
        "warnings": [asdict(warning) for warning in file.warnings],
        "text": document.markdown,
        "reader": file.made_by.reader if file.made_by else "",
        "chunker": file.made_by.chunker if file.made_by else "",
    }


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
