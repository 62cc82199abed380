"""The words of a query that tell what it is about: for hits that say little of it, and for marking them in a text."""

import re
from collections.abc import Callable, Mapping

from openrag_cli.domain import Hit, Span
from openrag_cli.retrieval.tokens import Tokenizer

WEAK_COSINE = 0.28
"""Cosine of query and chunk under which a hit is weak unless all telling words stand in it. The best hits of 20 answerable
questions had 0.35 and more (haystack, PEPs), those of 24 others 0.31 and less; a model of higher cosines hides nothing."""

_WORD = re.compile(r"\w+")
_STOP_WORDS = """
a about an and any are as at be been being but by can could did do does for from had has have having he her here him his
how i if in into is it its itself just me more most my no nor not of on or our ours she should so some such than that the
their them then there these they this those to too us was we were what when where which while who whom whose why will
with would you your yours
au aux avec ce ces cette comment dans de des du elle elles en est et il ils je la le les leur leurs lui mais mes mon nous
ont ou par pas pour quand que quel quelle quelles quels qui sa se ses son sont sur ta te tes toi ton tu un une vos votre
vous
aber als am an auch auf aus bei bin bis das dass dem den der des die dir du ein eine einem einen einer es für haben hat
ich ihr im ist kann mein mit nach nicht noch nur oder sein sich sie sind so um und uns vom von vor wann warum was welche
welcher welches wenn wer wie wir wird wo zu zum zur
al como con cual cuando de del donde el ella ellos es está la las lo los más para pero por porque qué que quién se sin
son su sus un una y
che chi come con cosa da dal della delle di dove gli il io la le lo ma nel nella non per perché quale quando se sono su
un una uno
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Casefolded, with their accents."""


class Words:
    """The words of a query as the index has them; words that say nothing count only where there are no others."""

    def __init__(self, query: str, language: str | Tokenizer = "English") -> None:
        self._tokenizer = language if isinstance(language, Tokenizer) else Tokenizer(language)
        words = _WORD.findall(query)
        telling = [word for word in words if word.casefold() not in STOP_WORDS] or words
        self._wanted = {term for word in telling for term in self._terms(word)}

    def _terms(self, word: str) -> set[str]:
        return set(self._tokenizer.for_search(word).split())

    def of(self, text: str) -> set[str]:
        """Return which of them stand in a text."""
        return self._wanted & self._terms(text)

    def marked(self, line: str, mark: Callable[[str], str]) -> str:
        """Return `line` with the words of the query passed through `mark`."""
        return _WORD.sub(lambda word: mark(word[0]) if self.of(word[0]) else word[0], line)

    def are_all_in(self, text: str) -> bool:
        """Whether every one of them stands in a text."""
        return bool(self._wanted) and self._wanted <= self._terms(text)


def is_weak(hit: Hit, words: Words) -> bool:
    """Whether a hit is far from the query in meaning, and lacks words of it. A search by words alone has no weak hits."""
    return are_weak(hit.scores, hit.file.file_id, hit.chunk.span, words)


def are_weak(scores: Mapping[str, float], file_id: str, span: Span, words: Words) -> bool:
    """Whether a chunk with these scores is a weak hit; see `is_weak`."""
    cosine = scores.get("dense")
    if cosine is None or cosine >= WEAK_COSINE:
        return False
    return not words.are_all_in("\n".join((file_id, *span.heading, span.shown)))
