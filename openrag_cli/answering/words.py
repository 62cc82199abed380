"""The words of a text: those that carry its meaning, the language that its common ones tell, what announces values."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_CHARS_OF_NO_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u30a0-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, katakana, Han. Hiragana tells little: it is what stands between the words."""

_NO_BLANKS = re.compile(f"[{_CHARS_OF_NO_BLANKS}]")
_RUNS = re.compile(f"[{_CHARS_OF_NO_BLANKS}]+|[^{_CHARS_OF_NO_BLANKS}\u3041-\u309f]+")
_STEM_CHARS = 5
_COMMON = {
    "en": "the of and to in is that it for are with as on be this was by from or an not have which you can",
    "fr": "le la les des et en un une du est que pour dans qui sur au par plus pas avec ne sont ce il vous",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es werden",
    "es": "el la de que y en los del se las por un para con no una su al es lo como más o pero sus",
    "it": "il di che la e per un in una del non sono si da con le dei al è come più gli nel alla",
    "pt": "o de que e do da em um para é com não uma os no se na por mais as dos como mas ao",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als bij door naar",
}
_ASKING = {
    "en": "how what which who when where why do does did can could should i my we",
    "fr": "comment quel quelle quels quelles combien quand où pourquoi je mon ma nous peut",
    "de": "wie was welche welcher welches wer wann wo warum ich mein wir kann wird wurde",
    "es": "cómo qué cuál cuándo dónde quién cuánto cuántos cuántas yo mi puede",
    "it": "come cosa quale quando dove chi perché quanto quanti io mio può",
    "pt": "como qual quando onde quem quanto quantos eu meu pode",
    "nl": "hoe wat welke wanneer waar wie waarom ik mijn kan wordt",
}
"""Words of questions, which are short."""

_COMMON_WORDS = {name: frozenset(f"{words} {_ASKING[name]}".split()) for name, words in _COMMON.items()}
_EVERY_COMMON = frozenset().union(*_COMMON_WORDS.values())

_OF_VALUES = (
    r"reg(?:ex|exp|exes|exps|ular expressions?)|patterns?|character class(?:es)?|class(?:es)?|globs?|intervals?"
    r"|arrays?|vectors?|tuples?|tensors?|matri(?:x|ces)|shapes?|sequences?|slices?|between|digits?|exit codes?|codes?"
    r"|rows?|columns?|lines?|pages?|chapters?|scores?|expressions? r\u00e9guli\u00e8res?|motifs?|classes? de caract\u00e8res"
    r"|intervalles?|tableaux?|vecteurs?|plages?|entre|lignes?|chapitres?|regul\u00e4re[rn]? ausdr[u\u00fc]ck\w*|muster"
    r"|zeichenklassen?|intervalle?s?|vektor(?:en)?|tupel|zwischen|zeilen?|seiten?|kapitel"
    r"|expresi(?:\u00f3n|ones) regular(?:es)?|patr(?:\u00f3n|ones)|intervalos?|arreglos?|vectores|l\u00edneas?|p\u00e1ginas?"
    r"|espression[ei] regolar[ei]|intervall[oi]|righe|pagine"
)
_OF_ONE = (
    r"argv|index|indices|elements?|items?|slots?|positions?|press|type|enter|options?|registers?|bits?|bytes?|ports?"
    r"|channels?|jobs?|versions?|rows?|columns?|lines?|chapters?"
)
_PERHAPS = (
    r"lists?|sets?|ranges?|outputs?|results?|values?|keys?|ids?|numbers?|mengen?|bereiche?|werte?"
    r"|liste[sn]?|listas?|rangos?"
)
_BEFORE_VALUES = (
    r"in|between|of|is|are|was|were|be|from|to|with|like|as|equals?|gives?|prints?|returns?|yields?|contains?|into|for|than"
    r"|est|sont|dans|de|comme|vaut|donne|renvoie|affiche|ist|sind|von|zu|wie|liefert|ergibt|es|son|en|como|devuelve"
    r"|\u00e8|sono|come|da"
)
_SIGNS = "\u2208\u2209\u2282\u2286\u222a\u2229\u00d7\u2192\u21d2\u2264\u2265\u2260\u00b1\u2261\u2248"
_LINK = r"(?:[ \t]+(?:is|are|such|as|like|of|for|named|called|est|sont|comme|ist|sind|wie|es|son|como))"
_VALUES = re.compile(rf"(?i)(?<!\w)(?:{_OF_VALUES}){_LINK}{{0,2}}[ \t]*:?[ \t]*\Z")
_ONE = re.compile(rf"(?i)(?<![\w])(?:{_OF_ONE})[ \t]*\Z")
_LISTED = re.compile(rf"(?i)(?<!\w)(?:{_PERHAPS})[ \t]*\Z")
_VALUE_NEXT = re.compile(rf"(?i)(?<!\w)(?:{_BEFORE_VALUES})[ \t]*\Z")
_QUOTED = re.compile(r"(?:\A|[\s(\[:,=])[\"'\u201c\u2018\u00ab\u201e]\Z")

ANNOUNCED_CHARS = 48
"""How much of the text before a bracket is looked at."""


def language(text: str) -> str | None:
    """Return the language of a text by its commonest words (ISO 639-1), or its script; None where that does not tell."""
    counts = _counts(text)
    best = max(counts, key=counts.__getitem__)
    second = max((n for name, n in counts.items() if name != best), default=0)
    if counts[best] >= 2 and counts[best] > second:
        return best
    letters = [char for char in text[:4000] if char.isalpha()]
    foreign = [unicodedata.name(char, "").partition(" ")[0] for char in letters if ord(char) > 0x24F]
    return max(set(foreign), key=foreign.count) if len(foreign) * 2 > len(letters) > 0 else None


def may_be(text: str, name: str) -> bool | None:
    """Whether a text may be of a language, as `language` names it: no other is likelier. None where nothing tells."""
    spoken, counts = language(text), _counts(text)
    if spoken is not None or not any(counts.values()):
        return None if spoken is None else spoken == name
    return counts.get(name) == max(counts.values())


def _counts(text: str) -> dict[str, int]:
    words = [word.casefold() for word in _WORD.findall(text[:4000])]
    return {name: sum(word in common for word in words) for name, common in _COMMON_WORDS.items()}


def is_common(word: str) -> bool:
    """Whether a word is one of the commonest of a language."""
    return word.casefold() in _EVERY_COMMON


def content_words(text: str) -> set[str]:
    """Return the beginnings of the words of a text, without case and accents, common words left out.

    Of scripts that write no blanks between words, it is every two letters that follow each other.
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    found: set[str] = set()
    for run in _WORD.findall(plain):
        for word in (run,) if run.isascii() else _RUNS.findall(run):
            if _NO_BLANKS.match(word):
                found |= {word[at : at + 2] for at in range(max(1, len(word) - 1))}
            elif (len(word) > 2 or word.isdigit()) and word not in _EVERY_COMMON:
                found.add(word[:_STEM_CHARS])
    return found


def announced(before: str, after: str, *, is_many: bool) -> str | None:
    """Return what the words before a bracket say of it: a pattern, an interval or a list of values is no citation.

    "none", "beside" (it may be one and is left as it is), or None: they say nothing.

    `after` is what follows, as far as it is known; `is_many`: several numbers stand in the bracket, or a range.
    """
    if before.rstrip(" \t")[-1:] in _SIGNS or _QUOTED.search(before):
        return "none" if before.strip() else None
    if not is_many:
        return "beside" if _ONE.search(before) else None
    if _VALUES.search(before):
        return "none"
    if _LISTED.search(before):
        return "none" if after[:1] == " " and after[1:2].isalpha() else "beside"
    return "beside" if _VALUE_NEXT.search(before) else None
