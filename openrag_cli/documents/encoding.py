"""Bytes to text: byte-order mark, UTF-8 by its share of whole characters, declared charset, then the best legacy guess.

One stray byte does not make a text a legacy one: where most of what is above ASCII are whole UTF-8 characters, the
rest is damage and becomes U+FFFD. NULs among text (a log cut by a crash, padded records) become blanks.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

from openrag_cli.documents.legacy import GOOD_FIT, SAMPLE_BYTES, decodes, guess, sample_of, share_of_usual

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the UTF-16 one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding|coding)\s*[=:]\s*["']?\s*([A-Za-z][\w.:-]{1,30})""")

# What the WHATWG encoding standard reads a label as, where Python's codec of that name is narrower.
_ALIASES = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
}

_SURE_CHARACTERS = 3  # whole UTF-8 characters for each byte that belongs to none: then it is UTF-8 for certain
_LEAST_MIXED = 3  # bytes or lines
_NUL_RUNS = re.compile(rb"\x00+")
_BYTES_PER_NUL_RUN = 4  # text has at most one run of NULs for so many other bytes
_LEAST_USUAL = 0.85  # of the characters of UTF-16 or UTF-32 without a mark


class NotText(ValueError):
    """The bytes are not text in any encoding we know."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, its Python codec, and what was mended: bytes that belong to no character, NULs.

    `is_guess` says that no mark and no declaration names the legacy encoding that was chosen.
    """

    text: str
    encoding: str
    n_bad_bytes: int = 0
    n_nul_bytes: int = 0
    is_guess: bool = False
    mixed: tuple[int, str] = (0, "")
    """How many lines were in another encoding than the rest, and in which."""


def decode_text(data: bytes, *, complete: bool = True) -> tuple[str, str]:
    """Return (text, encoding) of `decode`. Raises: NotText."""
    decoded = decode(data, complete=complete)
    return decoded.text, decoded.encoding


def decode(data: bytes, *, complete: bool = True) -> Decoded:
    """Return the text of `data`; line ends become `\\n`, a byte-order mark is dropped.

    With `complete` false, `data` is the beginning of a longer file and may end inside a character.

    Raises:
        NotText: too many NUL bytes that are not UTF-16 or UTF-32, or too many control characters.
    """
    encoding, skip = _bom(data)
    n_nul_bytes, is_guess = 0, False
    if encoding is None and b"\x00" in data:
        encoding = _wide_encoding(data[:SAMPLE_BYTES], complete=complete)
        if encoding is None:
            n_nul_bytes = data.count(0)
            data = _without_nuls(data)
    if encoding is None:
        encoding, is_guess = _encoding_of(data, complete=complete)
    body = data[skip:]
    mixed = (0, "")
    if encoding == "utf-8":
        mixed, body = _unmixed(body, complete=complete)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(body, final=complete)
    n_bad = text.count("\ufffd") and _n_bad_bytes(body, encoding, complete=complete)
    check_is_text(text)
    if encoding == "cp1258":  # its accents stand apart from their letters
        text = unicodedata.normalize("NFC", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Decoded(text, encoding, n_bad, n_nul_bytes, is_guess, mixed)


def check_is_text(text: str) -> None:
    """Raise NotText where `text` is binary: a NUL, or over 2 % control characters in its first 64 Ki characters."""
    sample = text[:SAMPLE_BYTES]
    if "\x00" in text:
        raise NotText("it contains NUL bytes")
    controls = sum(1 for char in sample if char < " " and char not in "\t\n\r\f\x1b\x08\x0b")
    if controls > max(2, len(sample) // 50):
        raise NotText("it is full of control characters")
    if sample.count("\ufffd") > max(4, len(sample) // 20):
        raise NotText("its bytes are no text in any known encoding")


def _bom(data: bytes) -> tuple[str | None, int]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    return None, 0


def _encoding_of(data: bytes, *, complete: bool) -> tuple[str, bool]:
    """Return (codec, whether it is a guess)."""
    if b"\x1b$" in data[:SAMPLE_BYTES] and decodes(data, "iso2022_jp", complete=complete):
        return "iso2022_jp", False
    if decodes(data, "utf-8", complete=complete):
        return "utf-8", False
    n_whole, n_bad = _utf8_characters(data, complete=complete)
    if n_whole >= _SURE_CHARACTERS * n_bad or _has_utf8_lines(data[:SAMPLE_BYTES]):
        return "utf-8", False
    declared = _declared(data[:2048])
    if declared and decodes(data, declared, complete=complete):
        return declared, False
    sample = sample_of(data)
    encoding, fit = guess(sample)
    if fit < GOOD_FIT and n_whole > n_bad:
        return "utf-8", False
    return encoding, True


def _unmixed(data: bytes, *, complete: bool) -> tuple[tuple[int, str], bytes]:
    """Return ((how many lines were in another encoding than the others, which), UTF-8 throughout).

    A log that two programs write may be so; a few bad bytes are damage and stay.
    """
    n_whole, n_bad = _utf8_characters(data, complete=complete)
    if n_bad < _LEAST_MIXED or n_whole >= _SURE_CHARACTERS * n_bad:
        return (0, ""), data
    lines = data.split(b"\n")
    odd = [place for place, line in enumerate(lines) if not decodes(line, "utf-8")]
    encoding, fit = guess(sample_of(b"\n".join(lines[place] for place in odd)))
    if fit < GOOD_FIT:
        return (0, ""), data
    for place in odd:
        lines[place] = lines[place].decode(encoding, "replace").encode()
    return (len(odd), encoding), b"\n".join(lines)


def _has_utf8_lines(sample: bytes) -> bool:
    """Whether enough lines are UTF-8 that a legacy text would not have by chance."""
    lines = [line for line in sample.split(b"\n")[:-1] if not line.isascii()]
    n_whole = sum(decodes(line, "utf-8", complete=True) for line in lines)
    return n_whole >= _LEAST_MIXED and n_whole * 4 >= len(lines)


def _utf8_characters(data: bytes, *, complete: bool) -> tuple[int, int]:
    """Return (whole UTF-8 characters above ASCII, bytes above ASCII that belong to none)."""
    text = codecs.getincrementaldecoder("utf-8")("ignore").decode(data, final=complete)
    whole = text.encode()
    n_whole = len(text) - sum(map(text.count, map(chr, range(128)))) if not text.isascii() else 0
    return n_whole, len(data) - len(whole) - (0 if complete else _n_cut(data))


def _n_cut(data: bytes) -> int:
    """Return how many bytes at the end may be the beginning of a UTF-8 character."""
    for n_bytes in range(1, min(4, len(data) + 1)):
        byte = data[-n_bytes]
        if byte >= 0xC0:
            return n_bytes if n_bytes < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


def _n_bad_bytes(data: bytes, encoding: str, *, complete: bool) -> int:
    if encoding == "utf-8":
        return _utf8_characters(data, complete=complete)[1]
    kept = codecs.getincrementaldecoder(encoding)("ignore").decode(data, final=complete)
    replaced = codecs.getincrementaldecoder(encoding)("replace").decode(data, final=complete)
    return len(replaced) - len(kept)


def _declared(head: bytes) -> str | None:
    """Return the Python codec that an HTML meta, XML declaration or coding line names; never a wide one."""
    match = _DECLARED.search(head)
    if not match:
        return None
    try:
        name = codecs.lookup(match[1].decode("ascii")).name
        b"x".decode(
            name, "replace"
        )  # LookupError for base64 and its like, which make no text; b"" is never looked at
    except (LookupError, UnicodeError):
        return None
    if name.startswith(("utf-16", "utf-32")):
        return None
    return _ALIASES.get(name, name)


def _without_nuls(data: bytes) -> bytes:
    """Return text with each run of NULs as a blank: bytes that a crash left unwritten, or that pad a record.

    Raises:
        NotText: there are too many of them, or the rest is binary too.
    """
    runs = _NUL_RUNS.findall(data)
    n_rest = len(data) - sum(map(len, runs))
    controls = data.translate(None, bytes(range(32, 256)) + b"\x00\t\n\r\f\x1b\x08\x0b")
    if len(runs) * _BYTES_PER_NUL_RUN > n_rest or len(controls) * 200 > n_rest:
        raise NotText("it contains NUL bytes")
    rest = _NUL_RUNS.sub(b" ", data)
    n_above_ascii = len(rest.translate(None, bytes(range(128))))
    n_whole, n_bad = _utf8_characters(rest, complete=True)
    if n_above_ascii and n_whole < n_bad and (n_above_ascii * 4 > n_rest or guess(sample_of(rest))[1] < GOOD_FIT):
        raise NotText("it contains NUL bytes")
    return rest


def _wide_encoding(sample: bytes, *, complete: bool) -> str | None:
    """Tell UTF-16 and UTF-32 without a mark: by the one order of bytes that gives a text of everyday characters."""
    shares = {name: _wide_share(sample, name, complete=complete) for name in ("utf-32-le", "utf-32-be")}
    if not any(shares.values()):
        n_nul_bytes = sample.count(0)
        ascii_bytes = sum(0x20 <= byte < 0x7F or byte in b"\t\n\r" for byte in sample)
        is_latin = ascii_bytes > 0.9 * (
            len(sample) - n_nul_bytes
        )  # then every second byte is NUL, or it is no UTF-16
        if is_latin and n_nul_bytes < 0.3 * len(sample):
            return None
        shares = {name: _wide_share(sample, name, complete=complete) for name in ("utf-16-le", "utf-16-be")}
    encoding = max(shares, key=lambda name: shares[name])
    return encoding if shares[encoding] >= _LEAST_USUAL else None


def _wide_share(sample: bytes, encoding: str, *, complete: bool) -> float:
    """Return the share of everyday characters in what is strictly of an encoding, without controls; else 0."""
    width = 4 if encoding.startswith("utf-32") else 2
    if (complete and len(sample) % width) or not decodes(sample, encoding):
        return 0.0
    text = codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    return share_of_usual(text) if all(char >= " " or char.isspace() for char in text) else 0.0
