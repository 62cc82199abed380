"""What the first operations cost at 100,000 files: numbers that must not grow with the store."""

import sys

import pytest
from conftest import EMPTY_SHA256, N_FILES, N_QUEUED, revision  # type: ignore[import-not-found]

from openrag_cli.domain import Document, MadeBy, TaskKind, TaskState, Upload, new_task_id
from openrag_cli.store.publish import Completion
from openrag_cli.sync.plan import FolderFile, PartitionFile, Rules, SyncHistory, SyncRecord, make_plan


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
    assert cost.bytes_written <= 400_000
    assert cost.descriptors <= 0


def test_a_page_of_files_is_read_without_the_rest(big, counting):
    with counting(big) as cost:
        assert len(big.files("big", limit=50)) == 50
    assert len(cost.statements) <= 4
    assert cost.kilosteps <= 10


def test_claiming_from_a_long_queue_does_not_look_at_all_of_it(big, counting):
    with big.parts.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO task (id, kind, state, partition_id, partition, file_id, filename, media_type, size, sha256, "
            "metadata, batch, created_at, updated_at) VALUES (?, 'replace', 'QUEUED', 1, 'big', ?, 'f', 'text/plain', 1, "
            "?, '{}', 'b', 0, 0)",
            ((revision(N_FILES + n), f"d{n % 100:02}/{n:06}.md", EMPTY_SHA256) for n in range(N_QUEUED)),
        )
    with counting(big) as cost:
        assert len(big.parts.queue.claim("w", limit=32)) == 32
    assert len(cost.statements) <= 45
    assert cost.kilosteps <= N_QUEUED // 1000 * 8  # still a look at each live task's lease; no more than one


def test_deleting_one_file_of_many_costs_what_one_file_costs(big, counting):
    with counting(big) as cost:
        assert big.parts.catalog.delete_files("big", ["d00/000100.md"]) == (["d00/000100.md"], [])
    assert len(cost.statements) <= 12, cost.statements
    assert cost.kilosteps <= 2
    assert cost.bytes_written <= 200_000


def test_the_outdated_are_counted_by_an_index_alone(big, counting):
    with counting(big) as cost:
        assert big.refresher.count_outdated() == 0
    assert len(cost.statements) <= 4
    assert not [s for s in cost.statements if "GROUP BY" in s and "COVERING" not in plan_of(big, s)]


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
