"""Outlook messages (MSG): the head, the fuller one of its bodies, attached messages; in the form that mail has.

MS-OXMSG: a message is a folder of streams in an OLE file, each named by the property that it holds.
"""

import contextlib
import datetime as dt
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.media_types import MSG
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.mails.mail import fuller, tell_attachments
from openrag_cli.documents.readers.mails.rich_text import decompressed, text_of
from openrag_cli.domain import Document, Metadata

_SUBJECT, _BODY, _HTML, _RTF = "0037", "1000", "1013", "1009"
_SENDER, _SENDER_ADDRESSES = "0C1A", ("5D01", "0C1F", "0065")
_TO, _CC, _NAME = "0E04", "0E03", "3001"
_FILE_NAMES, _MIME, _INNER = ("3707", "3704", "3001"), "370E", "3701000D"
_SENT = (0x0039, 0x0E06, 0x3007)  # submitted, delivered, made
_CODEPAGES = (0x3FDE, 0x3FFD)  # of the body, of strings
_STARTS, _ENDS = 0x0060, 0x0061
_LOCATION = 0x8208  # a property that each file numbers for itself
_TEXT_KINDS = ("001F", "001E", "0102")
_TIME_KIND = 0x0040
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
_MAX_DEPTH = 10


def read_msg(source: Source) -> Document:
    """Read a message: subject as heading, who and when, then its text; attached messages follow in the same form.

    Raises:
        IngestError: corrupt.
    """
    import olefile

    with parser_errors("Outlook message"), olefile.OleFileIO(source.path) as ole:
        reader = _Reader(source, ole)
        text = reader.message(_Folder(ole, ()))
        metadata = reader.metadata(_Folder(ole, ()))
    markdown, warnings = cut(text, source.limits.max_chars)
    tell_attachments(source.notes, reader.attachments)
    return Document(markdown, media_type=MSG, has_headings=True, warnings=warnings, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A message, recipient or attachment within the OLE file."""

    ole: Any
    path: tuple[str, ...]

    def stream(self, name: str) -> bytes | None:
        """Return the bytes of a stream, or nothing."""
        where = [*self.path, name]
        if not self.ole.exists(where) or self.ole.get_type(where) != 2:
            return None
        with contextlib.suppress(OSError):  # a stream that is cut
            return bytes(self.ole.openstream(where).read())
        return None

    def folders(self, start: str) -> Iterator["_Folder"]:
        """Return the folders of one kind."""
        depth = len(self.path)
        entries = self.ole.listdir(streams=True, storages=True)
        names = {entry[depth] for entry in entries if tuple(entry[:depth]) == self.path and len(entry) > depth}
        for name in sorted(name for name in names if name.startswith(start)):
            yield _Folder(self.ole, (*self.path, name))

    def numbers(self) -> dict[int, tuple[int, bytes]]:
        """Return property -> (kind, its eight bytes) of the properties that are no streams."""
        content = self.stream("__properties_version1.0") or b""
        start = 8 if self.path and self.path[-1].startswith("__") and "substg" not in self.path[-1] else 24
        start = 32 if not self.path else start
        found = {}
        for at in range(start, len(content) - 15, 16):
            kind, number = struct.unpack_from("<HH", content, at)
            found[number] = (kind, content[at + 8 : at + 16])
        return found

    def text(self, number: str) -> str:
        """Return a property as text, an empty one where it is not there."""
        for kind in _TEXT_KINDS:
            content = self.stream(f"__substg1.0_{number}{kind}")
            if content:
                text = content.decode("utf-16-le", "replace") if kind == "001F" else self._decoded(content)
                return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
        return ""

    def _decoded(self, content: bytes) -> str:
        """Return bytes in the code page that the message states, where that is true."""
        numbers = self.numbers()
        for known in (numbers.get(key) for key in _CODEPAGES):
            page = int.from_bytes(known[1][:4], "little") if known else 0
            with contextlib.suppress(LookupError, UnicodeError):
                if page:
                    return content.decode("utf-8" if page == 65001 else f"cp{page}")
        with contextlib.suppress(NotText):
            return decode_text(content)[0]
        return content.decode("cp1252", "replace")

    def time(self, number: int) -> str:
        """Return a time in ISO 8601, an empty text where there is none."""
        kind, value = self.numbers().get(number, (0, b""))
        if kind != _TIME_KIND:
            return ""
        with contextlib.suppress(OverflowError, ValueError):
            ticks = int.from_bytes(value, "little")
            return (_EPOCH + dt.timedelta(microseconds=ticks // 10)).isoformat(timespec="seconds") if ticks else ""
        return ""


class _Reader:
    def __init__(self, source: Source, ole: Any) -> None:
        self._source = source
        self._location = _number_in_file(ole, _LOCATION)
        self.attachments: list[str] = []

    def message(self, folder: _Folder, depth: int = 0) -> str:
        """Return the text of a message and of those in it."""
        subject = " ".join((folder.text(_SUBJECT) or (folder.text(_NAME) if not depth else "")).split())
        known = self.metadata(folder)
        head = [f"{name}: {known[key]}" for name, key in _SHOWN if key in known]
        parts = [f"{'##' if depth else '#'} {subject}" if subject else "", "\n".join(head), self._body(folder)]
        for attachment in folder.folders("__attach_version1.0_"):
            inner = next(attachment.folders(f"__substg1.0_{_INNER}"), None)
            if inner is not None and inner.stream("__properties_version1.0") and depth < _MAX_DEPTH:
                parts.append(self.message(inner, depth + 1))
            else:
                names = (attachment.text(number) for number in (*_FILE_NAMES, _MIME))
                self.attachments.append(next(filter(None, names), "attachment"))
        return "\n\n".join(part.strip() for part in parts if part.strip())

    def metadata(self, folder: _Folder) -> Metadata:
        """Return what a message says of itself: title, from, to, cc, date; of an appointment when and where it is."""
        sender = folder.text(_SENDER)
        addresses = [folder.text(number) for number in _SENDER_ADDRESSES]
        address = next((address for address in addresses if "@" in address), "")
        found = {
            "title": " ".join(folder.text(_SUBJECT).split()),
            "from": f"{sender} <{address}>" if sender and address and sender != address else sender or address,
            "to": folder.text(_TO) or _recipients(folder),
            "cc": folder.text(_CC),
            "date": next(filter(None, map(folder.time, _SENT)), ""),
            "location": folder.text(self._location) if self._location else "",
            "starts": folder.time(_STARTS),
            "ends": folder.time(_ENDS),
        }
        return {key: " ".join(value.split()) for key, value in found.items() if value.strip()}

    def _body(self, folder: _Folder) -> str:
        """Return the fuller one of the bodies of a message: plain text, HTML, rich text."""
        html = folder.text(_HTML)
        bodies = [folder.text(_BODY), fragment_markdown(html, self._source) if html else ""]
        if not any(bodies):
            bodies.append(self._rich(folder))
        return fuller(bodies)

    def _rich(self, folder: _Folder) -> str:
        content = folder.stream(f"__substg1.0_{_RTF}0102")
        if not content:
            return ""
        try:
            text, is_html = text_of(decompressed(content))
        except ValueError:
            self._source.notes.warn("damaged_part", "the rich text of the message cannot be read")
            return ""
        return fragment_markdown(text, self._source) if is_html else text


_SHOWN = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Date", "date"), ("Location", "location"),
          ("Starts", "starts"), ("Ends", "ends"))  # fmt: skip


def _recipients(folder: _Folder) -> str:
    names = (each.text(_NAME) or each.text("3003") for each in folder.folders("__recip_version1.0_"))
    return "; ".join(filter(None, names))


def _number_in_file(ole: Any, wanted: int) -> str:
    """Return the number that a named property has in this file, in hexadecimal; an empty text where it has none."""
    entries = _Folder(ole, ("__nameid_version1.0",)).stream("__substg1.0_00030102") or b""
    for at in range(0, len(entries) - 7, 8):
        number, kind, index = struct.unpack_from("<IHH", entries, at)
        if number == wanted and not kind & 1:
            return f"{0x8000 + index:04X}"
    return ""
