"""Mail (RFC 5322 and MIME): the head, then every part that a mail program shows, in its order.

Only the parts of one multipart/alternative say the same: of them the one with more words is read, since a plain part
may say no more than that there is another. An invitation is text; attachments are named in a warning.
"""

import base64
import contextlib
import quopri
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import Message
from typing import Any

from openrag_cli.documents.media_types import EML
from openrag_cli.documents.notes import Notes
from openrag_cli.documents.readers.base import Source, cut, parser_errors, read_bytes
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.mails.headers import SHOWN, Part, decoded, header, metadata_of
from openrag_cli.documents.readers.plain import calendar_text
from openrag_cli.domain import Document
from openrag_cli.errors import OpenRAGError

_MAX_DEPTH = 20
_MAX_NAMES = 10
_MAX_STUB_WORDS = 60
_STUB = re.compile(r"\bhtml\b|\b(?:web ?browser|browser|navigateur|navegador|online|web ?version)\b", re.IGNORECASE)
_BOUNDARY = re.compile(rb"^--([^\s-][^\r\n]{0,69}?)[ \t]*\r?$", re.MULTILINE)
_NOT_WORDS = re.compile(r"https?://\S+|\]\([^)]*\)")
_WORD = re.compile(r"\w+")
_DECODERS: dict[str, Callable[[bytes], bytes]] = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}
_ENRICHED = re.compile(r"<<|</?[A-Za-z][\w-]*>")


def read_mail(source: Source) -> Document:
    """Read a message: subject as heading, who and when, then its text; attached messages follow in the same form.

    Raises:
        IngestError: corrupt.
    """
    content, _ = read_bytes(source, limit=source.limits.max_bytes)
    with parser_errors("message"):
        message: Part = message_from_bytes(content, policy=policy.compat32)
        reader = MailReader(source)
        text = reader.message(message)
        metadata = metadata_of(message)
    markdown, warnings = cut(text, source.limits.max_chars)
    tell_attachments(source.notes, reader.attachments)
    return Document(markdown, media_type=EML, has_headings=True, warnings=warnings, metadata=metadata)


def tell_attachments(notes: Notes, attachments: list[str]) -> None:
    """Note the attachments that are not read, by their names."""
    if attachments:
        n, names = len(attachments), ", ".join(attachments[:_MAX_NAMES])
        more = f" and {n - _MAX_NAMES:,} more" if n > _MAX_NAMES else ""
        what = "1 attachment is" if n == 1 else f"{n:,} attachments are"
        notes.warn("attachments_left_out", f"{what} not indexed: {names}{more}")


def archive_text(content: bytes, source: Source) -> str:
    """Return the text of a saved web page (MHT) without its head."""
    return MailReader(source).body(message_from_bytes(content, policy=policy.compat32))


class MailReader:
    """Reads messages of one source; `attachments` are the names of what is not read of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sheets: list[str] = []
        self.attachments: list[str] = []

    def message(self, message: Part, depth: int = 0) -> str:
        """Return the text of a message and of those in it."""
        subject = header(message, "Subject")
        head = [f"{name}: {value}" for name in SHOWN if (value := header(message, name))]
        marks = "##" if depth else "#"
        parts = [f"{marks} {subject}" if subject else "", "\n".join(head), self.body(message, depth)]
        return "\n\n".join(part for part in map(_trimmed, parts) if part)

    def body(self, message: Part, depth: int = 0) -> str:
        """Return the text of a message without its head."""
        if not depth:
            self._sheets = [_text_of(part) for part in message.walk() if part.get_content_type() == "text/css"]
        return "\n\n".join(part for part in map(_trimmed, self._texts(message, depth)) if part)

    def _texts(self, part: Part, depth: int) -> list[str]:
        """Return the texts of a part, in order."""
        kind = part.get_content_type()
        if depth > _MAX_DEPTH:
            self._source.notes.leave_out("part that is nested too deeply")
            return []
        attached = _message_as_file(part, kind)
        if attached is not None:
            return [self.message(attached, depth + 1)]
        if kind == "message/rfc822" and part.is_multipart():
            return [self.message(inner, depth + 1) for inner in _children(part)]
        if kind == "message/delivery-status":
            return ["\n\n".join(_header_lines(status) for status in _children(part)) or _text_of(part)]
        if part.is_multipart():
            if kind == "multipart/alternative":
                return self._alternative(part, depth)
            return [text for child in _children(part) for text in self._texts(child, depth + 1)]
        if kind.startswith("multipart/"):
            return self._without_boundary(part, depth)
        return self._leaf(part, kind)

    def _alternative(self, part: Part, depth: int) -> list[str]:
        """Return the fuller one of the forms of a text, and what is none of its forms, such as an invitation."""
        best: list[str] = []
        n_best = 0
        beside: list[str] = []
        for child in _children(part):
            texts = self._texts(child, depth + 1)
            if child.get_content_type() == "text/calendar":
                beside += texts
                continue
            n_words = sum(_n_words(text) for text in texts)
            if n_words and (n_words >= n_best or _points_elsewhere(best)):
                best, n_best = texts, n_words
        return best + beside

    def _without_boundary(self, part: Part, depth: int) -> list[str]:
        """Read a multipart whose boundary is missing or wrong: by the first line that looks like one, or as text."""
        content = _bytes_of(part)
        found = _BOUNDARY.search(content)
        if found is None or depth >= _MAX_DEPTH:
            return [decoded(content, part.get_content_charset())]
        boundary = found[1].decode("ascii", "replace").rstrip()
        top = f'Content-Type: {part.get_content_type()}; boundary="{boundary}"\n\n'.encode("ascii", "replace")
        mended: Part = message_from_bytes(top + content, policy=policy.compat32)
        if not mended.is_multipart():
            return [decoded(content, part.get_content_charset())]
        self._source.notes.warn("damaged_part", "the boundary between its parts is not the one that it states")
        return self._texts(mended, depth + 1)

    def _leaf(self, part: Part, kind: str) -> list[str]:
        is_attached = (part.get_content_disposition() or "") == "attachment"
        if kind in {"text/calendar", "text/x-vcalendar"}:
            return self._calendar(part)
        if is_attached or not kind.startswith("text/"):
            self._attach(part, kind)
            return []
        if kind in {"text/css", "text/javascript", "text/rtf"}:
            self._attach(part, kind)
            return []
        text = _text_of(part)
        read: Callable[[str], str] | None = {"text/html": self._page, "text/enriched": _plain_of_enriched}.get(kind)
        return [read(text) if read else _unflowed(text, part)]

    def _page(self, html: str) -> str:
        return fragment_markdown(html, self._source, self._sheets)

    def _calendar(self, part: Part) -> list[str]:
        content = part.get_payload(decode=True)
        try:
            return [calendar_text(content, self._source.notes)] if isinstance(content, bytes) else []
        except OpenRAGError:
            self._attach(part, "text/calendar")
            return []

    def _attach(self, part: Part, kind: str) -> None:
        name = part.get_filename()
        is_shown_in_page = name is None and part.get("Content-ID") is not None and kind.startswith("image/")
        if (
            kind not in {"text/css", "application/pgp-signature", "application/pkcs7-signature"}
            and not is_shown_in_page
        ):
            self.attachments.append(" ".join(str(name or kind).split()))


def fuller(texts: list[str]) -> str:
    """Return the one of several forms of a text that has most words, the last of equals; not one that only says that
    there is another."""
    best = ""
    for text in texts:
        if _n_words(text) and (_n_words(text) >= _n_words(best) or _points_elsewhere([best])):
            best = text
    return best


def _n_words(text: str) -> int:
    return len(_WORD.findall(_NOT_WORDS.sub(" ", text)))


def _points_elsewhere(texts: list[str]) -> bool:
    """Whether a plain text says no more than that the message is to be seen in another form."""
    text = " ".join(texts)
    return _n_words(text) <= _MAX_STUB_WORDS and bool(_STUB.search(text))


def _children(part: Part) -> list[Part]:
    payload: Any = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def message_of(content: bytes) -> "Part | None":
    """Return the message that bytes are; None where they have no head."""
    message: Part = message_from_bytes(content, policy=policy.compat32)
    return message if message.keys() else None


def _message_as_file(part: Part, kind: str) -> "Part | None":
    """Return a message that is attached as a file (.eml), or encoded, which messages are not to be; None for others."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if kind == "message/rfc822" and part.is_multipart() and encoding in _DECODERS:
        content = _children(part)[0].as_bytes(policy=policy.compat32) if _children(part) else b""
        with contextlib.suppress(ValueError):
            return message_of(_DECODERS[encoding](content))
    is_file = str(part.get_filename() or "").lower().endswith(".eml")
    file = part.get_payload(decode=True) if is_file else None
    return message_of(file) if isinstance(file, bytes) else None


def _header_lines(part: Part) -> str:
    return "\n".join(f"{name}: {header(part, name)}" for name in dict.fromkeys(part.keys()))


def _bytes_of(part: Part) -> bytes:
    payload: Any = part.get_payload()
    return str(payload).encode("utf-8", "surrogateescape") if isinstance(payload, str) else b""


def _text_of(part: Part) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):  # a part whose headers contradict each other has none
        return ""
    return decoded(content, part.get_content_charset()).replace("\r\n", "\n").replace("\r", "\n")


def _unflowed(text: str, part: Part) -> str:
    """Return a text with its soft line breaks undone, where it has such (RFC 3676, format=flowed and DelSp)."""
    if str(part.get_param("format") or "").lower() != "flowed":
        return text
    keeps_space = str(part.get_param("delsp") or "").lower() != "yes"
    lines: list[str] = []
    is_open, open_depth = False, 0
    for line in text.split("\n"):
        body = line.lstrip(">")
        depth = len(line) - len(body)
        body = body.removeprefix(" ")
        is_signature = body in {"-- ", "--"}
        if is_open and depth == open_depth and not is_signature:
            lines[-1] += body
        else:
            lines.append(">" * depth + (" " if depth else "") + body)
        is_open, open_depth = body.endswith(" ") and not is_signature, depth
        if is_open and not keeps_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(line.rstrip() for line in lines)


def _plain_of_enriched(text: str) -> str:
    """Return the text of text/enriched (RFC 1896): formatting commands out, a doubled bracket as one."""
    return _ENRICHED.sub(lambda match: "<" if match[0] == "<<" else "", text)


def _trimmed(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip()
