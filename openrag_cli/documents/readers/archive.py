"""Checks on documents that are zip archives, before a parser opens them, and the OpenDocument reader."""

import zipfile
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree as ET

from openrag_cli.documents.media_types import ODT, is_ole
from openrag_cli.documents.readers.base import Source, cut, parser_errors, read_bytes
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

MAX_PARTS = 20_000

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_WHITE_SPACE = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


def checked_archive(source: Source, kind: str) -> None:
    """Refuse an archive that is encrypted, damaged or too large when unpacked.

    The sizes are those that the archive states; zipfile reads no more of a part than it states.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    if is_ole(read_bytes(source, limit=16)[0]):  # how office programs wrap a document that has a password
        raise needs_password(kind)
    with parser_errors(kind), zipfile.ZipFile(source.path) as archive:
        parts = archive.infolist()
    if any(part.flag_bits & 1 for part in parts):
        raise needs_password(kind)
    size = sum(part.file_size for part in parts)
    if size > source.limits.max_unpacked_bytes or len(parts) > MAX_PARTS:
        raise IngestError(
            f"the {kind} unpacks to {size:,} bytes in {len(parts):,} parts; at most "
            f"{source.limits.max_unpacked_bytes:,} bytes in {MAX_PARTS:,} parts are read",
            reason="too_large",
            hint="split it and add the parts",
        )


def needs_password(kind: str) -> IngestError:
    """Return the error for a document that cannot be opened without a password."""
    return IngestError(
        f"the {kind} needs a password", reason="encrypted", hint="save a copy without a password and add that"
    )


def read_odt(source: Source) -> Document:
    """Read an OpenDocument text: headings, paragraphs, and table rows with a bar between cells.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    checked_archive(source, "ODT")
    with parser_errors("ODT"), zipfile.ZipFile(source.path) as archive:
        if b"encryption-data" in archive.read("META-INF/manifest.xml")[: 1 << 20]:
            raise needs_password("ODT")
        with archive.open("content.xml") as content:
            text = "\n\n".join(_blocks(content))
    markdown, warnings = cut(text, source.limits.max_chars)
    return Document(markdown, media_type=ODT, has_headings=True, warnings=warnings)


def _blocks(content: IO[bytes]) -> Iterator[str]:
    """Yield Markdown blocks; what has been read is dropped from the tree, so that a long document stays small."""
    cells: list[str] = []
    n_tables = 0
    for event, element in ET.iterparse(content, events=("start", "end")):  # noqa: S314 - expat limits expansion
        if element.tag == f"{_TABLE}table":
            n_tables += 1 if event == "start" else -1
        if event == "start":
            continue
        if element.tag in {f"{_TEXT}p", f"{_TEXT}h"}:
            block = _block(element)
            element.clear()
            if n_tables:
                cells.append(block.replace("\n", " "))
            elif block.strip():
                yield block
        elif element.tag == f"{_TABLE}table-row":
            if any(cell.strip() for cell in cells):
                yield f"| {' | '.join(cells)} |"
            cells.clear()
            element.clear()


def _block(element: ET.Element) -> str:
    pieces = []
    for part in element.iter():
        if part.tag == f"{_TEXT}s":
            pieces.append(" ")
        pieces.append(_WHITE_SPACE.get(part.tag, "") + (part.text or ""))
        if part is not element:
            pieces.append(part.tail or "")
    text = "".join(pieces)
    if element.tag == f"{_TEXT}h":
        level = element.get(f"{_TEXT}outline-level", "1")
        return f"{'#' * min(6, int(level))} {' '.join(text.split())}"
    return text
