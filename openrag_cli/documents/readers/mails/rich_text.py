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


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds within a pair of braces."""

    is_skipped: bool = False
    is_tag: bool = False  # a piece of the HTML that the text was made from
    is_rtf_only: bool = False
    n_fallback: int = 1  # characters that stand for one of Unicode


def text_of(rtf: bytes) -> tuple[str, bool]:
    """Return (the text of RTF, whether that is HTML)."""
    return _Writer(rtf).text()


class _Writer:
    def __init__(self, rtf: bytes) -> None:
        self._rtf = rtf
        self._is_html = rb"\fromhtml" in rtf[:400]
        codepage = re.search(rb"\\ansicpg(\d+)", rtf[:400])
        self._encoding = _known_encoding(codepage[1].decode() if codepage else "1252")
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
        return "".join(self._texts), self._is_html

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
            self._group = replace(self._group, is_skipped=True)
        elif word == b"htmlrtf":
            self._group = replace(self._group, is_rtf_only=number != 0)
        elif word == b"uc":
            self._group = replace(self._group, n_fallback=number or 0)
        elif word == b"u" and number is not None:
            self._sign(chr(number & 0xFFFF))
            self._n_skip = self._group.n_fallback
        elif word in _SIGNS:
            self._sign(_SIGNS[word])

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
            self._texts.append(self._bytes.decode(self._encoding, "replace"))
            self._bytes.clear()


def _known_encoding(number: str) -> str:
    name = {"65001": "utf-8", "10000": "mac_roman", "936": "gb18030", "932": "cp932"}.get(number, f"cp{number}")
    try:
        b"x".decode(name)
    except LookupError:
        return "cp1252"
    return name
