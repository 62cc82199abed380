"""What a terminal must not be told by a document: the characters, and how text, JSON and names show them.

A terminal obeys control characters (ECMA-48: cursor, title, clipboard), and reorders a line at bidirectional embeddings,
overrides and isolates (Unicode Standard Annex 9), so that a name reads as another. Joiners, direction marks, soft hyphens
and variation selectors are letters of people's languages and stay.
"""

import re

_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_IN_NAME = re.compile(f"[{_UNSAFE}\t\n]")
_IN_QUOTES = re.compile(f'[{_UNSAFE}\t\n"\\\\]')
_NOT_IN_IDS = re.compile(f"[{_UNSAFE}\t\n\ufffd]")
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
    return _IN_TEXT.sub(_escaped, text.replace("\r\n", "\n"))


def for_json(text: str) -> str:
    r"""Return JSON with the same characters as `\u` escapes; what it says stays the same."""
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_safe_name(name: str) -> bool:
    """Whether a name has none of these characters, nor a tab or a newline."""
    return _IN_NAME.search(name) is None


def quoted_name(name: str) -> str:
    """Return a name on a line of its own: as it is, or as git quotes it when it is not safe (core.quotePath)."""
    if is_safe_name(name) and not name.startswith('"'):
        return name
    return f'"{_IN_QUOTES.sub(_c_escaped, name)}"'


def percent_encoded(name: str) -> str:
    """Return a name as an id may be: what `is_safe_name` refuses, and U+FFFD, as `%XX`.

    A C0 or C1 character is its code, a byte that `surrogateescape` kept is that byte, any other its bytes in UTF-8. A
    name of blanks alone is encoded whole.
    """
    if not name.strip():
        return "".join(map(_percent, name))
    return _NOT_IN_IDS.sub(lambda found: _percent(found[0]), name)


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
    if code < 0xA0:
        return f"%{code:02X}"
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
