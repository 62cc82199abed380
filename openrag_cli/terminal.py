"""What a terminal must not be told by a document: the characters, and how text, JSON and names show them.

A terminal obeys control characters (ECMA-48: cursor, title, clipboard), and reorders a line at bidirectional embeddings,
overrides and isolates (Unicode Standard Annex 9), so that a name reads as another. Joiners, direction marks, soft hyphens
and variation selectors are letters of people's languages and stay.
"""

import contextlib
import io
import os
import re
import sys
from typing import TextIO
from urllib.parse import unquote_to_bytes

_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
# patterns are compiled where they are first needed: a completion needs none
_IN_TEXT = f"[{_UNSAFE}]"
_IN_NAME = f"[{_UNSAFE}\t\n]"
_IN_QUOTES = f'[{_UNSAFE}\t\n"\\\\]'
_NOT_IN_IDS = f"[{_UNSAFE}\t\n\ufffd]"
_CODE = "(?:[01][0-9A-F]|7F|[89A-F][0-9A-F])"
_CODES = f"%(?:25)+(?={_CODE})|(?:%{_CODE})+"
"""What `percent_encoded` may write, or its like with more percent signs."""
_ALL_CODES = "(?:%(?:25)*[0-9A-F]{2})+"
_C_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\",
}  # fmt: skip


def for_terminal(text: str) -> str:
    r"""Return text with what a terminal would obey as visible escapes: `\x1b`, `\u202e`.

    C0 but tab and newline, DEL, C1, U+2028, U+2029, U+202A to U+202E, U+2066 to U+2069, and surrogates, which no stream
    can write. A carriage return before a newline is part of the newline.
    """
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_IN_TEXT, _escaped, text.replace("\r\n", "\n"))


def for_json(text: str) -> str:
    r"""Return JSON with the same characters as `\u` escapes; what it says stays the same."""
    return re.sub(_IN_TEXT, lambda found: f"\\u{ord(found[0]):04x}", text)


def is_safe_name(name: str) -> bool:
    """Whether a name has none of these characters, nor a tab or a newline."""
    return (name.isascii() and name.isprintable()) or re.search(_IN_NAME, name) is None


def quoted_name(name: str) -> str:
    """Return a name on a line of its own: as it is, or as git quotes it when it is not safe (core.quotePath)."""
    if is_safe_name(name) and not name.startswith('"'):
        return name
    return f'"{re.sub(_IN_QUOTES, _c_escaped, name)}"'


def percent_encoded(name: str) -> str:
    """Return a name as an id may be: what `is_safe_name` refuses, and U+FFFD, as `%XX`.

    A byte that `surrogateescape` kept is that byte, any other character its bytes in UTF-8. A name of blanks alone is
    encoded whole. Where the name itself has such a code its `%` becomes `%25`, so that no two names give one id.
    """
    if not name.strip():
        return "".join(map(_percent, name))
    escaped = re.sub(_CODES, _kept_apart, name)
    encoded = re.sub(_NOT_IN_IDS, lambda found: _percent(found[0]), escaped)
    return encoded.replace("%", "%25", 1) if _is_code_of_blanks(encoded) else encoded


def percent_decoded(name: str) -> str:
    """Return the name of which `percent_encoded` made this; bytes that are not UTF-8 as `surrogateescape` keeps them."""
    is_of_blanks = _is_code_of_blanks(name)
    if is_of_blanks and not name.startswith("%25"):
        return _text_of(name)
    return re.sub(_CODES, _meant, name.replace("%25", "%", 1) if is_of_blanks else name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _c_escaped(found: re.Match[str]) -> str:
    char = found[0]
    return _C_ESCAPES.get(char) or "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def _percent(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"%{code - 0xDC00:02X}"
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _text_of(codes: str) -> str:
    return unquote_to_bytes(codes).decode("utf-8", "surrogateescape")


def _is_code_of_blanks(name: str) -> bool:
    return re.fullmatch(_ALL_CODES, name) is not None and not _text_of(name.replace("25", "")).strip()


def _kept_apart(found: re.Match[str]) -> str:
    """Return codes that a name has, with `%25` for the `%` of those that could be ours."""
    codes = found[0]
    if codes.startswith("%25"):
        return f"%25{codes[1:]}"
    of_chars = ((char, _percent(char)) for char in _text_of(codes))
    return "".join(code.replace("%", "%25") if re.search(_NOT_IN_IDS, char) else code for char, code in of_chars)


def _meant(found: re.Match[str]) -> str:
    codes = found[0]
    if codes.startswith("%25"):
        return f"%{codes[3:]}"
    return "".join(char if re.search(_NOT_IN_IDS, char) else _percent(char) for char in _text_of(codes))


def is_unicode(stream: TextIO) -> bool:
    """Whether a stream can hold every character."""
    return (stream.encoding or "utf-8").lower().replace("-", "").replace("_", "").startswith("utf")


def tolerate_narrow_encoding() -> None:
    """Let standard output write what its encoding does not have as an escape such as \\xe9, instead of failing."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and not is_unicode(stream):
        stream.reconfigure(errors="backslashreplace")


def close_quietly() -> None:
    """After a closed pipe: point stdout nowhere, so that the interpreter's last flush does not complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(devnull, sys.stdout.fileno())
