"""What a converter child and its parent say to each other: JSON in frames with a length before each, never pickle.

Parent to child: one `Setup`, then a `Request` for each document; end of file means exit. Child to parent, for each
document: `ready`, any number of `work`, then one of `done` and `failed`.
"""

import json
import os
import struct
from dataclasses import asdict, dataclass
from typing import Any

from openrag_cli.documents.versions import chunker
from openrag_cli.domain import Document, DocumentWarning, Page, Span
from openrag_cli.errors import (
    ConverterUnavailable,
    IngestError,
    OpenRAGError,
    StoreError,
    UnsupportedFormat,
    is_of_machine,
)
from openrag_cli.store.metadata import document_metadata

_LENGTH = struct.Struct(">I")
HEADER_BYTES = _LENGTH.size

_OF_MACHINE = "machine"
_OF_CONVERTER = "converter"

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What the operating system allows one converter child; None leaves a resource as it is."""

    address_space: int | None = 1_500_000_000  # bytes; not enforced on macOS
    written_file: int = 16 * 1024 * 1024  # bytes
    open_files: int = 64
    cpu_slack_s: int = 5  # CPU seconds over the wall-clock deadline


@dataclass(frozen=True, slots=True)
class Converted:
    """A document and the pieces it was cut into, and what cut it, as `name@version` (empty: nobody knows)."""

    document: Document
    spans: tuple[Span, ...]
    chunker: str = ""


def frame(message: Message) -> bytes:
    """Return `message` as bytes for the pipe."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )  # odd file names
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """Return the length in bytes of the body that follows a header of HEADER_BYTES."""
    return int(_LENGTH.unpack(header)[0])


def parse(body: bytes) -> Message:
    """Return the message in the body of a frame.

    Raises:
        ValueError, TypeError: it is not a JSON object.
    """
    message = json.loads(body.decode("utf-8", "surrogatepass"))
    if not isinstance(message, dict):
        raise TypeError("a message must be a JSON object")
    return message


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content` to a file descriptor."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def done_message(document: Document, spans: list[Span]) -> Message:
    """Return the message that carries a result; spans go without their text, which the document holds."""
    rows = [
        [span.start, span.end, span.line_start, span.line_end, span.page, span.heading, span.head, span.plain]
        for span in spans
    ]
    return {"kind": "done", "document": asdict(document), "spans": rows}


def converted_from(message: Message) -> Converted:
    """Return the result in a `done` message.

    Raises:
        KeyError, TypeError, ValueError: the message has not that form.
    """
    fields = message["document"]
    metadata, more = document_metadata(dict(fields["metadata"]))  # a hostile child may say anything
    document = Document(
        markdown=str(fields["markdown"]),
        pages=tuple(Page(**page) for page in fields["pages"]),
        media_type=str(fields["media_type"]),
        has_headings=bool(fields["has_headings"]),
        warnings=(*(DocumentWarning(**warning) for warning in fields["warnings"]), *more),
        metadata=metadata,
        reader=str(fields["reader"]),
    )
    return Converted(document, tuple(_span(document.markdown, row) for row in message["spans"]), chunker())


def _span(markdown: str, row: list[Any]) -> Span:
    start, end, line_start, line_end, page, heading, head, plain = row
    return Span(markdown[start:end], start, end, line_start, line_end, page, tuple(heading), tuple(head), plain)


def failed_message(error: OpenRAGError) -> Message:
    """Return the message that carries an error."""
    reason = error.reason if isinstance(error, IngestError) else _OF_MACHINE if is_of_machine(error) else None
    reason = _OF_CONVERTER if isinstance(error, ConverterUnavailable) else reason
    return {"kind": "failed", "message": error.message, "hint": error.hint, "reason": reason}


def error_from(message: Message) -> OpenRAGError:
    """Return the error in a `failed` message."""
    text, hint = str(message["message"]), message.get("hint")
    if message.get("reason") is None:
        return UnsupportedFormat(text, hint=hint)
    if message["reason"] == _OF_CONVERTER:
        return ConverterUnavailable(text, hint=hint)
    if message["reason"] == _OF_MACHINE:
        return StoreError(text, hint=hint)
    return IngestError(text, reason=str(message["reason"]), hint=hint)
