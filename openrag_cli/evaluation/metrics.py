"""Retrieval metrics of one query, as trec_eval defines them: `ranking` is ids best first, `relevance` grades by id.

Grades of 0 or less are not relevant. A query without a relevant document scores 0 in every metric.
"""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranking: Sequence[str], relevance: Mapping[str, int], k: int = 10) -> float:
    """Return nDCG@k with linear gain (Jarvelin and Kekalainen, TOIS 2002): 0 to 1."""
    ideal = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)[:k]
    best = _dcg(ideal)
    return _dcg([max(0, relevance.get(key, 0)) for key in ranking[:k]]) / best if best else 0.0


def _dcg(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def recall(ranking: Sequence[str], relevance: Mapping[str, int], k: int = 100) -> float:
    """Return the share of the relevant documents among the first k: 0 to 1."""
    relevant = {key for key, grade in relevance.items() if grade > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], relevance: Mapping[str, int], k: int = 100) -> float:
    """Return 1 over the rank of the first relevant document among the first k, 0 when there is none."""
    return next((1 / rank for rank, key in enumerate(ranking[:k], 1) if relevance.get(key, 0) > 0), 0.0)


def average_precision(ranking: Sequence[str], relevance: Mapping[str, int], k: int = 100) -> float:
    """Return the mean, over all relevant documents, of the precision at the rank of each; 0 for one not in the first k."""
    n_relevant = sum(grade > 0 for grade in relevance.values())
    total, n_found = 0.0, 0
    for rank, key in enumerate(ranking[:k], 1):
        if relevance.get(key, 0) > 0:
            n_found += 1
            total += n_found / rank
    return total / n_relevant if n_relevant else 0.0
