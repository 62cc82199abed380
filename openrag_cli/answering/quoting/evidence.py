"""Whether there is enough to answer from, and what is said when there is not."""

from collections.abc import Sequence

from openrag_cli.answering.quoting.names import missing_names
from openrag_cli.answering.words import language
from openrag_cli.domain import Passage

NOTHING = "Nothing in the documents answers this."

MIN_EVIDENCE = 1.32
"""The floor for questions in English. Chosen on 88 questions with an answer and 40 without, the very ones it was
measured on."""

MIN_EVIDENCE_ELSEWHERE = 1.26
"""The floor for other languages, in which the embedding tells less."""

MIN_EVIDENCE_TO_SHOW = 1.0
"""What an LLM is shown may say less: it reads better than a measure of words, and can refuse by itself."""

WORD_SHARE = 0.5


def evidence(meaning: Sequence[float], shares: Sequence[float], passages: Sequence[Passage]) -> float:
    """Return how much there is to answer from, 0 to 2.5.

    It is the score of the best passage, the best cosine of a unit, and half of the best share of the question's words.
    """
    score = max((passage.score for passage in passages), default=0.0)
    return min(1.0, max(0.0, score)) + max(meaning, default=0.0) + WORD_SHARE * max(shares, default=0.0)


def floor(question: str) -> float:
    """Return how much evidence a question needs, by its language."""
    return MIN_EVIDENCE if language(question) in {"en", None} else MIN_EVIDENCE_ELSEWHERE


def refusal(question: str, passages: Sequence[Passage]) -> str:
    """Return the sentence that refuses to answer: with what no document names, where the question names something."""
    missing = missing_names(question, passages)
    if not missing:
        return NOTHING
    *first, last = missing
    return f"No document names {', '.join(first)} or {last}." if first else f"No document names {last}."
