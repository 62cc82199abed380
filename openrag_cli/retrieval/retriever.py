"""What a store answers: hits for a query, chunks by id, the chunks of files."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.domain import Chunk, File, Hit
from openrag_cli.errors import ChunkNotFound, DocumentNotFound, InvalidInput, RevisionGone, StoreDamaged
from openrag_cli.index.rows import Match, Scope
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.growing import grown
from openrag_cli.retrieval.request import SearchRequest, SortOrder
from openrag_cli.retrieval.scope import Scopes
from openrag_cli.retrieval.search import Searcher
from openrag_cli.retrieval.tokens import Tokenizer
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.files.pages import key_of, token
from openrag_cli.store.files.results import Results
from openrag_cli.store.searching.files import SearchableFiles
from openrag_cli.store.searching.titles import Titles
from openrag_cli.store.searching.views import Views
from openrag_cli.store.searching.word_counts import WordCounts

__all__ = ["Extract", "Retriever", "SearchRequest", "in_groups"]

_BEGINNING = re.compile(r"[0-9a-f]{1,31}")
"""What may be the beginning of a chunk's id, which has 32 hex characters."""

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
        views: Views,
    ) -> None:
        self._catalog = catalog
        self._views = views
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

        The name of a view stands for what it names. Files that came or were edited meanwhile, and that the filter does
        not let through, make it look again.
        """
        if view := self._views.find(request.partitions):
            request = request.within(view)
        hits = self._hits(request)
        if request.sort is SortOrder.DATE:
            hits.sort(key=lambda hit: hit.file.dated, reverse=True)
        for _ in range(MAX_LOOKS if request.context else 0):
            try:
                hits = self._grown(hits, request)
                break
            except RevisionGone:
                hits = self._hits(request)
        return Results(hits, self.scopes.notes(request.partitions, request.filter))

    def _hits(self, request: SearchRequest) -> list[Hit]:
        hits = self._searcher.search(request)
        for _ in range(MAX_LOOKS):
            if self.scopes.lets_through(request, [hit.file for hit in hits]):
                break
            hits = self._searcher.search(request)
        return [hit for hit in hits if self.scopes.lets_through(request, [hit.file])]

    def _grown(self, hits: Sequence[Hit], request: SearchRequest) -> list[Hit]:
        """Return hits with what stands around them. Raises: RevisionGone, when a file was replaced meanwhile."""
        files = {hit.chunk.revision: hit.file for hit in hits}
        chunks: dict[str, list[Chunk]] = {revision: [] for revision in files}
        for match in self._index.chunks(revisions=list(files)):
            chunks[match.revision].append(_chunk(match, files[match.revision]))
        for revision, file in files.items():
            if len(chunks[revision]) != file.chunk_count:
                raise RevisionGone(revision)
        documents = {revision: self._catalog.document(revision) for revision in files}
        return grown(hits, chunks, documents, n_neighbours=request.context, max_tokens=request.max_tokens)

    def extract(self, chunk_id: str, *, context: int = 0) -> Extract:
        """Return a visible chunk with up to `context` chunks of its file on either side; the beginning of an id is enough.

        Raises:
            ChunkNotFound: no visible file has it.
            InvalidInput: several chunks have ids that begin so.
        """
        ids = [chunk_id] if chunk_id.isascii() else []
        if _BEGINNING.fullmatch(chunk_id) and self._index.exists:
            ids = self._index.ids_from(chunk_id, f"{chunk_id}g")
        matches = self._index.chunks(ids=ids) if ids else []
        files = self._catalog.files_by_revision(match.revision for match in matches)
        visible = [match for match in matches if match.revision in files]
        if len({match.id for match in visible}) > 1:
            raise InvalidInput(
                f"several chunks begin with '{chunk_id}'", hint="give more of the id: chunk_id in search --json"
            )
        for match in visible:
            file = files[match.revision]
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

    def chunk_page(
        self, partition: str, *, limit: int, offset: int = 0, after: str = ""
    ) -> Results[tuple[File, Chunk]]:
        """Return up to `limit` chunks of a partition, or of `all`, file by file: from number `offset` on, or what comes
        after the page that named `after`. Raises: PartitionNotFound; InvalidInput: `after` names no page.
        """
        ids = self._catalog.filtered.partition_ids(self._catalog.partition_ids([partition]))
        pages = self._catalog.pages
        if after:
            name, file_id, n_seen = key_of(after, str, str, int)
            place = (str(name), str(file_id), max(0, int(n_seen)))
        else:
            found = pages.place(ids, offset)
            if found is None:
                return Results(total=pages.n_chunks(ids))
            place = found
        # One more chunk is asked for, to know whether there is another page.
        chunks = self._chunks_from(ids, place, limit + 1)
        following = None
        if 0 < limit < len(chunks):
            file, chunk = chunks[limit - 1]
            following = token(file.partition, file.file_id, chunk.ordinal + 1)
        return Results(chunks[:limit], total=pages.n_chunks(ids), next=following)

    def _chunks_from(self, ids: Sequence[int], place: tuple[str, str, int], limit: int) -> list[tuple[File, Chunk]]:
        partition, file_id, n_seen = place
        files = self._catalog.pages.files_from(ids, partition, file_id, limit + n_seen)
        found = []
        for group in in_groups(files):
            for file, chunks in self.each(group):
                is_first = (file.partition, file.file_id) == (partition, file_id)
                found += [(file, chunk) for chunk in chunks if not is_first or chunk.ordinal >= n_seen]
        return found[:limit]

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
