"""How lists were fused before the words of the index were ours: for a table whose words are not made yet.

A convex combination of two scores (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
TOIS 2023): the cosine, and BM25 as a share of the best one found; what one list alone holds gets 0 for the other.
"""

from openrag_cli.index.rows import Match
from openrag_cli.retrieval.scoring import Scored

DENSE_WEIGHT = 0.4
"""The share of the dense score in a hybrid score."""


def fuse(lists: dict[str, list[Match]]) -> list[Scored]:
    """Merge ranked lists, best first; a single list keeps its own scores. Ties go to the smaller chunk id."""
    matches: dict[str, Match] = {}
    scores: dict[str, dict[str, float]] = {}
    for name, found in lists.items():
        for rank, match in enumerate(found, 1):
            matches[match.id] = match
            scores.setdefault(match.id, {}).update({name: match.score, f"{name}_rank": float(rank)})
    if len(lists) == 1:
        ranked = sorted(matches.values(), key=lambda match: (-match.score, match.id))
        return [Scored(match, match.score, scores[match.id]) for match in ranked]
    best = max((match.score for match in lists["text"]), default=0.0) or 1.0
    sums: dict[str, float] = dict.fromkeys(matches, 0.0)
    for match in lists["dense"]:
        sums[match.id] += DENSE_WEIGHT * match.score
    for match in lists["text"]:
        sums[match.id] += (1 - DENSE_WEIGHT) * match.score / best
    order = sorted(sums, key=lambda key: (-sums[key], key))
    return [Scored(matches[key], sums[key], scores[key]) for key in order]
