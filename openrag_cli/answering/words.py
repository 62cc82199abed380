"""The words of a text that carry its meaning, and the language that its common words tell."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
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


def language(text: str) -> str | None:
    """Return the language of a text by its commonest words (ISO 639-1), or its script; None where that does not tell."""
    words = [word.casefold() for word in _WORD.findall(text[:4000])]
    counts = {name: sum(word in common for word in words) for name, common in _COMMON_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    second = max((n for name, n in counts.items() if name != best), default=0)
    if counts[best] >= 2 and counts[best] > second:
        return best
    letters = [char for char in text[:4000] if char.isalpha()]
    foreign = [unicodedata.name(char, "").partition(" ")[0] for char in letters if ord(char) > 0x24F]
    return max(set(foreign), key=foreign.count) if len(foreign) * 2 > len(letters) > 0 else None


def is_common(word: str) -> bool:
    """Whether a word is one of the commonest of a language."""
    return word.casefold() in _EVERY_COMMON


def content_words(text: str) -> set[str]:
    """Return the beginnings of the words of a text, without case and accents, common words left out."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return {
        word[:_STEM_CHARS]
        for word in _WORD.findall(plain)
        if (len(word) > 2 or word.isdigit()) and word not in _EVERY_COMMON
    }
