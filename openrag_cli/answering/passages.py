"""From hits to numbered passages: the pieces of documents that an answer is made from and cites.

A passage is characters `start` to `end` of one document, on one page: hits that touch or overlap are one passage, and
each is widened to the paragraphs around it, as the space allows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from openrag_cli.documents.chunking.markup import quotable
from openrag_cli.domain import Document, Hit, Passage
from openrag_cli.retrieval.llm_tokens import estimate_tokens

GAP_CHARS = 800
"""Hits of one page with no more than this between them become one passage: widened they would meet."""

WIDEN_CHARS = 400
"""How far a passage is widened on either side, at most, to whole paragraphs."""

OPEN_CHARS = 1_200
"""How far a passage that would end at a colon goes on, at most, to the end of what the colon announces."""

_FENCE = re.compile(r"(?m)^[ \t]*(?:```|~~~)")

DocumentOf = Callable[[str], Document]


def gather(hits: Sequence[Hit], document_of: DocumentOf, *, max_tokens: int) -> list[Passage]:
    """Return the passages of `hits`, best first, as many whole ones as `max_tokens` allows; one at least.

    Raises:
        StoreDamaged: the catalog has no text for a file.
    """
    documents = {hit.file.revision: document_of(hit.file.revision) for hit in hits}
    quotables: dict[str, str] = {}
    passages: list[Passage] = []
    n_left = max_tokens
    for group in _groups(hits):
        passage = _passage(group, documents[group[0].file.revision], len(passages) + 1)
        cost = estimate_tokens(passage.text)
        if passages and cost > n_left:
            break
        revision = passage.file.revision
        if revision not in quotables:
            document = documents[revision]
            quotables[revision] = quotable(document.markdown, passage.file.media_type, document.pages)
        passages.append(replace(passage, quotable=quotables[revision][passage.start : passage.end]))
        n_left -= cost
    return passages


def _groups(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Put hits that touch together; groups come in the order of their best hits."""
    groups: list[list[Hit]] = []
    for hit in hits:
        near = [group for group in groups if any(_belong(hit, other) for other in group)]
        merged = [other for group in near for other in group] + [hit]
        if near:
            near[0][:] = merged
            groups = [group for group in groups if not any(group is other for other in near[1:])]
        else:
            groups.append(merged)
    return groups


def _belong(one: Hit, other: Hit) -> bool:
    """Whether two hits make one passage: what they grew to is the same, or they did not grow and are near each other."""
    if one.passage or one.within:
        return (one.within or one.chunk.id) == (other.within or other.chunk.id)
    a, b = one.chunk.span, other.chunk.span
    if one.file.revision != other.file.revision or a.page != b.page:
        return False
    return max(a.start, b.start) - min(a.end, b.end) <= GAP_CHARS


def _passage(group: Sequence[Hit], document: Document, number: int) -> Passage:
    best = max(group, key=lambda hit: hit.score)
    spans = [hit.passage or hit.chunk.span for hit in group]
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    is_grown = any(hit.passage for hit in group)
    low, high = (0, len(document.markdown)) if is_grown else _bounds(document, best.chunk.span.page)
    if not is_grown:
        start = _widened_back(document.markdown, start, low)
        end = _widened_on(document.markdown, end, high)
    start, end = _whole(document.markdown, start, end, (low, high))
    text = document.markdown[start:end]
    start += len(text) - len(text.lstrip())
    text = text.strip()
    line = document.markdown.count("\n", 0, start) + 1
    lead = min(spans, key=lambda span: span.start)
    return Passage(
        number=number,
        file=best.file,
        chunk_id=best.chunk.id,
        score=best.score,
        scores=best.scores,
        start=start,
        end=start + len(text),
        page=best.chunk.span.page,
        line_start=line,
        line_end=line + text.count("\n"),
        heading=best.chunk.span.heading,
        text=text,
        head=tuple(line for line in lead.head if line not in text),
    ).placed(document.pages)


def _bounds(document: Document, page: int | None) -> tuple[int, int]:
    """Return where the page that holds a chunk begins and ends; the whole document when it has no pages."""
    for known in document.pages:
        if known.number == page:
            return known.start, known.end
    return 0, len(document.markdown)


def _widened_back(text: str, start: int, low: int) -> int:
    """Return where the first whole paragraph begins that lies within reach before `start`."""
    floor = max(low, start - WIDEN_CHARS)
    if floor == low:
        return low
    at = text.find("\n\n", floor, start)
    return at + 2 if at >= 0 else start


def _widened_on(text: str, end: int, high: int) -> int:
    """Return where the last whole paragraph ends that lies within reach after `end`."""
    ceiling = min(high, end + WIDEN_CHARS)
    if ceiling == high:
        return high
    at = text.rfind("\n\n", end, ceiling)
    return at if at >= 0 else end


def _whole(text: str, start: int, end: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """Return a stretch that begins and ends outside code, and brings what a colon at its end announces."""
    low, high = bounds
    fences = [found.start() for found in _FENCE.finditer(text, low, start)]
    if len(fences) % 2 and start - fences[-1] <= OPEN_CHARS:
        start = fences[-1]
    if len(fences := _FENCE.findall(text, start, end)) % 2:
        closing = _FENCE.search(text, end, min(high, end + OPEN_CHARS))
        end = text.find("\n", closing.end()) if closing else end
        end = high if end < 0 else end
    if text[start:end].rstrip().endswith(":"):
        block = re.compile(r"\s*(?:[^\n]+\n?)+").match(text, end, min(high, end + OPEN_CHARS))
        end = block.end() if block else end
        if len(_FENCE.findall(text, start, end)) % 2:
            closing = _FENCE.search(text, end, min(high, end + OPEN_CHARS))
            end = min(high, closing.end() if closing else end)
    return start, end
