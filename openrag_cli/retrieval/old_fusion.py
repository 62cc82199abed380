"""How lists were fused before the words of the index were ours: for a table whose words are not made yet.

A convex combination of two scores (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
TOIS 2023): the cosine, and BM25 as a share of the best one found; what one list alone holds gets 0 for the other.
"""

from collections.abc import Mapping

from openrag_cli.index.rows import Match
from openrag_cli.retrieval.scoring import Scored

DENSE_WEIGHT = 0.4
"""The share of the dense score in a hybrid score."""


def fuse(legs: Mapping[str, Mapping[str, float]], matches: Mapping[str, Match]) -> list[Scored]:
    """Merge legs, the scores of rows by id and best first, into one list, best first; a single leg keeps its scores.

    Ties go to the smaller chunk id.
    """
    scores: dict[str, dict[str, float]] = {}
    for name, leg in legs.items():
        for rank, (key, score) in enumerate(leg.items(), 1):
            scores.setdefault(key, {}).update({name: score, f"{name}_rank": float(rank)})
    if len(legs) == 1:
        sums = dict(next(iter(legs.values())))
    else:
        best = max(legs["text"].values(), default=0.0) or 1.0
        sums = dict.fromkeys(scores, 0.0)
        for key, score in legs["dense"].items():
            sums[key] += DENSE_WEIGHT * score
        for key, score in legs["text"].items():
            sums[key] += (1 - DENSE_WEIGHT) * score / best
    order = sorted(sums, key=lambda key: (-sums[key], key))
    return [Scored(matches[key], sums[key], scores[key]) for key in order]
