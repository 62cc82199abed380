"""The index of vectors: how it is made, when a search uses it and how far it looks, and what share it finds.

The vectors are sorted into lists around centres and kept there as codes of one bit a dimension (IVF with RaBitQ, Gao and
Long 2024); the rows that the codes name are then measured by their vectors, so that a score is always the true cosine.
policy.py says from how many rows on. Its name says into how many lists, and how widely they are searched.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from openrag_cli.index.import_shim import asynchronous, import_lancedb, run
from openrag_cli.index.policy import Lists
from openrag_cli.index.rows import Scope, narrowing

if TYPE_CHECKING:
    import numpy as np

EXACT_ROWS = 1000
"""Rows in scope up to which each is measured: the index would find few of them in its nearest lists."""

MIN_PROBES = 48
"""Lists that a search looks into at least."""

MARGIN = 4.0
"""How many times as many rows in scope as are asked for, on average, the lists that are looked into must hold."""

MAX_SHARE = 0.5
"""Share of the lists from which on all rows are measured instead: it costs as much, and misses nothing."""

REFINED = 2
"""Of how many times the rows asked for the codes are checked by the vectors."""

SAMPLED, TOP = 50, 10

_NAME = re.compile(r"vectors_(\d+)_(\d+)")
_MAX_ROWS = (1 << 32) - 1


def name_of(lists: Lists) -> str:
    """Return the name of the index of such lists."""
    return f"vectors_{lists.n}_{lists.effort}"


def lists_of(table: Any) -> Lists | None:
    """Return the lists that a table's vectors are sorted into; None when they are not."""
    found = [_NAME.fullmatch(index.name) for index in table.list_indices()]
    return next((Lists(int(name[1]), int(name[2])) for name in found if name), None)


def probes(lists: Lists | None, limit: int, n_in_scope: int) -> int | None:
    """Return into how many lists a search for `limit` rows looks; None: it measures every row in scope.

    `n_in_scope` may be less than there are: then more is looked at than is needed.
    """
    if lists is None or n_in_scope <= EXACT_ROWS:
        return None
    needed = max(MIN_PROBES * lists.effort, math.ceil(MARGIN * limit * lists.n / n_in_scope))
    return needed if needed <= MAX_SHARE * lists.n else None


def count_in_scope(table: Any, scope: Scope) -> int:
    """Return how many rows a search may see, or less: of files a row each, and where some are excluded half of all."""
    if scope.revisions is not None:
        return len(scope.revisions)
    where = None
    if scope.partition_ids is not None:
        where = f"partition_id IN ({', '.join(str(int(number)) for number in scope.partition_ids) or 'NULL'})"
    n_rows = int(table.count_rows(where))
    return n_rows // 2 if scope.excluded else n_rows


def looks(
    table: Any,
    lists: Lists | None,
    vector: "np.ndarray",
    limit: int,
    scope: Scope,
    narrow: Callable[[Any], Any] | None = None,
) -> Iterator[Any]:
    """Yield asynchronous queries for the nearest rows in scope; each further one is for when the one before found fewer.

    `lists` are those of the table, `narrow` is `narrowing(scope)`, where that is made already.
    """
    narrow = narrow or narrowing(scope)

    def query() -> Any:
        """Return the query of the vectors nearest to one."""
        return narrow(asynchronous(table).query().nearest_to(vector).distance_type("cosine"))

    n_probes = probes(lists, limit, count_in_scope(table, scope)) if lists else None
    if n_probes is not None:
        yield query().nprobes(n_probes).refine_factor(REFINED)
    yield query().bypass_vector_index()


def build(table: Any, lists: Lists) -> None:
    """Sort the vectors into lists; those that there were answer until then, and readers wait for nothing."""
    before = lists_of(table)
    kinds = import_lancedb().index
    config = kinds.IvfRq(distance_type="cosine", num_partitions=lists.n, max_iterations=20, sample_rate=64)
    table.create_index("vector", config=config, name=name_of(lists), replace=True)
    if before is not None and before != lists:
        table.drop_index(name_of(before))


def drop(table: Any) -> None:
    """Forget the lists: every search measures all rows in scope."""
    if (lists := lists_of(table)) is not None:
        table.drop_index(name_of(lists))


def recall(table: Any) -> float | None:
    """Return which share of the true nearest rows a search finds: of `TOP`, for `SAMPLED` of the vectors themselves.

    Every vector is read once. None when they are not indexed.
    """
    import numpy as np

    lists = lists_of(table)
    if lists is None:
        return None
    n_rows = int(table.count_rows())
    sample = table.take_offsets([n * n_rows // SAMPLED for n in range(SAMPLED)]).select(["id", "vector"]).to_arrow()
    asked = _unit(sample)
    own = sample.column("id").to_pylist()
    n_found = 0
    nearest = _nearest(table, asked)
    for vector, key, truth in zip(asked, own, nearest, strict=True):
        query = next(looks(table, lists, np.ascontiguousarray(vector), 10 * TOP, Scope()))
        found = run(query.select(["id", "_distance"]).limit(10 * TOP).to_arrow()).column("id").to_pylist()
        wanted = [other for other in truth if other != key][:TOP]
        n_found += len(set(wanted) & set(found)) + TOP - len(wanted)
    return n_found / (SAMPLED * TOP)


def _nearest(table: Any, asked: "np.ndarray") -> list[list[str]]:
    """Return the ids of the rows nearest to each vector, one more than `TOP`, nearest first; all are measured."""
    import numpy as np

    keys = np.empty((len(asked), 0), dtype=object)
    cosines = np.empty((len(asked), 0), dtype=np.float32)
    for part in table.search().select(["id", "vector"]).limit(_MAX_ROWS).to_batches(batch_size=8192):
        cosines = np.hstack([cosines, asked @ _unit(part).T])
        names = np.array(part.column("id").to_pylist(), dtype=object)
        keys = np.hstack([keys, np.broadcast_to(names, (len(asked), len(names)))])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : TOP + 1]
        cosines, keys = np.take_along_axis(cosines, best, axis=1), np.take_along_axis(keys, best, axis=1)
    return [list(row) for row in keys]


def matrix(rows: Any) -> "np.ndarray":
    """Return the vectors of rows, float16[n, dimension]."""
    import numpy as np

    column = rows.column("vector")
    column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float16).reshape(-1, column.type.list_size)


def _unit(rows: Any) -> "np.ndarray":
    """Return the vectors of rows, float32[n, dimension], each of length one."""
    import numpy as np

    made = matrix(rows).astype(np.float32)
    unit: np.ndarray = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
    return unit
