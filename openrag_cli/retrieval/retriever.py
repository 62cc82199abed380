"""What a store answers: hits for a query, chunks by id, the chunks of files."""

import bisect
import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.domain import Chunk, File, Hit
from openrag_cli.errors import ChunkNotFound, DocumentNotFound, StoreDamaged
from openrag_cli.index.rows import Match, Scope
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.scope import Scopes
from openrag_cli.retrieval.search import Searcher
from openrag_cli.retrieval.tokens import Tokenizer
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.files.results import Results
from openrag_cli.store.searching.files import SearchableFiles
from openrag_cli.store.searching.titles import Titles
from openrag_cli.store.searching.word_counts import WordCounts

__all__ = ["Extract", "Retriever", "SearchRequest", "in_groups"]

MAX_LOOKS = 5
GROUP_FILES, GROUP_CHUNKS = 512, 4096  # read by one query to the index


@dataclass(frozen=True, slots=True)
class Extract:
    """A visible chunk with its file, and chunks of the file on either side, in order."""

    chunk: Chunk
    file: File
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()


def in_groups(files: Iterable[File]) -> Iterator[list[File]]:
    """Yield files in groups that one query to the index may read at once."""
    group: list[File] = []
    n_chunks = 0
    for file in files:
        if group and (n_chunks + file.chunk_count > GROUP_CHUNKS or len(group) == GROUP_FILES):
            yield group
            group, n_chunks = [], 0
        group.append(file)
        n_chunks += file.chunk_count
    if group:
        yield group


class Retriever:
    """Searches one store."""

    def __init__(  # noqa: PLR0913 - what a search reads
        self,
        *,
        catalog: Catalog,
        searchable: SearchableFiles,
        titles: Titles,
        index: Index,
        embedder: Callable[[], Embedder],
        tokenizer: Tokenizer,
        counts: WordCounts,
    ) -> None:
        self._catalog = catalog
        self.scopes = Scopes(catalog)
        self._index = index
        self._searcher = Searcher(
            catalog=catalog,
            searchable=searchable,
            titles=titles,
            index=index,
            embedder=embedder,
            tokenizer=tokenizer,
            counts=counts,
            scope_of=self._scope,
        )

    def search(self, request: SearchRequest) -> Results[Hit]:
        """Return the best hits, best first, with what the filter may have got wrong; see `Searcher.search`.

        Files that came or were edited meanwhile, and that the filter does not let through, make it look again.
        """
        hits = self._searcher.search(request)
        for _ in range(MAX_LOOKS):
            if self.scopes.lets_through(request, [hit.file for hit in hits]):
                break
            hits = self._searcher.search(request)
        hits = [hit for hit in hits if self.scopes.lets_through(request, [hit.file])]
        return Results(hits, self.scopes.notes(request.partitions, request.filter))

    def extract(self, chunk_id: str, *, context: int = 0) -> Extract:
        """Return a visible chunk with up to `context` chunks of its file on either side.

        Raises:
            ChunkNotFound: no visible file has it.
        """
        matches = self._index.chunks(ids=[chunk_id]) if chunk_id.isascii() else []
        files = self._catalog.files_by_revision(match.revision for match in matches)
        for match in matches:
            file = files.get(match.revision)
            if file is not None:
                around = self._index.chunks(revisions=[match.revision]) if context else []
                n = match.ordinal
                before = tuple(_chunk(other, file) for other in around if n - context <= other.ordinal < n)
                after = tuple(_chunk(other, file) for other in around if n < other.ordinal <= n + context)
                return Extract(_chunk(match, file), file, before, after)
        raise ChunkNotFound(chunk_id)

    def chunks(self, file: File) -> list[Chunk]:
        """Return the chunks of a file in order; of its newest version, if that came meanwhile. Raises: see `current`."""
        return self.current(file)[1]

    def current(self, file: File) -> tuple[File, list[Chunk]]:
        """Return a file with its chunks in order, both of its newest version, if that came meanwhile.

        Raises:
            DocumentNotFound: it was deleted meanwhile. StoreDamaged: the index has lost some of them.
        """
        while True:
            matches = self._index.chunks(revisions=[file.revision])
            if len(matches) == file.chunk_count:
                return file, [_chunk(match, file) for match in matches]
            current = self._catalog.file(file.partition, file.file_id)
            if current.revision == file.revision:
                raise StoreDamaged(
                    f"the index has {len(matches)} of the {file.chunk_count} chunks of file '{file.file_id}'",
                    hint="restore them with: openrag file replace",
                )
            file = current

    def partition_chunks(self, files: Sequence[File], *, limit: int, offset: int) -> list[tuple[File, Chunk]]:
        """Return chunks number `offset` to `offset + limit` of the files, in their order."""
        ends = list(itertools.accumulate(file.chunk_count for file in files))
        first, last = bisect.bisect_right(ends, offset), bisect.bisect_left(ends, offset + limit)
        skipped = offset - (ends[first - 1] if first else 0)
        wanted = files[first : last + 1] if limit else ()
        found = [
            (file, chunk) for group in in_groups(wanted) for file, chunks in self.each(group) for chunk in chunks
        ]
        return found[skipped : skipped + limit]

    def each(self, files: Sequence[File]) -> list[tuple[File, list[Chunk]]]:
        """Return files with their chunks in order, by one query; what was deleted meanwhile is left out.

        Raises:
            StoreDamaged: the index has lost some of them.
        """
        matches: dict[str, list[Match]] = {}
        for match in self._index.chunks(revisions=[file.revision for file in files]):
            matches.setdefault(match.revision, []).append(match)
        found = []
        for file in files:
            own = matches.get(file.revision, [])
            with contextlib.suppress(DocumentNotFound):
                is_whole = len(own) == file.chunk_count
                found.append((file, [_chunk(match, file) for match in own]) if is_whole else self.current(file))
        return found

    def _scope(self, request: SearchRequest) -> Scope:
        return self.scopes.scope(request)


def _chunk(match: Match, file: File) -> Chunk:
    return Chunk(match.id, file.partition, match.revision, match.ordinal, match.span)
