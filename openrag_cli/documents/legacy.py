"""Which legacy encoding a text is in: the one whose alphabet its characters belong to.

General detectors are unsure about short texts: charset-normalizer 3.5 takes a cp1252 "été à la plage" for cp1250,
"Café" for UTF-16 and a line of Thai for Japanese. So an encoding is first judged by how many of its non-ASCII
characters belong to one alphabet that is really written in it; charset-normalizer decides when no alphabet fits.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable

SAMPLE_BYTES = 64 * 1024
GOOD_FIT = 0.85

_PUNCTUATION = "«»“”„…€°·©®§№²³½¼£¿¡ªº\u2018\u2019\u2013\u2014\u00a0\u00ad"
# Scripts other than Latin: the alphabet by falling frequency, so that one script read as another scores lower.
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_UKRAINIAN = "оаинітеврслкудмпзяьбгйчхшцжюєїщфґ"
_GREEK = "αοιετσνρηπκμλςυίόγάέδύήώχθφβξζωψϊϋ"
_HEBREW = "יוהלאמתרשבנעדחקפםטכסגצןזךףץ"
_ARABIC = "اليمنورتبةعدسفهكحقأجشصخإضىطئزثذغآءظؤپچژگ"
_BULGARIAN = "аиеонтрсвлдкпмзъябуйгщчцхжшфюь"
_SERBIAN = "аиоенрјтскупвдмлзгбчшцћхжљњђфџ"
_THAI = "านรอกเงมยลวดทสต่้ัีคิะปบไหแขจพชใำโูผถุ็ธณซศญภษื์ๆฟฐฉฎฯฝฆๅฏฌฮฑฒฤฺ"
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
    "äõöüšž",  # Estonian
)

# (codec, alphabet): the most usual first, because the first of equals wins; letters behind a bar are rare ones.
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
    ("cp1254", "çğıöşü|âî"),  # Turkish
    ("cp1253", _GREEK),
    ("iso8859-7", _GREEK),
    ("cp1255", _HEBREW),
    ("cp1256", _ARABIC),
    ("cp874", _THAI),
    ("cp1257", "ąčęėįšųūž"),  # Lithuanian
    ("cp1257", "āčēģīķļņšūž"),  # Latvian
    ("cp1258", "ăâđêôơư\u0300\u0301\u0303\u0309\u0323áàéèíóúùãõ"),  # Vietnamese
    ("cp1251", _BULGARIAN),
    ("cp1251", _SERBIAN),
    ("cp852", "ąćęłńóśźż"),
    ("cp852", "áčďéěíňóřšťúůýž"),
    ("cp852", "áéíóöőúüű"),
    ("cp852", "čćđšž"),
    ("cp437", "àâæçéèêëîïôùûü"),
    ("cp437", "äöüßé"),
    ("cp437", "áéíóúñ"),
    ("iso8859-5", _RUSSIAN),
    ("mac_cyrillic", _RUSSIAN),
    ("koi8_u", _UKRAINIAN),
    ("cp862", _HEBREW),
    ("iso8859-6", _ARABIC),
    ("cp737", _GREEK),
    ("cp857", "çğıöşü|âî"),
    ("mac_latin2", "áčďéěíňóřšťúůýž"),
    ("cp850", "àâæçéèêëîïôœùûüÿ"),
    ("cp850", "äöüßé"),
    ("mac_roman", "àâæçéèêëîïôœùûüÿ"),
)
_RARE = frozenset(
    {"cp850", "mac_roman", "cp852", "cp437", "iso8859-5", "mac_cyrillic", "cp862", "cp737", "cp857", "mac_latin2"}
)

# (codec, codec that sorts characters by use, its rows of common ones)
_IDEOGRAPHIC = (
    ("cp932", "euc_jp", range(0xB0, 0xD0)),  # JIS level 1
    ("euc_jp", "euc_jp", range(0xB0, 0xD0)),
    ("gb18030", "gb2312", range(0xB0, 0xD8)),  # GB 2312 level 1
    ("big5", "big5", range(0xA4, 0xC7)),  # Big5 level 1
    ("cp949", "euc_kr", range(0xB0, 0xC9)),  # the 2,350 hangul syllables of KS X 1001
)
_MOST_ALPHABETS = 3  # rows of 256 characters that a text is written in, beside that of ASCII
_CHARACTERS_PER_ALPHABET = 8  # a few bytes that are no text have a row for each character


def sample_of(data: bytes) -> bytes:
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


def decodes(data: bytes, encoding: str, *, complete: bool = False) -> bool:
    """Whether `data` is strictly valid; unless `complete`, a character may be cut at its end."""
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(data, final=complete)
    except (UnicodeError, LookupError):
        return False
    return True


def guess(sample: bytes) -> tuple[str, float]:
    """Return (codec, how well an alphabet of it fits, at most 1; under `GOOD_FIT` it is a guess)."""
    best, best_fit = "", 0.0
    for encoding, fit in _fits(sample):
        if fit > best_fit + 0.01:
            best, best_fit = encoding, fit
    if best_fit >= GOOD_FIT:
        return best, best_fit
    return _detected(sample) or best or "cp1252", best_fit


def _fits(sample: bytes) -> Iterable[tuple[str, float]]:
    texts: dict[str, str] = {}
    for encoding in [name for name, _ in _ALPHABETS] + [name for name, _, _ in _IDEOGRAPHIC]:
        if encoding not in texts and decodes(sample, encoding):
            texts[encoding] = sample.decode(encoding, "ignore")
    counts = {encoding: Counter(text) for encoding, text in texts.items()}
    strays = {encoding: _n_strays(text) for encoding, text in texts.items()}
    for encoding, letters in _ALPHABETS:
        if encoding in texts:
            fit = _alphabet_fit(counts[encoding], letters, strays[encoding])
            yield encoding, fit * 0.9 if encoding in _RARE else fit
    for encoding, order, rows in _IDEOGRAPHIC:
        if encoding in texts:
            yield encoding, _ideograph_fit(counts[encoding], order, rows)


def _alphabet_fit(counts: Counter[str], letters: str, strays: tuple[int, int]) -> float:
    """Return the share of non-ASCII characters that are `letters` or usual signs; rarer ones count less.

    `strays` is (marks of a wrong encoding in Latin text, in text of another script); each takes one character off.
    """
    is_latin = not any(char > "\u0370" for char in letters)
    letters, _, rare = letters.partition("|")
    points = (
        dict.fromkeys(rare, 0.7)
        | dict.fromkeys(letters.upper(), 0.8)
        | dict.fromkeys(letters, 1.0 if is_latin else 0.85)
    )
    points |= dict.fromkeys(letters[:_FREQUENT] + _PUNCTUATION, 1.0)
    above = {char: n for char, n in counts.items() if char > "\x7f"}
    sum_of_points = sum(points.get(char, 0.0) * n for char, n in above.items())
    return (sum_of_points - strays[0 if is_latin else 1]) / max(1, sum(above.values()))


# The marks of a wrong encoding: a sign inside a word, a word of accented letters alone; two scripts in one word, a
# capital after a small letter; a Thai vowel or tone sign without a letter below it.
_STRAY_SIGN = re.compile(r"[^\W\d_][²³½¼£¿¡ªº§©®№«»„€]+[^\W\d_]|(?<![A-Za-z])[^\W\d_\x00-\x7f]{3,}(?![A-Za-z])")
_MIXED_SCRIPT = re.compile(
    r"[A-Za-z][^\W\d_\x00-\x7f]|[^\W\d_\x00-\x7f][A-Za-z]|[\u0430-\u045f\u03ac-\u03ce][\u0391-\u03a9\u0410-\u042f]"
)
_BARE_MARK = re.compile("(?<![\u0e01-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")


def _n_strays(text: str) -> tuple[int, int]:
    """Return how many marks of a wrong encoding there are: if it is Latin text, and if it is not."""
    return len(_STRAY_SIGN.findall(text)), len(_MIXED_SCRIPT.findall(text)) + len(_BARE_MARK.findall(text))


def _ideograph_fit(counts: Counter[str], order: str, rows: range) -> float:
    """Return the share of non-ASCII characters that are everyday ones: kana, full-width signs, first-level rows."""
    above = {char: n for char, n in counts.items() if char > "\x7f"}
    return sum(_everyday(char, order, rows) * n for char, n in above.items()) / max(1, sum(above.values()))


def _everyday(char: str, order: str, rows: range) -> float:
    if "\u3000" <= char <= "\u301f" or "\uff01" <= char <= "\uff5e":  # full-width signs, in every one of them
        return 1.0
    if "\u3041" <= char <= "\u30fe":  # kana
        return float(order == "euc_jp")
    code = char.encode(order, "ignore")
    common = len(code) == 2 and code[0] in rows
    return (1.0 if "\uac00" <= char <= "\ud7a3" else 0.95) if common else 0.0


def share_of_usual(text: str) -> float:
    """Return the share of characters that a text is written in: everyday ideographs, and letters of a few alphabets.

    Of the two byte orders of UTF-16 one gives such a text, the other ideographs that nobody uses.
    """
    counts = Counter(text)
    alphabets: Counter[int] = Counter()
    n_ideographs = 0
    for char, n in counts.items():
        if char < "\u2e80" or char > "\uffff":
            alphabets[ord(char) >> 8] += n if char.isprintable() or char in "\t\n\r\f\v\xa0\u2028" else 0
        elif any(_everyday(char, order, rows) for _, order, rows in _IDEOGRAPHIC):
            n_ideographs += n
    n_usual = n_ideographs + alphabets.pop(0, 0)
    n_alphabets = min(_MOST_ALPHABETS, 1 + len(text) // _CHARACTERS_PER_ALPHABET)
    return (n_usual + sum(n for _, n in alphabets.most_common(n_alphabets))) / max(1, len(text))


def _detected(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_exclusion=["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_7"]).best()
    return best.encoding if best else None
