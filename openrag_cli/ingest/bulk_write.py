"""Writing many files whose text and chunks are known: the one path of import, and of whatever else moves what was made.

(document, chunks, vectors) in groups -> one index commit -> one catalog transaction, under the store's write lock. There
are no tasks, so no other worker takes part. The caller says where a group goes: it stages it, and gives its names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.sandbox.protocol import Converted
from openrag_cli.documents.titles import document_title
from openrag_cli.domain import Upload
from openrag_cli.failpoints import failpoint
from openrag_cli.index.rows import Row
from openrag_cli.index.table import Index
from openrag_cli.index.words import WORDS_VERSION
from openrag_cli.ingest.pipeline import EmbeddedOnce, PassageEmbedder, chunks_of
from openrag_cli.store.database import Database
from openrag_cli.store.searching.word_counts import WordCount, count_by_revision

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file whose original is stored under its upload's revision, with its text, its chunks, and their vectors.

    `vectors` is float16[n, dimension] in the order of the chunks; None when they are to be made.
    """

    upload: Upload
    converted: Converted
    vectors: "np.ndarray | None"


class Destination(Protocol):
    """Where a group goes. Both are called under the write lock."""

    def announce(self, revisions: Sequence[str]) -> None:
        """Say that rows of these revisions are about to be written, so that a crash leaves none for good."""

    def stage(self, files: Sequence[KnownFile], words: Mapping[str, WordCount]) -> None:
        """Keep files whose rows are written; `words` counts those of each revision."""


class BulkWriter:
    """Writes groups of files into one partition; see also `n_embedded`."""

    def __init__(
        self, database: Database, index: Index, embedder: PassageEmbedder, for_search: Callable[[str], str]
    ) -> None:
        self._database = database
        self._index = index
        self._embedder = embedder
        self._for_search = for_search
        self._chunker = Chunker(embedder.tokenizer_path, embedder.max_tokens)
        self._embedded_once = EmbeddedOnce(index, embedder)

    @property
    def n_embedded(self) -> int:
        """How many vectors had to be made."""
        return self._embedded_once.n_made

    def write(self, partition_id: int, files: Sequence[KnownFile], destination: Destination) -> None:
        """Write one group: when this returns it is on the disk, and staged.

        Raises:
            StoreBusy, StoreFull, StoreError: by cause; the group is then to be written again.
        """
        rows = [row for file in files for row in self._rows(partition_id, file)]
        words = count_by_revision(((row.chunk.revision, row.words) for row in rows), WORDS_VERSION)
        with self._database.write_lock():
            destination.announce([file.upload.revision for file in files])
            failpoint("bulk_announced")
            self._index.put(rows)
            failpoint("bulk_put")
            destination.stage(files, words)
            failpoint("bulk_staged")

    def _rows(self, partition_id: int, file: KnownFile) -> list[Row]:
        chunks = chunks_of(file.upload, file.converted)
        passages = [self._chunker.passage(chunk.span) for chunk in chunks]
        vectors, keys = self._vectors(file)
        return [
            Row(chunk, partition_id, passage, vector, self._for_search(passage), key)
            for chunk, passage, vector, key in zip(chunks, passages, vectors, keys, strict=True)
        ]

    def _embedded(self, file: KnownFile) -> list[str]:
        """Return what is embedded for each chunk of a file: below its title, which is searched with the file."""
        chunker = self._chunker.titled(document_title(file.upload.filename, file.converted.document))
        return [chunker.embedded(span) for span in file.converted.spans]

    def _vectors(self, file: KnownFile) -> tuple[Sequence["np.ndarray"], Sequence[str | None]]:
        """Return the vectors of a file's chunks, and the hashes of what they were made of, where that is known."""
        if file.vectors is not None:
            return list(file.vectors), [None] * len(file.vectors)
        texts = self._embedded(file)
        return self._embedded_once.vectors(texts) or [], [self._embedded_once.key(text) for text in texts]
