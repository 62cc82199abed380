"""What a folder has, for a sync: its files by id, with the hashes that planning needs, and what could not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from openrag_cli.errors import Conflict, IngestError, InvalidInput, OpenRAGError, PathNotFound, os_errors
from openrag_cli.ingest.discovery import EMPTY_FILE, Choice, Walk, failure
from openrag_cli.ingest.naming import Source
from openrag_cli.ingest.report import Looked
from openrag_cli.ingest.stable_read import FileState, read_steadily, sha256_of
from openrag_cli.store.blobs import file_too_large
from openrag_cli.store.names import check_file_id
from openrag_cli.sync.plan import FolderFile, SyncHistory

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from openrag_cli.domain import FileSource
    from openrag_cli.ingest.report import Failure, Listener, Progressed

_MAX_STORED = (1 << 63) - 1


def _nobody(_: Progressed) -> None:
    """Tell nobody."""


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

    def begin_ids_with(self, prefix: str) -> None:
        """Put `prefix` before every id, once; an id that then cannot name a file is a failure."""
        before = self.sources.keys()
        self.sources = {prefix + one: replace(source, file_id=prefix + one) for one, source in self.sources.items()}
        self.seen = {prefix + one: seen for one, seen in self.seen.items()}
        self.skipped = {prefix + one for one in self.skipped}
        self.failures = [
            replace(one, file_id=prefix + one.file_id) if one.file_id in before else one for one in self.failures
        ]
        for file_id, source in list(self.sources.items()):
            try:
                check_file_id(file_id)
            except InvalidInput as exc:
                del self.sources[file_id]
                self.seen.pop(file_id, None)
                self.failures.append(failure(source, exc))

    def leave_out_empty(self, held: Collection[str]) -> list[str]:
        """Leave out files of no bytes, but for those that the partition holds: what was in them is lost."""
        empty = [one for one, seen in self.seen.items() if seen.size == 0 and one not in held]
        self.leave_out(empty)
        return empty

    def leave_out(self, empty: Iterable[str]) -> None:
        """Count these files of no bytes as left out."""
        for file_id in empty:
            del self.seen[file_id]
            self.left_out[EMPTY_FILE] += 1

    def recall_hashes(self, past: SyncHistory) -> None:
        """Fill in the hashes remembered of files that look as they did."""
        for file_id, seen in self.seen.items():
            row = past.rows.get(file_id)
            if row is not None and row.has_stat_of(seen) and seen.sha256 is None:
                self.seen[file_id] = replace(seen, sha256=row.sha256)

    def skip(self, file_id: str, why: OpenRAGError | None = None) -> None:
        """Leave a file alone in this run; `why` makes it a failure."""
        self.seen.pop(file_id, None)
        self.skipped.add(file_id)
        if why:
            self.failures.append(failure(self.sources[file_id], why))


def looked_at(stat: os.stat_result | FileState, sha256: str | None = None) -> FolderFile:
    """Return what is seen of a file, in numbers that the catalog can store (times until 2262)."""
    mtime_ns, ctime_ns = (min(ns, _MAX_STORED) for ns in (stat.st_mtime_ns, stat.st_ctime_ns))
    return FolderFile(stat.st_size, mtime_ns, sha256, inode=stat.st_ino & _MAX_STORED, ctime_ns=ctime_ns)


def scan_folder(
    folder: Path, *, max_bytes: int, choice: Choice, origin: FileSource, listener: Listener = _nobody
) -> Scan:
    """Look at a folder with the rules of `file add`; ids are paths below it. `listener` is told of each file.

    Raises:
        PathNotFound: there is no such folder. Forbidden: it may not be looked at.
    """
    with os_errors(f"reading {folder}"):
        is_folder, is_there = folder.is_dir(), folder.exists()
    if not is_folder:
        if is_there:
            raise PathNotFound(f"{folder}: not a folder", hint="name the folder that it is in, or: openrag file add")
        raise PathNotFound(f"{folder}: no such folder", hint="check the path; if it is a mounted disk, mount it")
    scan = Scan()
    walk = Walk(folder, choice)
    for entry, stat in walk.entries():
        source = Source(entry.path, entry.file_id, replace(origin, path=entry.file_id))
        if source.file_id in scan.sources:
            twin = Conflict("another file of the folder has the same id", hint="give one of the two another name")
            scan.failures.append(failure(source, twin))
            continue
        scan.sources[source.file_id] = source
        if stat.st_size > max_bytes:
            scan.skip(source.file_id, file_too_large(max_bytes))
        else:
            scan.seen[source.file_id] = looked_at(stat)
        listener(Looked(len(scan.sources)))
    scan.failures += walk.failures
    scan.left_out += walk.left_out
    scan.skipped |= set(walk.links)
    scan.is_complete = not walk.failures
    return scan


def read_contents(
    scan: Scan, wanted: Sequence[str], should_stop: Callable[[], bool], listener: Listener = _nobody
) -> None:
    """Fill in the hashes of these files by reading them; when told to stop, leave those that are not yet read alone."""
    for at, file_id in enumerate(wanted, 1):
        listener(Looked(at, len(wanted)))
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
            scan.seen[file_id] = looked_at(stat, digest)
