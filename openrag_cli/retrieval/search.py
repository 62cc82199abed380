"""From a query to hits: candidates of both legs, one score for each, and the join with the catalog (I1).

The candidates are the best `DEPTH` rows of each leg, however many hits are asked for, and those of files whose titles
the query names; every candidate gets its whole score (scoring.py). Asking for more only looks deeper when these are
used up: a hit's score does not change by it.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime

from openrag_cli.domain import Chunk, Hit, SearchMode
from openrag_cli.errors import StoreError
from openrag_cli.index.found import Found, each_once
from openrag_cli.index.looks import Ask, Looked
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.collapse import Shown
from openrag_cli.retrieval.old_fusion import fuse
from openrag_cli.retrieval.query import Query, read_query
from openrag_cli.retrieval.query_words import Words, are_weak
from openrag_cli.retrieval.request import RECENT_BONUS, SearchRequest
from openrag_cli.retrieval.scoring import Asked, Scored, best_first, has_phrases, score
from openrag_cli.retrieval.tokens import Tokenizer
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.searching.files import SearchableFiles
from openrag_cli.store.searching.titles import FileTitle, Titles
from openrag_cli.store.searching.word_counts import WordCounts

DEPTH = 100
"""Candidates taken from each leg: with 2,500 in their place the first five hits of nine collections were the same."""

MAX_DEPTH = 100_000
DEEPER = 4
SHOWN_AT_ONCE = 12

NAMED_FILES, NAMED_SHARE, NAMED_DEPTH = 10, 0.6, 100
"""Files that a query names by words of their titles: at most so many, with at least this share of the best one's worth,
and so many rows of each leg within them."""

YEAR_S = 365.25 * 86_400


class Searcher:
    """Searches one store. `scope_of` tells which rows a request may see."""

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
        scope_of: Callable[[SearchRequest], Scope],
    ) -> None:
        self._catalog = catalog
        self._searchable = searchable
        self._titles = titles
        self._index = index
        self._embedder = embedder
        self._tokenizer = tokenizer
        self._counts = counts
        self._scope_of = scope_of

    def search(self, request: SearchRequest) -> list[Hit]:
        """Return the best hits, best first; fewer than `top_k` only when no more exist.

        A row whose revision is not its file's current one is dropped before ranking, and the search is made again:
        the revision that took its place was in the index before the catalog knew it, so the next look finds it.
        Likewise when the files that the request names got new revisions meanwhile.

        Raises:
            InvalidInput: see `SearchRequest.check`. PartitionNotFound, DocumentNotFound: a name is unknown.
        """
        request.check()
        while True:
            has_words = self._index.has_words
            try:
                hits = self._hits(request, has_words=has_words)
            except StoreError:
                if self._index.has_words == has_words:
                    raise
                continue  # the words that were asked for are of the version before, and gone
            if self._index.has_words == has_words:
                return hits

    def _hits(self, request: SearchRequest, *, has_words: bool) -> list[Hit]:
        """Return the best hits, by the words of this version or (not `has_words`) of the one before."""
        query = read_query(request.text, self._tokenizer, self._counts, self._titles)
        vector = None if request.mode is SearchMode.TEXT else self._embedder().embed_query(query.text)
        depth = max(DEPTH, 2 * request.top_k)
        asked = Asked(query, vector, request.mode)
        known_dead: set[str] = set()
        while True:
            scope = self._scope_of(request)
            looks = self._look(request, asked, depth, scope, has_words=has_words)
            revisions = {revision for look in looks for revision in look.rows.revisions}
            live = self._titles.of(revisions, with_vectors=vector is not None and query.gate > 0)
            ranked = self._ranked(asked, looks, live, has_words=has_words)
            if request.prefers_recent:
                ranked = self._preferring_recent(request, list(ranked))
            shown, gone = self._shown(request, query, ranked)
            dead = (revisions - live.keys()) | gone
            is_settled = dead <= known_dead and (not request.file_ids or self._scope_of(request) == scope)
            is_full = (
                shown.is_full
                or depth >= MAX_DEPTH
                or all(len(leg) < depth for leg in looks[0].legs.values())
                or self._is_used_up(request, scope, shown)
            )
            if is_settled and is_full:
                return shown.hits
            known_dead = dead
            depth = depth if is_full else min(depth * DEEPER, MAX_DEPTH)

    # --- candidates

    def _look(
        self, request: SearchRequest, asked: Asked, depth: int, scope: Scope, *, has_words: bool
    ) -> list[Looked]:
        """Return the best rows of each leg; only rows with all of its words when the query has a phrase."""
        query, vector = asked.query, asked.vector
        is_worded = request.mode is not SearchMode.DENSE
        index = self._index.snapshot()
        if not has_words:
            return [index.look(Ask(depth, scope, vector, old_text=query.text if is_worded else ""))]
        if query.required:
            return [index.look(Ask(depth, scope, weights=query.boosts, required=query.required))]
        if not is_worded:
            return [index.look(Ask(depth, scope, vector))]
        first = index.look(Ask(depth, scope, vector, query.boosts))
        named = self._named(query, scope, first.rows)
        return [first, index.look(Ask(NAMED_DEPTH, named, vector, query.boosts))] if named else [first]

    def _named(self, query: Query, scope: Scope, found: Found) -> Scope | None:
        """Return the files whose titles the query names, where not all of their rows are found.

        The words of titles stand in no row: without this a file that a query calls by name would be looked for by the
        rest of the query alone.
        """
        named = self._titles.named(dict(query.rare), scope.partition_ids, limit=NAMED_FILES)
        least = NAMED_SHARE * max((worth for worth, _ in named.values()), default=0.0)
        n_found = Counter(found.revisions)
        wanted = [
            revision
            for revision, (worth, n_chunks) in named.items()
            if worth >= least and n_found[revision] < n_chunks and _is_within(revision, scope)
        ]
        return Scope(revisions=wanted) if wanted else None

    # --- ranking

    def _ranked(
        self, asked: Asked, looks: Sequence[Looked], live: Mapping[str, FileTitle], *, has_words: bool
    ) -> Iterator[Scored]:
        """Yield the rows of files that are there, best first, each once."""
        rows = each_once([look.rows for look in looks], live)
        alive = set(rows.ids)
        legs = [{name: _within(leg, alive) for name, leg in look.legs.items()} for look in looks]
        if not has_words:
            yield from fuse(legs[0], {match.id: match for match in rows[:]})
            return
        yardstick = {key for look in legs for leg in look.values() for key in itertools.islice(leg, DEPTH)}
        scores = score(asked, rows, live, yardstick=yardstick)
        ranks = {f"{name}_rank": {key: rank for rank, key in enumerate(leg, 1)} for name, leg in legs[0].items()}
        places = best_first(scores, rows)
        for begin in range(0, len(places), SHOWN_AT_ONCE):
            some = places[begin : begin + SHOWN_AT_ONCE]
            for at, match in zip(some, rows.matches(some), strict=True):
                own = {name: float(found[match.id]) for name, found in ranks.items() if match.id in found}
                yield Scored(match, float(scores.totals[at]), {**scores.of(at), **own})

    def _preferring_recent(self, request: SearchRequest, ranked: Sequence[Scored]) -> Iterator[Scored]:
        """Return the rows with a bonus for new documents: half of it for those of a year ago, none for weak hits."""
        files = self._catalog.files_by_revision({row.match.revision for row in ranked})
        words = Words(request.text, self._tokenizer)
        now = datetime.now(UTC)
        floor = float("-inf") if request.min_score is None else request.min_score
        most = request.prefers_recent * RECENT_BONUS * max((row.score for row in ranked), default=0.0)
        found = []
        for row in ranked:
            file = files.get(row.match.revision)
            if file is None or row.score < floor or are_weak(row.scores, file.file_id, row.match.span, words):
                found.append(row)
                continue
            bonus = most / (1 + max(0.0, (now - file.dated).total_seconds() / YEAR_S))
            found.append(replace(row, score=row.score + bonus, scores={**row.scores, "recent": bonus}))
        return iter(sorted(found, key=lambda row: row.score, reverse=True))

    def _shown(self, request: SearchRequest, query: Query, ranked: Iterator[Scored]) -> tuple[Shown, set[str]]:
        """Return what is shown, and the revisions that went since the rows were ranked."""
        shown = Shown(request, query.order)
        gone: set[str] = set()
        while rows := list(itertools.islice(ranked, SHOWN_AT_ONCE)):
            files = self._catalog.files_by_revision({row.match.revision for row in rows})
            for row in rows:
                file = files.get(row.match.revision)
                if file is None:
                    gone.add(row.match.revision)
                    continue
                if not has_phrases(query, row.match):
                    continue
                chunk = Chunk(row.match.id, file.partition, row.match.revision, row.match.ordinal, row.match.span)
                if not shown.take(Hit(chunk, file, row.score, row.scores), row.match.words):
                    return shown, gone
        return shown, gone

    def _is_used_up(self, request: SearchRequest, scope: Scope, shown: Shown) -> bool:
        """Whether every file in scope has given all the hits that it may."""
        if request.per_file is None:
            return False
        n_possible = self._searchable.count_chunks(
            scope.partition_ids, scope.revisions, excluded=scope.excluded, per_file=request.per_file
        )
        return len(shown.hits) >= n_possible


def _within(leg: Mapping[str, float], alive: AbstractSet[str]) -> Mapping[str, float]:
    """Return the rows of a leg that are alive."""
    return leg if leg.keys() <= alive else {key: score for key, score in leg.items() if key in alive}


def _is_within(revision: str, scope: Scope) -> bool:
    return scope.revisions is None or revision in set(scope.revisions)
