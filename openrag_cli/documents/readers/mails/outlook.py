"""Outlook messages (MSG): the head, the fuller one of its bodies, attached messages; in the form that mail has.

MS-OXMSG: a message is a folder of streams in an OLE file, each named by the property that it holds.
"""

import contextlib
import datetime as dt
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from email.utils import parseaddr
from typing import Any

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.media_types import MSG
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.mails.mail import MailReader, fuller, message_of, tell_attachments
from openrag_cli.documents.readers.mails.rich_text import decompressed, encoding_of, text_of
from openrag_cli.domain import Document, Metadata
from openrag_cli.errors import IngestError

_SUBJECT, _BODY, _HTML, _RTF = "0037", "1000", "1013", "1009"
_SENDER, _SENDER_ADDRESSES = "0C1A", ("5D01", "0C1F", "0065")
_TO, _CC, _NAME, _HEAD = "0E04", "0E03", "3001", "007D"
_FILE_NAMES, _MIME, _DATA, _INNER = ("3707", "3704", "3001"), "370E", "3701", "3701000D"
_SENT = (0x0039, 0x0E06, 0x3007)  # submitted, delivered, made
_PAGE_OF_BODY, _PAGE_OF_STRINGS = 0x3FDE, 0x3FFD
_STARTS, _ENDS = 0x0060, 0x0061
_LOCATION, _STARTS_WHOLE, _ENDS_WHOLE = 0x8208, 0x820D, 0x820E  # properties that each file numbers for itself
_ADDRESSES = ("39FE", "3003")
_RECIPIENT_KIND = 0x0C15
_CONTACT = {"3A16": "Company", "3A17": "Job title", "3A08": "Phone", "3A1C": "Mobile phone", "3A09": "Home phone",
            "3A24": "Fax", "3A15": "Address", "3A51": "Web page"}  # fmt: skip
_CONTACT_MAIL = {0x8083: "Mail", 0x8093: "Mail 2", 0x80A3: "Mail 3"}
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
        if not text.strip() and ole.parsing_issues:
            raise IngestError("the Outlook message is damaged and cannot be read", reason="corrupt")
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
                is_wide = kind == "001F"
                text = content.decode("utf-16-le", "replace") if is_wide else self._decoded(content, number)
                return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
        return ""

    def _decoded(self, content: bytes, number: str) -> str:
        """Return bytes in the code page that the message (or the one around it) states, where that is true."""
        order = (_PAGE_OF_BODY, _PAGE_OF_STRINGS)
        for page in self._pages(order if number == _HTML else order[::-1]):
            with contextlib.suppress(UnicodeError):
                return content.decode(encoding_of(str(page)))
        with contextlib.suppress(NotText):
            return decode_text(content)[0]
        return content.decode("cp1252", "replace")

    def _pages(self, wanted: tuple[int, ...]) -> Iterator[int]:
        """Yield the code pages that are stated here, then those of the messages around."""
        for n in range(len(self.path), -1, -1):
            numbers = _Folder(self.ole, self.path[:n]).numbers()
            known = (numbers.get(key) for key in wanted)
            yield from filter(None, (int.from_bytes(each[1][:4], "little") if each else 0 for each in known))

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
        self._named = _numbers_in_file(ole)
        self.attachments: list[str] = []

    def message(self, folder: _Folder, depth: int = 0) -> str:
        """Return the text of a message and of those in it."""
        subject = " ".join((folder.text(_SUBJECT) or (folder.text(_NAME) if not depth else "")).split())
        known = self.metadata(folder)
        head = [f"{name}: {known[key]}" for name, key in _SHOWN if key in known]
        head += self._contact(folder)
        parts = [f"{'##' if depth else '#'} {subject}" if subject else "", "\n".join(head), self._body(folder)]
        for attachment in folder.folders("__attach_version1.0_"):
            inner = next(attachment.folders(f"__substg1.0_{_INNER}"), None)
            if inner is not None and inner.stream("__properties_version1.0") and depth < _MAX_DEPTH:
                parts.append(self.message(inner, depth + 1))
            else:
                parts += self._file(attachment, depth)
        return "\n\n".join(part.strip() for part in parts if part.strip())

    def _file(self, attachment: _Folder, depth: int) -> list[str]:
        """Return the text of an attached file that is a message; the names of others are kept."""
        names = [attachment.text(number) for number in (*_FILE_NAMES, _MIME)]
        name = next(filter(None, names), "attachment")
        content = attachment.stream(f"__substg1.0_{_DATA}0102") if name.lower().endswith(".eml") else None
        message = message_of(content) if content and depth < _MAX_DEPTH else None
        if message is None:
            self.attachments.append(name)
            return []
        reader = MailReader(self._source)
        text = reader.message(message, depth + 1)
        self.attachments += reader.attachments
        return [text]

    def metadata(self, folder: _Folder) -> Metadata:
        """Return what a message says of itself: title, from, to, cc, date; of an appointment when and where it is."""
        sender = folder.text(_SENDER)
        found = {
            "title": " ".join(folder.text(_SUBJECT).split()),
            "from": _person(sender, _address(folder, _SENDER_ADDRESSES) or _stated_sender(folder)),
            "to": _recipients(folder, 1) or folder.text(_TO),
            "cc": _recipients(folder, 2) or folder.text(_CC),
            "date": next(filter(None, map(folder.time, _SENT)), ""),
            "location": self._text_named(folder, _LOCATION),
            "starts": folder.time(_STARTS) or folder.time(self._named.get(_STARTS_WHOLE, 0)),
            "ends": folder.time(_ENDS) or folder.time(self._named.get(_ENDS_WHOLE, 0)),
        }
        return {key: " ".join(value.split()) for key, value in found.items() if value.strip()}

    def _text_named(self, folder: _Folder, number: int) -> str:
        return folder.text(f"{self._named[number]:04X}") if number in self._named else ""

    def _contact(self, folder: _Folder) -> Iterator[str]:
        """Yield the lines of a contact: where to reach it."""
        if not folder.text("001A").startswith("IPM.Contact"):
            return
        said = {name: folder.text(number) for number, name in _CONTACT.items()}
        said |= {name: self._text_named(folder, number) for number, name in _CONTACT_MAIL.items()}
        yield from (f"{name}: {' '.join(value.split())}" for name, value in said.items() if value)

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


def _recipients(folder: _Folder, kind: int) -> str:
    """Return those to whom it went, or (2) who got a copy, with their addresses."""
    found = []
    for each in folder.folders("__recip_version1.0_"):
        stated = int.from_bytes(each.numbers().get(_RECIPIENT_KIND, (0, b"\1"))[1][:1], "little") & 15
        if stated == kind:
            found.append(_person(each.text(_NAME), _address(each, _ADDRESSES)))
    return "; ".join(filter(None, found))


def _address(folder: _Folder, numbers: tuple[str, ...]) -> str:
    """Return an address of mail; those of the directory of an Exchange server are none."""
    addresses = (folder.text(number) for number in numbers)
    return next((address for address in addresses if "@" in address and not address.startswith("/")), "")


def _stated_sender(folder: _Folder) -> str:
    """Return the address of the sender in the head that the message had on its way."""
    head = folder.text(_HEAD)[:100_000]
    return parseaddr(HeaderParser().parsestr(head).get("From", ""))[1] if head else ""


def _person(name: str, address: str) -> str:
    name = name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name
    return f"{name} <{address}>" if name and address and address not in name else name or address


def _numbers_in_file(ole: Any) -> dict[int, int]:
    """Return the numbers that named properties have in this file."""
    entries = _Folder(ole, ("__nameid_version1.0",)).stream("__substg1.0_00030102") or b""
    found: dict[int, int] = {}
    for at in range(0, len(entries) - 7, 8):
        number, kind, index = struct.unpack_from("<IHH", entries, at)
        if not kind & 1:
            found.setdefault(number, 0x8000 + index)
    return found
