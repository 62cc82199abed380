"""A store from a backup, of which nothing is believed: see `backup.py` for what is in one.

Members are written to a folder beside the store, within budgets: the room on the disk, their number, their names. A
backup that is a file is looked through first, its manifest included, before a byte is written. The store appears by
one rename, when every sum is right; whatever goes wrong leaves nothing.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from openrag_cli import limits
from openrag_cli.errors import Conflict, InvalidInput, StoreDamaged, StoreFull, StoreMismatch, os_errors
from openrag_cli.fsync import files_below, fsync_below, undoing
from openrag_cli.maintenance.backup import CATALOG, MANIFEST, PARTS, SCHEMA
from openrag_cli.maintenance.tar_members import Member, Members
from openrag_cli.store.database import FORMAT

MANIFEST_BYTES_PER_MEMBER = 1024
MAX_PARTS, MAX_PART_BYTES = 16, 255
_MAGIC = b"SQLite format 3\0"
_VERSION_AT = 60
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_ONE = "openrag backup FILE makes one"
_ANOTHER = "use another one"


def restore(source: IO[bytes], store: Path) -> int:
    """Make the store at `store` from a backup; return how many members it had. It appears whole, or not at all.

    Raises:
        Conflict: there is a store, or something else. InvalidInput: no backup, or a member that no backup has.
        StoreDamaged: it is cut short or changed. StoreMismatch: it is of a newer format. StoreFull, StoreError: by cause.
    """
    with os_errors(f"restoring {store}"):
        is_taken = store.exists() and (not store.is_dir() or any(store.iterdir()))
    if is_taken:
        raise Conflict(f"{store} exists and is not empty", hint="name another folder with --store, or move it away")
    with os_errors(f"restoring {store}"):
        store.parent.mkdir(parents=True, exist_ok=True)
    if source.seekable():
        begin = source.tell()
        _look_through(source, store.parent)
        source.seek(begin)
    with os_errors(f"restoring {store}"):
        folder = Path(tempfile.mkdtemp(prefix=".openrag-restore-", dir=store.parent))
    with undoing(shutil.rmtree, folder, ignore_errors=True):
        sums = _unpack(source, folder)
        with os_errors(f"restoring {store}"):
            fsync_below(folder, files_below(folder))
            if store.is_dir():
                store.rmdir()
            folder.rename(store)
    return len(sums)


def _look_through(source: IO[bytes], place: Path) -> None:
    """Check names, sizes and the manifest of a backup that can be read twice."""
    members = Members(source)
    names: set[str] = set()
    total, manifest = 0, None
    for member in _checked(members):
        if member.name == MANIFEST:
            manifest = _manifest(members, member, len(names))
        else:
            names.add(member.name)
            total += member.size
    _same_names(names, manifest)
    _need_room(total, place)


def _unpack(source: IO[bytes], folder: Path) -> dict[str, str]:
    """Write the members below `folder` and return their sums, which are those of the manifest."""
    members = Members(source)
    sums: dict[str, str] = {}
    manifest = None
    for member in _checked(members):
        if member.name == MANIFEST:
            manifest = _manifest(members, member, len(sums))
        else:
            _need_room(member.size, folder)
            sums[member.name] = _write(members.blocks(), folder / member.name)
    expected = _same_names(set(sums), manifest)
    for name, found in sums.items():
        if expected[name] != found:
            raise StoreDamaged(f"the backup is damaged: {name} is not what its manifest says", hint=_ANOTHER)
    _check_catalog(folder / CATALOG)
    return sums


def _checked(members: Members) -> Iterator[Member]:
    """Yield the members, each of a name that a backup may have and that came once; the manifest is the last."""
    seen: set[str] = set()
    for member in members:
        if MANIFEST in seen or member.name in seen or not _is_of_a_backup(member.name):
            raise InvalidInput(f"this is not a backup: it holds {member.name[:200]!r}", hint=_NOT_ONE)
        seen.add(member.name)
        limits.check("backup_members", len(seen))
        yield member


def _is_of_a_backup(name: str) -> bool:
    """Whether a backup has such a member: no path leads out of the folder, and none is a folder of another."""
    path = PurePosixPath(name)
    parts = path.parts
    if name in {MANIFEST, CATALOG}:
        return True
    is_plain = str(path) == name and not path.is_absolute() and ".." not in parts and name.isprintable()
    is_short = 2 <= len(parts) <= MAX_PARTS and all(len(os.fsencode(part)) <= MAX_PART_BYTES for part in parts)
    return is_plain and is_short and parts[0] in PARTS and parts[0] != CATALOG


def _manifest(members: Members, member: Member, n_members: int) -> dict[str, str]:
    """Return the sums that the manifest states.

    Raises:
        StoreMismatch: of a newer format. StoreDamaged: not what a backup writes.
    """
    if member.size > MANIFEST_BYTES_PER_MEMBER * (n_members + 1):
        raise StoreDamaged("the backup's manifest is too large for it", hint=_ANOTHER)
    damaged = StoreDamaged("the backup's manifest is damaged", hint=_ANOTHER)
    try:
        body: Any = limits.read_json(b"".join(members.blocks()), MANIFEST)
    except (InvalidInput, UnicodeDecodeError) as exc:
        raise damaged from exc
    if not isinstance(body, dict):
        raise damaged
    made_by, sums = body.get("format"), body.get("sha256")
    is_format = isinstance(made_by, int) and not isinstance(made_by, bool) and made_by > 0
    if body.get("schema") != SCHEMA or (isinstance(made_by, int) and made_by > FORMAT):
        raise StoreMismatch(
            f"the backup has format {str(made_by)[:40]}; this openrag reads up to {FORMAT}",
            hint="upgrade with: pip install --upgrade openrag-cli",
        )
    if not is_format or not isinstance(sums, dict):
        raise damaged
    if not all(isinstance(value, str) and _SHA256.fullmatch(value) for value in sums.values()):
        raise damaged
    return sums


def _same_names(names: set[str], manifest: dict[str, str] | None) -> dict[str, str]:
    """Return the manifest, if there is one and it names these members."""
    if CATALOG not in names:
        raise InvalidInput("this is not a backup of openrag", hint=_NOT_ONE)
    if manifest is None:
        raise StoreDamaged("the backup is cut short: its manifest is missing", hint=_ANOTHER)
    if other := sorted(names ^ manifest.keys()):
        raise StoreDamaged(f"the backup is damaged: {other[0][:200]!r} is not what its manifest says", hint=_ANOTHER)
    return manifest


def _need_room(n_bytes: int, place: Path) -> None:
    with os_errors("restoring"):
        free = shutil.disk_usage(place).free
    if n_bytes > free:
        raise StoreFull(f"the backup needs {n_bytes:,} bytes, and {free:,} are free", hint="free some space")


def _write(blocks: Iterator[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with os_errors("restoring"):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = target.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
            raise InvalidInput("this is not a backup: a file in it is a folder too", hint=_NOT_ONE) from exc
        with copy:
            for block in blocks:
                digest.update(block)
                copy.write(block)
    return digest.hexdigest()


def _check_catalog(path: Path) -> None:
    """Refuse a catalog that is no SQLite database, or of a format that this version cannot read."""
    with path.open("rb") as stream:
        head = stream.read(_VERSION_AT + 4)
    version = int.from_bytes(head[_VERSION_AT:], "big")
    if not head.startswith(_MAGIC) or len(head) < _VERSION_AT + 4 or not version:
        raise StoreDamaged("the backup's catalog is no database of openrag", hint=_ANOTHER)
    if version > FORMAT:
        raise StoreMismatch(
            f"the backup has format {version}; this openrag reads up to {FORMAT}",
            hint="upgrade with: pip install --upgrade openrag-cli",
        )
