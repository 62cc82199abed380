"""The index of vectors: when it is made and used, by table, and what searches find by it in a real table."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import open_engine
from synthetic_store import Shape, fill
from test_index import nearest

from openrag_cli.domain import Chunk, SearchMode, Span, chunk_id
from openrag_cli.engine import Engine
from openrag_cli.errors import StoreDamaged
from openrag_cli.index import policy, vectors
from openrag_cli.index import rows as index_rows
from openrag_cli.index.import_shim import run
from openrag_cli.index.looks import Ask
from openrag_cli.index.policy import Lists, Plan, Statistics, plan
from openrag_cli.index.rows import KEY, Row, Scope
from openrag_cli.index.table import Index
from openrag_cli.maintenance.checks.findings import Status
from openrag_cli.retrieval.request import SearchRequest

DIMENSION = 64
N_ROWS = 4000


@pytest.mark.parametrize(
    ("n_rows", "lists", "recall", "made"),
    [
        (29_999, None, None, None),
        (30_000, None, None, Lists(128)),
        (100_000, None, None, Lists(256)),
        (1_000_000, None, None, Lists(1024)),
        (100_000, Lists(256), None, None),
        (100_000, Lists(256), 0.97, None),
        (100_000, Lists(256), 0.969, Lists(256, 2)),
        (100_000, Lists(256, 4), 0.5, Lists(256, 8)),
        (100_000, Lists(256, 8), 0.5, None),  # nothing wider is known
        (262_143, Lists(256), None, None),
        (262_144, Lists(256), None, Lists(512)),
        (262_144, Lists(256, 2), 0.99, Lists(512, 2)),
        (10_000, Lists(256), 0.5, None),
    ],
)
def test_the_policy_says_when_vectors_are_sorted(
    n_rows: int, lists: Lists | None, recall: float | None, made: Lists | None
) -> None:
    found = Statistics(n_rows=n_rows, n_fragments=1, lists=lists, recall=recall)
    assert plan(found, {0: n_rows}) == Plan(lists=made)
    assert policy.needs_order(found) is (made is not None)


def test_all_that_is_written_anew_sorts_the_vectors_too() -> None:
    found = Statistics(n_rows=100_000, n_fragments=1, lists=Lists(128, 2))
    assert plan(found, {0: 100_000}, force=True).lists == Lists(256, 2)
    assert plan(Statistics(n_rows=500, n_fragments=1), {0: 500}, force=True).lists is None


@pytest.mark.parametrize(
    ("lists", "limit", "n_in_scope", "n_probes"),
    [
        (None, 200, 1_000_000, None),
        (Lists(256), 200, 100_000, 48),
        (Lists(256, 2), 200, 100_000, 96),
        (Lists(256, 4), 200, 100_000, None),  # it would look into more than half of them
        (Lists(256), 200, 1000, None),
        (Lists(256), 200, 1001, None),
        (Lists(256), 200, 10_000, 48),
        (Lists(256), 200, 2000, 103),
        (Lists(1024), 200, 1600, 512),
        (Lists(1024), 200, 1500, None),
        (Lists(256), 12_800, 100_000, None),
        (Lists(256), 800, 100_000, 48),
        (Lists(256), 6400, 100_000, 66),
    ],
)
def test_the_planner_looks_into_as_many_lists_as_hold_enough_rows_in_scope_or_measures_them_all(
    lists: Lists | None, limit: int, n_in_scope: int, n_probes: int | None
) -> None:
    assert vectors.probes(lists, limit, n_in_scope) == n_probes


def some_rows(first: int, n: int, *, partition_id: int = 1) -> list[Row]:
    """Rows whose vectors lie around 40 centres."""
    rng = np.random.default_rng(first)
    centres = np.random.default_rng(99).standard_normal((40, DIMENSION))
    made = []
    for k in range(first, first + n):
        vector = (centres[k % 40] + 0.8 * rng.standard_normal(DIMENSION)).astype(np.float32)
        revision = f"{k:048x}"
        chunk = Chunk(chunk_id("p", "f", revision, 0), "p", revision, 0, Span("a text", 0, 6, 1, 1, None, ()))
        made.append(Row(chunk, partition_id, "a text", vector / np.linalg.norm(vector), "a text"))
    return made


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return some_rows(0, N_ROWS) + some_rows(N_ROWS, 300, partition_id=2)


@pytest.fixture(scope="module")
def sorted_index(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> Index:
    """Rows by the lists of their vectors, and 60 more that came since."""
    index = Index(tmp_path_factory.mktemp("vectors") / "lance", dimension=DIMENSION)
    index.put(rows)
    index.ensure_keys()
    index.sort_vectors(Lists(128))
    index.put(some_rows(50_000, 60))
    return index


@pytest.fixture
def count_looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The looks since the test began: `lists` or `all`."""
    seen: list[str] = []
    real = vectors.looks

    def noting(*given: object) -> object:
        for query in real(*given):  # type: ignore[arg-type]
            seen.append("lists" if "ANN" in run(query.limit(10).explain_plan()) else "all")
            yield query

    monkeypatch.setattr(vectors, "looks", noting)
    return lambda: seen


def exact(rows: list[Row], vector: np.ndarray, n: int) -> list[str]:
    cosines = {row.chunk.id: float(row.vector @ vector) for row in rows}
    return sorted(cosines, key=lambda key: -cosines[key])[:n]


def test_searches_go_by_the_lists_and_find_what_is_nearest_with_its_true_cosine(
    sorted_index: Index, rows: list[Row], count_looks: Callable[[], list[str]]
) -> None:
    everything = rows + some_rows(50_000, 60)
    n_right = 0
    for row in rows[::200]:
        found = nearest(sorted_index, row.vector, 100)
        n_right += len(found.keys() & set(exact(everything, row.vector, 10)))
        by_id = {other.chunk.id: other for other in everything}
        for key, cosine in list(found.items())[:10]:
            assert cosine == pytest.approx(float(by_id[key].vector @ row.vector), abs=2e-3)
    assert n_right >= 0.97 * 10 * len(rows[::200])
    assert set(count_looks()) == {"lists"}


def test_rows_that_came_since_are_found_and_those_that_went_are_not(tmp_path: Path) -> None:
    index = Index(tmp_path / "lance", dimension=DIMENSION)
    index.put(some_rows(0, 2000))
    index.sort_vectors(Lists(128))
    [late] = some_rows(70_000, 1)
    index.put([late])
    assert next(iter(nearest(index, late.vector, 5))) == late.chunk.id
    index.drop([late.chunk.revision])
    assert late.chunk.id not in nearest(index, late.vector, 50)
    index.optimize()
    assert len(nearest(index, late.vector, 50)) == 50


@pytest.mark.parametrize(
    ("scope", "way"),
    [
        (Scope(partition_ids=[1]), "lists"),
        (Scope(partition_ids=[2]), "all"),
        (Scope(revisions=[f"{k:048x}" for k in range(90)]), "all"),
        (Scope(revisions=[f"{k:048x}" for k in range(3900)]), "lists"),
        (Scope(partition_ids=[1], excluded=[f"{k:048x}" for k in range(40)]), "lists"),
        (Scope(partition_ids=[]), "all"),
    ],
)
def test_a_scope_is_kept_to_and_a_small_one_is_measured_whole(
    sorted_index: Index, rows: list[Row], count_looks: Callable[[], list[str]], scope: Scope, way: str
) -> None:
    within = [row for row in rows + some_rows(50_000, 60) if is_in(scope, row)]
    n_right = n_wanted = 0
    for row in rows[7:2000:200]:
        found = nearest(sorted_index, row.vector, 40, scope)
        assert found.keys() <= {row.chunk.id for row in within}
        assert len(found) == min(40, len(within))
        wanted = exact(within, row.vector, 10)
        n_right += len(found.keys() & set(wanted))
        n_wanted += len(wanted)
    assert n_right >= (0.9 if way == "lists" else 1) * n_wanted
    assert set(count_looks()) == {way}


@pytest.fixture
def conditions(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """The scopes that Lance was given a condition for since the test began."""
    seen: list[Scope] = []
    real = index_rows.condition

    def observe(scope: Scope, columns: Collection[str] = ()) -> Any:
        seen.append(scope)
        return real(scope, columns)

    monkeypatch.setattr(index_rows, "condition", observe)
    return seen


def test_few_excluded_files_are_left_out_of_what_was_found(
    sorted_index: Index, rows: list[Row], conditions: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "REFINED", 100)  # what is found does not hang on how many rows are asked for
    nearby = exact(rows, rows[7].vector, 60)
    revision_of = {row.chunk.id: row.chunk.revision for row in rows}
    everywhere = list(nearest(sorted_index, rows[7].vector, 60))
    far = exact(rows, -rows[7].vector, 70)
    for excluded, n_conditions in ((nearby[:3], 1), (far, 1), ([*nearby[:50], *far[:20]], 2)):
        conditions.clear()
        scope = Scope(excluded=[revision_of[key] for key in excluded])
        looked = sorted_index.look(Ask(40, scope, rows[7].vector, {"text": 1.0}))
        assert len(conditions) == n_conditions  # one for both legs; another where what was found was not enough
        found = list(looked.legs["dense"])
        assert len(found) == 40
        assert not set(excluded) & {*found, *looked.legs["text"]}
        if n_conditions == 1:
            assert found == [key for key in everywhere if key not in excluded][:40]
        assert set(looked.rows.ids) == {*found, *looked.legs["text"]}


def test_many_files_are_looked_up_by_numbers_which_old_rows_get_too(
    tmp_path: Path, rows: list[Row], conditions: list[Scope]
) -> None:
    index = Index(tmp_path / "lance", dimension=DIMENSION)
    some = [*rows[:1500], *rows[-200:]]
    index.put(some)
    index._open().drop_columns([KEY])
    index = Index(tmp_path / "lance", dimension=DIMENSION)
    chosen = [row.chunk.revision for row in some[5::7]]
    scopes = (Scope(revisions=chosen), Scope(excluded=chosen), Scope(partition_ids=[2], revisions=chosen))
    wanted = [set(exact([row for row in some if is_in(scope, row)], rows[7].vector, 300)) for scope in scopes]

    def check(*, has_numbers: bool) -> None:
        for scope, expected in zip(scopes, wanted, strict=True):
            conditions.clear()
            assert set(nearest(index, rows[7].vector, 300, scope)) == expected
            assert len(conditions) == 1
            columns = index.snapshot()._columns
            assert (KEY in columns) is has_numbers
            assert (KEY in str(index_rows.condition(scope, columns).to_sql())) is has_numbers

    check(has_numbers=False)
    [late] = some_rows(70_000, 1)
    index.put([late])
    index.drop([late.chunk.revision])
    check(has_numbers=True)
    assert index.statistics().lacks_keys
    index.ensure_keys()
    check(has_numbers=True)
    stored = index._open().search().select(["revision", KEY]).limit(5000).to_arrow().to_pylist()
    assert all(row[KEY] == index_rows.revision_key(row["revision"]) for row in stored)


def is_in(scope: Scope, row: Row) -> bool:
    return (
        (scope.partition_ids is None or row.partition_id in scope.partition_ids)
        and (scope.revisions is None or row.chunk.revision in scope.revisions)
        and row.chunk.revision not in scope.excluded
    )


def test_where_the_lists_hold_too_few_all_rows_are_measured(
    sorted_index: Index, monkeypatch: pytest.MonkeyPatch, count_looks: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(vectors, "probes", lambda *_: 1)
    found = nearest(sorted_index, some_rows(3, 1)[0].vector, 2000, Scope(partition_ids=[1]))
    assert len(found) == 2000
    assert count_looks() == ["lists", "all"]


def test_the_recall_is_measured_against_all_vectors(sorted_index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted_index.recall() == pytest.approx(1.0, abs=0.03)
    monkeypatch.setattr(vectors, "probes", lambda *_: 1)
    poor = sorted_index.recall()
    assert poor is not None
    assert poor < 0.97


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A store of 3,000 chunks whose vectors are sorted already."""
    monkeypatch.setattr(policy, "MIN_LISTED_ROWS", 2000)
    with open_engine(tmp_path / "store") as engine:
        fill(engine, Shape(3000, chunks_per_file=1))
        assert engine.maintain().is_optimized
        yield engine


def findings(engine: Engine, word: str) -> list[tuple[Status, str]]:
    return [(found.status, found.text) for found in engine.examine() if found.name == "index" and word in found.text]


def test_doctor_measures_the_recall_once_and_the_next_maintenance_acts_on_a_poor_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = engine.parts.index
    assert index.statistics().lists == Lists(64)
    [(status, text)] = findings(engine, "nearest chunks")
    assert status is Status.OK
    measured: list[float] = []
    monkeypatch.setattr(Index, "recall", lambda _: measured.append(0.9) or 0.9)
    assert findings(engine, "nearest chunks") == [(status, text)], "the index is the same: nothing is measured again"
    assert measured == []
    with engine.parts.database.write_lock():
        index.drop([f"{1_700_000_000_000:012x}{0:036x}"])
    [(status, text)] = findings(engine, "nearest chunks")
    assert (status, len(measured)) == (Status.WARNING, 1)
    assert "90.0%" in text
    assert engine.maintain().is_optimized
    assert index.statistics().lists == Lists(64, 2)
    assert not engine.maintain().is_optimized


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": shutil.rmtree,
    "codes cut": lambda folder: os.truncate(folder / "auxiliary.idx", 5000),
    "other bytes": lambda folder: (folder / "auxiliary.idx").write_bytes(bytes(range(256)) * 400),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_or_missing_index_of_vectors_is_told_and_made_again_from_the_rows(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(vectors, "MIN_PROBES", 32)  # the lists are used in so small a store
    request = SearchRequest("w00001 w00020", mode=SearchMode.DENSE)
    wanted = {hit.chunk.id for hit in engine.search(request)}
    revisions = engine.parts.index.revisions()
    damage(next((tmp_path / "store" / "lance").rglob("auxiliary.idx")).parent)
    with open_engine(tmp_path / "store") as other:
        with pytest.raises(StoreDamaged, match="index of vectors cannot be read") as told:
            other.search(request)
        assert "doctor --fix" in str(told.value.hint)
        [finding] = [found for found in other.examine() if found.name == "index"]
        assert (finding.status, finding.mend is None) == (Status.FAILED, False)
        finding.mend()
        found = [hit.chunk.id for hit in other.search(request)]
        assert len(found) == 5
        assert wanted & set(found)
        for one in (other, engine):  # that which mended it, and one that had the index open all the while
            assert [hit.chunk.id for hit in one.search(request)] == found
            assert one.parts.index.revisions() == revisions
            assert one.parts.index.statistics().lists == Lists(64)
            assert not [found for found in one.examine() if found.name == "index" and found.status is Status.FAILED]


def test_readers_and_writers_of_the_catalog_wait_for_no_sorting(engine: Engine) -> None:
    """The lock that sorting holds is one that no search asks for."""
    with engine.parts.database.write_lock():
        assert len(engine.search(SearchRequest("w00001 w00002", collapse=False))) == 5


SORT_EQUALS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_vectors import DIMENSION, Index, Lists, Row, some_rows
vectors = [row.vector for row in some_rows(0, 20)]
index = Index(Path(sys.argv[1]) / "lance", dimension=DIMENSION)
index.put([Row(row.chunk, 1, "a", vectors[n % 20], "a") for n, row in enumerate(some_rows(0, 6000))])
index.sort_vectors(Lists(64))
"""


def test_lists_that_stay_empty_are_nobodys_concern(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SORT_EQUALS, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stderr == ""
