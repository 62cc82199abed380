"""Where files came from, and what a synced folder keeps of its own."""

import sqlite3

from openrag_cli.domain import FileSource, Upload


def source_id(connection: sqlite3.Connection, source: FileSource | None) -> int | None:
    """Within a transaction, return the number of a source, which is made known when it is new."""
    if source is None:
        return None
    values = (source.kind, source.label, source.root)
    connection.execute("INSERT INTO source (kind, label, root) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
    row = connection.execute("SELECT id FROM source WHERE kind = ? AND label = ? AND root = ?", values).fetchone()
    return int(row["id"])


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
