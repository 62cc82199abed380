"""What the first operations cost at 100,000 files: numbers that must not grow with the store."""

import sys

import pytest
from conftest import N_FILES  # type: ignore[import-not-found]
from harness import open_engine, opened_below
from synthetic_store import EMPTY_SHA256, revision

from openrag_cli.domain import Document, MadeBy, TaskKind, TaskState, Upload, new_task_id
from openrag_cli.retrieval.filters import parse
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.scope import Scopes
from openrag_cli.store.database import now_ms
from openrag_cli.store.publish import Completion
from openrag_cli.store.task_queue import MAX_PAUSE_S
from openrag_cli.sync.outcome import SyncOptions
from openrag_cli.sync.plan import FolderFile, PartitionFile, Rules, SyncHistory, SyncRecord, make_plan

pytestmark = pytest.mark.timeout(1800)  # the first one makes the store


def upload(file_id: str) -> Upload:
    return Upload("big", file_id, new_task_id(), "new.md", "text/plain", 10, EMPTY_SHA256, {})


def test_an_upload_from_the_door_to_being_visible_costs_what_one_file_costs(big, counting):
    queue = big.parts.queue
    with counting(big) as cost:
        [queued] = queue.submit([upload("d00/new.md")], kind=TaskKind.ADD, batch="b")
        [task] = queue.claim("w", limit=1)
        assert task.id == queued.id
        queue.advance([task], TaskState.INSERTING)
        queue.complete([Completion(task, Document("A new text."), 1, MadeBy("text@1", "chunks@1", "m"))])
        assert big.file("big", "d00/new.md").revision == task.id
    assert len(cost.statements) <= 40, cost.statements
    assert cost.kilosteps <= 3
    assert cost.bytes_written <= 420_000  # 16 KB of them the signature of its text, which grep looks at
    assert cost.descriptors <= 0


def test_a_page_of_files_is_read_without_the_rest(read_only, counting):
    first = read_only.files("big", limit=50)
    with counting(read_only) as cost:
        page = read_only.files("big", limit=50, after=first.next)
    assert (len(page), page.total) == (50, N_FILES * 89 // 100)
    assert len(cost.statements) <= 4
    assert cost.kilosteps <= 10 + 4 * page.total / 1000, "to count them is to look at each entry of an index"


def queue_many(engine, *, n, first=0, **columns):
    """Queue n replacements, with these columns other than usual."""
    columns = {"state": "QUEUED", "batch": "b", "not_before": 0, "n_paused": 0, "attempts": 0} | columns
    with engine.parts.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO task (id, kind, partition_id, partition, file_id, filename, media_type, size, sha256, metadata, "
            f"created_at, updated_at, {', '.join(columns)}) VALUES (?, 'replace', 1, 'big', ?, 'f', 'text/plain', 1, ?, "
            f"'{{}}', 0, 0, {', '.join('?' for _ in columns)})",
            (
                (revision(N_FILES + k), f"d{k % 100:02}/{k:06}.md", EMPTY_SHA256, *columns.values())
                for k in range(first, first + n)
            ),
        )


@pytest.mark.parametrize(
    ("n", "in_front", "batch"),
    [
        (100_000, {}, None),
        (20_000, {}, "b"),
        (20_000, {"batch": "other"}, "last"),
        (20_000, {"n_paused": 3}, None),
    ],
    ids=["anybody's", "of the only batch", "of a batch behind all others", "behind what waits"],
)
def test_a_claim_costs_the_same_however_long_the_queue_is(big, counting, n, in_front, batch):
    if "n_paused" in in_front:  # as long as a pause may be: a longer one is void
        in_front = in_front | {"not_before": now_ms() + MAX_PAUSE_S * 1000}
    queue_many(big, n=n, **in_front)
    queue_many(big, n=40, first=n, batch=batch or "b")
    queue = big.parts.queue
    with counting(big) as cost:
        assert queue.has_claimable()
        assert queue.claim_suspect("w", batch=batch) == []
        assert len(queue.claim("w", limit=32, batch=batch)) == 32
        queue.heartbeat("w")
        queue.expire(lambda worker: False)
        assert queue.held_by(lambda worker: False) == 0
        assert queue.release("w") == 32
    assert len(cost.statements) <= 60
    assert cost.kilosteps <= 25  # 32 tasks, each in nine indexes, changed three times


@pytest.mark.parametrize("text", ["year = 2003", "year != 2003", "not year = 2003", "year in [2003]"])
def test_a_filter_costs_what_it_matches_or_what_it_does_not(read_only, counting, text):
    """One year is 3.3 % of the files; the other way round it is 96.7 %."""
    filtered = read_only.parts.catalog.filtered
    everywhere = filtered.partition_ids(None)
    with counting(read_only) as cost:
        selection = filtered.selection(parse(text), everywhere)
    assert len(selection.revisions) == sum(n % 30 == 13 for n in range(N_FILES)), "the shorter way round"
    assert selection.is_excluded is (text in {"year != 2003", "not year = 2003"})
    assert len([one for one in cost.statements if one.lstrip().startswith(("SELECT", "WITH"))]) <= 3
    assert cost.kilosteps <= 25 * len(selection.revisions) // 1000, "so many steps for each of the matching files"


def test_a_filter_builds_no_file_but_those_of_its_hits(read_only, monkeypatch):
    made = []
    monkeypatch.setattr("openrag_cli.store.catalog.to_file", made.append)
    scopes = Scopes(read_only.parts.catalog)

    assert len(scopes.scope(SearchRequest("-", filter="year = 2003")).revisions) == 3333
    assert scopes.notes(["all"], "yaer = 2003")[0].code == "unknown_key"
    assert made == []


def test_deleting_one_file_of_many_costs_what_one_file_costs(big, counting):
    with counting(big) as cost:
        assert big.parts.catalog.delete_files("big", ["d00/000100.md"]) == (["d00/000100.md"], [])
    assert len(cost.statements) <= 16, cost.statements  # those of triggers too
    assert cost.kilosteps <= 2
    assert cost.bytes_written <= 200_000


def test_the_outdated_are_counted_by_an_index_alone(read_only, counting):
    with counting(read_only) as cost:
        assert read_only.refresher.count_outdated() == 0
    assert len(cost.statements) <= 4
    assert not [s for s in cost.statements if "GROUP BY" in s and "COVERING" not in plan_of(read_only, s)]


def plan_of(engine, statement: str) -> str:
    return " ".join(row["detail"] for row in engine.parts.database.rows(f"EXPLAIN QUERY PLAN {statement}"))


def calls_of_planning(n: int) -> int:
    """Count the calls that planning makes when a folder of n files of equal content is renamed."""
    held = {f"old/{i}.txt": PartitionFile(revision(i), 1, EMPTY_SHA256) for i in range(n)}
    rows = {name: SyncRecord(1, 0, EMPTY_SHA256, file.revision) for name, file in held.items()}
    seen = {f"new/{i}.txt": FolderFile(1, 0, EMPTY_SHA256) for i in range(n)}
    n_calls = 0

    def count(_frame, event, _argument):
        nonlocal n_calls
        n_calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        plan = make_plan(seen, set(), SyncHistory(rows=rows, held=held), Rules())
    finally:
        sys.setprofile(None)
    assert len(plan.moves) == n
    assert all(move.source.rpartition("/")[2] == move.target.rpartition("/")[2] for move in plan.moves)
    return n_calls


def test_planning_the_rename_of_files_of_equal_content_is_linear():
    assert calls_of_planning(2000) <= 4.5 * calls_of_planning(500)


@pytest.mark.parametrize("n", [500])
def test_renaming_many_files_takes_so_many_statements_for_each(big, counting, n):
    from openrag_cli.store.files.moves import Move

    moves = [Move(f"d{i % 100:02}/{i:06}.md", f"moved/{i}.md", revision(i), None) for i in range(n)]
    with counting(big) as cost:
        assert len(big.parts.catalog.rename_files("big", moves)) == n
    assert len(cost.statements) <= 20 * n
    assert cost.kilosteps <= 5 * n
    # 116 kB measured: 28 in the log and the catalog, and the pages that each statement keeps to take itself back.
    assert cost.bytes_written <= 125_000 * n


def test_what_no_filter_looks_in_is_changed_without_a_row_of_theirs(big):
    big_database = big.parts.database
    with big_database.transaction() as connection:
        connection.execute("CREATE TEMP TABLE written (key TEXT)")
        connection.execute(
            "CREATE TEMP TRIGGER note_written AFTER INSERT ON main.metadata_value "
            "BEGIN INSERT INTO written VALUES (NEW.key); END"
        )
        connection.execute("UPDATE file SET refresh_tried = 'x', source_id = 1, made_by = 'y', warnings = '[]'")
        assert connection.execute("SELECT count(*) FROM written").fetchone()[0] == 0
        connection.execute("UPDATE file SET file_id = 'x', filename = 'x' WHERE file_id = 'd00/000100.md'")
        keys = [row["key"] for row in connection.execute("SELECT key FROM written ORDER BY key")]
    assert keys == ["file_id", "filename", "stored_as"]


def test_a_sync_of_2000_unchanged_files_opens_none_of_them(environment, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(2000):
        (folder / f"{n}.txt").write_text("a note that is everywhere the same\n")
    with open_engine(tmp_path / "store") as engine:
        assert engine.sync_folder(SyncOptions(folder, "notes")).report.added == 2000
        assert opened_below(folder, lambda: engine.sync_folder(SyncOptions(folder, "notes"))) == []
        (folder / "7.txt").chmod(0o600)
        assert opened_below(folder, lambda: engine.sync_folder(SyncOptions(folder, "notes"))) == [folder / "7.txt"]
