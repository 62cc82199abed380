"""Retrieval: only current chunks, as many as asked for while more exist, the best first."""

import dataclasses
import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from harness import check, open_engine, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.domain import Chunk, Hit, SearchMode, Span, chunk_id, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.errors import ChunkNotFound, DocumentNotFound, InvalidInput, PartitionNotFound, StoreDamaged
from openrag_cli.index.looks import Ask, Looked, Snapshot
from openrag_cli.index.rows import Match, Row
from openrag_cli.retrieval import request as requests
from openrag_cli.retrieval.old_fusion import DENSE_WEIGHT, fuse
from openrag_cli.retrieval.scoring import Scored

WORDS = ["ship", "harbour", "engine", "river", "mountain", "bread", "music", "physics", "garden", "winter"]
N_FILES = 24
SearchRequest = partial(requests.SearchRequest, collapse=False)


def text_of(number: int) -> str:
    """Return a document of three sections, each about other words."""
    sections = [
        f"# Part {part} of {number}\n\nThe {WORDS[(number + part) % 10]} and the {WORDS[(3 * number + part) % 10]} "
        f"are described here by author{number}. " + f"More about {WORDS[number % 10]}. " * (number % 4)
        for part in range(3)
    ]
    return "\n\n".join(section + " Filler sentence that makes it longer. " * 12 for section in sections)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store of 24 files in three partitions."""
    with open_engine(tmp_path_factory.mktemp("retrieve") / "store") as engine:
        for number in range(N_FILES):
            put(engine, f"p{number % 3}", f"dir/file{number}.md", text_of(number))
        engine.drain()
        check(engine)
        yield engine


def vectors(engine: Engine) -> dict[str, np.ndarray]:
    """Return the stored vector of every row, past our own search."""
    rows = engine.parts.index._open().search().limit(10_000).to_list()
    return {row["id"]: np.asarray(row["vector"], dtype=np.float32) for row in rows}


def brute_force(engine: Engine, request: requests.SearchRequest) -> list[tuple[str, float]]:
    """Return (chunk id, cosine) of what a dense search must find, in plain Python."""
    query = engine.parts.embedder.embed_query(request.text)
    stored = vectors(engine)
    scores = {}
    for file in engine.files("all"):
        is_there = "all" in request.partitions or file.partition in request.partitions
        if is_there and (not request.file_ids or file.file_id in request.file_ids):
            for chunk in engine.chunks(file.partition, file.file_id):
                vector = stored[chunk.id]
                scores[chunk.id] = float(query @ vector / np.linalg.norm(vector))
    return sorted(scores.items(), key=lambda entry: -entry[1])[: request.top_k]


def ids(hits: list[Hit]) -> list[str]:
    return [hit.chunk.id for hit in hits]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(WORDS),
    partitions=st.sampled_from([("all",), ("p0",), ("p1", "p2"), ("p2", "all")]),
    numbers=st.lists(st.integers(0, N_FILES - 1), max_size=4),
    top_k=st.integers(1, 100),
)
def test_filters_come_before_top_k_and_dense_hits_equal_brute_force(
    engine: Engine, word: str, partitions: tuple[str, ...], numbers: list[int], top_k: int
) -> None:
    request = SearchRequest(
        f"about the {word}", partitions, [f"dir/file{n}.md" for n in numbers], top_k, SearchMode.DENSE
    )
    try:
        hits = engine.search(request)
    except DocumentNotFound:
        assert any(f"p{n % 3}" not in partitions for n in numbers)
        assert "all" not in partitions
        return
    expected = brute_force(engine, request)
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=2e-3)
    least = expected[-1][1]
    surely = {key for key, score in expected if score > least + 4e-3}  # ties at the end may fall either way
    assert surely <= set(ids(hits))


@pytest.mark.parametrize("mode", list(SearchMode))
def test_hits_of_a_partition_are_those_of_all_that_lie_in_it(engine: Engine, mode: SearchMode) -> None:
    everything = engine.search(SearchRequest("ship in the harbour", top_k=200, mode=mode))
    for name in ("p0", "p1", "p2"):
        hits = engine.search(SearchRequest("ship in the harbour", [name], top_k=200, mode=mode))
        assert {hit.chunk.id for hit in hits} == {hit.chunk.id for hit in everything if hit.file.partition == name}
        assert hits


@pytest.mark.parametrize("mode", list(SearchMode))
def test_hits_come_best_first_without_doubles(engine: Engine, mode: SearchMode) -> None:
    hits = engine.search(SearchRequest("physics of the river", top_k=50, mode=mode))
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len(set(ids(hits))) == len(hits) > 5


@pytest.mark.parametrize("mode", list(SearchMode))
def test_per_file_limits_each_file_and_still_fills_the_answer(engine: Engine, mode: SearchMode) -> None:
    hits = engine.search(SearchRequest("the engine", top_k=20, mode=mode, per_file=1))
    files = [hit.file.revision for hit in hits]
    assert len(set(files)) == len(files)
    unlimited = engine.search(SearchRequest("the engine", top_k=1000, mode=mode))
    assert len(hits) == min(20, len({hit.file.revision for hit in unlimited}))


@pytest.mark.parametrize("mode", list(SearchMode))
def test_min_score_keeps_exactly_the_hits_that_reach_it(engine: Engine, mode: SearchMode) -> None:
    everything = engine.search(SearchRequest("bread and music", top_k=1000, mode=mode))
    least = everything[len(everything) // 3].score
    hits = engine.search(SearchRequest("bread and music", top_k=1000, mode=mode, min_score=least))
    assert ids(hits) == [hit.chunk.id for hit in everything if hit.score >= least]


def test_a_hopeless_min_score_does_not_read_the_whole_index(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    depths = []
    real = Snapshot.look

    def observe(snapshot: Snapshot, ask: Ask) -> Looked:
        depths.append(ask.limit)
        return real(snapshot, ask)

    monkeypatch.setattr("openrag_cli.retrieval.search.DEPTH", 10)
    monkeypatch.setattr(Snapshot, "look", observe)
    for mode in (SearchMode.DENSE, SearchMode.HYBRID):
        assert engine.search(SearchRequest("bread", top_k=5, mode=mode, min_score=1.5)) == []
    assert depths == [10, 10]


def test_a_warm_search_changes_to_lances_thread_a_few_times_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lancedb.background_loop import LOOP

    def n_calls(text: str) -> int:
        seen = []
        real = LOOP.run
        with monkeypatch.context() as patch:
            patch.setattr(LOOP, "run", lambda work: (seen.append(work), real(work))[1])
            assert engine.search(SearchRequest(text))
        return len(seen)

    n_calls("the river and the mountain")
    assert n_calls("bread and music") <= 8  # the version, both legs with their rows, and what is shown
    assert n_calls("physics") <= 8


def test_scores_are_kept_apart(engine: Engine) -> None:
    dense = {
        hit.chunk.id: hit.score for hit in engine.search(SearchRequest("winter", top_k=99, mode=SearchMode.DENSE))
    }
    text = {hit.chunk.id: hit.score for hit in engine.search(SearchRequest("winter", top_k=99, mode=SearchMode.TEXT))}
    assert dense
    assert text
    for hit in engine.search(SearchRequest("winter", top_k=99)):
        assert hit.scores["dense"] == dense.get(hit.chunk.id)
        assert hit.scores["text_share"] + hit.scores["verbatim"] == text.get(hit.chunk.id, 0.0)


# --- dead rows


@pytest.fixture
def littered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store of three files whose index also holds 700 rows of revisions that no file has."""
    with open_engine(tmp_path_factory.mktemp("littered") / "store") as engine:
        for number in range(3):
            put(engine, "p", f"live{number}", f"the lighthouse keeper number {number} writes a letter")
        engine.drain()
        vector = engine.parts.embedder.embed_query("lighthouse")
        rows = []
        for _ in range(7):
            revision = new_task_id()
            for n in range(100):
                span = Span("lighthouse " * 3, 0, 33, 1, 1, None, ())
                chunk = Chunk(chunk_id("p", "x", revision, n), "p", revision, n, span)
                rows.append(Row(chunk, 1, span.text, vector, "lighthous lighthous lighthous"))
        with engine.parts.database.write_lock():
            engine.parts.index.put(rows)
        yield engine


@pytest.mark.parametrize("mode", list(SearchMode))
def test_dead_rows_never_shorten_an_answer(littered: Engine, mode: SearchMode) -> None:
    before = littered.search(SearchRequest("lighthouse", top_k=3, mode=mode))
    assert sorted(hit.file.file_id for hit in before) == ["live0", "live1", "live2"]
    dead = [
        revision
        for revision in littered.parts.index.revisions()
        if revision not in littered.parts.catalog.revisions()
    ]
    assert len(dead) == 7
    with littered.parts.database.write_lock():
        littered.parts.index.drop(dead)
    after = littered.search(SearchRequest("lighthouse", top_k=3, mode=mode))
    assert [(hit.chunk.id, hit.score) for hit in before] == [(hit.chunk.id, hit.score) for hit in after]
    check(littered)


def test_a_lost_chunk_is_reported(littered: Engine) -> None:
    revision = littered.file("p", "live1").revision
    with littered.parts.database.write_lock():
        littered.parts.index.drop([revision])
    with pytest.raises(StoreDamaged, match="0 of the 1 chunks of file 'live1'"):
        littered.chunks("p", "live1")


def test_a_chunk_of_a_dead_revision_is_not_shown(littered: Engine) -> None:
    live = littered.chunks("p", "live0")[0]
    assert littered.extract(live.id).file.file_id == "live0"
    dead = next(
        revision
        for revision in littered.parts.index.revisions()
        if revision not in littered.parts.catalog.revisions()
    )
    with pytest.raises(ChunkNotFound):
        littered.extract(littered.parts.index.chunks(revisions=[dead])[0].id)


# --- names and numbers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"partitions": ["nowhere"]}, PartitionNotFound),
        ({"partitions": ["p0", "nowhere"]}, PartitionNotFound),
        ({"file_ids": ["nothing"]}, DocumentNotFound),
        ({"partitions": ["p1"], "file_ids": ["dir/file0.md"]}, DocumentNotFound),
        ({"text": "  \n"}, InvalidInput),
        ({"text": "x" * 100_001}, InvalidInput),
        ({"top_k": 0}, InvalidInput),
        ({"top_k": 1001}, InvalidInput),
        ({"per_file": 0}, InvalidInput),
    ],
)
def test_a_wrong_request_is_refused(engine: Engine, change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        engine.search(dataclasses.replace(SearchRequest("ship"), **change))  # type: ignore[arg-type]


def test_an_extract_brings_its_neighbours_in_order(engine: Engine) -> None:
    chunks = engine.chunks("p0", "dir/file0.md")
    assert len(chunks) >= 3
    extract = engine.extract(chunks[1].id, context=1)
    assert ([extract.chunk], list(extract.before), list(extract.after)) == ([chunks[1]], [chunks[0]], [chunks[2]])
    everything = engine.extract(chunks[1].id, context=99)
    assert [*everything.before, everything.chunk, *everything.after] == chunks


@pytest.mark.parametrize("group", [(512, 4096), (1, 1), (3, 5)])
def test_a_window_of_a_partitions_chunks_is_a_slice_of_them_all(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, group: tuple[int, int]
) -> None:
    monkeypatch.setattr("openrag_cli.retrieval.retriever.GROUP_FILES", group[0])
    monkeypatch.setattr("openrag_cli.retrieval.retriever.GROUP_CHUNKS", group[1])
    everything = [(file, chunk) for file in engine.files("p0") for chunk in engine.chunks("p0", file.file_id)]
    assert len(everything) > 8
    for offset in range(len(everything) + 2):
        for limit in (0, 1, 2, 7, 10_000):
            found = engine.partition_chunks("p0", limit=limit, offset=offset)
            assert (list(found), found.total) == (everything[offset : offset + limit], len(everything))


def test_pages_of_chunks_follow_each_other_to_the_last_across_partitions(engine: Engine) -> None:
    wanted = [chunk.id for file in engine.files("all") for chunk in engine.chunks(file.partition, file.file_id)]
    for limit in (1, 2, 5, len(wanted), 10_000):
        found: list[str] = []
        after = ""
        while True:
            page = engine.partition_chunks("all", limit=limit, after=after)
            assert page.total == len(wanted)
            found += [chunk.id for _, chunk in page]
            if page.next is None:
                break
            assert len(page) == limit
            after = page.next
        assert found == wanted
    for wrong in ("x", "e30", "WzEsMl0", "é", "bnVsbA"):
        with pytest.raises(InvalidInput, match="names no page"):
            engine.partition_chunks("p0", limit=1, after=wrong)


# --- fusion


def fused(**legs: dict[str, float]) -> list[Scored]:
    keys = {key for leg in legs.values() for key in leg}
    return fuse(legs, {key: Match(key, "r", 0, Span("", 0, 0, 1, 1, None, ()), 0.0) for key in keys})


LEG = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 1), max_size=8).map(
    lambda scores: dict(sorted(scores.items(), key=lambda entry: -entry[1]))
)


@given(dense=LEG, text=LEG)
def test_fusion_keeps_every_chunk_once_and_orders_by_score_and_id(
    dense: dict[str, float], text: dict[str, float]
) -> None:
    found = fused(dense=dense, text=text)
    assert sorted(entry.match.id for entry in found) == sorted(dense.keys() | text.keys())
    assert [(-entry.score, entry.match.id) for entry in found] == sorted((-e.score, e.match.id) for e in found)
    assert all(0 <= entry.score <= 1 + 1e-9 for entry in found)


@given(dense=LEG, text=LEG)
def test_a_chunk_that_is_better_in_both_lists_is_better_in_their_fusion(
    dense: dict[str, float], text: dict[str, float]
) -> None:
    places = {entry.match.id: place for place, entry in enumerate(fused(dense=dense, text=text))}
    for a, b in itertools.permutations(places, 2):
        if dense.get(a, 0) > dense.get(b, 0) and text.get(a, 0) >= text.get(b, 0):
            assert places[a] < places[b]


def test_a_hybrid_score_is_the_weighted_sum_of_cosine_and_relative_bm25() -> None:
    found = fused(dense={"a": 0.8, "b": 0.5}, text={"b": 6.0, "c": 3.0})
    scores = {entry.match.id: entry.score for entry in found}
    w = DENSE_WEIGHT
    assert scores == pytest.approx({"a": w * 0.8, "b": w * 0.5 + (1 - w), "c": (1 - w) * 0.5})


@given(ranked=LEG)
def test_a_single_list_keeps_its_own_scores_and_breaks_ties_by_id(ranked: dict[str, float]) -> None:
    expected = sorted(ranked.items(), key=lambda entry: (-entry[1], entry[0]))
    assert [(entry.match.id, entry.score) for entry in fused(dense=ranked)] == expected
