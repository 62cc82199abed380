"""Looking for rows: the best of each leg, with what their scores are made of."""

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openrag_cli.config.pins import Pin
from openrag_cli.index import vectors, words
from openrag_cli.index.found import ROW_ID, Found
from openrag_cli.index.import_shim import asynchronous, run
from openrag_cli.index.integrity import passage_words
from openrag_cli.index.policy import Lists
from openrag_cli.index.rows import Scope, narrowing

if TYPE_CHECKING:
    import numpy as np

MAX_EXCLUDED_SHARE = 0.02
"""Excluded files for each row up to which their rows are left out of what was found, instead of being looked up."""

Errors = Callable[[str], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Ask:
    """What to look for: the `limit` best rows in scope of each leg.

    The leg "dense" has those nearest to `vector` (float32[dim], L2-normalised) by cosine similarity. The leg "text" has
    those with the best sums of weighted BM25 scores of words, with all of the `required` ones; or, from a table whose
    words are not made yet, those for `old_text` by Lance's own words. Where `worths` (of each word its weight times its
    inverse document frequency) and `mean_words` (of a chunk) are known, rows that are outside the full-text index cost
    no more than others.
    """

    limit: int
    scope: Scope
    vector: "np.ndarray | None" = None
    weights: Mapping[str, float] = field(default_factory=dict)
    required: Sequence[str] = ()
    old_text: str = ""
    worths: Mapping[str, float] = field(default_factory=dict)
    mean_words: float = 1.0


@dataclass
class Opened:
    """One version of a table, as it is kept for searches: `columns` are those that it has."""

    version: int
    table: Any
    columns: Collection[str]

    @cached_property
    def young(self) -> "words.Young | None":
        """The rows that the full-text index does not hold; None: it is to look through them itself."""
        return words.young(self.table)

    @cached_property
    def lists(self) -> Lists | None:
        """The lists that the vectors are sorted into."""
        return vectors.lists_of(self.table)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: the rows, each once, and for each leg the ids of its rows with their scores, best first."""

    rows: Found
    legs: Mapping[str, Mapping[str, float]]


class Snapshot:
    """One version of a table, None for none. Rows are known by numbers that hold for this version alone. `errors`
    translates what Lance raises; `pin` keeps the version from being deleted."""

    def __init__(self, opened: Opened | None, dimension: int, errors: Errors, pin: Pin | None = None) -> None:
        self._opened = opened
        self._table: Any = opened.table if opened else None
        self._columns = opened.columns if opened else ()
        self._dimension = dimension
        self._errors = errors
        self._pin = pin

    def look(self, ask: Ask) -> Looked:
        """Return the best rows of each leg."""
        if self._table is None:
            return Looked(Found(), {})
        excluded, limit = ask.scope.excluded, ask.limit
        with self._errors("searching the index"):
            if excluded and len(excluded) <= MAX_EXCLUDED_SHARE * self._table.count_rows():
                # To leave out a few rows of those found is far cheaper than to look up what all others are.
                wide = replace(ask, limit=limit + limit // 10 + 5, scope=replace(ask.scope, excluded=()))
                looked, is_enough = self._look(wide, frozenset(excluded), limit)
                if is_enough:
                    return looked
            return self._look(ask, frozenset(), limit)[0]

    def _look(self, ask: Ask, excluded: AbstractSet[str], limit: int) -> tuple[Looked, bool]:
        """Return the `limit` best rows of each leg that are of no excluded revision, and whether more would not help."""
        young = self._young_scores(ask)
        for queries in self._queries(ask, is_young_known=young is not None):
            found, read = run(self._found(queries, young, ask.limit))
            if len(found.get("dense", ())) == ask.limit:
                break
        rows = Found(read, self._read, self._dimension)
        known = zip(read.column(ROW_ID).to_pylist(), rows.keys, strict=True)
        id_of = {number: key for number, (key, revision) in known if revision not in excluded}
        legs: dict[str, dict[str, float]] = {}
        is_enough = True
        for name, own in found.items():
            scores = zip(own.column(ROW_ID).to_pylist(), _scores(own), strict=True)
            kept = ((id_of[key], score) for key, score in scores if key in id_of)
            legs[name] = dict(itertools.islice(kept, limit))
            is_enough &= len(legs[name]) == limit or len(own) < ask.limit
        wanted = set(itertools.chain(*legs.values()))
        if len(wanted) < len(rows):
            read = read.take([at for at, key in enumerate(rows.ids) if key in wanted])
        return Looked(Found(read, self._read, self._dimension), legs), is_enough

    def _young_scores(self, ask: Ask) -> dict[int, float] | None:
        """Return the scores of rows that the full-text index does not hold, by number; None: it looks for them itself."""
        young = self._opened.young if self._opened and ask.worths else None
        return young.scores(ask.worths, ask.required, ask.mean_words, ask.scope) if young else None

    def _queries(self, ask: Ask, *, is_young_known: bool) -> Iterator[dict[str, Any]]:
        """Yield the query of each leg; each further time for when the one before found too few of the nearest."""
        narrow = narrowing(ask.scope, self._columns)
        queries: dict[str, Any] = {}
        if ask.weights or ask.required or ask.old_text:
            has_words = bool(ask.weights or ask.required)
            text = words.query(ask.weights, ask.required) if has_words else passage_words(ask.old_text)
            matching = narrow(asynchronous(self._table).query().nearest_to_text(text)).select(["_score"])
            queries["text"] = _best(matching.fast_search() if is_young_known else matching, ask.limit)
        if ask.vector is None:
            yield queries
            return
        lists = self._opened.lists if self._opened else None
        for query in vectors.looks(self._table, lists, ask.vector, ask.limit, ask.scope, narrow):
            yield {"dense": _best(query.select(["_distance"]), ask.limit), **queries}

    async def _found(
        self, queries: Mapping[str, Any], young: Mapping[int, float] | None, limit: int
    ) -> tuple[dict[str, Any], Any]:
        """Return what each leg finds, and once what scores are made of for every row that any of them found."""
        import asyncio

        best = await asyncio.gather(*(query.to_arrow() for query in queries.values()))
        found = dict(zip(queries, best, strict=True))
        if young is not None and "text" in found:
            found["text"] = _with(found["text"], young, limit)
        numbers = sorted(set(itertools.chain(*(own.column(ROW_ID).to_pylist() for own in found.values()))))
        return found, await self._rows(numbers, ["id", "revision", "ordinal", words.COLUMN, "vector"])

    def _read(self, numbers: Sequence[int], names: Sequence[str]) -> Any:
        """Return columns of rows, as far as the table has them, in the order of the numbers."""
        with self._errors("reading the index"):
            return run(self._rows(numbers, names))

    async def _rows(self, numbers: Sequence[int], names: Sequence[str]) -> Any:
        rows = asynchronous(self._table).take_row_ids(list(numbers))
        read = await rows.select([name for name in names if name in self._columns]).with_row_id().to_arrow()
        if len(read) < len(numbers):
            raise RuntimeError("rows that were found cannot be read")
        return read


def _best(query: Any, limit: int) -> Any:
    return query.with_row_id().limit(limit)


def _with(found: Any, others: Mapping[int, float], limit: int) -> Any:
    """Return the best of the rows that were found and of others, given by their numbers with their scores."""
    import pyarrow as pa

    columns = found.schema.field(ROW_ID), found.schema.field("_score")
    more = pa.table({ROW_ID: list(others), "_score": list(others.values())}, schema=pa.schema(columns))
    both = pa.concat_tables([found.select([ROW_ID, "_score"]), more])
    order = sorted(range(len(both)), key=dict(enumerate(both.column("_score").to_pylist())).__getitem__, reverse=True)
    return both.take(pa.array(order[:limit], pa.int64()))


def _scores(found: Any) -> list[float]:
    if "_distance" in found.column_names:
        return [1.0 - distance for distance in found.column("_distance").to_pylist()]
    return list(found.column("_score").to_pylist())
