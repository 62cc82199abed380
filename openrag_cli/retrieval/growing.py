"""Hits grown to what stands around them: neighbours on either side, or the whole of a short file.

All that is shown comes from one budget of tokens. Each hit has its own text first; what is left goes to the best hits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from openrag_cli.domain import Chunk, Document, Hit, Span
from openrag_cli.retrieval.llm_tokens import estimate_tokens

WHOLE_SHARE = 0.5
"""A file is shown whole, if that fits, when at least this share of its chunks was found."""


def grown(
    hits: Sequence[Hit],
    chunks: Mapping[str, Sequence[Chunk]],
    documents: Mapping[str, Document],
    *,
    n_neighbours: int,
    max_tokens: int,
) -> list[Hit]:
    """Return hits in their order, each with its passage, or with the better hit whose passage holds it.

    `chunks` has those of each revision in order, `documents` their texts.
    """
    taken = _taken(hits, chunks, n_neighbours=n_neighbours, max_tokens=max_tokens)
    runs = {revision: _runs(ordinals) for revision, ordinals in taken.items()}
    owners: dict[tuple[str, int], Hit] = {}
    found = []
    for hit in hits:
        revision = hit.chunk.revision
        first, last = next(run for run in runs[revision] if run[0] <= hit.chunk.ordinal <= run[1])
        owner = owners.setdefault((revision, first), hit)
        if owner is not hit:
            found.append(replace(hit, within=owner.chunk.id))
            continue
        span = _joined(chunks[revision][first : last + 1], hit, documents[revision])
        found.append(replace(hit, passage=span))
    return found


def _taken(
    hits: Sequence[Hit], chunks: Mapping[str, Sequence[Chunk]], *, n_neighbours: int, max_tokens: int
) -> dict[str, set[int]]:
    """Return which chunks of each revision are shown: those of hits, and around the best hits what the budget allows."""
    taken: dict[str, set[int]] = {}
    for hit in hits:
        taken.setdefault(hit.chunk.revision, set()).add(hit.chunk.ordinal)
    costs = {revision: [estimate_tokens(chunk.span.text) for chunk in own] for revision, own in chunks.items()}
    left = max_tokens - sum(costs[revision][at] for revision, own in taken.items() for at in own)
    known = {chunk_id for hit in hits for chunk_id in (hit.chunk.id, *hit.others)}
    for hit in hits:
        revision, own = hit.chunk.revision, taken[hit.chunk.revision]
        cost = costs[revision]
        n_found = sum(chunk.id in known for chunk in chunks[revision])
        rest = sum(cost) - sum(cost[at] for at in own)
        if n_found >= WHOLE_SHARE * len(cost) and rest <= left:
            own.update(range(len(cost)))
            left -= rest
            continue
        for at in _around(hit.chunk.ordinal, len(cost), n_neighbours):
            is_joined = at - 1 in own or at + 1 in own
            if at not in own and is_joined and cost[at] <= left:
                own.add(at)
                left -= cost[at]
    return taken


def _around(at: int, n_chunks: int, n_neighbours: int) -> list[int]:
    """Return the numbers of a chunk's neighbours, the nearest first, what follows before what precedes."""
    near = [place for step in range(1, n_neighbours + 1) for place in (at + step, at - step)]
    return [place for place in near if 0 <= place < n_chunks]


def _runs(ordinals: set[int]) -> list[tuple[int, int]]:
    """Return the first and last number of each unbroken run."""
    ordered = sorted(ordinals)
    breaks = [(one, other) for one, other in pairwise(ordered) if other > one + 1]
    return list(zip([ordered[0], *(b for _, b in breaks)], [*(a for a, _ in breaks), ordered[-1]], strict=True))


def _joined(run: Sequence[Chunk], hit: Hit, document: Document) -> Span:
    first = run[0].span
    end = max(chunk.span.end for chunk in run)
    return Span(
        text=document.markdown[first.start : end],
        start=first.start,
        end=end,
        line_start=first.line_start,
        line_end=max(chunk.span.line_end for chunk in run),
        page=first.page,
        heading=hit.chunk.span.heading,
        head=first.head,
    )
