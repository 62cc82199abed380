"""The head of a mail as people read it: encoded words, raw bytes in whatever encoding, addresses, dates."""

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.domain import Metadata

SHOWN = ("From", "To", "Cc", "Date")
_KEYS = {"From": "from", "To": "to", "Cc": "cc"}
_CHARSETS = {"iso-8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030",
             "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932", "iso-8859-11": "cp874"}  # fmt: skip
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")

Part: TypeAlias = "Message[Any, Any]"


def decoded(content: bytes, charset: str | None) -> str:
    """Return text in the charset that is stated, where that is true, else as any other text; `""` for what is none."""
    stated = (charset or "ascii").lower()
    for name in (stated, _CHARSETS.get(stated, "")) if stated in _CHARSETS else (stated,):
        try:
            text = content.decode(name or "ascii")
        except (LookupError, UnicodeError, ValueError):
            continue
        if not any("\x80" <= char <= "\x9f" for char in text):
            return text
    try:
        return decode_text(content)[0]
    except NotText:
        return content.decode("utf-8", "replace")


def header(message: Part, name: str) -> str:
    """Return a header on one line; an empty string where there is none."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)
    if raw is None:
        return ""
    text = str(raw)
    if not text.isascii():  # bytes that were never encoded
        charset = next(
            (part.get_content_charset() for part in message.walk() if part.get_content_maintype() == "text"), None
        )
        text = decoded(text.encode("ascii", "surrogateescape") if _is_escaped(text) else text.encode(), charset)
    return " ".join(_CONTROLS.sub(" ", _without_encoded_words(text)).split())


def _is_escaped(text: str) -> bool:
    return any("\udc80" <= char <= "\udcff" for char in text)


def _without_encoded_words(text: str) -> str:
    """Return text with the encoded words of RFC 2047 as what they mean."""
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(piece if isinstance(piece, str) else _piece(piece, charset) for piece, charset in pieces)


def _piece(piece: bytes, charset: str | None) -> str:
    return decoded(piece, charset) if charset else piece.decode("utf-8", "replace")


def metadata_of(message: Part) -> Metadata:
    """Return what a mail says of itself: title (its subject), from, to, cc, and its date in ISO 8601 where it has one."""
    found: Metadata = {}
    subject = header(message, "Subject")
    if subject:
        found["title"] = subject
    for name, key in _KEYS.items():
        if value := header(message, name):
            found[key] = value
    try:
        found["date"] = parsedate_to_datetime(header(message, "Date")).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return found
    return found
