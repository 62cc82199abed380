"""The score of a chunk for a query: one definition, whatever list it came from and however many hits are asked for.

    score = (w cos + (1 - w) T + TITLE g P + V) / (1 + TITLE g)

w    DENSE, and up to LONG more for queries from eight words on: most words of a long question are about the question

cos  the cosine of query and chunk
T    BM25 of chunk and title by weighted words, as a share of the best in scope or, if that is more, of half of what
     the query's known words are worth
P    the cosine of query and title, for the share of the file that the chunk is not, and cos for the rest
g    grows with the number of words in the query
V    a bonus for a chunk in which the query stands as it was asked; it fades with the query's length

Chosen from 4,680 formulas on ten collections, leaving each out in turn; see docs/architecture.md and benchmarks/.
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.domain import SearchMode
from openrag_cli.index.rows import Match
from openrag_cli.retrieval.query import Query
from openrag_cli.retrieval.tokens import folded

if TYPE_CHECKING:
    import numpy as np

DENSE, LONG = 0.5, 0.15
TITLE = 0.4
FLOOR = 0.5
"""The share of the ceiling that the best text score is measured by, where no chunk reaches it."""

WHOLE, BEGINS, LOOSE = 0.3, 0.24, 0.2
"""The bonus for a query that stands in the chunk: as whole words, from the beginning of a word, without separators."""

MIN_LOOSE_CHARS = 5
K1, B = 1.2, 0.75

_SEPARATORS = bytes(set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_NOT_ALNUM = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Title:
    """The title of a file as it is searched: its words, and its vector (float32[dimension]) where one is kept."""

    words: tuple[str, ...] = ()
    vector: "np.ndarray | None" = None
    n_chunks: int = 1


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with its score and the parts of it."""

    match: Match
    score: float
    scores: dict[str, float]


NO_TITLE = Title()


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows are scored for: the query, its vector (float32[dimension]; None for words alone), and how."""

    query: Query
    vector: "np.ndarray | None"
    mode: SearchMode


def score(
    asked: Asked, matches: Sequence[Match], titles: Mapping[str, Title], *, yardstick: Container[str]
) -> list[Scored]:
    """Return rows with their scores, best first; of equals the smaller chunk id.

    Text scores are measured by the best among the rows whose ids are in `yardstick`: a look that goes deeper changes
    no score.
    """
    texts = _text_scores(asked.query, matches, titles)
    best = max((text for text, match in zip(texts, matches, strict=True) if match.id in yardstick), default=0.0)
    scale = max(best, FLOOR * asked.query.ceiling) or 1.0
    cosines = _cosines(asked.vector, matches)
    rows = [
        _scored(asked, match, titles.get(match.revision, NO_TITLE), (cosine, text, min(1.0, text / scale)))
        for match, cosine, text in zip(matches, cosines, texts, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.score, row.match.id))


def _scored(asked: Asked, match: Match, title: Title, parts: tuple[float, float, float]) -> Scored:
    cosine, text, share = parts
    if asked.mode is SearchMode.DENSE:
        return Scored(match, cosine, {"dense": cosine})
    bonus = verbatim(asked.query, match)
    scores = {"text": text, "text_share": share, "verbatim": bonus}
    if asked.mode is SearchMode.TEXT:
        return Scored(match, share + bonus, scores)
    about = _about(asked.vector, title, cosine)
    gate = TITLE * asked.query.gate
    dense = DENSE + LONG * asked.query.length
    total = (dense * cosine + (1 - dense) * share + gate * about + bonus) / (1 + gate)
    return Scored(match, total, {"dense": cosine, "title": about, **scores})


def _text_scores(query: Query, matches: Sequence[Match], titles: Mapping[str, Title]) -> list[float]:
    """Return the BM25 score of each row, its title's words included, by the query's weights."""
    weights = [(f" {word} ", word, weight * (K1 + 1)) for word, weight in query.weights.items()]
    scores = []
    for match in matches:
        title = titles.get(match.revision, NO_TITLE).words
        words = f" {match.words.replace(' ', '  ')} "  # no blank is shared: a word said twice is found twice
        norm = K1 * (1 - B + B * (match.words.count(" ") + 1 + len(title)) / query.mean_words)
        total = 0.0
        for padded, word, weight in weights:
            n = words.count(padded) + title.count(word)
            if n:
                total += weight * n / (n + norm)
        scores.append(total)
    return scores


def _cosines(vector: "np.ndarray | None", matches: Sequence[Match]) -> list[float]:
    if vector is None or not matches:
        return [0.0] * len(matches)
    import numpy as np

    rows = np.stack([match.vector for match in matches if match.vector is not None]).astype(np.float32)
    lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-9)
    # Row by row: a matrix product may sum in another order when there are more rows.
    return [float(np.dot(row, vector)) / float(length) for row, length in zip(rows, lengths, strict=True)]


def _about(vector: "np.ndarray | None", title: Title, cosine: float) -> float:
    """Return P: how much the file is about the query, beyond what its chunk says."""
    if vector is None or title.vector is None:
        return cosine
    share = 1 - 1 / title.n_chunks
    return share * float(title.vector @ vector) + (1 - share) * cosine


def verbatim(query: Query, match: Match) -> float:
    """Return V: the bonus for a chunk in which the query stands."""
    if not query.verbatim or not query.folded:
        return 0.0
    text = match.span.text
    loose = _NOT_ALNUM.sub("", query.folded)
    if text.isascii():
        squeezed = text.lower().encode().translate(None, _SEPARATORS).decode()
        return query.verbatim * _standing(query, loose, squeezed, text) if loose in squeezed else 0.0
    # To fold a text that is not ASCII takes long: only where all words are there, the last one perhaps as a beginning.
    words = f" {match.words} "
    if not all(f" {word} " in words for word in query.order[:-1]):
        return 0.0
    whole = folded(text)
    return query.verbatim * _standing(query, loose, _NOT_ALNUM.sub("", whole), whole)


def _standing(query: Query, loose: str, squeezed: str, text: str) -> float:
    found = _place_of(query.folded, " ".join(text.lower().split()))
    if found or len(loose) < MIN_LOOSE_CHARS:
        return found
    return LOOSE if loose in squeezed else 0.0


def _place_of(asked: str, whole: str) -> float:
    """Return what it is worth that a text, folded, stands in another: as whole words, from the beginning of one."""
    best = 0.0
    at = whole.find(asked)
    while at >= 0 and best < WHOLE:
        end = at + len(asked)
        starts = not (at and whole[at - 1].isalnum() and asked[0].isalnum())
        ends = not (end < len(whole) and whole[end].isalnum() and asked[-1].isalnum())
        best = max(best, WHOLE if starts and ends else BEGINS if starts else 0.0)
        at = whole.find(asked, at + 1)
    return best


def has_phrases(query: Query, match: Match) -> bool:
    """Whether each phrase of the query stands in the chunk or in the headings above it, as whole words."""
    if not query.phrases:
        return True
    whole = folded("\n".join((*match.span.heading, match.span.text)))
    return all(_place_of(phrase, whole) == WHOLE for phrase in query.phrases)
