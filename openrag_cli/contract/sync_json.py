"""What a server plans for a sync of a client's folder, as JSON and back; and the listing that the client sends.

A listing is JSON Lines, one file a line: its path below the folder, its size, when it was last changed (in ns since
1970), its sha256 where the client has read it (or null), and, from clients since 0.2.0, its inode and when that was last
changed; or the path alone of a file that is there and cannot be read now.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli import limits
from openrag_cli.errors import InvalidInput
from openrag_cli.ingest.naming import Source
from openrag_cli.ingest.report import Failure
from openrag_cli.store.files.moves import Move
from openrag_cli.sync.plan import FolderFile, Plan
from openrag_cli.sync.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from openrag_cli.domain import FileSource

Json = dict[str, Any]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX = 1 << 63


@dataclass(slots=True)
class Planned:
    """What a server says of a folder. As long as there is something `to_hash`, nothing is planned.

    Ids begin with `prefix`, which another source has where it `is_taken`. `empty` are files of no bytes that are left
    out, `refused` those that the server takes none of, `busy` moves that others' work forbids, `failed` failures of
    earlier runs. `replaces` maps ids to the revisions that are to be replaced. `is_applied`: what can be done at once is
    done. `is_open`: the sync is to be finished. `is_resuming`: the last one was not.
    """

    prefix: str
    is_taken: bool = False
    to_hash: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    refused: list[Failure] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    replaces: dict[str, str] = field(default_factory=dict)
    busy: list[Failure] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    n_moved: int = 0
    n_deleted: int = 0
    is_applied: bool = False
    is_open: bool = False
    is_resuming: bool = False

    def earlier(self) -> list[Failure]:
        """Return the failures of earlier runs whose files are not tried."""
        return self.failed


_SAME = (
    "prefix",
    "is_taken",
    "to_hash",
    "empty",
    "replaces",
    "n_moved",
    "n_deleted",
    "is_applied",
    "is_open",
    "is_resuming",
)
_FAILURES = ("refused", "busy", "failed")
_OF_PLAN = ("adds", "deletes", "resume", "gone", "conflicts", "n_unchanged", "n_owned")


def as_json(value: Planned) -> Json:
    """Return what a server plans."""
    return {
        **{name: getattr(value, name) for name in _SAME},
        **{name: [asdict(one) for one in getattr(value, name)] for name in _FAILURES},
        "plan": {
            **{name: getattr(value.plan, name) for name in _OF_PLAN},
            "moves": [[move.source, move.target] for move in value.plan.moves],
        },
    }


def from_json(body: Json) -> Planned:
    """Return what a server plans, from its JSON."""
    plan = Plan(**{name: body["plan"][name] for name in _OF_PLAN})
    plan.moves = [Move(source, target, "", None) for source, target in body["plan"]["moves"]]
    plan.replaces = list(body["replaces"])
    planned = Planned(plan=plan, **{name: body[name] for name in _SAME})
    planned.refused, planned.busy, planned.failed = ([Failure(**one) for one in body[name]] for name in _FAILURES)
    plan.failed = {one.file_id: one.task_id or "" for one in planned.failed}
    return planned


def listing(scan: Scan) -> Iterator[bytes]:
    """Yield the lines of a folder's listing."""
    for path, seen in scan.seen.items():
        yield json.dumps([path, seen.size, seen.mtime_ns, seen.sha256, seen.inode, seen.ctime_ns]).encode() + b"\n"
    for path in scan.skipped:
        yield json.dumps([path]).encode() + b"\n"


def read_listing(stream: BinaryIO, origin: FileSource, *, max_bytes: int) -> Scan:
    """Return a folder as a client lists it; files over `max_bytes` are failures. Raises: InvalidInput, TooLarge."""
    from openrag_cli.store.blobs import file_too_large

    scan = Scan()
    for number, line in enumerate(_lines(stream), 1):
        limits.check("listing_files", number)
        limits.check("listing_line_bytes", len(line))
        entry = _entry(line, number)
        path = entry[0]
        if path in scan.sources:
            raise InvalidInput(f"line {number} of the listing names a file again", hint="list each file once")
        scan.sources[path] = Source(Path(path), path, replace(origin, path=path))
        if len(entry) == 1:
            scan.skipped.add(path)
        elif entry[1] > max_bytes:
            scan.skip(path, file_too_large(max_bytes))
        else:
            scan.seen[path] = FolderFile(*entry[1:])
    return scan


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines, of one that is too long the beginning: what is read of JSON is far larger than its text."""
    while line := stream.readline(limits.most("listing_line_bytes") + 1):
        yield line


def _entry(line: bytes, number: int) -> list[Any]:
    entry: list[Any] = limits.read_json(line, f"line {number} of the listing")
    match entry:
        case [str()]:
            return entry
        case [str(), int(size), int(mtime_ns), None | str() as digest, *rest] if (
            0 <= size < _MAX
            and -_MAX <= mtime_ns < _MAX
            and (digest is None or _SHA256.fullmatch(digest))
            and _is_identity(rest)
        ):
            return entry
    raise InvalidInput(
        f"line {number} of the listing is no file of a folder",
        hint='for example ["a.md", 120, 1700000000000000000, null]',
    )


def _is_identity(rest: list[Any]) -> bool:
    match rest:
        case [] | [None, None]:
            return True
        case [int(inode), int(ctime_ns)]:
            return 0 <= inode < _MAX and -_MAX <= ctime_ns < _MAX
    return False
