"""Checks on documents that are zip archives, before a parser opens them, and the OpenDocument reader."""

import zipfile

from openrag_cli.documents.media_types import FLAT, is_ole
from openrag_cli.documents.readers.base import Source, parser_errors, read_bytes
from openrag_cli.errors import IngestError

MAX_PARTS = 20_000


def open_archive(source: Source, kind: str) -> zipfile.ZipFile:
    """Return the parts of a document, unless they are encrypted, damaged or too large when unpacked.

    The sizes are those that the archive states; zipfile reads no more of a part than it states. Of a document that is
    one file of XML the archive is made, in memory.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    if source.media_type in FLAT:
        from openrag_cli.documents.readers.xml_files.flat import archive_of

        return archive_of(source, kind)
    if is_ole(read_bytes(source, limit=16)[0]):  # how office programs wrap a document that has a password
        raise needs_password(kind)
    with parser_errors(kind):
        archive = zipfile.ZipFile(source.path)
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
    return archive


def needs_password(kind: str) -> IngestError:
    """Return the error for a document that cannot be opened without a password."""
    return IngestError(
        f"the {kind} needs a password", reason="encrypted", hint="save a copy without a password and add that"
    )
