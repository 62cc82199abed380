"""Whether a passage bears out the sentence that cites it, by words; and which passages do where the answer names none."""

import re
from collections.abc import Sequence
from dataclasses import replace

from openrag_cli.answering.citations import Mark
from openrag_cli.answering.sentences import split
from openrag_cli.answering.words import content_words, language, may_be
from openrag_cli.domain import Passage

MIN_SHARE = 0.5
"""A passage is attached to a sentence when it holds at least this share of the sentence's words."""

MIN_WORDS = 3
LEAST_TOLD = 2
"""Words of a sentence from which on it tells something of a passage that has none of them."""

MAX_ATTACHED = 3
_MARKS = re.compile(r"\[\d{1,3}\]")


def checked_marks(answer: str, marks: Sequence[Mark], passages: Sequence[Passage]) -> tuple[Mark, ...]:
    """Return the marks, each with whether its passage shares a word with its sentence.

    Where the two are of different languages, or a sentence has too few words to tell, a mark counts as supported.
    """
    sentences = list(split(answer))
    found: list[Mark] = []
    for mark in marks:
        sentence = _MARKS.sub("", _sentence_of(answer, sentences, mark))
        passage = passages[mark.number - 1]
        wanted = content_words(sentence)
        text = " ".join([*passage.head, *passage.heading, passage.file.filename, passage.text])
        is_apart = len(wanted) >= LEAST_TOLD and not wanted & content_words(text)
        is_apart = is_apart and _same_language(sentence, answer, passage.text)
        found.append(replace(mark, is_supported=not is_apart))
    return tuple(found)


def attached(answer: str, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the passages that hold most of the words of the answer's sentences, by number; few, or none."""
    votes: dict[int, float] = {}
    for start, end in split(answer):
        wanted = content_words(answer[start:end])
        if len(wanted) < MIN_WORDS:
            continue
        shares = {passage.number: len(wanted & content_words(passage.text)) / len(wanted) for passage in passages}
        best = max(shares, key=lambda number: (shares[number], -number), default=0)
        if best and shares[best] >= MIN_SHARE:
            votes[best] = votes.get(best, 0.0) + shares[best]
    chosen = sorted(votes, key=lambda number: -votes[number])[:MAX_ATTACHED]
    return tuple(passage for passage in passages if passage.number in chosen)


def _same_language(sentence: str, answer: str, passage: str) -> bool:
    """Whether a sentence, or where it does not tell the answer around it, is of a passage's language, as far as is known."""
    name = language(passage)
    if name is None:
        return False
    told = may_be(sentence, name)
    return told if told is not None else bool(may_be(answer, name))


def _sentence_of(answer: str, sentences: Sequence[tuple[int, int]], mark: Mark) -> str:
    """Return the sentence that a mark stands in, or right behind."""
    before = [(start, end) for start, end in sentences if start < mark.end]
    if not before:
        return answer[: mark.start]
    start, end = before[-1]
    if len(content_words(_MARKS.sub("", answer[start:end]))) < MIN_WORDS and len(before) > 1:
        start = before[-2][0]  # the mark stands alone behind its sentence
    return answer[start:end]
