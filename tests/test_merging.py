"""Lists of several queries as one: every hit once, with its best score, within the bounds of the request."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.answering.followups import merged
from openrag_cli.domain import Chunk, File, Hit, Span
from openrag_cli.retrieval.request import SearchRequest, SortOrder

FILE = File("ops", "a.md", "r0", "a.md", "text/markdown", 1, "", {}, 3, datetime.now(UTC), datetime.now(UTC))


def hit(number: int, score: float) -> Hit:
    """Return a hit on one of nine chunks of three files."""
    file = replace(FILE, file_id=f"{number % 3}.md", revision=f"r{number % 3}")
    span = Span(text="x", start=0, end=1, line_start=1, line_end=1, page=None, heading=())
    return Hit(Chunk(f"c{number}", "ops", file.revision, number, span), file, score, {})


LISTS = st.lists(st.dictionaries(st.integers(0, 8), st.floats(0, 1.3)), min_size=1, max_size=3)


@given(lists=LISTS, top_k=st.integers(1, 9), per_file=st.none() | st.integers(1, 3))
def test_each_hit_comes_once_with_its_best_score(lists, top_k, per_file):
    ranked = [sorted((hit(n, score) for n, score in found.items()), key=lambda one: -one.score) for found in lists]
    found = merged(ranked, SearchRequest("q", top_k=top_k, per_file=per_file))
    best = {n: max(one[n] for one in lists if n in one) for n in {n for one in lists for n in one}}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert {one.chunk.id: one.score for one in found}.items() <= {f"c{n}": score for n, score in best.items()}.items()
    assert len({one.chunk.id for one in found}) == len(found) <= top_k
    if per_file is None:
        assert [one.score for one in found] == sorted(best.values(), reverse=True)[:top_k]
    assert all(sum(one.file.revision == f"r{n}" for one in found) <= (per_file or 9) for n in range(3))


def test_a_request_by_date_stays_by_date():
    older = replace(hit(0, 0.9), file=replace(hit(0, 0.9).file, metadata={"date": "2020-01-01"}))
    newer = hit(1, 0.5)
    found = merged([[older], [newer]], SearchRequest("q", sort=SortOrder.DATE))
    assert [one.chunk.id for one in found] == [
        one.chunk.id for one in sorted((older, newer), key=lambda one: one.file.dated, reverse=True)
    ]
