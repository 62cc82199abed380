"""Which hits are shown: one of a page, one of texts that are nearly the same, no more of a file than asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from openrag_cli.domain import Hit
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.tokens import folded

TWIN_SHARE = 0.9
"""Two chunks are twins when this share of their different words is common to both, and all their numbers."""


@dataclass(slots=True)
class _Kept:
    hit: Hit
    words: frozenset[str]
    numbers: frozenset[str]
    asked: frozenset[str]
    others: list[str] = field(default_factory=list)


class Shown:
    """Takes hits, best first, until `limit` are kept. What is left out of a page or is a twin stays named in `others`.

    `asked` are the words of the query, as they are indexed. It is full when no further hit can be shown.
    """

    def __init__(self, request: SearchRequest, asked: Iterable[str]) -> None:
        self._request = request
        self._asked = frozenset(asked)
        self._kept: list[_Kept] = []
        self._by_page: dict[tuple[str, int], _Kept] = {}
        self._per_file: dict[str, int] = {}
        self.limit = request.top_k
        self.is_full = False

    @property
    def hits(self) -> list[Hit]:
        """The hits to be shown, best first."""
        return [replace(kept.hit, others=tuple(kept.others)) for kept in self._kept]

    @property
    def least(self) -> float:
        """The score of the last hit; infinite when there is none."""
        return self._kept[-1].hit.score if self._kept else float("inf")

    def take(self, hit: Hit, words: str) -> bool:
        """Keep a hit, or leave it out; False when no further one is needed."""
        request = self._request
        if request.min_score is not None and hit.score < request.min_score:
            self.is_full = True
            return False
        entry = self._entry(hit, words)
        same = self._same(entry) if request.collapse else None
        if same is not None:
            same.others.append(hit.chunk.id)
            return True
        if len(self._kept) >= self.limit:
            self.is_full = self.limit == request.top_k
            return False
        n_of_file = self._per_file.get(hit.file.revision, 0)
        if request.per_file is not None and n_of_file >= request.per_file:
            return True
        self._per_file[hit.file.revision] = n_of_file + 1
        self._kept.append(entry)
        if hit.chunk.span.page is not None:
            self._by_page.setdefault((hit.file.revision, hit.chunk.span.page), entry)
        return True

    def _entry(self, hit: Hit, words: str) -> _Kept:
        found = (
            frozenset(words.split() or folded(hit.chunk.span.text).split()) if self._request.collapse else frozenset()
        )
        numbers = frozenset(word for word in found if not word.isalpha() and any(map(str.isdigit, word)))
        return _Kept(hit, found, numbers, found & self._asked)

    def _same(self, entry: _Kept) -> _Kept | None:
        """Return the kept hit that this one is the page or the twin of.

        Twins hold the same words of the query and the same numbers: what tells two chunks apart for the one who asks
        is never hidden.
        """
        span = entry.hit.chunk.span
        if span.page is not None and (kept := self._by_page.get((entry.hit.file.revision, span.page))):
            return kept
        return next((kept for kept in self._kept if _are_twins(kept, entry)), None)


def _are_twins(one: _Kept, other: _Kept) -> bool:
    if one.numbers != other.numbers or one.asked != other.asked:
        return False
    n_common = len(one.words & other.words)
    return n_common >= TWIN_SHARE * (len(one.words) + len(other.words) - n_common)
