"""What a question asks for: its words and what each is worth, and the kind of thing that answers it."""

import math
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from openrag_cli.answering.quoting.names import is_apart
from openrag_cli.answering.words import is_common
from openrag_cli.retrieval.query import Counted
from openrag_cli.retrieval.query_words import STOP_WORDS
from openrag_cli.retrieval.tokens import Tokenizer

BEGINNING = 5
"""Letters that two words share which are akin: creation, created."""

FEW_CHUNKS = 1000
"""A store of fewer chunks says little of how rare a word is: words count as if it had so many."""

_ASKING_TEXT = (
    "much many long often far old tall big kind sort mean means call called name tell give happen happens need please "
    "combien fréquence manière façon sorte signifie appelle viele lange oft heißt bedeutet cuántos cuántas cuánto cada llama"
)
_ASKING = frozenset(_ASKING_TEXT.split())
"""Words that ask, beside those that every text is full of."""

_WORD = re.compile(r"[^\W_][\w+#-]*")
_SILENT = re.compile(r"['\u2019]s\b|\b[FC]Y['\u2019]?\s?(?=\d)")
"""What stands at a name or a year and is no word of its own."""

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[^\s?!])")


class Kind(Enum):
    """What answers a question."""

    NUMBER = auto()
    FREQUENCY = auto()
    DATE = auto()
    PERSON = auto()
    PLACE = auto()
    REASON = auto()
    NAME = auto()  # of a command, an option, a function
    WAY = auto()  # how something is done
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read: of `text` the sentences that ask are `asks`.

    `weights` says what each of its telling words is worth, by how rare it is in the store; a word that stands nowhere
    counts as the rarest, but for numbers and terms of a trade. `order` is these words as they come; `terms` makes such
    words of a text.
    """

    text: str
    asks: str
    order: tuple[str, ...]
    weights: Mapping[str, float]
    terms: Callable[[str], list[str]]
    kind: Kind

    def share(self, words: Container[str]) -> float:
        """Return which share of the question's worth of words stands among others, 0 to 1."""
        total = sum(self.weights.values())
        return sum(weight for word, weight in self.weights.items() if word in words) / total if total else 0.0

    def akin(self, words: set[str]) -> float:
        """Return the share of those words that do not stand among others, but whose beginnings do."""
        total = sum(self.weights.values())
        begun = {word[:BEGINNING] for word in words if len(word) >= BEGINNING - 1}
        found = (
            weight
            for word, weight in self.weights.items()
            if word not in words and len(word) >= BEGINNING - 1 and word[:BEGINNING] in begun
        )
        return sum(found) / total if total else 0.0


def read_question(text: str, tokenizer: Tokenizer, counts: Counted) -> Question:
    """Return the question that `text` is, weighted by the words of the store."""
    asks = asking(text)
    words = _WORD.findall(_SILENT.sub("", asks))
    telling = [word for word in words if not _is_silent(word.casefold())] or words
    tokens = tokenizer.query(" ".join(telling))
    order = tuple(token.text for token in tokens if not token.is_extra)
    apart = frozenset(tokenizer.for_search(" ".join(filter(is_apart, words))).split())
    known = counts.chunks_with(order)
    n_chunks = max(counts.totals().n_chunks, FEW_CHUNKS)
    return Question(
        text=text,
        asks=asks,
        order=order,
        weights={word: _rarity(known.get(word, 0), n_chunks) for word in order if word in known or word not in apart},
        terms=lambda part: tokenizer.for_search(part).split(),
        kind=kind_of(asks),
    )


def _is_silent(word: str) -> bool:
    return word in STOP_WORDS or word in _ASKING or is_common(word)


def _rarity(n_with: int, n_chunks: int) -> float:
    return math.log1p((max(0, n_chunks - n_with) + 0.5) / (n_with + 0.5))


def asking(text: str) -> str:
    """Return the sentences of a text that ask, where others say how to answer; all of it where none ends so."""
    sentences = _SENTENCE_END.split(text.strip())
    asks = [sentence for sentence in sentences if sentence.endswith(("?", "\uff1f"))]
    return " ".join(asks) if asks else text


_NAMED = (
    r"variables?|commands?|components?|functions?|packages?|modules?|class(?:es)?|options?|flags?|parameters?|methods?|tools?|"
    r"attributes?|keywords?|operators?|exceptions?|files?|decorators?|settings?|syntax|statements?|types?|model|commande|"
    r"fonction|fichier|befehl|funktion|datei|comando|función|archivo"
)
_KINDS = {
    Kind.FREQUENCY: re.compile(
        r"\b(?:how (?:often|frequently|regularly)|combien de fois|à quelle fréquence|tous les combien|wie (?:oft|häufig)|"
        r"cuántas veces|con qué frecuencia|quante volte|ogni quanto|quantas vezes|hoe vaak)\b",
        re.IGNORECASE,
    ),
    Kind.NUMBER: re.compile(
        r"\b(?:how (?:many|much|long|often|far|big|large|high|old|tall|fast|deep|wide)|what (?:size|percent|number|amount|"
        r"share|port|limit|is the (?:size|number|amount|limit|default))|combien|à quel âge|quel(?:le)?s? (?:âge|taille|somme|"
        r"montant|part|pourcentage|nombre|population|superficie|budget|prix|durée|distance|poids|hauteur|longueur|vitesse|température|"
        r"proportion|coût|chiffre)|wie ?(?:viele?|lange?|groß|hoch|oft|weit|alt)|cuánt[oa]s?|quant[oaei]s?)\b",
        re.IGNORECASE,
    ),
    Kind.DATE: re.compile(
        r"\b(?:when|(?:what|which) (?:date|year|day|month)|quand|quelles? (?:année|date|époque|période)s?|quel (?:jour|siècle|"
        r"mois)|date de|wann|welche[smnr]? (?:jahr|datum|tag)|cuándo|qué (?:año|fecha|día)|quando)\b",
        re.IGNORECASE,
    ),
    Kind.PERSON: re.compile(
        r"\b(?:who|whom|whose|qui|wer|wem|wen|quién(?:es)?|chi|quem)\b",
        re.IGNORECASE,
    ),
    Kind.PLACE: re.compile(
        r"\b(?:where|(?:in )?which (?:city|country|place|town|region|state)|où|quel(?:le)?s? (?:ville|pays|région|lieu|endroit|"
        r"département)|wo|woher|wohin|dónde|dove|onde)\b",
        re.IGNORECASE,
    ),
    Kind.REASON: re.compile(
        r"\b(?:why|what (?:is|was) the (?:reason|cause|purpose)|pourquoi|quelles? (?:raison|cause)s?|dans quel but|warum|"
        r"weshalb|wieso|por qué|perché)\b",
        re.IGNORECASE,
    ),
    Kind.WAY: re.compile(
        r"\b(?:how (?:do|can|to|should|could|does one|would)|(?:which|what) (?:command|syntax|code)|comment|example|"
        r"wie (?:kann|man|mache|installiere|lösche)|cómo|come|como)\b|^(?:undo|install|run|list|show|create|extract|delete|"
        r"remove)\b",
        re.IGNORECASE,
    ),
    Kind.NAME: re.compile(
        rf"\b(?:which|what|name of the|quel(?:le)?|welche[rs]?|qué|cuál) (?:\w+ ){{0,3}}?(?:{_NAMED})\b",
        re.IGNORECASE,
    ),
}


def kind_of(question: str) -> Kind:
    """Return what answers a question, by its words."""
    return next((kind for kind, asks in _KINDS.items() if asks.search(question)), Kind.ANY)


_CAPITAL = r"[A-ZÀ-Ý][\w'\u2019-]+"
_ANSWERS = {
    Kind.FREQUENCY: re.compile(
        r"\b(?:every|each|(?:once|twice|times?|\d) (?:an?|per|every) |per (?:hour|day|week|month|quarter|year)|hourly|daily|"
        r"nightly|weekly|monthly|quarterly|yearly|annual(?:ly)?|chaque|tou(?:s|tes) les|fois par|par (?:jour|semaine|mois|"
        r"an)|quotidien|hebdomadaire|mensuel|annuel|jede[rsnm]?|täglich|wöchentlich|monatlich|jährlich|alle \w+ (?:tage|wochen|"
        r"monate|jahre)|(?:mal|einmal|zweimal) (?:pro|am|im)|cada|veces al?|diari[oa]|semanal|mensual|ogni|volte al)",
        re.IGNORECASE,
    ),
    Kind.NUMBER: re.compile(
        r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twice|once|deux|trois|quatre|cinq|sept|huit|neuf|dix|cent|"
        r"mille|millions?|moitié|tiers|quart|zwei|drei|vier|fünf|dos|tres|cuatro|cinco)\b",
        re.IGNORECASE,
    ),
    Kind.DATE: re.compile(
        r"\b(?:1\d|20)\d\d\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|century|"
        r"janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre|siècle|januar|februar|märz|juni|"
        r"juli|oktober|dezember|jahrhundert|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|noviembre|diciembre|"
        r"siglo)\b",
        re.IGNORECASE,
    ),
    Kind.PERSON: re.compile(rf"(?<=[^.!?\n:] )(?:[dlL]['\u2019])?{_CAPITAL}|\b{_CAPITAL} (?:de |du |d')?{_CAPITAL}"),
    Kind.PLACE: re.compile(
        r"\b(?:in|at|near|from|to|à|aux?|en|dans|près de|vers|sur|im|am|bei|a|cerca de|nel|em|n[oa]) (?:l['\u2019]|la |le |"
        r"les |the |der |dem |el |il |lo )?(?:[A-ZÀ-Ý][\w'\u2019-]+|île|ville|rive|nord|sud|est|ouest|north|south|east|west)"
    ),
    Kind.REASON: re.compile(
        r"\b(?:because|since|so that|in order to|due to|therefore|reason|thanks to|avoid|car|parce qu|afin|grâce|en raison|"
        r"à cause|puisqu|permet|weil|denn|wegen|damit|porque|debido|para que|perché|a causa)",
        re.IGNORECASE,
    ),
    Kind.NAME: re.compile(r"`[^`\n]+`|\b\w+_\w+\b|\b[A-Z][a-z]+[A-Z]\w+\b|(?<!\w)--?[a-z][\w-]+"),
    Kind.WAY: re.compile(r"(?m)```|^`[^`\n]+`$"),
}
_WORDS = re.compile(r"\w+")


def fits(question: Question, text: str) -> bool:
    """Whether a text has a thing of the kind that is asked for, and one that the question does not name itself."""
    answers = _ANSWERS.get(question.kind)
    if answers is None:
        return False
    asked = set(_WORDS.findall(question.text.casefold()))
    return any(not asked.issuperset(_WORDS.findall(found.casefold()) or [found]) for found in answers.findall(text))
