"""Equal passages are embedded once in a store, whoever owns them, and each owner keeps its own rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness import find, open_engine, put
from test_index import make_index, make_rows

from openrag_cli.domain import SearchMode
from openrag_cli.engine import Engine
from openrag_cli.ingest.pipeline import EmbeddedOnce

BOILERPLATE = "# Terms\n\nThe licensee keeps every copy of the manual in a locked cupboard.\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "store") as engine:
        yield engine


@pytest.fixture
def made(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was embedded as a passage since the test began; titles are not."""
    seen: list[str] = []
    embedder = engine.parts.embedder
    real = embedder.embed_passages

    def observe(texts: list[str]) -> np.ndarray:
        seen.extend(text for text in texts if "cupboard" in text or "pump" in text)
        return real(texts)

    monkeypatch.setattr(embedder, "embed_passages", observe)
    return seen


def vector_of(engine: Engine, file_id: str) -> np.ndarray:
    revision = engine.file("p", file_id).revision
    return engine.parts.index.vectors([revision])[revision]


def test_copies_are_embedded_once_in_a_batch_and_in_later_ones(engine: Engine, made: list[str]) -> None:
    for n in range(5):
        put(engine, "p", f"copy{n}", BOILERPLATE)
    engine.drain()
    assert len(made) == 1
    put(engine, "p", "late", BOILERPLATE)
    engine.drain()
    assert len(made) == 1
    assert len(engine.files("p")) == 6
    for n in range(5):
        assert np.array_equal(vector_of(engine, f"copy{n}"), vector_of(engine, "late"))
    made.clear()
    put(engine, "p", "other", BOILERPLATE.replace("locked", "pump room's"))
    engine.drain()
    assert len(made) == 1, "another text is another passage"


def test_what_one_owner_loses_the_others_keep(engine: Engine, made: list[str]) -> None:
    for name in ("a", "b"):
        put(engine, "p", name, BOILERPLATE)
    engine.drain()
    engine.delete_file("p", "a")
    engine.maintain()
    for mode in (SearchMode.DENSE, SearchMode.TEXT):
        assert [found for found, _ in find(engine, "locked cupboard", mode=mode)] == ["b"]
    put(engine, "p", "c", BOILERPLATE)
    engine.drain()
    assert len(made) == 1, "b still knows the passage"
    for name in ("b", "c"):
        engine.delete_file("p", name)
    engine.maintain()
    put(engine, "p", "d", BOILERPLATE)
    engine.drain()
    assert len(made) == 2, "nobody knows it any more"


def test_a_title_is_part_of_what_is_embedded(engine: Engine, made: list[str]) -> None:
    put(engine, "p", "a", BOILERPLATE)
    put(engine, "p", "b", BOILERPLATE.replace("# Terms", "# Conditions of use"))
    engine.drain()
    assert len(made) == 2


def test_of_a_replaced_file_what_changed_is_embedded(engine: Engine, made: list[str]) -> None:
    sections = [f"# Part {n}\n\n" + f"The pump number {n} is greased every week. " * 60 for n in range(4)]
    put(engine, "p", "long", "\n\n".join(sections))
    engine.drain()
    n_chunks = engine.file("p", "long").chunk_count
    assert len(set(made)) == len(made) > 4
    made.clear()
    put(engine, "p", "long", "\n\n".join([*sections[:3], sections[3].replace("week", "month")]))
    engine.drain()
    assert engine.file("p", "long").chunk_count == n_chunks
    assert 0 < len(made) <= n_chunks / 2


def test_another_model_knows_no_passage_of_this_one(tmp_path: Path) -> None:
    index = make_index(tmp_path)

    class Embedder:
        def __init__(self, identity: str) -> None:
            self.identity = identity

        def embed_passages(self, texts: list[str]) -> np.ndarray:
            return np.ones((len(texts), 8), dtype=np.float32)

    one, other = EmbeddedOnce(index, Embedder("one")), EmbeddedOnce(index, Embedder("other"))
    [row] = make_rows("r", ["a text"])
    index.put([type(row)(row.chunk, 1, row.passage, row.vector, row.words, one.key("a text"))])
    assert one.vectors(["a text", "a text"]) is not None
    assert one.n_made == 0
    other.vectors(["a text", "a text"])
    assert other.n_made == 1


def test_rows_of_a_table_that_knows_no_hashes_stay_and_get_them_from_now_on(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("old", [f"text {n}" for n in range(1200)]))
    index._open().drop_columns(["made_of"])
    index = make_index(tmp_path)
    assert index.vectors_made_of(["x"]) == {}
    index.ensure_keys()
    assert not index.statistics().lacks_keys
    [row] = make_rows("new", ["a text"])
    index.put([type(row)(row.chunk, 1, row.passage, row.vector, row.words, "k" * 32)])
    assert list(index.vectors_made_of(["k" * 32, "x"])) == ["k" * 32]
    assert index.statistics().lacks_keys
    index.ensure_keys()
    assert list(index.vectors_made_of(["k" * 32])) == ["k" * 32]
    assert len(index.revisions()) == 2


def test_a_vector_that_is_imported_is_no_proof_of_what_it_was_made_of(engine: Engine, tmp_path: Path, made) -> None:
    put(engine, "p", "a", BOILERPLATE)
    engine.drain()
    engine.maintenance.export("p", tmp_path / "export")
    engine.delete_partition("p")
    engine.maintain()
    made.clear()
    assert engine.maintenance.import_partition(tmp_path / "export").embedded == 0
    put(engine, "p", "b", BOILERPLATE)
    engine.drain()
    assert len(made) == 1
