"""Our own small readers: plain text, Markdown, source code, CSV, JSON, properties, calendars and contacts.

They keep the text as it is, so that a line number in a search result is a line number in the user's file; what was
meant for a terminal, not for a reader, is taken out.
"""

import json
import quopri
import re

from openrag_cli.documents.chunking.markup import MARKED_UP, fields_of
from openrag_cli.documents.encoding import Decoded, NotText, decode
from openrag_cli.documents.media_types import MARKDOWN, RST
from openrag_cli.documents.notes import Notes, counted
from openrag_cli.documents.readers.base import Source, Warnings, cut, read_bytes
from openrag_cli.documents.terminal import without_overstrike, without_sequences
from openrag_cli.domain import Document
from openrag_cli.errors import UnsupportedFormat

_FOLD = re.compile(rb"\r?\n[ \t]")  # RFC 5545 and 6350: lines are folded at any byte, even within a character
_SOFT_BREAK = re.compile(rb"(?i)(;ENCODING=QUOTED-PRINTABLE[^:\r\n]*:)((?:[^\r\n]*=\r?\n)*[^\r\n]*)")
_BINARY = re.compile(
    r"(?im)^(?:[\w-]+\.)?(PHOTO|LOGO|IMAGE|SOUND|KEY|ATTACH|X-[\w-]+)[;:](?:[^\n]*ENCODING=(?:B|BASE64)\b[^:\n]*:|[^\n]*;base64,)"
    r"[^\n]*(?:\n[A-Za-z0-9+/=]+$)*\n?"
)
_BINARY_KINDS = {"PHOTO": "picture", "LOGO": "picture", "IMAGE": "picture", "SOUND": "recording", "KEY": "key"}
_CALENDAR_ESCAPE = re.compile(r"\\([\\,;:nN])")
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")


def read_decoded(source: Source) -> tuple[str, Warnings]:
    """Return (text, warnings): decoded, with `\\n` line ends, cut at `max_chars`; what was mended is noted.

    Raises:
        UnsupportedFormat: the bytes are not text.
    """
    limit = source.limits.max_chars
    content, is_all = read_bytes(source, limit=4 * limit + 4)
    return cut(decoded_text(content, source.notes, complete=is_all), limit)


def decoded_text(content: bytes, notes: Notes, *, complete: bool = True) -> str:
    """Return the text of bytes, and note what was mended in it. Raises: UnsupportedFormat: they are not text."""
    try:
        decoded = decode(content, complete=complete)
    except NotText as exc:
        raise UnsupportedFormat(f"this is not text: {exc}") from exc
    _note_mended(decoded, notes)
    return decoded.text


def _note_mended(decoded: Decoded, notes: Notes) -> None:
    if decoded.n_bad_bytes:
        kind = decoded.encoding.upper()
        which = f"{counted(decoded.n_bad_bytes, 'byte')} that {_is(decoded.n_bad_bytes)} not {kind}"
        line = decoded.text[: decoded.text.find("\ufffd")].count("\n") + 1
        notes.warn("bad_bytes", f"{which}, the first in line {line:,}, became U+FFFD")
    if decoded.n_nul_bytes:
        notes.warn("nul_bytes", f"{counted(decoded.n_nul_bytes, 'NUL byte')} became blanks")
    n_mixed, other = decoded.mixed
    if n_mixed:
        message = f"{counted(n_mixed, 'line')} {_is(n_mixed)} not UTF-8 as the others, and {other} is a guess"
        notes.warn("encoding_guessed", message)
    if decoded.is_guess:
        notes.warn("encoding_guessed", f"its encoding is not stated, and {decoded.encoding} is a guess")


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def read_text(source: Source) -> Document:
    """Read plain text, source code, CSV, TSV, reStructuredText, LaTeX, XML: verbatim, but for terminal sequences."""
    text, warnings = read_decoded(source)
    text, n_sequences = without_sequences(text)
    text, n_backspaces = without_overstrike(text)
    if n_sequences:
        source.notes.warn("terminal_sequences", f"{counted(n_sequences, 'terminal sequence')} taken out of the text")
    if n_backspaces:
        source.notes.warn(
            "overstrike", f"{counted(n_backspaces, 'backspace')} of a line printer taken out of the text"
        )
    has_fields = source.media_type in {MARKDOWN, RST, *MARKED_UP}
    return Document(
        text,
        media_type=source.media_type,
        has_headings=source.media_type == MARKDOWN,
        warnings=warnings,
        metadata=fields_of(text, source.media_type) if has_fields else {},
    )


def read_json(source: Source) -> Document:
    r"""Read JSON, JSON Lines or Java properties verbatim, but for `\u00e9` escapes of letters, which become letters.

    Lines stay where they are; many writers escape everything above ASCII, and no one searches for `\u00e9`.
    """
    text, warnings = read_decoded(source)
    return Document(unescaped(text), media_type=source.media_type, warnings=warnings)


def unescaped(text: str) -> str:
    r"""Return a text with `\u00e9` escapes of letters as letters."""
    return _ESCAPE.sub(lambda match: match[1] + _letters(match[2]), text) if "\\u" in text else text


def _letters(escapes: str) -> str:
    letters = json.loads(f'"{escapes}"')
    return "".join(char if char.isprintable() and char > "\xa0" else json.dumps(char)[1:-1] for char in letters)


def read_calendar(source: Source) -> Document:
    """Read iCalendar or vCard: folded lines joined, quoted-printable values and escapes as they read."""
    content, is_all = read_bytes(source, limit=4 * source.limits.max_chars + 4)
    text, warnings = cut(calendar_text(content, source.notes, complete=is_all), source.limits.max_chars)
    return Document(text, media_type=source.media_type, warnings=warnings)


def calendar_text(content: bytes, notes: Notes, *, complete: bool = True) -> str:
    """Return the unfolded lines of an iCalendar or vCard object. Raises: UnsupportedFormat: it is no text."""
    plain = _SOFT_BREAK.sub(lambda match: match[1] + _unquoted(match[2]), content)
    text = decoded_text(_FOLD.sub(b"", plain), notes, complete=complete)
    text = _BINARY.sub(lambda match: _without_binary(match[1].upper(), notes), text)
    return _CALENDAR_ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def _without_binary(name: str, notes: Notes) -> str:
    notes.leave_out(_BINARY_KINDS.get(name, "attachment"))
    return ""


def _unquoted(value: bytes) -> bytes:
    return quopri.decodestring(value).replace(b"\r\n", b"\n").replace(b"\n", b"\\n")
