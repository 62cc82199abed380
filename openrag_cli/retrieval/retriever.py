"""From a query to hits: dense and full-text search, fusion, and the join with the catalog (I1).

Fusion is a convex combination of the two scores (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
Retrieval", TOIS 2023): the cosine, and BM25 as a share of the best one found. Measured against reciprocal rank fusion
with K = 10 and K = 60, nDCG@10: SciFact 0.721 to 0.712 and 0.710, PIAF (French) 0.785 to 0.715 and 0.658.
"""

import bisect
import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli import limits
from openrag_cli.domain import ALL_PARTITIONS, Chunk, File, Hit, SearchMode
from openrag_cli.errors import ChunkNotFound, DocumentNotFound, InvalidInput, StoreDamaged
from openrag_cli.index.rows import Match, Scope
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval import filters
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.metadata import resolved

if TYPE_CHECKING:
    import numpy as np

DENSE_WEIGHT = 0.4
"""The share of the dense score in a hybrid score. Between 0.3 and 0.5 SciFact and PIAF change by 0.02 at most."""

MIN_DEPTH = 100
"""Candidates taken from each list, at least: fusion needs more than it returns."""

MAX_DEPTH = 100_000
MAX_TOP_K = limits.most("hits")
GROUP_FILES, GROUP_CHUNKS = 512, 4096  # read by one query to the index


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for and where. `file_ids` and `filter` (see filters.py) narrow the search to
    files, `per_file` limits the hits of each."""

    text: str
    partitions: Sequence[str] = (ALL_PARTITIONS,)
    file_ids: Sequence[str] = ()
    top_k: int = 5
    mode: SearchMode = SearchMode.HYBRID
    min_score: float | None = None
    per_file: int | None = None
    filter: str = ""

    def check(self) -> None:
        """Check the numbers and the text.

        Raises:
            InvalidInput: no text, too much of it, or a number out of range.
        """
        if not self.text.strip():
            raise InvalidInput("the query is empty", hint='for example: openrag search "rotate api keys"')
        limits.check("query_chars", len(self.text))
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidInput(f"top_k must be between 1 and {MAX_TOP_K:,}, not {self.top_k}")
        if self.min_score is not None and math.isnan(self.min_score):
            raise InvalidInput("min_score must be a number, not nan")
        if self.per_file is not None and self.per_file < 1:
            raise InvalidInput(f"per_file must be at least 1, not {self.per_file}")


@dataclass(frozen=True, slots=True)
class Extract:
    """A visible chunk with its file, and chunks of the file on either side, in order."""

    chunk: Chunk
    file: File
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    match: Match
    score: float
    scores: dict[str, float]


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

    def __init__(self, catalog: Catalog, index: Index, embedder: Callable[[], Embedder]) -> None:
        self._catalog = catalog
        self._index = index
        self._embedder = embedder

    def search(self, request: SearchRequest) -> list[Hit]:
        """Return the best hits, best first; fewer than `top_k` only when no more exist.

        A row whose revision is not its file's current one is dropped before ranking, and the search is made again:
        the revision that took its place was in the index before the catalog knew it, so the next look finds it.
        Likewise when the files that the request names got new revisions meanwhile.

        Raises:
            InvalidInput: see `SearchRequest.check`. PartitionNotFound, DocumentNotFound: a name is unknown.
        """
        request.check()
        vector = None if request.mode is SearchMode.TEXT else self._embedder().embed_query(request.text)
        depth = max(MIN_DEPTH, 2 * request.top_k)
        known_dead: set[str] = set()
        while True:
            scope = self._scope(request)
            found = self._look(request, vector, depth, scope)
            revisions = {match.revision for matches in found.values() for match in matches}
            files = self._catalog.files_by_revision(revisions)
            live = {name: [match for match in matches if match.revision in files] for name, matches in found.items()}
            candidates = fuse(live)
            hits = _select(candidates, files, request)
            dead = revisions - files.keys()
            is_settled = dead <= known_dead and (not request.file_ids or self._scope(request) == scope)
            is_full = (
                len(hits) == request.top_k
                or depth >= MAX_DEPTH
                or not _may_find_more(found, depth, candidates, request.min_score)
            )
            if is_settled and is_full:
                return hits
            known_dead = dead
            depth = depth if is_full else depth * 4

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
        partition_ids = self._catalog.partition_ids(request.partitions)
        if not request.file_ids and not request.filter.strip():
            return Scope(partition_ids=partition_ids)
        allowed = self._filtered(request) if request.filter.strip() else None
        if not request.file_ids:
            return Scope(revisions=sorted(allowed or ()))
        revisions: list[str] = []
        for file_id in dict.fromkeys(request.file_ids):
            found = self._catalog.revisions_of(file_id, partition_ids)
            if not found:
                raise DocumentNotFound(file_id, ", ".join(request.partitions))
            revisions += [revision for revision in found if allowed is None or revision in allowed]
        return Scope(revisions=revisions)

    def _filtered(self, request: SearchRequest) -> set[str]:
        condition = filters.parse(request.filter)
        files = [file for name in dict.fromkeys(request.partitions) for file in self._catalog.files(name)]
        return {file.revision for file in files if condition(resolved(file))}

    def _look(
        self, request: SearchRequest, vector: "np.ndarray | None", depth: int, scope: Scope
    ) -> dict[str, list[Match]]:
        found: dict[str, list[Match]] = {}
        if vector is not None:
            found["dense"] = self._index.dense(vector, depth, scope)
        if request.mode is not SearchMode.DENSE:
            found["text"] = self._index.text(request.text, depth, scope)
        return found


def _may_find_more(
    found: dict[str, list[Match]], depth: int, candidates: Sequence[_Candidate], min_score: float | None
) -> bool:
    """Whether a search deeper than `depth` can bring a hit that this one does not."""
    cut = {name: matches[-1].score for name, matches in found.items() if len(matches) >= depth}
    if not cut or min_score is None:
        return bool(cut)
    if len(found) == 1:
        return max(cut.values()) >= min_score
    # What rows below the cut, or the other list's part of rows above it, can still add to a score.
    gain = DENSE_WEIGHT * max(0.0, cut.get("dense", 0.0))
    if "text" in cut:
        gain += (1 - DENSE_WEIGHT) * cut["text"] / found["text"][0].score
    return gain >= min_score or any(min_score - gain <= candidate.score < min_score for candidate in candidates)


def fuse(lists: dict[str, list[Match]]) -> list[_Candidate]:
    """Merge ranked lists, best first; a single list keeps its own scores. Ties go to the smaller chunk id."""
    matches: dict[str, Match] = {}
    scores: dict[str, dict[str, float]] = {}
    for name, found in lists.items():
        for rank, match in enumerate(found, 1):
            matches[match.id] = match
            scores.setdefault(match.id, {}).update({name: match.score, f"{name}_rank": float(rank)})
    if len(lists) == 1:
        ranked = sorted(matches.values(), key=lambda match: (-match.score, match.id))
        return [_Candidate(match, match.score, scores[match.id]) for match in ranked]
    best = max((match.score for match in lists["text"]), default=0.0) or 1.0
    sums: dict[str, float] = dict.fromkeys(matches, 0.0)
    for match in lists["dense"]:
        sums[match.id] += DENSE_WEIGHT * match.score
    for match in lists["text"]:
        sums[match.id] += (1 - DENSE_WEIGHT) * match.score / best
    order = sorted(sums, key=lambda key: (-sums[key], key))
    return [_Candidate(matches[key], sums[key], scores[key]) for key in order]


def _select(candidates: Sequence[_Candidate], files: dict[str, File], request: SearchRequest) -> list[Hit]:
    hits: list[Hit] = []
    per_file: dict[str, int] = {}
    for candidate in candidates:
        match = candidate.match
        file = files.get(match.revision)
        if file is None or (request.min_score is not None and candidate.score < request.min_score):
            continue
        per_file[match.revision] = per_file.get(match.revision, 0) + 1
        if request.per_file is not None and per_file[match.revision] > request.per_file:
            continue
        hits.append(Hit(_chunk(match, file), file, candidate.score, candidate.scores))
        if len(hits) == request.top_k:
            break
    return hits


def _chunk(match: Match, file: File) -> Chunk:
    return Chunk(match.id, file.partition, match.revision, match.ordinal, match.span)
