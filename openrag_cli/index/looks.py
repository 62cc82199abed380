"""Looking for rows: the best of each leg, with what their scores are made of."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openrag_cli.index import vectors, words
from openrag_cli.index.found import Found
from openrag_cli.index.integrity import passage_words
from openrag_cli.index.rows import Scope, within

if TYPE_CHECKING:
    import numpy as np

_ROW_ID = "_rowid"


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


def look(table: Any, ask: Ask, columns: Sequence[str], dimension: int) -> Looked:
    """Return what a table of one version holds of what is asked for.

    A row is read once, whichever legs found it: to read its columns costs more than to find it.
    """
    found = {}
    if ask.vector is not None:
        for query in vectors.looks(table, ask.vector, ask.limit, ask.scope):
            found["dense"] = _best(query.select(["_distance"]), ask.limit)
            if len(found["dense"]) == ask.limit:
                break
    text = words.query(ask.weights, ask.required) if ask.weights or ask.required else passage_words(ask.old_text)
    if text:
        matching = within(table.search(text, query_type="fts"), ask.scope)
        found["text"] = _best(matching.select(["_score"]), ask.limit)
    keys = {name: own.column(_ROW_ID).to_pylist() for name, own in found.items()}
    rows = table.take_row_ids(sorted(set(itertools.chain(*keys.values())))).select(list(columns))
    read = rows.with_row_id().to_arrow()
    everything = Found(read, dimension)
    id_of = dict(zip(read.column(_ROW_ID).to_pylist(), everything.ids, strict=True))
    legs = {
        # A row that is not read any more is one of a damaged file.
        name: {id_of[key]: score for key, score in zip(own, _scores(found[name]), strict=True) if key in id_of}
        for name, own in keys.items()
    }
    return Looked(everything, legs)


def _best(query: Any, limit: int) -> Any:
    return query.with_row_id(with_row_id=True).limit(limit).to_arrow()


def _scores(found: Any) -> list[float]:
    if "_distance" in found.column_names:
        return [1.0 - distance for distance in found.column("_distance").to_pylist()]
    return list(found.column("_score").to_pylist())
