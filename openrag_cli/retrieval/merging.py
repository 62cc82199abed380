"""One list of the hits of several queries that mean the same question.

A score is of one kind whatever the query, so a hit keeps the best that it has: what one wording finds is seldom pushed
out by another that misses. On 77 follow-ups (benchmarks/followups.py) the passage was among the first eight for 0.90
of them by rules; with rewritings that were good, had lost words, were the question before, or had wrong names, for
0.90, 0.73, 0.90 and 0.53 by these alone, and for 0.92, 0.90, 0.91 and 0.82 by both. Means of scores and reciprocal
ranks found fewer.
"""

from collections import Counter
from collections.abc import Sequence

from openrag_cli.domain import Hit
from openrag_cli.retrieval.request import SearchRequest, SortOrder


def merged(lists: Sequence[Sequence[Hit]], request: SearchRequest) -> list[Hit]:
    """Return the best `top_k` hits of lists that one request but for its text found, each hit once, best first."""
    best: dict[str, Hit] = {}
    for hit in (hit for hits in lists for hit in hits):
        known = best.get(hit.chunk.id)
        if known is None or hit.score > known.score:
            best[hit.chunk.id] = hit
    n_of: Counter[str] = Counter()
    found: list[Hit] = []
    for hit in sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk.id)):
        n_of[hit.file.revision] += 1
        if request.per_file is None or n_of[hit.file.revision] <= request.per_file:
            found.append(hit)
    found = found[: request.top_k]
    if request.sort is SortOrder.DATE:
        found.sort(key=lambda hit: hit.file.dated, reverse=True)
    return found
