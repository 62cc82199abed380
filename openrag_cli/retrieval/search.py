"""From a query to hits: candidates of both legs, one score for each, and the join with the catalog (I1).

The candidates are the best `DEPTH` rows of each leg, however many hits are asked for, and those of files whose titles
the query names; every candidate gets its whole score (scoring.py). They give half as many hits as rows were asked of a
leg. For more, or when they are used up, further ones come from a deeper look, and stand below: asking for more changes
neither the place nor the score of a hit.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from openrag_cli.domain import Chunk, Hit, SearchMode
from openrag_cli.errors import StoreError
from openrag_cli.index.found import Found, each_once
from openrag_cli.index.looks import Ask, Looked, Snapshot
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
SHOWN_AT_ONCE = 8

NAMED_FILES, NAMED_SHARE, NAMED_DEPTH = 10, 0.6, 100
"""Files that a query names by words of their titles: at most so many, with at least this share of the best one's worth,
and so many rows of each leg within them."""

YEAR_S = 365.25 * 86_400

Item = TypeVar("Item")


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
        the revision that took its place was in the index before the catalog knew it, so the next look finds it. Not so
        for a revision that was gone before the look began, and for one that a task is still to make its file's: it took
        no other's place. Likewise when the files that the request names got new revisions meanwhile.

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
        asked = Asked(query, vector, request.mode)
        gone = set[str]()  # for good, and before the look began
        while True:
            scope = self._scope_of(request)
            shown, dead = self._taken(request, asked, scope, has_words=has_words)
            unsettled = self._searchable.unsettled(dead) if dead else {}
            awaited = {revision for revision, is_current in unsettled.items() if not is_current}
            if dead <= gone | awaited and (not request.file_ids or self._scope_of(request) == scope):
                return shown.hits
            gone |= dead - unsettled.keys()

    def _taken(
        self, request: SearchRequest, asked: Asked, scope: Scope, *, has_words: bool
    ) -> tuple[Shown, set[str]]:
        """Return what is shown, and the revisions found that are no file's, or no more.

        A look for so many rows of each leg gives half as many hits, and a deeper one those that follow: a hit has its
        place and its score however many are asked for.
        """
        index, depth = self._index.snapshot(), DEPTH
        looks = self._first_looks(index, request, asked, scope, has_words=has_words)
        main, yardstick = looks[0], {key for look in looks for leg in look.legs.values() for key in leg}
        shown, passed, dead = Shown(request, asked.query.order), set[str](), set[str]()
        while True:
            revisions = {revision for look in looks for revision in look.rows.revisions}
            live = self._titles.of(revisions, with_vectors=asked.vector is not None and asked.query.gate > 0)
            rows = each_once([look.rows for look in looks], live)
            ranked = self._ranked(asked, rows, main, live, yardstick if has_words else None, passed)
            if request.prefers_recent:
                ranked = self._preferring_recent(request, list(ranked))
            is_last = depth >= MAX_DEPTH or all(len(leg) < depth for leg in main.legs.values())
            shown.limit = request.top_k if is_last else min(request.top_k, depth // 2)
            dead |= (revisions - live.keys()) | self._show(shown, asked.query, ranked, passed)
            if is_last or shown.is_full or self._is_used_up(request, scope, shown):
                return shown, dead
            depth = min(depth * DEEPER, MAX_DEPTH)
            main = index.look(self._ask(request, asked, depth, scope, has_words=has_words))
            looks.append(main)

    # --- candidates

    def _ask(self, request: SearchRequest, asked: Asked, depth: int, scope: Scope, *, has_words: bool) -> Ask:
        """Return what is looked for; only rows with all of its words when the query has a phrase."""
        query, vector = asked.query, asked.vector
        is_worded = request.mode is not SearchMode.DENSE
        if not has_words:
            return Ask(depth, scope, vector, old_text=query.text if is_worded else "")
        if query.required:
            ask = Ask(depth, scope, weights=query.boosts, required=query.required)
        else:
            ask = Ask(depth, scope, vector, query.boosts if is_worded else {})
        return replace(ask, worths=query.weights, mean_words=query.mean_words)

    def _first_looks(
        self, index: Snapshot, request: SearchRequest, asked: Asked, scope: Scope, *, has_words: bool
    ) -> list[Looked]:
        """Return the best rows of each leg, and those of files that the query names."""
        query = asked.query
        ask = self._ask(request, asked, DEPTH, scope, has_words=has_words)
        first = index.look(ask)
        names_files = has_words and request.mode is not SearchMode.DENSE and not query.required
        named = self._named(query, scope, first.rows) if names_files else {}
        if not named:
            return [first]
        ask = replace(ask, limit=NAMED_DEPTH, scope=Scope(revisions=list(named)))
        is_found_by_one = ask.vector is not None and sum(named.values()) <= NAMED_DEPTH  # as by every leg
        return [first, index.look(replace(ask, weights={}) if is_found_by_one else ask)]

    def _named(self, query: Query, scope: Scope, found: Found) -> dict[str, int]:
        """Return the files whose titles the query names, where not all of their rows are found: the number of these.

        The words of titles stand in no row: without this a file that a query calls by name would be looked for by the
        rest of the query alone.
        """
        named = self._titles.named(dict(query.rare), scope.partition_ids, limit=NAMED_FILES)
        least = NAMED_SHARE * max((worth for worth, _ in named.values()), default=0.0)
        n_found = Counter(found.revisions)
        return {
            revision: n_chunks
            for revision, (worth, n_chunks) in named.items()
            if worth >= least and n_found[revision] < n_chunks and _is_within(revision, scope)
        }

    # --- ranking

    def _ranked(
        self,
        asked: Asked,
        rows: Found,
        main: Looked,
        live: Mapping[str, FileTitle],
        yardstick: Container[str] | None,
        passed: Container[str],
    ) -> Iterator[Scored]:
        """Yield rows that are not passed, best first, with their ranks in the legs of `main`; without a yardstick by the
        old fusion.
        """
        alive = set(rows.ids)
        legs = {name: _within(leg, alive) for name, leg in main.legs.items()}
        if yardstick is None:
            fused = fuse(legs, {match.id: match for match in rows[:]})
            yield from (row for row in fused if row.match.id not in passed)
            return
        scores = score(asked, rows, live, yardstick=yardstick)
        ranks = {f"{name}_rank": {key: rank for rank, key in enumerate(leg, 1)} for name, leg in legs.items()}
        places = [at for at in best_first(scores, rows, live) if rows.ids[at] not in passed]
        for some in _growing(places):
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

    def _show(self, shown: Shown, query: Query, ranked: Iterator[Scored], passed: set[str]) -> set[str]:
        """Show rows until there are enough, and note their ids; return revisions that went since they were ranked.

        What only a deeper look finds stands below what the look before it gave, and is worth no more.
        """
        gone: set[str] = set()
        for rows in _growing(ranked):
            files = self._catalog.files_by_revision({row.match.revision for row in rows})
            for row in rows:
                file = files.get(row.match.revision)
                if file is None:
                    gone.add(row.match.revision)
                elif has_phrases(query, row.match):
                    chunk = Chunk(row.match.id, file.partition, row.match.revision, row.match.ordinal, row.match.span)
                    hit = Hit(chunk, file, min(row.score, shown.least), row.scores)
                    if not shown.take(hit, row.match.words):
                        return gone
                passed.add(row.match.id)
        return gone

    def _is_used_up(self, request: SearchRequest, scope: Scope, shown: Shown) -> bool:
        """Whether every file in scope has given all the hits that it may."""
        if request.per_file is None:
            return False
        n_possible = self._searchable.count_chunks(
            scope.partition_ids, scope.revisions, excluded=scope.excluded, per_file=request.per_file
        )
        return len(shown.hits) >= n_possible


def _growing(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items in groups, each twice as large as the one before: where most are twins, many are needed."""
    rest, size = iter(items), SHOWN_AT_ONCE
    while group := list(itertools.islice(rest, size)):
        yield group
        size *= 2


def _within(leg: Mapping[str, float], alive: AbstractSet[str]) -> Mapping[str, float]:
    """Return the rows of a leg that are alive."""
    return leg if leg.keys() <= alive else {key: score for key, score in leg.items() if key in alive}


def _is_within(revision: str, scope: Scope) -> bool:
    return scope.revisions is None or revision in set(scope.revisions)
