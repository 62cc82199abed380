"""What keeps a store in order as it grows: the policy by table, and what it does to a real index and a real catalog."""

import gc
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import open_engine, put
from synthetic_store import Shape, file_id, fill
from test_index import by_words, make_index, make_rows

from openrag_cli.domain import TaskState
from openrag_cli.engine import Engine
from openrag_cli.index.looks import Ask
from openrag_cli.index.policy import MAX_FRAGMENTS, TIERS, Lists, Plan, Statistics, needs_order, plan
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index
from openrag_cli.maintenance.janitor import Keeping
from openrag_cli.store.files.deletion import delete_partition

BIG = 200_000
FEW = dict.fromkeys(range(1, 6), 1)
MANY = dict.fromkeys(range(1, 31), 1)


@pytest.mark.parametrize(
    ("found", "rows_of", "todo"),
    [
        (Statistics(), {}, Plan()),
        (Statistics(n_rows=BIG, n_fragments=1), {0: BIG}, Plan()),
        (Statistics(n_rows=BIG + 5, n_fragments=6, n_unindexed=5), {0: BIG, **FEW}, Plan()),
        (Statistics(n_rows=BIG + 30, n_fragments=31, n_unindexed=30), {0: BIG, **MANY}, Plan((tuple(MANY),))),
        (Statistics(n_rows=BIG, n_fragments=2, n_unindexed=5000), {0: 195_000, 1: 5000}, Plan(optimizes=True)),
        (
            Statistics(n_rows=BIG, n_fragments=3, n_unindexed=5000),
            {0: 190_000, 1: 5000, 2: 5000},
            Plan(((1, 2),), optimizes=True),
        ),
        # a fair part is new: Lance writes all of it again
        (
            Statistics(n_rows=BIG, n_fragments=3, n_unindexed=30_000),
            {0: 140_000, 1: 30_000, 2: 30_000},
            Plan(optimizes=True),
        ),
        (Statistics(n_rows=BIG, n_fragments=1, n_deleted=10_000), {0: BIG}, Plan()),
        (
            Statistics(n_rows=BIG, n_fragments=1, n_deleted=10_001),
            {0: BIG},
            Plan(optimizes=True, lists=Lists(512), purges=True),
        ),
        (Statistics(n_rows=400, n_fragments=1, n_deleted=41), {0: 400}, Plan(optimizes=True)),
        (Statistics(n_rows=5 * BIG, n_fragments=1, n_deleted=60_000), {0: 5 * BIG}, Plan()),
        (Statistics(n_rows=5 * BIG, n_fragments=1, n_deleted=110_000), {0: 5 * BIG}, Plan(optimizes=True)),
        (Statistics(n_rows=BIG, n_fragments=1, n_stale_versions=513), {0: BIG}, Plan(optimizes=True)),
        (Statistics(n_rows=BIG, n_fragments=1, lacks_keys=True), {0: BIG}, Plan(makes_keys=True)),
        (Statistics(n_rows=10, n_fragments=1, lacks_keys=True), {0: 10}, Plan()),
        (Statistics(n_rows=30, n_fragments=30, n_unindexed=30), MANY, Plan((tuple(MANY),))),
        (Statistics(n_rows=400, n_fragments=1, n_unindexed=64), {0: 400}, Plan()),
        (Statistics(n_rows=400, n_fragments=1, n_unindexed=65), {0: 400}, Plan(optimizes=True)),
        (Statistics(n_rows=BIG, n_fragments=2, n_unindexed=1536), {0: BIG - 1536, 1: 1536}, Plan()),
        (Statistics(n_rows=BIG, n_fragments=2, n_unindexed=1537), {0: BIG - 1537, 1: 1537}, Plan(optimizes=True)),
        (Statistics(n_rows=5 * BIG, n_fragments=2, n_unindexed=5000), {0: 5 * BIG}, Plan()),
        (Statistics(n_rows=5 * BIG, n_fragments=2, n_unindexed=5001), {0: 5 * BIG}, Plan(optimizes=True)),
    ],
)
def test_the_policy_says_what_is_done(found: Statistics, rows_of: dict[int, int], todo: Plan) -> None:
    found = replace(found, lists=Lists(512))  # see test_vectors.py
    assert plan(found, rows_of) == todo
    assert needs_order(found) is not todo.is_empty
    assert plan(found, rows_of, force=True).optimizes


def test_the_rows_that_many_merges_write_grow_slower_than_by_the_square() -> None:
    rows_of, n_written, next_number = {0: 1_000_000}, 0, 1
    for _ in range(20_000):
        rows_of[next_number] = 1
        next_number += 1
        found = Statistics(n_rows=sum(rows_of.values()), n_fragments=len(rows_of), lists=Lists(1024))
        todo = plan(found, rows_of)
        for group in todo.merges:
            merged = sum(rows_of.pop(number) for number in group)
            rows_of[next_number] = merged
            next_number += 1
            n_written += merged
    assert len(rows_of) <= len(TIERS) * (MAX_FRAGMENTS + 1)
    assert n_written <= 6 * 20_000


@pytest.fixture
def grown(tmp_path: Path) -> Index:
    """An index of 2,000 rows in one fragment, with the indices of its keys, and then 40 commits of one row."""
    index = make_index(tmp_path)
    index.put([row for n in range(2000) for row in make_rows(f"old{n}", [f"common word{n}"])])
    index.optimize()
    index.ensure_keys()
    for n in range(40):
        index.put(make_rows(f"new{n}", [f"common late{n}"], partition_id=2))
    return index


def test_small_commits_are_merged_and_the_old_rows_stay_where_they_are(grown: Index) -> None:
    before = by_words(grown, {"common": 1.0}, 5000).keys()
    todo = plan(grown.statistics(), grown.fragments())
    for group in todo.merges:
        grown.merge(group)
    assert sorted(grown.fragments().values()) == [40, 2000]
    assert grown.fragments()[0] == 2000
    assert by_words(grown, {"common": 1.0}, 5000).keys() == before
    grown.optimize()
    assert grown.fragments()[0] == 2000  # the full-text index is brought up to date; the rows are not touched
    assert grown.statistics().n_unindexed == 0


def test_rows_are_looked_up_by_the_indices_of_their_keys(grown: Index) -> None:
    assert not grown.statistics().lacks_keys
    table = grown._open()
    for where in ("revision IN ('old7')", "id IN ('x')", "partition_id IN (2)"):
        assert "ScalarIndexQuery" in table.search().where(where).explain_plan(), where
    assert grown.revisions()["new39"] == 1
    grown.drop(["old7", "new3"])
    assert not grown.chunks(revisions=["old7", "new3"])
    assert len(grown.chunks(revisions=["old8", "new4"])) == 2
    assert len(by_words(grown, {"common": 1.0}, 5000, Scope(partition_ids=[2]))) == 39


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_what_is_kept_of_old_versions_holds_no_files_open_for_good(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put([row for n in range(400) for row in make_rows(f"old{n}", [f"common word{n} word{n + 1}"])])
    index.optimize()
    held: list[int] = []  # they grow for 64 versions, and fall: at once, or with the next collection
    for n in range(150):
        index.put(make_rows(f"new{n}", ["common late"]))
        index.optimize()
        assert len(index.look(Ask(1, Scope(), weights={"late": 1.0})).rows) == 1
        if n % 15 == 0:
            gc.collect()
        held.append(len(list(Path("/proc/self/fd").iterdir())))
    assert max(held[75:]) <= max(held[:75]) + 40


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "store") as engine:
        yield engine


def test_maintenance_with_nothing_to_do_writes_nothing(engine: Engine) -> None:
    put(engine, "p", "a", "one text")
    engine.drain()
    engine.maintain()
    version = engine.parts.index.version()
    statements: list[str] = []
    with engine.parts.database.snapshot() as connection:
        pass
    connection.set_trace_callback(statements.append)
    engine.maintain()
    connection.set_trace_callback(None)
    assert engine.parts.index.version() == version
    assert not [s for s in statements if not s.lstrip().startswith(("SELECT", "PRAGMA", "BEGIN", "ROLLBACK", "WITH"))]
    assert len(statements) <= 15, statements


def add_rows(store: Path, n: int) -> None:
    with sqlite3.connect(store / "openrag.db") as connection:
        connection.executemany(
            "INSERT INTO file (partition_id, file_id, revision, filename, media_type, size, sha256, metadata, "
            "chunk_count, created_at, updated_at) VALUES (1, ?, ?, 'f', 'text/plain', 1, '', '{}', 1, 0, 0)",
            ((f"f{i:06}", f"{i:048x}") for i in range(n)),
        )
    connection.close()


def test_a_partition_is_deleted_in_transactions_of_at_most_a_thousand_rows(engine: Engine, tmp_path: Path) -> None:
    engine.create_partition("p")
    add_rows(tmp_path / "store", 2500)
    database = engine.parts.database
    with database.snapshot() as connection:
        pass
    files_left: list[int] = []

    def look(statement: str) -> None:
        if statement == "COMMIT":
            files_left.append(connection.execute("SELECT count(*) FROM file").fetchone()[0])

    connection.set_trace_callback(look)
    assert delete_partition(database, "p") == 2500
    connection.set_trace_callback(None)
    assert files_left[:3] == [2500, 2000, 1500]
    assert files_left[-1] == 0
    assert len(engine.parts.catalog.tombstones()) == 2500


def test_a_partition_whose_deletion_was_stopped_is_invisible_and_goes_with_the_next_maintenance(
    engine: Engine,
) -> None:
    put(engine, "p", "a", "one text")
    put(engine, "p", "b", "another text")
    engine.drain()
    with engine.parts.database.transaction() as connection:
        connection.execute("UPDATE partition SET name = '/deleted/1' WHERE id = 1")
    assert engine.partitions() == []
    assert list(engine.files("all")) == []
    engine.create_partition("p")
    engine.maintain()
    assert [partition.file_count for partition in engine.partitions()] == [0]
    assert engine.parts.database.rows("SELECT count(*) FROM file")[0][0] == 0
    assert engine.parts.index.revisions() == {}


def test_finished_tasks_are_forgotten_by_time_and_by_number_and_failed_ones_stay(engine: Engine) -> None:
    for n in range(6):
        put(engine, "p", f"f{n}", f"text {n}")
    engine.drain()
    with engine.parts.database.transaction() as connection:
        connection.execute("UPDATE task SET state = 'FAILED' WHERE seq = 1")
        connection.execute("UPDATE task SET updated_at = 0 WHERE seq <= 2")
    engine.parts.janitor.keeping = Keeping(age_s=86_400.0, n_tasks=3)
    engine.maintain()
    assert engine.task_counts()[TaskState.FAILED] == 1
    assert engine.task_counts()[TaskState.COMPLETED] == 3
    assert engine.parts.database.rows("SELECT count(DISTINCT task_id) FROM task_log")[0][0] == 4
    assert len(engine.files("p")) == 6
    with engine.original("p", "f0") as original:
        assert original.read() == b"text 0"


def test_the_catalog_shrinks_when_much_of_it_was_deleted(engine: Engine, tmp_path: Path) -> None:
    engine.create_partition("p")
    with engine.parts.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO document (revision, markdown, pages) VALUES (?, ?, '[]')",
            ((f"{n:048x}", bytes(4000)) for n in range(2000)),
        )
    before = (tmp_path / "store" / "openrag.db").stat().st_size
    with engine.parts.database.transaction() as connection:
        connection.execute("DELETE FROM document")
    assert engine.maintain().is_shrunk
    assert (tmp_path / "store" / "openrag.db").stat().st_size < before / 4


def test_optimize_says_what_it_did(cli, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A title\n\nA text.\n")
    assert cli("file", "add", str(tmp_path / "a.md")).code == 0
    done = cli("store", "optimize", "--json")
    assert json.loads(done.out)["optimized"] is True
    assert json.loads(cli("store", "optimize", "--if-needed", "--json").out)["optimized"] is False


def test_where_a_twentieth_is_deleted_all_is_written_again_in_one_piece(engine: Engine) -> None:
    fill(engine, Shape(20_100, 1, words_per_chunk=2))
    engine.maintain()
    index = engine.parts.index
    with engine.parts.database.write_lock():
        index.sort_vectors(Lists(64))
    engine.delete_files("big", [file_id(n) for n in range(1000)])
    assert not engine.maintain().is_optimized, "so few may stay"
    assert index.has_deleted()
    put(engine, "big", "one", "one more")
    engine.drain()
    engine.delete_files("big", [file_id(n) for n in range(1000, 1100)])
    assert engine.maintain().is_optimized
    assert list(index.fragments().values()) == [19_001]
    assert not index.has_deleted()
    assert index.statistics().n_unindexed == 0
    assert index.statistics().lists == Lists(128)
    assert not engine.maintain().is_optimized


@pytest.mark.parametrize("n_lists", [0, 64])
def test_what_was_deleted_is_in_no_file_of_the_index_once_all_of_it_is_written_anew(
    engine: Engine, tmp_path: Path, n_lists: int
) -> None:
    fill(engine, Shape(1500, 1))
    put(engine, "big", "secret", "the password is xylophone")
    engine.drain()
    engine.maintain(force=True)
    if n_lists:
        with engine.parts.database.write_lock():
            engine.parts.index.sort_vectors(Lists(n_lists))
    engine.delete_file("big", "secret")
    assert engine.parts.index.has_deleted()
    engine.maintain(force=True)
    assert not engine.parts.index.has_deleted()
    table = tmp_path / "store" / "lance" / "chunks.lance"
    assert [len(list((table / name).glob(kind))) for name, kind in (("_versions", "*.manifest"), ("data", "*"))] == [
        1,
        1,
    ]
    assert engine.parts.index.statistics().n_rows == 1500
    assert sum(engine.parts.index.fragments().values()) == 1500
    assert (engine.parts.index.statistics().lists is not None) is bool(n_lists)
