"""The converted texts of visible revisions, as the catalog keeps them: zlib, and their pages as JSON."""

import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import asdict

from openrag_cli.domain import Document, DocumentWarning, Page
from openrag_cli.errors import RevisionGone, StoreDamaged
from openrag_cli.store.searching.grams import save_signature


def save_document(connection: sqlite3.Connection, revision: str, document: Document) -> None:
    """Within a transaction, store the text of a revision."""
    pages = json.dumps([[page.number, page.start, page.end] for page in document.pages])
    text = document.markdown.encode("utf-8", "replace")
    connection.execute(
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?)", (revision, zlib.compress(text, level=3), pages)
    )
    save_signature(connection, revision, text.decode())


def read_document(connection: sqlite3.Connection, revision: str) -> Document:
    """Within a snapshot, return the text of a revision.

    Raises:
        RevisionGone: no file has that revision any more. StoreDamaged: one has, and its text is missing or unreadable.
    """
    row = connection.execute("SELECT markdown, pages FROM document WHERE revision = ?", (revision,)).fetchone()
    if row is None:
        if connection.execute("SELECT 1 FROM file WHERE revision = ?", (revision,)).fetchone() is None:
            raise RevisionGone(revision)
        raise StoreDamaged(f"the text of revision {revision} is missing", hint="replace the file to restore it")
    pages = tuple(Page(*page) for page in json.loads(row["pages"]))
    return Document(markdown=unpacked(row["markdown"], revision), pages=pages)


def unpacked(packed: bytes, revision: str) -> str:
    """Return a text as it was before it was packed. Raises: StoreDamaged."""
    try:
        return zlib.decompress(packed).decode()
    except (zlib.error, UnicodeDecodeError) as exc:
        raise StoreDamaged(f"the text of revision {revision} is damaged", hint="replace the file") from exc


def to_warnings(text: str) -> tuple[DocumentWarning, ...]:
    """Return the warnings in a row's JSON list."""
    return tuple(DocumentWarning(**entry) for entry in json.loads(text)) if text != "[]" else ()


def from_warnings(warnings: Iterable[DocumentWarning]) -> str:
    """Return warnings as the JSON list of a row."""
    return json.dumps([asdict(warning) for warning in warnings], ensure_ascii=False)
