"""The score of a chunk for a query: one definition, whatever list it came from and however many hits are asked for.

    score = (w cos + (1 - w) T + TITLE g P + V) / (1 + TITLE g) + N

w    DENSE, and up to LONG more for queries from eight words on: most words of a long question are about the question

cos  the cosine of query and chunk
T    BM25 of chunk and title by weighted words, as a share of the best in scope or, if that is more, of half of what
     the query's known words are worth. A word of the title counts alike in each chunk of its file, for the share of the
     file that the chunk is not, and one at the head of a chunk as much, in files of more than two; of the instructions
     around a question what names a place does, and the rest for a share of what is asked
P    the cosine of query and title, for the share of the file that the chunk is not, and cos for the rest
g    grows with the number of words in the query
V    a bonus for a chunk in which the query stands as it was asked; but for whole words it fades with the query's length
N    a bonus for a file whose whole title the query says: NAMED, for the share of the query's worth that its words have

Chosen from 4,680 formulas on ten collections, leaving each out in turn; see docs/architecture.md and benchmarks/.
"""

import re
from collections.abc import Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.domain import SearchMode
from openrag_cli.index.found import Found
from openrag_cli.index.rows import Match
from openrag_cli.index.word_table import WordTable
from openrag_cli.index.words import K1, B
from openrag_cli.retrieval.query import Query
from openrag_cli.retrieval.tokens import folded
from openrag_cli.store.searching.titles import FileTitle

if TYPE_CHECKING:
    import numpy as np

DENSE, LONG = 0.5, 0.15
TITLE = 0.4
FLOOR = 0.5
"""The share of the ceiling that the best text score is measured by, where no chunk reaches it."""

WHOLE, BEGINS, LOOSE = 0.3, 0.24, 0.2
"""The bonus for a query that stands in the chunk: as whole words, from the beginning of a word, without separators."""

TITLED, HEADED = 1.6, 1.6
"""How much a word in the title, and one at the head of a chunk, counts: of a chunk of mean length 1 if it stands there
once, 1.8 if five times."""

ASIDE = 0.25
"""What words of instructions count at most, of what the chunk has of the words asked for; in its title or head as much."""


NAMED = 0.4
"""Of 82 queries for a page of tldr, 74 have it among the first two files with 0.35 to 0.5, and 73 with 0.3."""

MIN_LOOSE_CHARS = 5
MAX_LOOSE_WORDS = 4
"""Words of a query, at most, that may stand in a chunk in another grouping ("set up", setup); any number of them where half
of the characters are digits."""


_BETWEEN = "\0"
_SEPARATORS = bytes(set(range(1, 128)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_NOT_ALNUM = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with its score and the parts of it."""

    match: Match
    score: float
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows are scored for: the query, its vector (float32[dimension]; None for words alone), and how."""

    query: Query
    vector: "np.ndarray | None"
    mode: SearchMode


@dataclass(frozen=True, slots=True)
class Scores:
    """The score of each row (float64[n]), and by name the parts that it is made of."""

    totals: "np.ndarray"
    parts: Mapping[str, "np.ndarray"]

    def of(self, at: int) -> dict[str, float]:
        """Return the parts of one row's score."""
        return {name: float(values[at]) for name, values in self.parts.items()}


def score(asked: Asked, rows: Found, titles: Mapping[str, FileTitle], *, yardstick: Container[str]) -> Scores:
    """Return the scores of rows.

    Text scores are measured by the best among the rows whose ids are in `yardstick`: a look that goes deeper changes
    no score.
    """
    cosines = _cosines(asked.vector, rows)
    if asked.mode is SearchMode.DENSE:
        return Scores(cosines, {"dense": cosines})
    import numpy as np

    query = asked.query
    own = [titles[revision] for revision in rows.revisions]
    texts = _text_scores(query, rows, own)
    best = max((text for text, key in zip(texts.tolist(), rows.ids, strict=True) if key in yardstick), default=0.0)
    shares = np.minimum(1.0, texts / (max(best, FLOOR * query.ceiling) or 1.0))
    bonuses = _verbatim(query, rows)
    named = _named(query, own)
    parts = {"text": texts, "text_share": shares, "verbatim": bonuses, "named": named}
    if asked.mode is SearchMode.TEXT:
        return Scores(shares + bonuses + named, parts)
    about = _about(asked, own, cosines)
    gate = TITLE * query.gate
    dense = DENSE + LONG * query.length
    totals = (dense * cosines + (1 - dense) * shares + gate * about + bonuses) / (1 + gate)
    return Scores(totals + named, {"dense": cosines, "title": about, **parts})


def best_first(scores: Scores, rows: Found, titles: Mapping[str, FileTitle]) -> list[int]:
    """Return the places of rows, best first; equals by partition, id of the file and place in it."""
    totals = scores.totals.tolist()
    own = [titles[revision].place for revision in rows.revisions]
    return sorted(range(len(rows)), key=lambda at: (-totals[at], own[at], rows.ordinals[at]))


def _text_scores(query: Query, rows: Found, titles: Sequence[FileTitle]) -> "np.ndarray":
    """Return the BM25 score of each row, its title's words included, by the query's weights.

    Words that stand aside add at most as much again as what is asked: see `Query.aside`.
    """
    import numpy as np

    titled = WordTable.of([title.words for title in titles])
    n_words = np.maximum(rows.words.n_words, 1) + titled.n_words
    norms = K1 * (1 - B + B * n_words / query.mean_words)
    beyond = 1 - 1 / np.maximum([title.n_chunks for title in titles], 1)
    long = np.maximum(2 * beyond - 1, 0)
    asked, places, others = np.zeros((3, len(titles)))
    in_titles, in_heads = titled.counts(query.weights), rows.words.headed(query.weights)
    for word, in_chunks in rows.words.counts(query.weights).items():
        counts, is_titled = in_chunks + in_titles[word], in_titles[word] > 0
        worths = (K1 + 1) * counts / (counts + norms)
        worths += is_titled * beyond * (TITLED - worths)
        worths += in_heads[word] * long * np.maximum(HEADED - worths, 0)
        worths *= query.weights[word]
        if word in query.aside:
            is_place = is_titled | in_heads[word]
            places += worths * is_place
            others += worths * ~is_place
        else:
            asked += worths
    return asked + np.minimum(asked, places + np.minimum(others, ASIDE * asked))


def _cosines(vector: "np.ndarray | None", rows: Found) -> "np.ndarray":
    import numpy as np

    if vector is None or not len(rows):
        return np.zeros(len(rows))
    lengths = np.maximum(np.linalg.norm(rows.vectors, axis=1), 1e-9)
    return np.asarray(_products(rows.vectors, vector) / lengths, dtype=np.float64)


def _products(rows: "np.ndarray", vector: "np.ndarray") -> "np.ndarray":
    """Return the dot product of each row and a vector: one sum for each, whatever rows stand beside it.

    A product of matrices may sum in another order when there are more rows.
    """
    import numpy as np

    return np.asarray((rows * vector).sum(axis=1))


def _about(asked: Asked, titles: Sequence[FileTitle], cosines: "np.ndarray") -> "np.ndarray":
    """Return P of each row: how much its file is about the query, beyond what its chunk says."""
    import numpy as np

    vectors = {at: title.vector for at, title in enumerate(titles) if title.vector is not None}
    if asked.vector is None or not vectors:
        return cosines
    about, places = cosines.copy(), list(vectors)
    shares = 1 - 1 / np.array([titles[at].n_chunks for at in places])
    rows = np.frombuffer(b"".join(vectors.values()), dtype=np.float32).reshape(len(places), -1)
    about[places] = shares * _products(rows, asked.vector) + (1 - shares) * cosines[places]
    return about


def _named(query: Query, titles: Sequence[FileTitle]) -> "np.ndarray":
    """Return N of each row: the bonus for a file that the query calls by its whole title. Numbers alone name no file."""
    import numpy as np

    asked = {*query.order, *query.weights}  # the whole of a word of parts (DocumentSplitter) is no part of the order
    worth: dict[str, float] = {}
    for words in {title.words for title in titles}:
        found = words.split()
        is_named = bool(found) and asked.issuperset(found) and not all(map(str.isdigit, found))
        worth[words] = NAMED * _share(query, set(found)) if is_named else 0.0
    return np.array([worth[title.words] for title in titles])


def _share(query: Query, words: AbstractSet[str]) -> float:
    """Return which share of the query's worth words have, 1 at most."""
    return min(1.0, sum(query.weights.get(word, 0.0) for word in words) / query.ceiling) if query.ceiling else 0.0


# --- the query as it was asked


def _verbatim(query: Query, rows: Found) -> "np.ndarray":
    """Return V of each row: the bonus for a chunk in which the query stands."""
    import numpy as np

    bonuses = np.zeros(len(rows))
    if not query.folded:
        return bonuses
    loose = _NOT_ALNUM.sub("", query.folded)
    is_numeric = 2 * sum(map(str.isdigit, loose)) >= len(loose)
    is_loose = query.verbatim > 0 and (is_numeric or len(query.order) <= MAX_LOOSE_WORDS)
    # To fold a text takes long: only where all words are there, the last one perhaps as a beginning.
    has_all = np.ones(len(rows), dtype=bool)
    for counts in rows.words.counts(query.order[:-1]).values():
        has_all &= counts > 0
    folds = set(np.flatnonzero(has_all).tolist())
    texts = rows.texts(range(len(rows)) if is_loose else sorted(folds))
    if is_loose:  # ASCII is looked through at once, for letters that stand in another grouping too
        plain = [at for at, text in texts.items() if text.isascii() and _BETWEEN not in text]
        squeezed = _BETWEEN.join(texts[at] for at in plain).lower().encode().translate(None, _SEPARATORS)
        for at, letters in zip(plain, squeezed.split(_BETWEEN.encode()), strict=bool(plain)):
            if loose.encode() in letters:
                bonuses[at] = _standing(query, loose, " ".join(texts[at].lower().split()))
        folds.difference_update(plain)
    for at in folds:
        whole = folded(texts[at])
        if loose in _NOT_ALNUM.sub("", whole):
            bonuses[at] = _standing(query, loose, whole)
    return bonuses


def _standing(query: Query, loose: str, whole: str) -> float:
    """Return the bonus of a text, folded, in which the letters and digits of the query stand in their order."""
    found = _place_of(query.folded, whole)
    if found == WHOLE:
        return found  # however long: a sentence that stands there is what was meant
    return query.verbatim * (found or (LOOSE if len(loose) >= MIN_LOOSE_CHARS else 0.0))


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
