"""Whether a text is one: fonts without a map to Unicode give the codes of their glyphs, which look like letters."""

import re
import unicodedata

LEAST_CHARS = 40
"""Shorter texts are taken as they are: there is too little to judge by."""

_MOST_ODD = 0.3  # of characters that are no letters of any script
_MOST_MIXED = 0.3  # of words with letters of two scripts
_LEAST_VOWELS = 0.26  # of the letters of a Latin text; written languages have 0.33 to 0.5
_ODD = {"Co", "Cn", "Cc", "Cs"}
_WORD = re.compile(r"[^\W\d_]{3,}")
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœąę\u0131őűăơư")
_COMMON = re.compile(
    r"(?i)\b(?:the|and|for|of|to|in|de|la|le|les|et|der|die|das|und|den|el|los|en|con|il|che|di|een|het|van|og|och|na|nie|do|"
    r"a|is|no|page|ve|bir|ja|on)\b"
)


def is_glyph_codes(text: str) -> bool:
    """Whether most of a text is codes of glyphs: private or unassigned characters, scripts mixed within words, or
    Latin letters that make no words of any language."""
    shown = "".join(text.split())
    if len(shown) < LEAST_CHARS:
        return False
    if not shown.isprintable() or "\ufffd" in shown:
        n_odd = sum(
            shown.count(char) for char in set(shown) if unicodedata.category(char) in _ODD or char == "\ufffd"
        )
        if n_odd > _MOST_ODD * len(shown):
            return True
    words = _WORD.findall(text)
    if not words:
        return False
    n_mixed = sum(_is_mixed(word) for word in words if not word.isascii())
    return n_mixed > _MOST_MIXED * len(words) or _has_no_words(words, text)


def _is_mixed(word: str) -> bool:
    scripts = {_script(char) for char in word} - {""}
    return len(scripts) > 1 and not scripts <= {"HIRAGANA", "KATAKANA", "CJK"}


def _script(char: str) -> str:
    if char.isascii():
        return "LATIN"
    name = unicodedata.name(char, "")
    first = name.partition(" ")[0]
    return first if first in {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA",
                              "HANGUL", "THAI", "DEVANAGARI", "ARMENIAN", "GEORGIAN", "BENGALI", "TAMIL",
                              "ETHIOPIC", "CHEROKEE", "SYRIAC", "KHMER", "LAO", "TIBETAN", "CANADIAN"} else ""  # fmt: skip


def _has_no_words(words: list[str], text: str) -> bool:
    """Whether a Latin text has hardly a vowel and none of the commonest words: letters moved along the alphabet."""
    letters = "".join(words).lower()
    different = set(letters)
    if letters.isascii():
        n_latin = len(letters)
    else:
        n_latin = sum(letters.count(char) for char in different if char.isascii() or _script(char) == "LATIN")
    if n_latin < 4 * LEAST_CHARS or n_latin < 0.8 * len(letters) or len(different) < 10:
        return False
    share = sum(map(letters.count, different & _VOWELS)) / n_latin
    if share >= _LEAST_VOWELS:
        return False
    n_digits = sum(char.isdigit() for char in text)
    return n_digits < n_latin and len(_COMMON.findall(text)) * 50 < len(words)
