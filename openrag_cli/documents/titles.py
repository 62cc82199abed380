"""What a document calls itself: the title it declares, or the heading above all of its text."""

from openrag_cli.documents.chunking.outline import sections
from openrag_cli.documents.media_types import MBOX
from openrag_cli.domain import Document
from openrag_cli.store.searching.titles import is_title, short_title_of


def document_title(filename: str, document: Document) -> str:
    """Return the title that each chunk of a document is embedded under."""
    said = document.metadata.get("title")
    own = said if isinstance(said, str) and is_title(said) else _first_heading(document)
    return short_title_of(filename, own)


def _first_heading(document: Document) -> str | None:
    if document.media_type == MBOX:  # of many messages the first names itself alone
        return None
    first = next((section.path[0] for section in sections(document)[:2] if section.path), None)
    return first if first and is_title(first) else None
