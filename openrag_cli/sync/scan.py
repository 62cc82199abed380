"""What a folder has, for a sync: its files by id, with the hashes that planning needs, and what could not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openrag_cli.errors import Conflict, IngestError, InvalidInput, PathNotFound
from openrag_cli.ingest.discovery import EMPTY_FILE, Walk, failure
from openrag_cli.ingest.naming import Source, folder_source
from openrag_cli.ingest.stable_read import read_steadily, sha256_of
from openrag_cli.store.blobs import file_too_large
from openrag_cli.store.names import check_file_id
from openrag_cli.sync.plan import FolderFile, ids_to_hash

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection
    from pathlib import Path

    from openrag_cli.errors import OpenRAGError
    from openrag_cli.ingest.discovery import Choice
    from openrag_cli.ingest.report import Failure
    from openrag_cli.ingest.stable_read import FileState
    from openrag_cli.sync.plan import SyncHistory

_MAX_STORED = (1 << 63) - 1


@dataclass(slots=True)
class Scan:
    """A folder, looked at once. `skipped` are files that are there and cannot be read now, or links not followed;
    `left_out` counts what is no source.

    `is_complete` is false when a part of the folder could not be seen: then nothing that is missing is known to be gone.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    seen: dict[str, FolderFile] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    is_complete: bool = True
    left_out: Counter[str] = field(default_factory=Counter)

    def leave_out_empty(self, held: Collection[str]) -> None:
        """Count files of no bytes as left out, but for those that the partition holds: what was in them is lost."""
        for file_id in [one for one, seen in self.seen.items() if seen.size == 0 and one not in held]:
            del self.seen[file_id]
            self.left_out[EMPTY_FILE] += 1

    def skip(self, file_id: str, why: OpenRAGError | None = None) -> None:
        """Leave a file alone in this run; `why` makes it a failure."""
        self.seen.pop(file_id, None)
        self.skipped.add(file_id)
        if why:
            self.failures.append(failure(self.sources[file_id], why))


def mtime_of(stat: os.stat_result | FileState) -> int:
    """Return the time of the last change in ns since 1970, as the catalog can store it (until 2262)."""
    return min(stat.st_mtime_ns, _MAX_STORED)


def scan_folder(folder: Path, *, max_bytes: int, choice: Choice, prefix: str = "") -> Scan:
    """Look at a folder with the rules of `file add`; ids begin with `prefix`.

    Raises:
        PathNotFound: there is no such folder.
    """
    if not folder.is_dir():
        if folder.exists():
            raise PathNotFound(f"{folder}: not a folder", hint="name the folder that it is in, or: openrag file add")
        raise PathNotFound(f"{folder}: no such folder", hint="check the path; if it is a mounted disk, mount it")
    scan = Scan()
    walk = Walk(folder, choice)
    origin = folder_source(folder)
    for entry, stat in walk.entries():
        source = Source(entry.path, prefix + entry.file_id, origin)
        try:
            check_file_id(source.file_id)
        except InvalidInput as exc:
            scan.failures.append(failure(source, exc))
            continue
        if source.file_id in scan.sources:
            twin = Conflict("another file of the folder has the same id", hint="give one of the two another name")
            scan.failures.append(failure(source, twin))
            continue
        scan.sources[source.file_id] = source
        if stat.st_size > max_bytes:
            scan.skip(source.file_id, file_too_large(max_bytes))
        else:
            scan.seen[source.file_id] = FolderFile(stat.st_size, mtime_of(stat))
    scan.failures += walk.failures
    scan.left_out += walk.left_out
    scan.skipped |= {prefix + link for link in walk.links}
    scan.is_complete = not walk.failures
    return scan


def read_contents(scan: Scan, past: SyncHistory, *, is_thorough: bool, should_stop: Callable[[], bool]) -> None:
    """Fill in the hashes: those remembered of files that look as they did, and of others by reading them.

    When told to stop, it leaves the files that are not yet read alone.
    """
    wanted = ids_to_hash(scan.seen, past, is_thorough=is_thorough)
    for file_id, seen in scan.seen.items():
        row = past.rows.get(file_id)
        if row is not None and row.has_stat_of(seen):
            scan.seen[file_id] = FolderFile(seen.size, seen.mtime_ns, row.sha256)
    for file_id in wanted:
        if should_stop():
            scan.is_complete = False
            scan.skip(file_id)
            continue
        try:
            digest, stat = read_steadily(scan.sources[file_id].path, sha256_of)
        except PathNotFound:  # gone since: the next sync sees whether it stays away
            scan.skip(file_id)
        except IngestError as exc:
            scan.skip(file_id, exc)
        else:
            scan.seen[file_id] = FolderFile(stat.st_size, mtime_of(stat), digest)
