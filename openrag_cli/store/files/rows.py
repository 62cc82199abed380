"""Rows of `file` as domain objects."""

import json
import sqlite3
from datetime import datetime

from openrag_cli.domain import File, FileSource, MadeBy
from openrag_cli.store.database import at
from openrag_cli.store.documents import to_warnings

FILE = """
SELECT file.*, partition.name AS partition, source.kind AS source_kind, source.label AS source_label,
       source.root AS source_root
FROM file JOIN partition ON partition.id = file.partition_id AND partition.name NOT GLOB '/*'
LEFT JOIN source ON source.id = file.source_id
"""


def to_file(row: sqlite3.Row) -> File:
    """Return the `File` of a row of `file` joined with its partition's name and its source."""
    return File(
        partition=row["partition"],
        file_id=row["file_id"],
        revision=row["revision"],
        filename=row["filename"],
        media_type=row["media_type"],
        size=row["size"],
        sha256=row["sha256"],
        metadata=json.loads(row["metadata"]),
        chunk_count=row["chunk_count"],
        created_at=at(row["created_at"]),
        updated_at=at(row["updated_at"]),
        warnings=to_warnings(row["warnings"]),
        made_by=MadeBy(*json.loads(row["made_by"])) if row["made_by"] else None,
        document_metadata=json.loads(row["document_metadata"]),
        source=_source(row),
        modified_at=datetime.fromisoformat(row["modified_at"]),
    )


def _source(row: sqlite3.Row) -> FileSource | None:
    kind = row["source_kind"]
    return FileSource(kind, row["source_label"], row["source_root"], row["source_path"] or "") if kind else None


def pack_made_by(made_by: MadeBy | None) -> str:
    """Return what made a file as the column `made_by` holds it."""
    return json.dumps([made_by.reader, made_by.chunker, made_by.model]) if made_by else ""
