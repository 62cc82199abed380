"""Rich text (RTF) as Outlook keeps it in a message: compressed, and often with the HTML that it was made from.

MS-OXRTFCP (the compression), MS-OXRTFEX (HTML within RTF) and the RTF specification 1.9.1.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbol"
    rb"ArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_HEADER = struct.Struct("<III4x")
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_MAX_BYTES = 64 * 1024 * 1024
_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_WITHOUT_TEXT = frozenset(
    {
        b"fonttbl",
        b"colortbl",
        b"stylesheet",
        b"info",
        b"pict",
        b"object",
        b"header",
        b"footer",
        b"fldinst",
        b"listtable",
    }
)
_OF_FONTS = frozenset({b"f", b"fcharset", b"cpg", b"plain"})
_SIGNS = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t", b"emdash": "\u2014", b"endash": "\u2013",
    b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d", b"bullet": "\u2022",
}  # fmt: skip


def decompressed(content: bytes) -> bytes:
    """Return compressed RTF as it was; a cut one as far as it goes. Raises: ValueError: it is none."""
    if len(content) < 16:
        raise ValueError("too short to be compressed RTF")
    _, n_bytes, kind = _HEADER.unpack_from(content)
    if kind == _PLAIN:
        return content[16 : 16 + n_bytes]
    if kind != _COMPRESSED:
        raise ValueError("not compressed RTF")
    out = bytearray(_DICTIONARY)  # of which the pairs point back into the last 4,096 bytes
    end = len(_DICTIONARY) + min(n_bytes, _MAX_BYTES)
    for is_pair, code in _codes(content):
        if not is_pair:
            out.append(code)
            continue
        n_back = (len(out) - (code >> 4)) % 4096 or 4096
        if n_back == 4096 or len(out) >= end:  # a pair that points at itself ends the text
            break
        for _ in range((code & 15) + 2):
            out.append(out[-n_back] if n_back <= len(out) else 0)
    return bytes(out[len(_DICTIONARY) : end])


def _codes(content: bytes) -> Iterator[tuple[bool, int]]:
    """Yield (whether it points back, its value) of the codes of compressed text; eight follow a byte of flags."""
    at = _HEADER.size
    while at < len(content):
        flags, at = content[at], at + 1
        for bit in range(8):
            is_pair = bool(flags >> bit & 1)
            if at + is_pair >= len(content):
                return
            yield is_pair, int.from_bytes(content[at : at + 1 + is_pair], "big")
            at += 1 + is_pair


_PAGES = {
    "65001": "utf-8", "1200": "utf-16-le", "10000": "mac_roman", "10006": "mac_greek", "10007": "mac_cyrillic",
    "10029": "mac_latin2", "10081": "mac_turkish", "20127": "ascii", "20866": "koi8_r", "21866": "koi8_u", "936": "gb18030",
    "51936": "gb18030", "54936": "gb18030", "52936": "hz", "1361": "johab", "20932": "euc_jp", "51932": "euc_jp",
    "50220": "iso2022_jp", "50221": "iso2022_jp", "50222": "iso2022_jp", "50225": "iso2022_kr", "51949": "euc_kr",
} | {f"{28590 + part}": f"iso8859_{part}" for part in (*range(1, 10), 13, 15)}  # fmt: skip
"""Number of a code page of Windows -> its name, where that is not `cp` and the number."""
_CHARSETS = {
    77: "10000", 128: "932", 129: "949", 130: "1361", 134: "936", 136: "950", 161: "1253", 162: "1254", 163: "1258",
    177: "1255", 178: "1256", 186: "1257", 204: "1251", 222: "874", 238: "1250", 254: "437", 255: "850",
}  # fmt: skip
"""What a font's `\\fcharset` means; 0 and others are the code page of the text."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds within a pair of braces."""

    is_skipped: bool = False
    is_tag: bool = False  # a piece of the HTML that the text was made from
    is_rtf_only: bool = False
    n_fallback: int = 1  # characters that stand for one of Unicode
    is_of_fonts: bool = False  # the table that says which font has which letters
    encoding: str = ""  # of the font


def text_of(rtf: bytes) -> tuple[str, bool]:
    """Return (the text of RTF, whether that is HTML)."""
    return _Writer(rtf).text()


class _Writer:
    def __init__(self, rtf: bytes) -> None:
        self._rtf = rtf
        self._is_html = rb"\fromhtml" in rtf[:400]
        codepage = re.search(rb"\\ansicpg(\d+)", rtf[:400])
        self._encoding = encoding_of(codepage[1].decode() if codepage else "1252")
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._group = _Group()
        self._outer: list[_Group] = []
        self._bytes = bytearray()
        self._texts: list[str] = []
        self._n_skip = 0

    def text(self) -> tuple[str, bool]:
        """Return (text, whether it is HTML)."""
        is_optional = False
        for token in _TOKEN.finditer(self._rtf):
            word, number, code, sign, brace, letters = token.groups()
            if brace:
                self._brace(brace)
            elif word:
                self._word(word.lower(), int(number) if number else None, is_optional=is_optional)
            elif code:
                self._add(bytes([int(code, 16)]))
            elif letters:
                self._add(letters)
            elif sign and sign not in b"*\r\n":
                self._add({b"~": b"\xa0", b"_": b"-", b"-": b""}.get(sign, sign))
            elif sign in {b"\r", b"\n"}:
                self._sign("\n")
            is_optional = sign == b"*"
        self._flush()
        text = "".join(self._texts).encode("utf-16-le", "surrogatepass")  # a sign beyond the first plane is two words
        return text.decode("utf-16-le", "replace"), self._is_html

    def _brace(self, brace: bytes) -> None:
        self._flush()
        if brace == b"{":
            self._outer.append(self._group)
        elif self._outer:
            self._group = self._outer.pop()

    def _word(self, word: bytes, number: int | None, *, is_optional: bool) -> None:
        if word == b"htmltag" and self._is_html:
            self._group = replace(self._group, is_tag=True)
        elif is_optional or word in _WITHOUT_TEXT:
            self._group = replace(self._group, is_skipped=True, is_of_fonts=word == b"fonttbl")
        elif word in _OF_FONTS:
            self._note_font(word, number or 0)
        elif word == b"htmlrtf":
            self._group = replace(self._group, is_rtf_only=number != 0)
        elif word == b"uc":
            self._group = replace(self._group, n_fallback=number or 0)
        elif word == b"u" and number is not None:
            self._sign(chr(number & 0xFFFF))
            self._n_skip = self._group.n_fallback
        elif word in _SIGNS:
            self._sign(_SIGNS[word])

    def _note_font(self, word: bytes, number: int) -> None:
        """Take note of a font, or of the letters that it has, or turn to it."""
        if word == b"plain":
            self._flush()
            self._group = replace(self._group, encoding="")
        elif word == b"f" and not self._group.is_of_fonts:
            self._flush()
            self._group = replace(self._group, encoding=self._fonts.get(number, ""))
        elif word == b"f":
            self._font = number
        elif word == b"fcharset" and number in _CHARSETS:
            self._fonts[self._font] = encoding_of(_CHARSETS[number])
        elif word == b"cpg" and number:
            self._fonts[self._font] = encoding_of(str(number))

    def _is_shown(self) -> bool:
        group = self._group
        return not group.is_skipped and (group.is_tag or not group.is_rtf_only)

    def _add(self, content: bytes) -> None:
        n_skipped = min(self._n_skip, len(content))
        self._n_skip -= n_skipped
        if self._is_shown():
            self._bytes += content[n_skipped:]

    def _sign(self, text: str) -> None:
        self._flush()
        if self._is_shown():
            self._texts.append(text)

    def _flush(self) -> None:
        if self._bytes:
            encoding = self._encoding if self._group.is_tag else self._group.encoding or self._encoding
            self._texts.append(self._bytes.decode(encoding, "replace"))
            self._bytes.clear()


def encoding_of(number: str) -> str:
    """Return the encoding of a code page of Windows; `cp1252` for one that is not known."""
    name = _PAGES.get(number, f"cp{number}")
    try:
        b"x".decode(name)
    except LookupError:
        return "cp1252"
    return name
