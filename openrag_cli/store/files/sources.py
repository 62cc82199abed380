"""Where files came from, and what a synced folder keeps of its own."""

import os
import sqlite3
from pathlib import Path, PurePosixPath
from typing import Any, get_args
from urllib.parse import quote_from_bytes, unquote_to_bytes

from openrag_cli.domain import FileSource, SourceKind, Upload
from openrag_cli.store.database import Database
from openrag_cli.terminal import percent_decoded

MAX_PATH_CHARS = 3 * 4096
"""Of a path that an export tells, quoted: three characters for each byte that Linux takes."""


def source_id(connection: sqlite3.Connection, source: FileSource | None) -> int | None:
    """Within a transaction, return the number of a source, which is made known when it is new."""
    if source is None:
        return None
    values = (source.kind, source.label, source.root)
    connection.execute("INSERT INTO source (kind, label, root) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
    row = connection.execute("SELECT id FROM source WHERE kind = ? AND label = ? AND root = ?", values).fetchone()
    return int(row["id"])


def source_path(source: FileSource | None) -> str | None:
    """Return what a file is called below the root of its source, as the column `source_path` holds it."""
    return (source.path or None) if source else None


def exported_source(source: FileSource | None) -> dict[str, str] | None:
    """Return where a file came from as an export tells it: its folder on this machine quoted as in an address."""
    if source is None:
        return None
    root = source.root if os.path.isabs(source.root) else b""  # noqa: PTH117 - bytes; of a client's folder we know none
    return {"kind": source.kind, "label": source.label, "root": quote_from_bytes(root), "path": source.path}


def imported_source(entry: Any) -> FileSource | None:
    """Return where a file of an export came from; without its folder, where no such file is there on this machine.

    Raises:
        ValueError: it is nothing that an export tells.
    """
    if entry is None:  # 0.2 did not tell
        return None
    names = ("kind", "label", "root", "path")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in names):
        raise ValueError("a source is of another type")
    if entry["kind"] not in get_args(SourceKind) or max(map(len, entry.values())) > MAX_PATH_CHARS:
        raise ValueError(f"{entry['kind'][:80]!r} is no source")
    root = unquote_to_bytes(entry["root"])
    name = percent_decoded(entry["path"])
    path = PurePosixPath(name)
    is_inside = (
        name and not path.is_absolute() and os.pardir not in path.parts and "\0" not in name and b"\0" not in root
    )
    is_there = is_inside and os.path.isabs(root) and (Path(os.fsdecode(root)) / name).is_file()  # noqa: PTH117 - bytes
    return FileSource(entry["kind"], entry["label"], *((root, entry["path"]) if is_there else ()))


def brought_by(database: Database, partition: str, root: bytes) -> dict[str, str]:
    """Return the ids of the files that a folder of this machine brought, by what they are called below it."""
    rows = database.rows(
        "SELECT coalesce(source_path, file_id) AS path, file_id FROM file "
        "JOIN partition ON partition.id = file.partition_id JOIN source ON source.id = file.source_id "
        "WHERE partition.name = canonical(?) AND source.kind = 'folder' AND source.root = ? ORDER BY file_id",
        (partition, root),
    )
    return {row["path"]: row["file_id"] for row in rows}


def hand_on(connection: sqlite3.Connection, partition_id: int, replaced: str, upload: Upload) -> None:
    """Within a transaction that replaces a revision, let its folder keep it when the same content is read again."""
    connection.execute(
        "UPDATE folder_file SET revision = :new WHERE file_id = :file_id AND :old IN (revision, task_id) "
        "AND folder_id IN (SELECT id FROM folder WHERE partition_id = :partition_id) "
        "AND EXISTS (SELECT 1 FROM file WHERE revision = :old AND sha256 = :sha256)",
        {
            "new": upload.revision,
            "old": replaced,
            "partition_id": partition_id,
            "file_id": upload.file_id,
            "sha256": upload.sha256,
        },
    )
