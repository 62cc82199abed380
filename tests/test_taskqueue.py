"""The queue: every task ends once, no worker writes what it no longer owns, and files are worked on in order."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openrag_cli.domain import Document, Task, TaskError, TaskKind, TaskState, Upload, new_task_id
from openrag_cli.errors import Conflict, DocumentNotFound, OpenRAGError, PartitionNotFound
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.publish import Completion
from openrag_cli.store.task_queue import MAX_ATTEMPTS, TaskQueue
from openrag_cli.store.task_records import TaskRecords

ADD, REPLACE = TaskKind.ADD, TaskKind.REPLACE
ERROR = TaskError("it is broken", "corrupt")


def make_upload(file_id: str, partition: str = "p") -> Upload:
    return Upload(partition, file_id, new_task_id(), "name.md", "text/markdown", 3, "0" * 64, {"n": 1})


@dataclass
class Store:
    database: Database
    catalog: Catalog
    queue: TaskQueue
    ledger: TaskRecords

    def submit(self, file_id: str, kind: TaskKind = ADD, *, batch: str = "b", partition: str = "p") -> Task:
        outcome = self.queue.submit([make_upload(file_id, partition)], kind=kind, batch=batch)[0]
        if isinstance(outcome, OpenRAGError):
            raise outcome
        return outcome

    def complete(self, *tasks: Task) -> list[str]:
        done = self.queue.complete([Completion(task, Document("text"), 2) for task in tasks])
        return [task.id for task in done]


def open_store(folder: Path) -> Store:
    database = Database(folder / "store" / "openrag.db")
    return Store(database, Catalog(database), TaskQueue(database), TaskRecords(database))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def names(tasks: list[Task]) -> list[str]:
    return [task.upload.file_id for task in tasks]


def test_an_add_of_a_file_that_exists_or_is_being_added_is_a_conflict(store: Store) -> None:
    store.submit("a")
    with pytest.raises(Conflict):
        store.submit("a")
    store.complete(*store.queue.claim("w", limit=1))
    with pytest.raises(Conflict):
        store.submit("a")
    store.submit("a", partition="other")


def test_one_refused_upload_does_not_refuse_the_others(store: Store) -> None:
    store.submit("a")
    outcomes = store.queue.submit([make_upload("a"), make_upload("b")], kind=ADD, batch="b")
    assert [type(outcome) for outcome in outcomes] == [Conflict, Task]


def test_a_replacement_needs_a_file_that_exists_or_is_being_added(store: Store) -> None:
    with pytest.raises(DocumentNotFound):
        store.submit("a", REPLACE)
    assert store.catalog.partitions() == []
    store.submit("a")
    store.submit("a", REPLACE)


def test_a_replacement_waits_for_a_running_task_and_takes_the_place_of_a_waiting_one(store: Store) -> None:
    store.submit("a")
    (running,) = store.queue.claim("w", limit=9)
    waiting = store.submit("a", REPLACE)
    newest = store.submit("a", REPLACE)
    assert store.ledger.task(waiting.id).state is TaskState.CANCELLED
    assert store.queue.claim("v", limit=9) == []
    store.complete(running)
    assert [task.id for task in store.queue.claim("v", limit=9)] == [newest.id]


def test_a_worker_whose_task_was_taken_over_can_change_nothing(store: Store) -> None:
    store.submit("a")
    (stale,) = store.queue.claim("dead", limit=1)
    store.queue.expire(lambda worker: worker == "dead")
    (owned,) = store.queue.claim("alive", limit=1)
    assert store.queue.advance([stale], TaskState.INSERTING) == []
    assert store.complete(stale) == []
    assert not store.queue.fail(stale, ERROR)
    assert store.queue.release("dead") == 0
    assert store.catalog.files("all") == []
    assert store.complete(owned) == [owned.id]


def test_the_same_worker_cannot_use_an_earlier_attempt(store: Store) -> None:
    store.submit("a")
    (first,) = store.queue.claim("w", limit=1)
    store.queue.expire(lambda _: True)
    (second,) = store.queue.claim("w", limit=1)
    assert store.complete(first) == []
    assert store.complete(second) == [second.id]


def die(store: Store, worker: str) -> None:
    store.queue.expire(lambda name: name == worker)


def test_a_task_whose_worker_died_three_times_fails_with_its_stage(store: Store) -> None:
    task = store.submit("a")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (owned,) = store.queue.claim("w", limit=1) if attempt < MAX_ATTEMPTS else store.queue.claim_suspect("w")
        assert owned.attempts == attempt
        store.queue.advance([owned], TaskState.INSERTING)
        die(store, "w")
    assert store.queue.claim("w", limit=1) == []
    failed = store.ledger.task(task.id)
    assert failed.state is TaskState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == ("worker_died", "INSERTING")
    assert task.id in store.catalog.tombstones()


def test_a_task_that_died_twice_is_claimed_alone_and_after_the_others(store: Store) -> None:
    for file_id in "abc":
        store.submit(file_id)
    for _ in range(MAX_ATTEMPTS - 1):
        assert names(store.queue.claim("w", limit=9)) == ["a", "b", "c"]
        die(store, "w")
    store.submit("d")
    assert names(store.queue.claim("w", limit=9)) == ["d"]
    assert store.queue.claim("w", limit=9) == []
    assert [names(store.queue.claim_suspect("w")) for _ in range(4)] == [["a"], ["b"], ["c"], []]


def test_what_a_worker_gives_back_counts_as_never_tried(store: Store) -> None:
    store.submit("a")
    for _ in range(2 * MAX_ATTEMPTS):
        (owned,) = store.queue.claim("w", limit=1)
        assert owned.attempts == 1
        assert store.queue.release("w") == 1


def test_a_batch_also_claims_the_older_tasks_that_its_own_wait_for(store: Store) -> None:
    store.submit("a", batch="old")
    store.submit("b", batch="old")
    store.submit("a", REPLACE, batch="new")
    (older,) = store.queue.claim("w", limit=9, batch="new")
    assert (older.kind, older.upload.file_id) == (ADD, "a")
    store.complete(older)
    (own,) = store.queue.claim("w", limit=9, batch="new")
    assert own.kind is REPLACE


def test_nothing_is_claimable_while_all_that_waits_stands_behind_running_tasks(store: Store) -> None:
    store.submit("a")
    assert store.queue.has_claimable()
    store.queue.claim("w", limit=9)
    store.submit("a", REPLACE)
    assert not store.queue.has_claimable()


def test_a_replacement_that_takes_the_place_of_one_given_back_while_inserting_retires_it(store: Store) -> None:
    store.submit("a")
    store.complete(*store.queue.claim("w", limit=1))
    first = store.submit("a", REPLACE)
    store.queue.advance(store.queue.claim("w", limit=1), TaskState.INSERTING)
    store.queue.release("w")  # as when the disk is full: its chunks may be in the index
    store.submit("a", REPLACE)
    assert first.id in store.catalog.tombstones()


@pytest.mark.parametrize("end", ["cancel", "delete", "delete partition", "fail", "die"])
def test_a_task_that_ends_while_inserting_is_retired(store: Store, end: str) -> None:
    task = store.submit("a")
    (owned,) = store.queue.claim("w", limit=1)
    store.queue.advance([owned], TaskState.INSERTING)
    if end == "cancel":
        store.ledger.cancel(task.id)
    elif end == "delete":
        store.catalog.delete_files("p", ["a"])
    elif end == "delete partition":
        store.catalog.delete_partition("p")
    elif end == "fail":
        store.queue.fail(owned, ERROR)
    else:
        for _ in range(MAX_ATTEMPTS):
            die(store, "w")
            store.queue.claim("w", limit=1)
            store.queue.claim_suspect("w")
    assert store.ledger.task(task.id).state.is_final
    assert store.catalog.tombstones() == [task.id]


def test_a_task_queued_again_loses_its_tombstone_only_when_it_is_complete(store: Store) -> None:
    task = store.submit("a")
    store.queue.fail(store.queue.claim("w", limit=1)[0], ERROR)
    store.ledger.retry(task.id)
    assert store.catalog.tombstones() == [task.id]
    store.complete(*store.queue.claim("w", limit=1))
    assert store.catalog.tombstones() == []
    assert [file.revision for file in store.catalog.files("p")] == [task.id]


def test_of_fifty_adds_of_one_file_at_once_exactly_one_is_accepted(store: Store) -> None:
    def attempt(_: int) -> bool:
        return isinstance(store.queue.submit([make_upload("a")], kind=ADD, batch="b")[0], Task)

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(attempt, range(50))) == 1


# --- any order of events, against a model


@dataclass
class Known:
    """What the model knows of a task."""

    id: str
    kind: TaskKind
    key: tuple[str, str]
    batch: str
    state: TaskState = TaskState.QUEUED
    attempts: int = 0
    owner: str | None = None
    is_expired: bool = False
    may_have_chunks: bool = False
    is_obsolete: bool = False

    @property
    def is_live(self) -> bool:
        return not self.state.is_final

    @property
    def is_free(self) -> bool:
        return self.is_live and (self.state is TaskState.QUEUED or self.is_expired)


FILES = st.sampled_from(["a", "b"])
PARTITIONS = st.sampled_from(["p", "q"])
WORKERS = st.sampled_from(["w", "v"])
BATCHES = st.sampled_from(["b1", "b2"])


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a model in plain Python."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="openrag-queue-")
        self.store = open_store(Path(self.folder.name))
        self.known: list[Known] = []
        self.visible: dict[tuple[str, str], str] = {}
        self.partitions: set[str] = set()
        self.handles: list[Task] = []  # every task ever claimed: stale ones must be harmless

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.database.close()
            self.folder.cleanup()

    def live(self, key: tuple[str, str]) -> list[Known]:
        return [task for task in self.known if task.key == key and task.is_live]

    def of(self, task_id: str) -> Known:
        return next(task for task in self.known if task.id == task_id)

    def owned(self, handle: Task) -> Known | None:
        known = self.of(handle.id)
        is_owned = known.is_live and known.owner == handle.worker and known.attempts == handle.attempts
        return known if is_owned else None

    # --- events

    @rule(file_id=FILES, partition=PARTITIONS, kind=st.sampled_from([ADD, REPLACE]), batch=BATCHES)
    def submit(self, file_id: str, partition: str, kind: TaskKind, batch: str) -> None:
        key = (partition, file_id)
        outcome = self.store.queue.submit([make_upload(file_id, partition)], kind=kind, batch=batch)[0]
        is_adding = any(task.kind is ADD for task in self.live(key))
        if kind is ADD:
            self.partitions.add(partition)
        if kind is ADD and (key in self.visible or is_adding):
            assert isinstance(outcome, Conflict)
        elif kind is REPLACE and key not in self.visible and not is_adding:
            assert isinstance(outcome, DocumentNotFound)
        else:
            assert isinstance(outcome, Task)
            for task in self.live(key):
                if kind is REPLACE and task.kind is REPLACE and task.state is TaskState.QUEUED:
                    task.state = TaskState.CANCELLED
            self.known.append(Known(outcome.id, kind, key, batch))

    def expected_claim(self, limit: int, batch: str | None, attempts: range) -> list[str]:
        for task in self.known:
            if task.is_live and task.is_expired and task.attempts >= MAX_ATTEMPTS:
                task.state, task.owner = TaskState.FAILED, None
        found = []
        for task in self.known:
            queue = self.live(task.key)
            is_wanted = batch is None or any(other.batch == batch for other in queue)
            if task.is_free and queue[0] is task and is_wanted and task.attempts in attempts:
                found.append(task.id)
        return found[:limit]

    def take(self, tasks: list[Task], expected: list[str], worker: str) -> None:
        assert sorted(task.id for task in tasks) == sorted(expected)
        for task in tasks:
            known = self.of(task.id)
            known.state, known.owner, known.is_expired = TaskState.SERIALIZING, worker, False
            known.attempts += 1
            assert task.attempts == known.attempts
        self.handles += tasks

    @rule(worker=WORKERS, limit=st.integers(1, 3), batch=st.none() | BATCHES)
    def claim(self, worker: str, limit: int, batch: str | None) -> None:
        tasks = self.store.queue.claim(worker, limit=limit, batch=batch)
        self.take(tasks, self.expected_claim(limit, batch, range(MAX_ATTEMPTS - 1)), worker)

    @rule(worker=WORKERS, batch=st.none() | BATCHES)
    def claim_suspect(self, worker: str, batch: str | None) -> None:
        tasks = self.store.queue.claim_suspect(worker, batch=batch)
        self.take(tasks, self.expected_claim(1, batch, range(MAX_ATTEMPTS - 1, MAX_ATTEMPTS)), worker)

    @rule(choose=st.randoms(use_true_random=False), stage=st.sampled_from([TaskState.CHUNKING, TaskState.INSERTING]))
    def advance(self, choose: Random, stage: TaskState) -> None:
        if not self.handles:
            return
        handle = choose.choice(self.handles)
        known = self.owned(handle)
        kept = self.store.queue.advance([handle], stage)
        assert bool(kept) == (known is not None)
        if known:
            known.state, known.is_expired = stage, False
            known.may_have_chunks |= stage is TaskState.INSERTING

    @rule(choose=st.randoms(use_true_random=False))
    def complete(self, choose: Random) -> None:
        if not self.handles:
            return
        handle = choose.choice(self.handles)
        known = self.owned(handle)
        assert bool(self.store.complete(handle)) == (known is not None)
        if known:
            known.state, known.owner, known.may_have_chunks = TaskState.COMPLETED, None, True
            self.visible[known.key] = known.id
            self.make_obsolete([task for task in self.known[: self.known.index(known)] if task.key == known.key])

    @rule(choose=st.randoms(use_true_random=False))
    def fail(self, choose: Random) -> None:
        if not self.handles:
            return
        handle = choose.choice(self.handles)
        known = self.owned(handle)
        assert self.store.queue.fail(handle, ERROR) == (known is not None)
        if known:
            known.state, known.owner = TaskState.FAILED, None

    @rule(worker=WORKERS)
    def release(self, worker: str) -> None:
        held = [task for task in self.known if task.is_live and task.owner == worker]
        assert self.store.queue.release(worker) == len(held)
        for task in held:
            task.state, task.owner, task.is_expired = TaskState.QUEUED, None, False
            task.attempts -= 1

    @rule(worker=WORKERS)
    def die(self, worker: str) -> None:
        die(self.store, worker)
        for task in self.known:
            task.is_expired |= task.is_live and task.owner == worker

    @rule(worker=WORKERS)
    def heartbeat(self, worker: str) -> None:
        self.store.queue.heartbeat(worker)
        for task in self.known:
            if task.is_live and task.owner == worker:
                task.is_expired = False

    def cancelled(self, tasks: list[Known]) -> None:
        for task in tasks:
            task.state, task.owner = TaskState.CANCELLED, None

    @staticmethod
    def make_obsolete(tasks: list[Known]) -> None:
        for task in tasks:
            task.is_obsolete |= task.state in {TaskState.FAILED, TaskState.CANCELLED}

    @rule(choose=st.randoms(use_true_random=False))
    def cancel(self, choose: Random) -> None:
        if not self.known:
            return
        task = choose.choice(self.known)
        if task.is_live:
            self.store.ledger.cancel(task.id)
            self.cancelled([task])
        else:
            with pytest.raises(Conflict):
                self.store.ledger.cancel(task.id)

    @rule(choose=st.randoms(use_true_random=False))
    def retry(self, choose: Random) -> None:
        if not self.known:
            return
        task = choose.choice(self.known)
        is_stopped = task.state in {TaskState.FAILED, TaskState.CANCELLED}
        is_blocked = bool(self.live(task.key)) or (task.kind is ADD and task.key in self.visible)
        if is_stopped and not is_blocked and not task.is_obsolete:
            self.store.ledger.retry(task.id)
            task.state, task.attempts, task.is_expired = TaskState.QUEUED, 0, False
        else:
            with pytest.raises(Conflict):
                self.store.ledger.retry(task.id)

    @rule(file_id=FILES, partition=PARTITIONS)
    def delete(self, file_id: str, partition: str) -> None:
        if partition not in self.partitions:
            with pytest.raises(PartitionNotFound):
                self.store.catalog.delete_files(partition, [file_id])
            return
        key = (partition, file_id)
        was_there = key in self.visible or bool(self.live(key))
        deleted, missing = self.store.catalog.delete_files(partition, [file_id])
        assert (deleted, missing) == (([file_id], []) if was_there else ([], [file_id]))
        self.visible.pop(key, None)
        self.cancelled(self.live(key))
        if was_there:
            self.make_obsolete([task for task in self.known if task.key == key])

    @rule(partition=PARTITIONS)
    def delete_partition(self, partition: str) -> None:
        if partition not in self.partitions:
            return
        self.store.catalog.delete_partition(partition)
        self.partitions.remove(partition)
        self.visible = {key: revision for key, revision in self.visible.items() if key[0] != partition}
        self.cancelled([task for task in self.known if task.key[0] == partition and task.is_live])
        self.make_obsolete([task for task in self.known if task.key[0] == partition])

    @rule()
    def sweep(self) -> None:
        retired = self.store.catalog.tombstones()
        self.store.catalog.clear_tombstones(retired)
        for task_id in retired:
            assert task_id not in self.visible.values()
            self.of(task_id).may_have_chunks = False

    # --- what always holds

    @invariant()
    def states_and_visible_files_are_those_of_the_model(self) -> None:
        if not hasattr(self, "store"):
            return
        states = {task.id: task.state for task in self.store.ledger.tasks()}
        assert states == {task.id: task.state for task in self.known}
        files = {(file.partition, file.file_id): file.revision for file in self.store.catalog.files("all")}
        assert files == self.visible
        assert {partition.name for partition in self.store.catalog.partitions()} == self.partitions

    @invariant()
    def a_revision_that_is_neither_visible_nor_live_leaves_no_chunks_behind(self) -> None:
        if not hasattr(self, "store"):
            return
        tombstones = set(self.store.catalog.tombstones())
        visible = set(self.visible.values())
        assert not tombstones & visible
        for task in self.known:
            if task.may_have_chunks and not task.is_live and task.id not in visible:
                assert task.id in tombstones

    @invariant()
    def exactly_the_visible_revisions_have_a_text(self) -> None:
        if not hasattr(self, "store"):
            return
        rows = self.store.database.rows("SELECT revision FROM document")
        assert {row["revision"] for row in rows} == set(self.visible.values())


QueueMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestQueueMachine: type = QueueMachine.TestCase
