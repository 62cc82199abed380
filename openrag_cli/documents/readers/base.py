"""What a reader is given and what it answers: limits, a source, notes, and the border to parsers of others."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openrag_cli import limits
from openrag_cli.documents.notes import Notes
from openrag_cli.domain import DocumentWarning
from openrag_cli.errors import IngestError, OpenRAGError

Warnings = tuple[DocumentWarning, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may cost. Over `max_bytes` or `max_unpacked_bytes` it is refused; over the others it is cut.

    A cut document keeps its beginning and carries a warning that says what was left out.
    """

    max_bytes: int = limits.most("file_bytes")  # of the file
    max_unpacked_bytes: int = limits.most(
        "unpacked_bytes"
    )  # of the parts of an office document, which are zip archives
    max_markup_bytes: int = limits.most(
        "markup_bytes"
    )  # of HTML and XML, which a parser turns into a tree 50 times as large
    max_chars: int = limits.most("text_chars")  # of text
    max_pages: int = limits.most("pages")
    max_rows: int = limits.most("rows")  # of a workbook, all sheets together
    max_cells: int = limits.most("cells")  # of a workbook, empty ones up to the last of each row too


@dataclass(frozen=True, slots=True)
class Source:
    """A document about to be read: where its bytes are, what it is called, and what it may cost.

    `report_pages` is told the number of pages as soon as it is known: time is allowed by the page. Text that a person
    who opens the document does not see is left out, with a note, unless `keeps_hidden`.
    """

    path: Path
    filename: str
    media_type: str
    limits: Limits
    report_pages: Callable[[int], None]
    keeps_hidden: bool = False
    notes: Notes = field(default_factory=Notes)

    def is_hidden(self, text: str) -> bool:
        """Whether `text`, which readers of the document do not see, is to be left out; it is counted then."""
        if not self.keeps_hidden:
            self.notes.hide(text)
        return not self.keeps_hidden


_PASSWORD = re.compile(
    r"\b(?:is encrypted|encrypted (?:file|workbook)|password[- ]protected|needs? a password)\b", re.IGNORECASE
)


@contextmanager
def parser_errors(kind: str) -> Iterator[None]:
    """Translate whatever a parser raises on damaged bytes: the border that keeps third-party errors out.

    Raises:
        IngestError: reason `corrupt`, or `encrypted` where the parser says so. Errors of ours and MemoryError pass.
    """
    try:
        yield
    except (OpenRAGError, MemoryError):
        raise
    except RecursionError as exc:
        raise IngestError(f"the {kind} is nested too deeply to be read", reason="corrupt") from exc
    except Exception as exc:
        if _PASSWORD.search(str(exc)):
            raise IngestError(
                f"the {kind} needs a password", reason="encrypted", hint="save a copy without a password and add that"
            ) from exc  # on damaged bytes parsers raise anything
        raise IngestError(
            f"the {kind} is damaged and cannot be read",
            reason="corrupt",
            hint="open it in the program that made it, save it again, and add that",
        ) from exc


def read_bytes(source: Source, *, limit: int) -> tuple[bytes, bool]:
    """Return (the first `limit` bytes, whether that is all of the file)."""
    with source.path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size  # read(n) reserves n bytes, whatever the file holds
        content = file.read(min(limit, size) + 1)
    return content[:limit], len(content) <= limit


def cut(text: str, limit: int) -> tuple[str, Warnings]:
    """Return (text of at most `limit` characters, warnings)."""
    if len(text) <= limit:
        return text, ()
    message = f"only the first {limit:,} characters are indexed; the rest of the text is left out"
    return text[:limit], (DocumentWarning("text_cut", message),)
