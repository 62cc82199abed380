"""What keeps the chunk table fast: its statistics, merging small fragments, and the indices of its keys.

Which of it is done, and when, is decided in policy.py. The caller holds the write lock.
"""

import contextlib
import ctypes
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from openrag_cli.index import vectors, words
from openrag_cli.index.import_shim import import_lancedb
from openrag_cli.index.policy import Statistics
from openrag_cli.index.rows import KEY, MADE_OF

KEEP_VERSIONS = timedelta(hours=1)
"""Versions younger than this stay: a reader in another process may be on one (I4)."""

KEYS = {"id": "BTree", "revision": "BTree", "partition_id": "Bitmap", MADE_OF: "BTree", KEY: "BTree"}
"""The columns by which rows are looked up, and the kind of index of each."""

_ROWS_OF_FRAGMENT = 1 << 32
_MAX_ROWS = (1 << 32) - 1


def statistics(table: Any, manifests: Sequence[Path]) -> Statistics:
    """Return what a table says of itself; no row is read."""
    fragments = table.stats()["fragment_stats"]
    text = table.index_stats(words.INDEX if words.is_ready(table) else words.OLD_INDEX)
    n_fragments, n_rows = int(fragments["num_fragments"]), int(table.count_rows())
    # Lance counts deleted rows in the lengths of fragments; the mean is rounded down.
    n_deleted = int(fragments["lengths"]["mean"]) * n_fragments - n_rows
    return Statistics(
        n_rows=n_rows,
        n_fragments=n_fragments,
        n_unindexed=int(text.num_unindexed_rows) if text else 0,
        n_deleted=max(0, n_deleted),
        n_stale_versions=_count_stale(manifests),
        lacks_keys=lacks_key_indices(table),
        lists=vectors.lists_of(table),
    )


def _count_stale(manifests: Sequence[Path]) -> int:
    limit = time.time() - KEEP_VERSIONS.total_seconds()
    if len(manifests) < 2 or manifests[-1].stat().st_mtime >= limit:
        return 0
    return sum(path.stat().st_mtime < limit for path in manifests)


def rows_of_fragments(table: Any) -> dict[int, int]:
    """Return how many rows each fragment has, by its number; only the addresses of rows are read."""
    import numpy as np

    found = table.search().with_row_id(True).select(["_rowid"]).limit(_MAX_ROWS).to_arrow()  # noqa: FBT003 - Lance's own
    numbers, counts = np.unique(found.column("_rowid").to_numpy() // _ROWS_OF_FRAGMENT, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def merge_fragments(table: Any, numbers: Sequence[int]) -> None:
    """Write the rows of some fragments again, as one fragment, in one commit; what any search sees stays the same."""
    first = [number * _ROWS_OF_FRAGMENT for number in sorted(numbers)]
    where = " OR ".join(f"(_rowid >= {at} AND _rowid < {at + _ROWS_OF_FRAGMENT})" for at in first)
    rows = table.search().where(where).limit(_MAX_ROWS).to_arrow()
    table.merge_insert("id").when_matched_update_all().execute(rows.select(table.schema.names).cast(table.schema))


def give_back_memory() -> None:
    """Give what was freed back to the system where the C library keeps it: after compacting a million rows, 380 MB."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def lacks_key_indices(table: Any) -> bool:
    """Whether an index of the keys is missing."""
    return not {f"{column}_idx" for column in _keys(table)} <= {index.name for index in table.list_indices()}


def _keys(table: Any) -> list[str]:
    """Return the columns of keys that a table has; one of 0.1.0 lacks some until something is added."""
    return [column for column in KEYS if column in table.schema.names]


def ensure_key_indices(table: Any) -> None:
    """Make the indices that look up rows by their keys, where they are missing."""
    kinds = import_lancedb().index
    known = {index.name for index in table.list_indices()}
    for column in _keys(table):
        if f"{column}_idx" not in known:
            table.create_index(column, config=getattr(kinds, KEYS[column])(), name=f"{column}_idx")
