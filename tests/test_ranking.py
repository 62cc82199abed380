"""In which order hits come: the same however many are asked for, and in every store that holds the same files."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from harness import open_engine, put

from openrag_cli.domain import Hit, SearchMode
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest

N_FILES = 90
TOPICS = ["harbour", "river", "engine", "winter", "garden", "bread", "physics", "music", "copper"]


def text_of(number: int) -> str:
    """Return one of thirty texts: three files have each, under names of their own."""
    a, b, c = (TOPICS[(step * (number % 30) + step) % 9] for step in (1, 2, 5))
    return f"The {a} of the town lies by the {b}. " + f"Its {c} is {number % 30} years old. " * (1 + number % 3)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(tmp_path_factory.mktemp("ranking") / "store") as engine:
        for number in range(N_FILES):
            put(engine, f"p{number % 2}", f"note{number}.txt", text_of(number))
        engine.drain()
        yield engine


def told(hits: list[Hit]) -> list[Any]:
    return [(hit.chunk.id, hit.score, hit.scores) for hit in hits]


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize(
    "narrowed",
    [{}, {"per_file": 1}, {"collapse": False}, {"filter": "file_id not like '%7.txt'"}],
    ids=["plain", "one a file", "all texts", "filtered"],
)
@pytest.mark.parametrize("depth", [2, 10])
def test_asking_for_more_hits_adds_some_below_and_changes_none(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, mode: SearchMode, narrowed: dict[str, Any], depth: int
) -> None:
    monkeypatch.setattr("openrag_cli.retrieval.search.DEPTH", depth)
    for query in ("winter by the river", "how old is the copper"):
        request = SearchRequest(query, mode=mode, **narrowed)
        most = engine.search(replace(request, top_k=200))
        assert len(most) > 10
        assert all(one.score >= other.score for one, other in pairwise(most))
        assert len({hit.chunk.id for hit in most}) == len(most)
        for top_k in (1, 5, 6, 23):
            assert told(engine.search(replace(request, top_k=top_k))) == told(most[:top_k])


def test_of_equal_hits_the_order_is_that_of_partition_file_and_place(tmp_path: Path) -> None:
    twin = "The ferryman counts the barrels at dusk."
    long = "\n\n".join(f"# Part\n\n{twin} " + "He is slow. " * 90 for _ in range(2))
    files = [("b", "x.txt", twin), ("a", "y/x.txt", twin), ("a", "x.txt", twin), ("a", "z/x.txt", long)]
    orders = []
    for name, order in (("one", files), ("other", files[::-1])):
        with open_engine(tmp_path / name) as engine:
            for partition, file_id, text in order:
                put(engine, partition, file_id, text)
                engine.drain()
            for mode in SearchMode:
                hits = engine.search(SearchRequest("ferryman barrels", mode=mode, collapse=False, top_k=20))
                places = [(hit.file.partition, hit.file.file_id, hit.chunk.ordinal) for hit in hits]
                orders.append((mode, [(place, hit.score) for place, hit in zip(places, hits, strict=True)]))
                ranked = [(-hit.score, *place) for place, hit in zip(places, hits, strict=True)]
                assert ranked == sorted(ranked)
                assert len(set(ranked)) > len({score for score, *_ in ranked})
    assert orders[:3] == orders[3:]
