"""Bytes to text: byte-order mark, declared charset, strict UTF-8, then the legacy encoding that reads best.

General detectors are unsure about short texts: charset-normalizer 3.5 takes a cp1252 "été à la plage" for cp1250
and "Café" for UTF-16. So a legacy encoding is first judged by how many of its non-ASCII characters belong to one
alphabet that is really written in it; charset-normalizer decides only when no alphabet fits.
"""

import codecs
import re
from collections.abc import Iterable

SAMPLE_BYTES = 64 * 1024
_GOOD_FIT = 0.85

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
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
}

_PUNCTUATION = "«»“”„…€°·©®§№²³½¼£¿¡ªº\u2018\u2019\u2013\u2014\u00a0\u00ad"
# Scripts other than Latin: the alphabet by falling frequency, so that one script read as another scores lower.
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_UKRAINIAN = "оаинітеврслкудмпзяьбгйчхшцжюєїщфґ"
_GREEK = "αοιετσνρηπκμλςυίόγάέδύήώχθφβξζωψϊϋ"
_HEBREW = "יוהלאמתרשבנעדחקפםטכסגצןזךףץ"
_ARABIC = "اليمنورتبةعدسفهكحقأجشصخإضىطئزثذغآءظؤپچژگ"
_FREQUENT = 16
_WESTERN = (
    "àâæçéèêëîïôœùûüÿ",  # French
    "äöüßéà",  # German
    "áéíóúüñ",  # Spanish, Catalan
    "áâãàçéêíóôõú",  # Portuguese
    "àèéìòùî",  # Italian
    "åäöæøéü",  # Danish, Norwegian, Swedish, Finnish
    "áæéíóöúýþð",  # Icelandic
    "áéëïóöü",  # Dutch
)

# (codec, alphabet): the most usual first, because the first of equals wins.
_ALPHABETS = (
    *(("cp1252", letters) for letters in _WESTERN),
    ("iso8859-15", "àâæçéèêëîïôœùûüÿ"),
    ("cp1251", _RUSSIAN),
    ("cp1251", _UKRAINIAN),
    ("koi8_r", _RUSSIAN),
    ("cp866", _RUSSIAN),
    ("cp1250", "ąćęłńóśźż"),  # Polish
    ("cp1250", "áčďéěíňóřšťúůýž"),  # Czech
    ("cp1250", "áčďéíľĺňóŕšťúýžäô"),  # Slovak
    ("cp1250", "áéíóöőúüű"),  # Hungarian
    ("cp1250", "ăâîşţ"),  # Romanian
    ("cp1250", "čćđšž"),  # Croatian, Slovene
    ("iso8859-2", "ąćęłńóśźż"),
    ("iso8859-2", "áčďéěíňóřšťúůýž"),
    ("cp1254", "çğıöşüâî"),  # Turkish
    ("cp1253", _GREEK),
    ("iso8859-7", _GREEK),
    ("cp1255", _HEBREW),
    ("cp1256", _ARABIC),
    ("cp850", "àâæçéèêëîïôœùûüÿ"),
    ("cp850", "äöüßé"),
    ("mac_roman", "àâæçéèêëîïôœùûüÿ"),
)
_RARE = frozenset({"cp850", "mac_roman"})

# (codec, codec that sorts characters by use, its rows of common ones)
_IDEOGRAPHIC = (
    ("cp932", "euc_jp", range(0xB0, 0xD0)),  # JIS level 1
    ("euc_jp", "euc_jp", range(0xB0, 0xD0)),
    ("gb18030", "gb2312", range(0xB0, 0xD8)),  # GB 2312 level 1
    ("big5", "big5", range(0xA4, 0xC7)),  # Big5 level 1
    ("cp949", "euc_kr", range(0xB0, 0xC9)),  # the 2,350 hangul syllables of KS X 1001
)


class NotText(ValueError):
    """The bytes are not text in any encoding we know."""


def decode_text(data: bytes, *, complete: bool = True) -> tuple[str, str]:
    """Return (text, encoding); line ends become `\\n`, a byte-order mark is dropped.

    With `complete` false, `data` is the beginning of a longer file and may end inside a character.

    Raises:
        NotText: NUL bytes that are not UTF-16 or UTF-32, or too many control characters.
    """
    encoding, skip = _bom(data)
    if encoding is None:
        encoding = _encoding_of(data, complete=complete)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(data[skip:], final=complete)
    check_is_text(text)
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def check_is_text(text: str) -> None:
    """Raise NotText where `text` is binary: a NUL, or over 2 % control characters in its first 64 Ki characters."""
    sample = text[:SAMPLE_BYTES]
    if "\x00" in text:
        raise NotText("it contains NUL bytes")
    controls = sum(1 for char in sample if char < " " and char not in "\t\n\r\f\x1b\x08\x0b")
    if controls > max(2, len(sample) // 50):
        raise NotText("it is full of control characters")
    if sample.count("\ufffd") > max(2, len(sample) // 20):
        raise NotText("its bytes are no text in any known encoding")


def _bom(data: bytes) -> tuple[str | None, int]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    return None, 0


def _encoding_of(data: bytes, *, complete: bool) -> str:
    if b"\x00" in data[:SAMPLE_BYTES]:
        return _wide_encoding(data[:SAMPLE_BYTES], complete=complete)
    declared = _declared(data[:2048])
    if b"\x1b$" in data[:SAMPLE_BYTES] and _decodes(data, "iso2022_jp", complete=complete):
        return "iso2022_jp"
    if _decodes(data, "utf-8", complete=complete):
        return "utf-8"
    if declared and _decodes(data, declared, complete=complete):
        return declared
    return _legacy_encoding(_sample(data))


def _decodes(data: bytes, encoding: str, *, complete: bool = False) -> bool:
    """Whether `data` is strictly valid; unless `complete`, a character may be cut at its end."""
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(data, final=complete)
    except (UnicodeError, LookupError):
        return False
    return True


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


def _wide_encoding(sample: bytes, *, complete: bool) -> str:
    """Tell UTF-16 and UTF-32 without a mark by where their NUL bytes are: in Latin text, spaces and line ends."""
    even = len(sample) - len(sample) % 4
    for encoding, zeros in (("utf-32-le", (2, 3)), ("utf-32-be", (0, 1))):
        if even and all(sample[place:even:4].count(0) == even // 4 for place in zeros) and _decodes(sample, encoding):
            return encoding
    low, high = sample[0::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-le" if high > low else "utf-16-be"
    ascii_bytes = sum(0x20 <= byte < 0x7F for byte in sample)
    is_latin = ascii_bytes > 0.9 * (len(sample) - low - high)  # then every second byte is NUL, or it is no UTF-16
    is_even = not (complete and len(sample) % 2)
    enough = 0.3 * len(sample) if is_latin else 1
    if is_even and max(low, high) >= enough and min(low, high) * 20 <= max(low, high) and _decodes(sample, encoding):
        text = sample[: len(sample) & ~1].decode(encoding, "replace")
        is_clean = not any(char < " " and not char.isspace() for char in text)
        if is_clean and sum(char.isalnum() or char.isspace() or char.isascii() for char in text) >= 0.85 * len(text):
            return encoding
    raise NotText("it contains NUL bytes")


def _sample(data: bytes) -> bytes:
    """Return up to 64 KiB of lines that hold bytes above ASCII, which alone tell encodings apart."""
    if len(data) <= SAMPLE_BYTES:
        return data
    lines: list[bytes] = []
    size = 0
    for line in data.split(b"\n"):
        if not line.isascii():
            lines.append(line[:SAMPLE_BYTES])
            size += len(line)
        if size > SAMPLE_BYTES:
            break
    return b"\n".join(lines)[: 2 * SAMPLE_BYTES]


def _legacy_encoding(sample: bytes) -> str:
    best, best_fit = "", 0.0
    for encoding, fit in _fits(sample):
        if fit > best_fit + 0.01:
            best, best_fit = encoding, fit
    if best_fit >= _GOOD_FIT:
        return best
    return _detected(sample) or best or "cp1252"


def _fits(sample: bytes) -> Iterable[tuple[str, float]]:
    texts: dict[str, str] = {}
    for encoding in [name for name, _ in _ALPHABETS] + [name for name, _, _ in _IDEOGRAPHIC]:
        if encoding not in texts and _decodes(sample, encoding):
            texts[encoding] = sample.decode(encoding, "ignore")
    for encoding, letters in _ALPHABETS:
        if encoding in texts:
            fit = _alphabet_fit(texts[encoding], letters)
            yield encoding, fit * 0.9 if encoding in _RARE else fit
    for encoding, order, rows in _IDEOGRAPHIC:
        if encoding in texts:
            yield encoding, _ideograph_fit(texts[encoding], order, rows)


def _alphabet_fit(text: str, letters: str) -> float:
    """Return the share of non-ASCII characters of `text` that are `letters` or usual signs; rarer ones count less."""
    is_latin = not any(char > "\u0250" for char in letters)
    points = dict.fromkeys(letters.upper(), 0.8) | dict.fromkeys(letters, 1.0 if is_latin else 0.85)
    points |= dict.fromkeys(letters[:_FREQUENT] + _PUNCTUATION, 1.0)
    chars = [char for char in text if char > "\x7f"]
    strays = len((_STRAY_SIGN if is_latin else _MIXED_SCRIPT).findall(text))
    return (sum(points.get(char, 0.0) for char in chars) - strays) / max(1, len(chars))


# The marks of a wrong encoding: a sign inside a word, a word of accented letters alone; two scripts in one word.
_STRAY_SIGN = re.compile(r"[^\W\d_][²³½¼£¿¡ªº§©®№«»„€]+[^\W\d_]|(?<![A-Za-z])[^\W\d_\x00-\x7f]{3,}(?![A-Za-z])")
_MIXED_SCRIPT = re.compile(r"[A-Za-z][^\W\d_\x00-\x7f]|[^\W\d_\x00-\x7f][A-Za-z]")


def _ideograph_fit(text: str, order: str, rows: range) -> float:
    """Return the share of non-ASCII characters that are everyday ones: kana, full-width signs, first-level rows."""
    chars = [char for char in text if char > "\x7f"]
    return sum(_everyday(char, order, rows) for char in chars) / max(1, len(chars))


def _everyday(char: str, order: str, rows: range) -> float:
    if "\u3000" <= char <= "\u301f" or "\uff01" <= char <= "\uff5e":  # full-width signs, in every one of them
        return 1.0
    if "\u3041" <= char <= "\u30fe":  # kana
        return float(order == "euc_jp")
    code = char.encode(order, "ignore")
    common = len(code) == 2 and code[0] in rows
    return (1.0 if "\uac00" <= char <= "\ud7a3" else 0.95) if common else 0.0


def _detected(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_exclusion=["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_7"]).best()
    return best.encoding if best else None
