"""Where files came from: what a synced folder brought stays its own."""

import sqlite3

from openrag_cli.domain import Upload


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
