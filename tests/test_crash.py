"""SIGKILL anywhere: what was acknowledged stays, what was not comes whole or not at all, a rerun ends the work."""

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import FAILPOINTS, IS_LONG, OPERATIONS, Driver, check, contents, find, open_engine, put

from openrag_cli.domain import TaskState
from openrag_cli.engine import Engine

Script = list[dict[str, Any]]


def note(name: str) -> str:
    """Return a document of a few chunks that only `name` is in."""
    sections = [f"# Section {n} about {name}\n\n" + f"The {name} stands in part {n}. " * 30 for n in range(3)]
    return "\n\n".join(sections)


BEFORE = {("p", "a"): note("alder"), ("p", "b"): note("birch"), ("q", "c"): note("cedar")}
AFTER = {
    ("p", "a"): note("acacia"),
    ("q", "c"): note("cypress"),
    ("p", "d"): note("damson"),
    ("p", "e.md"): note("elder"),
    ("p", "f.md"): note("ficus"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds BEFORE, closed."""
    store = tmp_path_factory.mktemp("template") / "store"
    with open_engine(store) as engine:
        for (partition, file_id), text in BEFORE.items():
            put(engine, partition, file_id, text)
        engine.drain()
        check(engine)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    for name in ("e.md", "f.md"):
        (path / name).write_text(AFTER["p", name])
    return path


def scripts(folder: Path) -> list[Script]:
    """Return ways from BEFORE to AFTER."""
    puts = [
        {"do": "put", "partition": partition, "file_id": file_id, "text": text}
        for (partition, file_id), text in AFTER.items()
        if not file_id.endswith(".md")
    ]
    add = {"do": "add_folder", "partition": "p", "folder": str(folder)}
    delete = {"do": "delete", "partition": "p", "file_ids": ["b"]}
    drain, tidy = {"do": "drain"}, {"do": "maintain", "force": True}
    return [
        [*puts, drain, add, delete, tidy],
        [delete, add, *puts, drain, tidy],
        [puts[0], drain, delete, puts[1], puts[2], add, drain, tidy],
    ]


def run(engine: Engine, script: Script) -> None:
    for operation in script:
        arguments = dict(operation)
        OPERATIONS[arguments.pop("do")](engine, **arguments)


def assert_nothing_is_left_over(engine: Engine) -> None:
    """Assert that every stored byte belongs to a file or a task, once crashes' leavings are an hour old."""
    for revision, _ in list(engine.parts.blobs.stored()):
        for path in (engine.parts.blobs.path(revision), engine.parts.blobs._spool_path(revision)):
            if path.exists():
                os.utime(path, (time.time() - 7200, time.time() - 7200))
    engine.maintain(force=True)
    assert {revision for revision, _ in engine.parts.blobs.stored()} == engine.parts.catalog.revisions()


def kill_at(store: Path, failpoint: str, script: Script) -> int:
    """Run `script` in a process that dies at `failpoint`; return how many operations it acknowledged."""
    with Driver(store, failpoint=failpoint) as driver:
        assert driver.receive()
        for operation in script:
            driver.send(**operation)
        n_done = 0
        while (reply := driver.receive()) is not None:
            assert reply["error"] is None, reply
            n_done += 1
        driver.wait_killed()
        assert driver.survivors() == []
    return n_done


def assert_acknowledged(engine: Engine, done: Script) -> None:
    """Assert that what the process said was done is so, now that the queue is empty."""
    found = contents(engine)
    for operation in done:
        if operation["do"] == "put":
            assert found[operation["partition"], operation["file_id"]] == operation["text"]
        elif operation["do"] == "delete":
            assert ("p", "b") not in found
        elif operation["do"] == "add_folder":
            assert found["p", "e.md"] == AFTER["p", "e.md"]


def crash(store: Path, failpoint: str, script: Script) -> None:
    """Kill at `failpoint`, look, work off what is left, look, run it all again, look."""
    n_done = kill_at(store, failpoint, script)
    assert n_done < len(script)
    with open_engine(store) as engine:
        check(engine, is_quiet=False)
        found = contents(engine)
        for key, text in BEFORE.items():
            assert found.get(key) in {text, AFTER.get(key)}
        engine.drain()
        check(engine)
        assert_acknowledged(engine, script[:n_done])
        run(engine, script)
        check(engine)
        assert contents(engine) == AFTER
        assert {task.state for task in engine.tasks()} <= {TaskState.COMPLETED, TaskState.CANCELLED}
        assert [name for name, _ in find(engine, "acacia", top_k=1)] == ["a"]
        assert find(engine, "alder") == find(engine, "birch") == []
        assert_nothing_is_left_over(engine)


@pytest.mark.timeout(0 if IS_LONG else 300)
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_kill_at_each_boundary_loses_nothing_doubles_nothing_and_a_rerun_ends_as_if_it_had_not_been(
    failpoint: str, template: Path, folder: Path, tmp_path: Path
) -> None:
    ways = scripts(folder)
    first = FAILPOINTS.index(failpoint) % len(ways)
    for number in range(50 if IS_LONG else 1):
        store = tmp_path / f"store{number}"
        shutil.copytree(template, store)
        crash(store, failpoint, ways[(first + number) % len(ways)])
        shutil.rmtree(store)


def test_a_command_killed_while_adding_a_folder_is_finished_by_the_same_command(
    template: Path, folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(template, store)
    add = scripts(folder)[0][4]
    assert kill_at(store, "committed", [add]) == 0
    with Driver(store) as driver:
        assert driver.receive()
        assert driver.do(**add) == {"added": 2, "replaced": 0, "failed": []}
        assert driver.do(**add) == {"added": 0, "replaced": 0, "failed": []}
    with open_engine(store) as engine:
        check(engine)
        assert contents(engine)["p", "f.md"] == AFTER["p", "f.md"]


def test_a_replacement_whose_worker_dies_three_times_fails_and_leaves_the_old_version(
    template: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(template, store)
    with open_engine(store) as engine:
        task_id = put(engine, "p", "a", note("acacia"))
        for _ in range(3):
            kill_at(store, "committed", [{"do": "drain"}])
            assert find(engine, "acacia") == []
            assert {name for name, _ in find(engine, "alder")} == {"a"}
        engine.drain()
        task = engine.task(task_id)
        assert task.state is TaskState.FAILED
        assert task.error is not None
        assert (task.error.code, task.error.stage) == ("worker_died", "INSERTING")
        check(engine)
        assert contents(engine) == BEFORE
        engine.retry_task(task_id)
        engine.drain()
        check(engine)
        assert contents(engine)["p", "a"] == note("acacia")


def test_a_task_that_kills_its_worker_does_not_take_its_neighbours_with_it(template: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(template, store)
    with open_engine(store) as engine:
        for file_id in ("x", "y"):
            put(engine, "p", file_id, note(file_id * 3))
        for _ in range(2):
            kill_at(store, "embedded", [{"do": "drain"}])
        # The third time each runs alone: the one that dies is the first.
        kill_at(store, "embedded", [{"do": "drain"}])
        engine.drain()
        states = {task.upload.file_id: task.state for task in engine.tasks() if task.upload.file_id in {"x", "y"}}
        assert states == {"x": TaskState.FAILED, "y": TaskState.COMPLETED}
        check(engine)


# --- anywhere


class Model:
    """What a store may hold, from what was asked of it and what it acknowledged."""

    def __init__(self) -> None:
        self.possible: dict[tuple[str, str], set[str | None]] = {}
        self.ever: dict[tuple[str, str], set[str | None]] = {}
        self.puts: dict[str, tuple[str, str]] = {}  # task id -> key

    def note(self, operation: dict[str, Any], reply: dict[str, Any] | None) -> None:
        """Take in one operation; `reply` is None when the process died in it."""
        if operation["do"] not in {"put", "delete"}:
            return
        partition = operation["partition"]
        for file_id in operation.get("file_ids") or [operation["file_id"]]:
            key = partition, file_id
            value = operation.get("text")
            before = self.possible.get(key, {None})
            self.ever.setdefault(key, {None}).add(value)
            self.possible[key] = {value} if reply else before | {value}
            if reply and operation["do"] == "put":
                self.puts[reply["result"]] = key

    def judge(self, engine: Engine) -> int:
        """Assert that an idle store is one of those possible; return how many tasks died for good."""
        tasks = {task.id: task for task in engine.tasks()}
        failed = [task for task in tasks.values() if task.state is TaskState.FAILED]
        assert all(task.error is not None and task.error.code == "worker_died" for task in failed)
        for task in failed:
            self.possible[task.upload.partition, task.upload.file_id] = self.ever[
                task.upload.partition, task.upload.file_id
            ]
        assert self.puts.keys() <= tasks.keys(), "an acknowledged task is lost"
        found = contents(engine)
        assert found.keys() <= self.possible.keys()
        for key, values in self.possible.items():
            assert found.get(key) in values, key
        return len(failed)


def random_operations(choose: random.Random, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    while True:
        key = {"partition": choose.choice("pq"), "file_id": choose.choice("abcde")}
        kind = choose.choices(["put", "drain", "delete", "maintain", "search"], [8, 6, 2, 1, 2])[0]
        if kind == "put":
            yield {"do": "put", **key, "text": note(f"word{next(numbers)}")}
        elif kind == "delete":
            yield {"do": "delete", "partition": key["partition"], "file_ids": [key["file_id"]]}
        elif kind == "search":
            yield {"do": "search", "text": "stands in part", "mode": choose.choice(["text", "hybrid"])}
        else:
            yield {"do": kind} | ({"force": True} if kind == "maintain" else {})


def run_and_kill(store: Path, model: Model, choose: random.Random, operations: Iterator[dict[str, Any]]) -> Driver:
    """Let a process work on `operations` and kill it after a random number of them, in the middle of the next."""
    script = [next(operations) for _ in range(choose.randint(1, 14))]
    with Driver(store) as driver:
        assert driver.receive()
        for operation in script:
            driver.send(**operation)
        n_until = choose.randint(0, len(script) - 1)
        for operation in script[:n_until]:
            reply = driver.receive()
            assert reply
            assert reply["error"] in {None, "partition_not_found"}, reply
            model.note(operation, reply)
        time.sleep(choose.uniform(0, 0.15))  # the kill falls anywhere: this waits for nothing
        driver.kill()
        for operation in script[n_until:]:  # answers that were on their way, then the one it died in
            reply = driver.receive()
            model.note(operation, reply)
            if reply is None:
                break
    return driver


@pytest.mark.timeout(0 if IS_LONG else 300)
def test_random_kills_under_a_random_workload_lose_nothing_that_was_acknowledged(
    template: Path, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 32) if IS_LONG else 20
    print(f"seed {seed}")
    choose = random.Random(seed)
    store = tmp_path / "store"
    shutil.copytree(template, store)
    model = Model()
    model.possible = {key: {text} for key, text in BEFORE.items()}
    model.ever = {key: {None, text} for key, text in BEFORE.items()}
    operations = random_operations(choose, iter(range(1_000_000)))
    n_kills = 1000 if IS_LONG else 20
    n_failed = 0
    for n in range(1, n_kills + 1):
        driver = run_and_kill(store, model, choose, operations)
        if n % 10 == 0 or n == n_kills:
            with open_engine(store) as engine:
                assert driver.survivors() == []
                check(engine, is_quiet=False)
                engine.drain()
                check(engine)
                n_failed = model.judge(engine)
                for (_, file_id), text in contents(engine).items():
                    word = text.split("about ")[1].split()[0]
                    assert {name for name, _ in find(engine, word)} == {file_id}
    assert n_failed < n_kills / 4
    with open_engine(store) as engine:
        assert_nothing_is_left_over(engine)
