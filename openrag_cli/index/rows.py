"""What a row of the chunk table is: its schema, its full-text index, and the way from a chunk to a row and back."""

import functools
import hashlib
import operator
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openrag_cli.domain import Chunk, Span
from openrag_cli.index.import_shim import import_lancedb

if TYPE_CHECKING:
    import numpy as np

_PLACE = ["start", "end", "line_start", "line_end", "page", "heading"]
COLUMNS = ["id", "partition_id", "revision", "ordinal", "passage", "text_at", *_PLACE]
"""The columns that a `Match` is made of, in every store."""

ADDED = ["head", "raw"]
"""Columns that tables of 0.1.0 have not; they are added before the first write. `raw` is a chunk's text as it stands
in the document, where the passage holds it without its markup."""


MADE_OF = "made_of"
"""The column of what a vector was made of, as a hash: no part of a match."""

KEY = "revision_key"
"""The column of a number that stands for the revision: many of them are looked up in half the time."""

_KEY_DIGITS = slice(33, 48)
"""The hex digits of a revision that are its number: 60 of its random bits, so that of a million revisions two have the
same in one store of two million."""

MANY_REVISIONS = 64
"""So many revisions are looked up by their numbers."""

_REVISION = re.compile(r"[0-9a-f]{48}")


@dataclass(frozen=True, slots=True)
class Row:
    """A chunk to be indexed: its text stands at the end of `passage`, `words` are what is found of it, `made_of` is the
    hash of what was embedded."""

    chunk: Chunk
    partition_id: int
    passage: str
    vector: "np.ndarray"
    words: str
    made_of: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A row found, before the join with the catalog; `score` is cosine similarity or BM25: higher is better.

    `words` are those that are indexed, where they were asked for.
    """

    id: str
    revision: str
    ordinal: int
    span: Span
    score: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows a search may see; None means all. `excluded` are revisions that it may not."""

    partition_ids: Sequence[int] | None = None
    revisions: Sequence[str] | None = None
    excluded: Sequence[str] = ()


def batch(rows: Sequence[Row], dimension: int, word_columns: Sequence[str]) -> Any:
    """Return rows as an Arrow table of `schema(dimension, word_columns)`."""
    import numpy as np
    import pyarrow as pa

    chunks = [row.chunk for row in rows]
    spans = [chunk.span for chunk in chunks]
    vectors = np.stack([row.vector for row in rows]).astype(np.float16)
    columns = {
        "id": [chunk.id for chunk in chunks],
        "partition_id": [row.partition_id for row in rows],
        "revision": [chunk.revision for chunk in chunks],
        "ordinal": [chunk.ordinal for chunk in chunks],
        "passage": [row.passage for row in rows],
        "text_at": [len(row.passage) - len(row.chunk.span.indexed) for row in rows],
        "start": [span.start for span in spans],
        "end": [span.end for span in spans],
        "line_start": [span.line_start for span in spans],
        "line_end": [span.line_end for span in spans],
        "page": [span.page for span in spans],
        "heading": [list(span.heading) for span in spans],
        "head": [list(span.head) for span in spans],
        "raw": [None if span.plain is None else span.text for span in spans],
        MADE_OF: [row.made_of for row in rows],
        KEY: [revision_key(chunk.revision) for chunk in chunks],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension),
    }
    columns |= {name: [row.words for row in rows] for name in word_columns}
    return pa.table(columns, schema=schema(dimension, word_columns))


def match(row: dict[str, Any], score: float) -> Match:
    """Return a row as it was read, with the score it was given."""
    indexed, raw = row["passage"][row["text_at"] :], row.get("raw")
    span = Span(
        text=indexed if raw is None else raw,
        start=row["start"],
        end=row["end"],
        line_start=row["line_start"],
        line_end=row["line_end"],
        page=row["page"],
        heading=tuple(row["heading"]),
        head=tuple(row.get("head") or ()),
        plain=None if raw is None else indexed,
    )
    return Match(row["id"], row["revision"], row["ordinal"], span, float(score), row.get("words", ""))


def revision_key(revision: str) -> int:
    """Return the number that stands for a revision."""
    if not _REVISION.fullmatch(revision):  # none that a store gives
        return int(hashlib.sha256(revision.encode()).hexdigest()[:15], 16)
    return int(revision[_KEY_DIGITS], 16)


def key_sql() -> str:
    """Return `revision_key` as an expression of Lance's, for the rows of a table that has no such column."""
    places = range(_KEY_DIGITS.start, _KEY_DIGITS.stop)
    digits = ((place + 1, 16 ** (places[-1] - place)) for place in places)
    terms = (f"(strpos('0123456789abcdef', substr(revision, {at}, 1)) - 1) * {worth}" for at, worth in digits)
    return f"cast({' + '.join(terms)} as bigint)"


def condition(scope: Scope, columns: Collection[str] = ()) -> Any:
    """Return what Lance is to filter by, as an expression; None for everything. `columns` are those of the table."""
    import_lancedb()
    from lancedb.expr import col

    def among(revisions: Sequence[str]) -> Any:
        """Return the condition that a row is of one of some revisions."""
        if len(revisions) < MANY_REVISIONS or KEY not in columns:
            return col("revision").isin(list(revisions))
        return col(KEY).isin(list(map(revision_key, revisions)))

    parts = []
    if scope.partition_ids is not None:
        parts.append(col("partition_id").isin(list(scope.partition_ids)))
    if scope.revisions is not None:
        parts.append(among(scope.revisions))
    if scope.excluded:
        parts.append(~among(scope.excluded))
    return functools.reduce(operator.and_, parts) if parts else None


def narrowing(scope: Scope, columns: Collection[str] = ()) -> Callable[[Any], Any]:
    """Return what makes queries of Lance's see the rows in scope alone; the condition is made once for all of them."""
    where = condition(scope, columns)
    return lambda query: query if where is None else query.where(where)


def schema(dimension: int, word_columns: Sequence[str]) -> Any:
    """Return the Arrow schema of the table for vectors of that length, with these columns of words."""
    import pyarrow as pa

    def required(name: str, kind: Any) -> Any:
        """Return a column that is never null."""
        return pa.field(name, kind, nullable=False)

    whole = [required(name, pa.int32()) for name in ("ordinal", "text_at", "start", "end", "line_start", "line_end")]
    return pa.schema(
        [
            required("id", pa.string()),
            required("partition_id", pa.int64()),
            required("revision", pa.string()),
            required("passage", pa.string()),
            *whole,
            pa.field("page", pa.int32()),
            required("heading", pa.list_(pa.string())),
            required("vector", pa.list_(pa.float16(), dimension)),
            *added_fields(),
            *(pa.field(name, pa.string()) for name in word_columns),
        ]
    )


def add_missing(table: Any) -> None:
    """Add the columns that a table of an older version lacks."""
    missing = [field for field in added_fields() if field.name not in table.schema.names]
    if empty := [field for field in missing if field.name != KEY]:
        table.add_columns(empty)
    if len(empty) < len(missing):
        table.add_columns({KEY: key_sql()})


def added_fields() -> list[Any]:
    """Return the fields of the columns `ADDED`, and those of `MADE_OF` and `KEY`."""
    import pyarrow as pa

    return [
        pa.field("head", pa.list_(pa.string())),
        pa.field("raw", pa.string()),
        pa.field(MADE_OF, pa.string()),
        pa.field(KEY, pa.int64()),
    ]
