r"""Letters that a text writes as escapes, as the letters they are: `M&uuml;ller`, `M\"uller`, `Gr\u00fc\u00dfe`, `Gr%C3%BC`.

Entities of HTML, escapes of program texts, accents and letters of TeX, bytes of UTF-8 in addresses and in mail.
"""

import html
import re
import unicodedata

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(
    r"\\u(?:(?!d[89a-f])([0-9a-f]{4})|\{([0-9a-f]{2,6})\})|\\(?-i:U)(00(?:10|0[0-9a-f])[0-9a-f]{4})", re.IGNORECASE
)
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_BYTES = re.compile(r"(?:\\x[89a-fA-F][0-9a-fA-F])+")
_ADDRESS = re.compile(r"(?:%[89a-fA-F][0-9a-fA-F]){2,}")
_QUOTED = re.compile(r"(?:=[89A-F][0-9A-F]){2,}")

# Accents (`\"u`, `\"{u}`, `\"\i`, `\c{c}`, `\v S`), then letters (`\ss`, `\o{}`), then braces around what came of them.
_TEX = re.compile(
    r"""\\(?:(["'`^~=.])(?:\\?([A-Za-z])(?![A-Za-z]*\{)|\{\\?([A-Za-z])\})"""
    r"""|([cvuHrkdb])\{\\?([A-Za-z])\}|([cvHk]) ([A-Za-z]))"""
)
_TEX_MARKS = dict(zip("\"'`^~=.cvuHrkdb", "\u0308\u0301\u0300\u0302\u0303\u0304\u0307\u0327\u030c\u0306\u030b\u030a\u0328"
                      "\u0323\u0331", strict=True))  # fmt: skip
_TEX_LETTERS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł",
    "i": "\u0131", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ",
}  # fmt: skip
_TEX_LETTER = re.compile(rf"\\({'|'.join(_TEX_LETTERS)})(?:\{{\}}|(?![A-Za-z])(?: (?=[a-z]))?)")
_BRACED = re.compile(r"(\\[A-Za-z]+)?\{([^\x00-\x7f])\}")


def as_letters(text: str) -> str:
    """Return `text` with what stands for letters in it as these letters; what is no such escape stays."""
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "\\" in text:
        text = _of_programs(text)
        text = _TEX_LETTER.sub(lambda found: _TEX_LETTERS[found[1]], _TEX.sub(_accented, text))
        text = _BRACED.sub(lambda found: found[0] if found[1] else found[2], text)
    if "%" in text:
        text = _ADDRESS.sub(lambda found: _of_bytes(found[0], "%"), text)
    if "=" in text:
        text = _QUOTED.sub(lambda found: _of_bytes(found[0], "="), text)
    return text


def _of_programs(text: str) -> str:
    text = _PAIR.sub(lambda found: _of_pair(found[1], found[2]), text)
    text = _ESCAPE.sub(lambda found: _character(found[1] or found[2] or found[3], found[0]), text)
    return _BYTES.sub(lambda found: _of_bytes(found[0], "\\x"), text)


def _of_pair(high: str, low: str) -> str:
    return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)


def _character(code: str, otherwise: str) -> str:
    number = int(code, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else otherwise


def _of_bytes(text: str, mark: str) -> str:
    """Return bytes written as `mark` and two digits as the UTF-8 they are; after a backslash otherwise as Latin-1."""
    content = bytes.fromhex(text.replace(mark, ""))
    try:
        return content.decode()
    except UnicodeDecodeError:
        is_latin = mark == "\\x" and min(content) >= 0xC0
        return content.decode("latin-1") if is_latin else text


def _accented(found: re.Match[str]) -> str:
    mark, letter = (part for part in found.groups() if part)
    composed = unicodedata.normalize("NFC", letter + _TEX_MARKS[mark])
    return composed if len(composed) == 1 else found[0]
