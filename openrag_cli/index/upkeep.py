"""What keeps the chunk table fast: its statistics, merging small fragments, deleting versions, and the indices of its keys.

Which of it is done, and when, is decided in policy.py. The caller holds the write lock.

Versions that no process reads are deleted, but for the newest, which is on the disk by then: who reads holds the number
of the version that was the newest when it began (config/pins.py), which keeps that and all after it. Lance is told an
age, so a clock that is set or a process that is stopped at the wrong moment could have it delete more: the oldest version
to be kept has a tag meanwhile, and Lance deletes nothing at all where that would go.
"""

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from openrag_cli.config.pins import Pins
from openrag_cli.errors import os_errors
from openrag_cli.index import vectors, words
from openrag_cli.index.import_shim import import_lancedb
from openrag_cli.index.integrity import version_of
from openrag_cli.index.policy import Statistics
from openrag_cli.index.rows import KEY, MADE_OF

KEEP_VERSIONS = timedelta(hours=1)
"""Versions younger than this stay where nobody knows who reads them (I4): in a table that an older openrag made, so long
after the first clean-up by this one, and where files have no locks that say it."""

READERS = "readers"
"""The file in the table's folder by whose locks readers hold versions."""

_FOREVER = timedelta(days=36_500)
_KEPT = "kept"
_MAX_SLACK_S, TRIES = 1.0, 3
"""Seconds that Lance may take until it looks at the clock, where versions are so far apart; it is asked so often."""

_REFUSED = "marked for cleanup"
"""What Lance says instead of deleting a version that has a tag (0.40)."""

KEYS = {"id": "BTree", "revision": "BTree", "partition_id": "Bitmap", MADE_OF: "BTree", KEY: "BTree"}
"""The columns by which rows are looked up, and the kind of index of each."""

_ROWS_OF_FRAGMENT = 1 << 32
_MAX_ROWS = (1 << 32) - 1


def statistics(table: Any, n_stale_versions: int) -> Statistics:
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
        n_stale_versions=n_stale_versions,
        lacks_keys=lacks_key_indices(table),
        lists=vectors.lists_of(table),
    )


def count_stale(manifests: Sequence[Path], pins: Pins) -> int:
    """Return how many versions could be deleted, of those that have these manifests, newest first."""
    old = manifests[1:]
    if not old:
        return 0
    oldest = pins.oldest(version_of(old[0]) + 1) if _are_readers_known(manifests[0].parents[1]) else None
    if oldest is None:
        limit = time.time() - KEEP_VERSIONS.total_seconds()
        return sum(path.stat().st_mtime < limit for path in old)
    return sum(version_of(path) < oldest for path in old)


def let_readers_pin(folder: Path, *, has_known_readers: bool = False) -> None:
    """Make the file by which readers hold the versions of the table in a folder, if it is not there.

    Its time is when it was made; that of a new table, all of whose readers use it, is the beginning of all times.
    """
    path = folder / READERS
    with os_errors("preparing the index for readers"):
        if not path.exists():
            path.touch(mode=0o660)
            path.write_text("Its locks say which versions of the index are read.\n")
            if has_known_readers:
                os.utime(path, (0, 0))


def _are_readers_known(folder: Path) -> bool:
    try:
        return (folder / READERS).stat().st_mtime < time.time() - KEEP_VERSIONS.total_seconds()
    except OSError:
        return False


def optimize(table: Any, folder: Path, pins: Pins) -> bool:
    """Bring the indices up to date and merge what Lance merges; versions that nobody reads go in between.

    Return whether that was done; if not, for merging took too long for an age to be right, there is less to merge now.
    Versions that are replaced here go with the next call, or by `clean_up`.
    """
    with _kept(table, folder, pins) as age:
        try:
            table.optimize(cleanup_older_than=age)
        except RuntimeError as exc:
            if _REFUSED not in str(exc):
                raise
            return False
        return True


def clean_up(table: Any, folder: Path, pins: Pins) -> bool:
    """Delete versions that nobody reads, where that does nothing else: of a table that is one fragment, all indexed."""
    found = statistics(table, 0)
    return found.n_fragments != 1 or found.n_unindexed > 0 or optimize(table, folder, pins)


def optimize_only(table: Any) -> None:
    """Bring the indices up to date and merge what Lance merges."""
    table.optimize(cleanup_older_than=_FOREVER)


@contextlib.contextmanager
def _kept(table: Any, folder: Path, pins: Pins) -> Iterator[timedelta]:
    """Give the age from which versions may be deleted; no older one can be held by a reader in the block."""
    made_at = {int(version["version"]): version["timestamp"].timestamp() for version in table.list_versions()}
    known = sorted(made_at)
    with pins.free_below(known[-1]) as oldest:
        if oldest is None or not _are_readers_known(folder):
            yield KEEP_VERSIONS
            return
        kept = [version for version in known if version >= oldest]
        first_at = min(made_at[version] for version in kept)
        last_at = max((made_at[version] for version in known if version < oldest), default=0.0)
        tags = table.tags
        if _KEPT in tags.list():  # a process was killed
            tags.delete(_KEPT)
        tags.create(_KEPT, kept[0])
        try:
            slack_s = min(_MAX_SLACK_S, max(first_at - last_at, 0.002) / 2)
            yield timedelta(seconds=max(time.time() - first_at + slack_s, 0.001))  # a clock may have been set back
        finally:
            tags.delete(_KEPT)


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


def count_deleted(table: Any) -> int:
    """Return how many deleted rows are still in the files of the newest version."""
    newest = max(table.list_versions(), key=lambda version: int(version["version"]))
    return int(newest["metadata"]["total_deletion_file_rows"])


def split_off_a_row(table: Any) -> None:
    """Write one row again: compacting then finds two fragments to merge, and leaves out what was deleted of either. A
    single one is left as it is until a tenth of it is deleted (Lance 0.40)."""
    rows = table.search().limit(1).to_arrow()
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
