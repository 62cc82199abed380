"""Whether a text is one: fonts without a map to Unicode give the codes of their glyphs, which look like letters."""

import re
import unicodedata

LEAST_CHARS = 40
"""Shorter texts are taken as they are: there is too little to judge by."""

_MOST_ODD = 0.3  # of characters that are no letters of any script
_MOST_MIXED = 0.3  # of words with letters of two scripts
_MOST_VOWELLESS = 0.15  # of words of four letters and more; written languages have few
_MOST_SIGNS = 0.25  # of characters, but for the four commonest: rules, leaders and frames are of few kinds
_LEAST_KINDS = 10  # of signs
_LEAST_VOWELS = 0.26  # of the letters of a text; written languages have 0.33 to 0.5
_FEWEST_COMMON, _FEW_COMMON = 0.02, 0.1  # of words, that are among the commonest of a language
_ODD = {"Co", "Cn", "Cc", "Cs"}
_SIGN = re.compile("[!-/:-@[-`{-~\u00a1-\u00bf\u2010-\u2bff]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_VOWELS = {
    "LATIN": frozenset("aeiouy\u0131øæœəɔɛ"),
    "CYRILLIC": frozenset("аеёиіїоуыэюяєўъӣӯәөүұ"),
    "GREEK": frozenset("αεηιουω"),
    "ARMENIAN": frozenset("աեէըիոօուև"),
    "GEORGIAN": frozenset("აეიოუ"),
}
"""The vowels of alphabets that write them, without their accents."""
_VOWELLESS = re.compile(r"(?i)(?<![^\W\d_])[bcdfghjklmnpqrstvxz]{4,}(?![^\W\d_])")
_COMMON = re.compile(
    r"(?i)\b(?:the|and|for|of|to|in|de|la|le|les|et|der|die|das|und|den|el|los|en|con|il|che|di|een|het|van|og|och|na|nie|do|"
    r"a|is|no|page|ve|bir|ja|on|và|của|là|в|на|с|не|по|за|се|да|що|та|у|и|і|з|και|το|του|της|την|να|η|ο|με|για|από|և|է|და)\b"  # noqa: RUF001
)
_WITHOUT_BLANKS = frozenset({"HIRAGANA", "KATAKANA", "CJK", "HANGUL", "THAI", "LAO", "KHMER", "TIBETAN"})
_UNMAPPED = re.compile("[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f\uffff]")
_PRIVATE = re.compile("[\ue000-\uf8ff](?:[\ue000-\uf8ff\\s]*[\ue000-\uf8ff])?")
_LIST_SIGN = re.compile("(?m)^[\ue000-\uf8ff](?=[ \\t])")
_LOST_LETTER = re.compile(rf"(?<=[^\W\d_]){_UNMAPPED.pattern}+(?=[^\W\d_])")


def lost_letters(text: str) -> tuple[int, bool]:
    """Return (how many letters within words a page's font does not name, whether these are most of its characters).

    `text` is that of PDFium, which has control characters for them.
    """
    if _UNMAPPED.search(text) is None:
        return 0, False
    n_unmapped = len(_UNMAPPED.findall(text))
    n_shown = len("".join(text.split()))
    return len(_LOST_LETTER.findall(text)), n_shown >= LEAST_CHARS and n_unmapped > _MOST_ODD * n_shown


def without_private(text: str) -> tuple[str, int]:
    """Return (a text without private characters, how many these are), where they are more than signs of a list.

    A sign of a list is a bullet.
    """
    if _PRIVATE.search(text) is None:
        return text, 0
    n_private = sum(len("".join(run.split())) for run in _PRIVATE.findall(text))
    return (_PRIVATE.sub(" ", text), n_private) if n_private >= LEAST_CHARS else (_LIST_SIGN.sub("•", text), 0)


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
    n_letters = sum(map(len, words))
    if 2 * n_letters < len(shown) and _is_signs(shown):
        return True
    if not words:
        return False
    n_mixed = sum(_is_mixed(word) for word in words if not word.isascii())
    return n_mixed > _MOST_MIXED * len(words) or _has_no_words(words, text)


def _is_signs(shown: str) -> bool:
    """Whether a text is signs of many kinds, where words or numbers would be."""
    signs = sorted(shown.count(char) for char in set(_SIGN.findall(shown)))
    n_digits = sum(map(str.isdigit, shown))
    return len(signs) >= _LEAST_KINDS and sum(signs[:-4]) > _MOST_SIGNS * len(shown) and n_digits < sum(signs)


def _is_mixed(word: str) -> bool:
    scripts = {_script(char) for char in word} - {""}
    if scripts & _WITHOUT_BLANKS:  # a Latin name stands within
        scripts -= {"LATIN", *_WITHOUT_BLANKS}
    return len(scripts) > 1


def _script(char: str) -> str:
    if char.isascii():
        return "LATIN"
    name = unicodedata.name(char, "")
    first = name.partition(" ")[0]
    return first if first in {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA",
                              "HANGUL", "THAI", "DEVANAGARI", "ARMENIAN", "GEORGIAN", "BENGALI", "TAMIL",
                              "ETHIOPIC", "CHEROKEE", "SYRIAC", "KHMER", "LAO", "TIBETAN", "CANADIAN"} else ""  # fmt: skip


def _has_no_words(words: list[str], text: str) -> bool:
    """Whether a text has hardly a vowel and none of the commonest words: letters moved along the alphabet; or words
    without vowels, or one letter alone."""
    letters = "".join(words).lower()
    if len(letters) < 4 * LEAST_CHARS:
        return False
    different = set(letters)
    if len(different) <= 2:
        return True
    script, n_of_script = _main_script(letters, different)
    if script not in _VOWELS or n_of_script < 0.8 * len(letters) or len(different) < 10:
        return False
    if script == "LATIN" and sum(letters.count(char) for char in different if not char.isascii()) > n_of_script / 2:
        return True  # letters of another alphabet by their places in its code page
    vowels = {char for char in different if unicodedata.normalize("NFD", char)[0] in _VOWELS[script]}
    is_poor = sum(map(letters.count, vowels)) < _LEAST_VOWELS * n_of_script
    if not (is_poor or _is_vowelless(words, text)) or sum(map(str.isdigit, text)) >= n_of_script:
        return False
    return len(_COMMON.findall(text)) < (_FEWEST_COMMON if is_poor else _FEW_COMMON) * len(words)


def _main_script(letters: str, different: set[str]) -> tuple[str, int]:
    """Return (the script of most letters, how many of them are of it)."""
    if letters.isascii():
        return "LATIN", len(letters)
    n_of: dict[str, int] = {}
    for char in different:
        script = _script(char)
        n_of[script] = n_of.get(script, 0) + letters.count(char)
    return max(n_of.items(), key=lambda entry: entry[1])


def _is_vowelless(words: list[str], text: str) -> bool:
    """Whether many words, other than abbreviations in capitals, have no vowel."""
    n_long = sum(len(word) > 3 for word in words)
    n_found = sum(not word.isupper() for word in _VOWELLESS.findall(text))
    return n_long >= LEAST_CHARS and n_found > _MOST_VOWELLESS * n_long
