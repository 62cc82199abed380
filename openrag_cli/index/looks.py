"""Looking for rows: the best of each leg, with what their scores are made of."""

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openrag_cli.index import vectors, words
from openrag_cli.index.found import ROW_ID, Found
from openrag_cli.index.integrity import passage_words
from openrag_cli.index.rows import Scope, within

if TYPE_CHECKING:
    import numpy as np

Errors = Callable[[str], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Ask:
    """What to look for: the `limit` best rows in scope of each leg.

    The leg "dense" has those nearest to `vector` (float32[dim], L2-normalised) by cosine similarity. The leg "text" has
    those with the best sums of weighted BM25 scores of words, with all of the `required` ones; or, from a table whose
    words are not made yet, those for `old_text` by Lance's own words.
    """

    limit: int
    scope: Scope
    vector: "np.ndarray | None" = None
    weights: Mapping[str, float] = field(default_factory=dict)
    required: Sequence[str] = ()
    old_text: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: the rows, each once, and for each leg the ids of its rows with their scores, best first."""

    rows: Found
    legs: Mapping[str, Mapping[str, float]]


class Snapshot:
    """One version of a table, None for none; `columns` are those that it has. Rows are known by numbers that hold for
    this version alone. `errors` translates what Lance raises."""

    def __init__(self, table: Any, columns: Collection[str], dimension: int, errors: Errors) -> None:
        self._table = table
        self._columns = columns
        self._dimension = dimension
        self._errors = errors

    def look(self, ask: Ask) -> Looked:
        """Return the best rows of each leg."""
        if self._table is None:
            return Looked(Found(), {})
        with self._errors("searching the index"):
            found = dict(self._legs(ask))
            keys = {name: own.column(ROW_ID).to_pylist() for name, own in found.items()}
            # A row is read once, whichever legs found it.
            numbers = sorted(set(itertools.chain(*keys.values())))
            rows = Found(
                self._read(numbers, ["id", "revision", "ordinal", words.COLUMN, "vector"]),
                self._read,
                self._dimension,
            )
        id_of = dict(zip(rows.columns.column(ROW_ID).to_pylist(), rows.ids, strict=True))
        legs = {
            name: {id_of[key]: score for key, score in zip(own, _scores(found[name]), strict=True)}
            for name, own in keys.items()
        }
        return Looked(rows, legs)

    def _legs(self, ask: Ask) -> Iterator[tuple[str, Any]]:
        if ask.vector is not None:
            for query in vectors.looks(self._table, ask.vector, ask.limit, ask.scope):
                nearest = _best(query.select(["_distance"]), ask.limit)
                if len(nearest) == ask.limit:
                    break
            yield "dense", nearest
        text = words.query(ask.weights, ask.required) if ask.weights or ask.required else passage_words(ask.old_text)
        if text:
            matching = within(self._table.search(text, query_type="fts"), ask.scope)
            yield "text", _best(matching.select(["_score"]), ask.limit)

    def _read(self, numbers: Sequence[int], names: Sequence[str]) -> Any:
        """Return columns of rows, as far as the table has them, in the order of the numbers."""
        with self._errors("reading the index"):
            rows = self._table.take_row_ids(list(numbers)).select([name for name in names if name in self._columns])
            read = rows.with_row_id().to_arrow()
            if len(read) < len(numbers):
                raise RuntimeError("rows that were found cannot be read")
            return read


def _best(query: Any, limit: int) -> Any:
    return query.with_row_id(with_row_id=True).limit(limit).to_arrow()


def _scores(found: Any) -> list[float]:
    if "_distance" in found.column_names:
        return [1.0 - distance for distance in found.column("_distance").to_pylist()]
    return list(found.column("_score").to_pylist())
