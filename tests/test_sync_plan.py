"""The plan of a sync, carried out on a model of a partition: whatever happened before, it ends as the folder is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrag_cli.domain import TaskError, TaskState
from openrag_cli.errors import InvalidInput
from openrag_cli.sync.plan import (
    DEFAULT_LIMIT,
    Attempt,
    FolderFile,
    PartitionFile,
    Plan,
    Rules,
    SyncHistory,
    SyncRecord,
    ids_to_hash,
    make_plan,
    parse_limit,
    settled,
)

BAD = "bad"
IDS = ["a.md", "b.md", "c.md", "d/a.md", "e.txt"]
# Contents of equal sizes, so that the size tells nothing; those that begin with BAD cannot be indexed.
CONTENTS = ["one", "two", "six", "three", "seven", f"{BAD}1", f"{BAD}2"]
FATES = ["done", "failed", "queued", "lost"]


@dataclass
class World:
    """A folder, a partition and the memory of syncs; content is its own hash."""

    folder: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> (content, mtime)
    held: dict[str, PartitionFile] = field(default_factory=dict)
    rows: dict[str, SyncRecord] = field(default_factory=dict)
    tasks: dict[str, tuple[str, Attempt]] = field(default_factory=dict)  # task -> (file id, what became of it)
    contents: dict[str, str] = field(default_factory=dict)  # revision or task -> content
    clock: int = 0
    n_embedded: int = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def write(self, files: Mapping[str, str]) -> None:
        """Make the folder hold `files`; what stays the same keeps its time."""
        self.folder = {
            name: self.folder[name] if self.folder.get(name, ("", 0))[0] == content else (content, self.tick())
            for name, content in files.items()
        }

    def put(self, file_id: str, content: str) -> None:
        """Somebody else adds or replaces a file of the partition."""
        revision = f"foreign{self.tick()}"
        self.held[file_id] = PartitionFile(revision, len(content), content)
        self.contents[revision] = content

    def past(self) -> SyncHistory:
        named = {row.task_id for row in self.rows.values()}
        attempts = {task: attempt for task, (_, attempt) in self.tasks.items() if task in named}
        return settled(SyncHistory(rows=dict(self.rows), held=dict(self.held), attempts=attempts))

    def plan(self, rules: Rules) -> Plan:
        past = self.past()
        seen = {name: FolderFile(len(content), mtime) for name, (content, mtime) in self.folder.items()}
        wanted = ids_to_hash(seen, past, is_thorough=False)
        for name, one in seen.items():
            row = past.rows.get(name)
            if name in wanted:
                seen[name] = replace(one, sha256=self.folder[name][0])
            elif row and row.has_stat_of(one):
                seen[name] = replace(one, sha256=row.sha256)
        plan = make_plan(seen, set(), past, rules)
        plan.remember = {
            name: row for name, row in past.rows.items() if row is not self.rows[name] and name not in plan.forget
        } | plan.remember
        return plan

    def carry_out(self, plan: Plan, fates: list[str]) -> None:
        """Do what the plan says, as sync.py does it; `fates` say what becomes of each task in turn."""
        for task in plan.cancel:
            self.end(task, TaskState.CANCELLED)
        moving = [(move.target, self.held.pop(move.source)) for move in plan.moves]
        for move in plan.moves:
            occupant = self.held.pop(move.target, None)
            assert (occupant.revision if occupant else None) == move.replaced
        assert len({target for target, _ in moving}) == len(moving)
        self.held |= dict(moving)
        for file_id, revision in plan.deletes.items():
            assert self.held.pop(file_id).revision == revision
        rows = {name: row for name, row in self.past().rows.items() if name not in plan.forget} | plan.remember
        self.rows = {name: row for name, row in rows.items() if name not in plan.deletes}
        for file_id in [*plan.adds, *plan.replaces]:
            assert (file_id in self.held) == (file_id in plan.replaces)
            self.store(file_id, fates.pop() if fates else "done")
        for task in plan.resume:
            self.run(task)
        self.rows = dict(self.past().rows)

    def store(self, file_id: str, fate: str) -> None:
        content, mtime = self.folder[file_id]
        task, row = f"task{self.tick()}", self.rows.get(file_id)
        n_failed = row.n_failed if row else 0
        self.rows[file_id] = SyncRecord(
            len(content), mtime, content, row.revision if row else None, task, n_failed=n_failed
        )
        self.contents[task] = content
        if fate == "lost":  # the process died before the task was queued
            return
        self.tasks[task] = file_id, Attempt(TaskState.QUEUED, self.clock)
        if fate != "queued":
            self.run(task)

    def run(self, task: str) -> None:
        file_id, content = self.tasks[task][0], self.contents[task]
        if content.startswith(BAD):
            self.end(task, TaskState.FAILED)
            return
        self.end(task, TaskState.COMPLETED)
        self.held[file_id] = PartitionFile(task, len(content), content)
        self.n_embedded += 1

    def end(self, task: str, state: TaskState) -> None:
        error = TaskError("it cannot be read", "corrupt") if state is TaskState.FAILED else None
        self.tasks[task] = self.tasks[task][0], Attempt(state, self.tick(), error)

    def work_off(self) -> None:
        """A server runs what is queued."""
        for task, (_, attempt) in list(self.tasks.items()):
            if not attempt.state.is_final:
                self.run(task)

    def sync(self, rules: Rules, fates: list[str] | None = None) -> Plan:
        plan = self.plan(rules)
        self.carry_out(plan, list(fates or []))
        return plan


folders = st.dictionaries(st.sampled_from(IDS), st.sampled_from(CONTENTS))
DELETING = Rules(is_deleting=True, quarantine_after=0)


def is_done(plan: Plan) -> bool:
    return not (plan.adds or plan.replaces or plan.is_changing or plan.remember or plan.forget)


@settings(max_examples=600, deadline=None)
@given(
    foreign=st.dictionaries(st.sampled_from(IDS), st.sampled_from(["one", "two", "zzz"]), max_size=2),
    steps=st.lists(st.tuples(folders, st.lists(st.sampled_from(FATES)), st.booleans()), min_size=1, max_size=4),
)
def test_two_syncs_after_any_past_make_the_partition_hold_what_the_folder_has_and_no_more(
    foreign: dict[str, str], steps: list[tuple[dict[str, str], list[str], bool]]
) -> None:
    world = World()
    for file_id, content in foreign.items():
        world.put(file_id, content)
    was_the_same = set()
    for files, fates, is_served in steps:
        if is_served:
            world.work_off()
        world.write(files)
        was_the_same |= {name for name, content in files.items() if foreign.get(name) == content}
        world.sync(DELETING, fates)
    world.sync(DELETING)
    assert is_done(world.plan(DELETING))
    kept = {name for name in foreign if name not in was_the_same}
    for name, content in world.folder.items():
        if not content[0].startswith(BAD) and name not in kept:
            assert world.held[name].sha256 == content[0]
    for name in kept:
        assert world.held[name].sha256 == foreign[name], "a file that came otherwise was touched"
    for name in world.held.keys() - world.folder.keys() - kept:
        pytest.fail(f"{name} should have been deleted")


@settings(max_examples=300, deadline=None)
@given(files=folders, renamed=st.permutations(IDS))
def test_renaming_and_swapping_files_indexes_nothing(files: dict[str, str], renamed: list[str]) -> None:
    world = World()
    files = {name: f"{content}{n}" for n, (name, content) in enumerate(files.items()) if not content.startswith(BAD)}
    world.write(files)
    world.sync(DELETING)
    revisions = {held.sha256: held.revision for held in world.held.values()}
    n_embedded = world.n_embedded
    new = dict(zip(IDS, renamed, strict=True))
    suffix = {name: name[-4:] for name in IDS}
    moved = {(new[name] if suffix[name] == suffix[new[name]] else name): content for name, content in files.items()}
    if len(moved) < len(files):  # two would have one name
        return
    world.write(moved)
    plan = world.sync(DELETING)
    assert world.n_embedded == n_embedded
    assert len(plan.moves) == sum(files.get(name) != content for name, content in moved.items())
    assert {held.sha256: held.revision for held in world.held.values()} == revisions
    assert is_done(world.plan(DELETING))


@settings(max_examples=200, deadline=None)
@given(before=folders, after=folders)
def test_without_deleting_or_when_a_part_cannot_be_seen_nothing_is_lost(
    before: dict[str, str], after: dict[str, str]
) -> None:
    for rules in (Rules(), Rules(is_deleting=True, is_complete=False)):
        world = World()
        world.write(before)
        world.sync(Rules())
        held = {one.sha256 for name, one in world.held.items() if name not in after}
        world.write(after)
        plan = world.sync(rules)
        assert not plan.deletes
        assert held <= {one.sha256 for one in world.held.values()}


def failing(world: World, rules: Rules = Rules()) -> Plan:  # noqa: B008 - frozen
    return world.sync(rules)


def test_a_failed_file_is_tried_again_only_when_its_content_changes() -> None:
    world = World()
    world.write({"a.md": f"{BAD}1"})
    assert failing(world).adds == ["a.md"]
    assert failing(world).failed.keys() == {"a.md"}
    world.folder["a.md"] = f"{BAD}1", world.tick()  # touched
    assert failing(world).failed.keys() == {"a.md"}
    assert is_done(world.plan(Rules()))
    world.write({"a.md": f"{BAD}2"})
    assert failing(world).adds == ["a.md"]


def test_after_enough_failures_a_file_is_left_alone_until_its_task_is_retried_or_forgotten() -> None:
    for is_forgotten in (False, True):
        world, rules = World(), Rules(quarantine_after=2)
        for n in (1, 2):
            world.write({"a.md": f"{BAD}{n}"})
            assert failing(world, rules).adds == ["a.md"]
        world.write({"a.md": "good"})
        assert failing(world, rules).failed.keys() == {"a.md"}
        assert world.plan(Rules(quarantine_after=0)).adds == ["a.md"]
        task = list(world.tasks)[-1]
        if is_forgotten:
            del world.tasks[task]
        else:
            world.end(task, TaskState.FAILED)
        assert failing(world, rules).adds == ["a.md"]
        assert world.held["a.md"].sha256 == "good"


def test_a_task_whose_worker_died_is_queued_again_but_not_for_ever() -> None:
    world, rules = World(), Rules(quarantine_after=2)
    world.write({"a.md": "good"})
    for _ in range(2):
        assert world.sync(rules, ["queued"]).adds == ["a.md"]
        task = list(world.tasks)[-1]
        world.tasks[task] = "a.md", Attempt(TaskState.FAILED, world.tick(), TaskError("died", "worker_died"))
    assert failing(world, rules).failed.keys() == {"a.md"}


def test_what_is_queued_for_a_file_that_has_changed_or_gone_is_cancelled() -> None:
    world = World()
    world.write({"a.md": "one", "b.md": "two", "c.md": "six"})
    world.sync(Rules(), ["queued"] * 3)
    world.write({"a.md": "three", "b.md": "two"})
    plan = world.plan(Rules())
    assert sorted(world.contents[task] for task in plan.cancel) == ["one", "six"]
    assert [world.contents[task] for task in plan.resume] == ["two"]
    assert plan.adds == ["a.md"]


def test_a_version_that_somebody_else_put_in_place_is_a_conflict_and_its_deletion_an_addition() -> None:
    world = World()
    world.write({"a.md": "one", "b.md": "two"})
    world.sync(Rules())
    world.put("a.md", "theirs")
    del world.held["b.md"]
    plan = world.plan(DELETING)
    assert (plan.conflicts, plan.adds) == (["a.md"], ["b.md"])
    world.write({})
    assert list(world.plan(DELETING).deletes) == []


def test_rotated_files_move_on_and_only_the_fresh_one_is_indexed() -> None:
    world = World()
    world.write({"log.1.txt": "two", "log.2.txt": "six", "log.txt": "one"})
    world.sync(DELETING)
    world.write({"log.1.txt": "one", "log.2.txt": "two", "log.txt": "new"})
    plan = world.sync(DELETING)
    assert {(move.source, move.target) for move in plan.moves} == {
        ("log.txt", "log.1.txt"),
        ("log.1.txt", "log.2.txt"),
    }
    assert (plan.adds, plan.replaces) == (["log.txt"], [])
    assert {name: held.sha256 for name, held in world.held.items()} == {
        name: content for name, (content, _) in world.folder.items()
    }
    assert is_done(world.plan(DELETING))


def test_a_crash_before_the_task_is_queued_does_not_forgive_earlier_failures() -> None:
    world, rules = World(), Rules(quarantine_after=2)
    for n, fate in enumerate(["failed", "lost", "failed"]):
        world.write({"a.md": f"{BAD}{n}"})
        world.sync(rules, [fate])
    world.write({"a.md": "good"})
    assert failing(world, rules).failed.keys() == {"a.md"}


def test_a_file_of_another_extension_is_not_a_move() -> None:
    world = World()
    world.write({"a.md": "one"})
    world.sync(DELETING)
    world.write({"a.txt": "one"})
    plan = world.plan(DELETING)
    assert (plan.moves, plan.adds, list(plan.deletes)) == ([], ["a.txt"], ["a.md"])


def test_a_file_that_came_from_another_folder_is_shared_but_not_owned() -> None:
    held = {"a.md": PartitionFile("r", 3, "one")}
    seen = {"a.md": FolderFile(3, 1, "one")}
    plan = make_plan(seen, set(), SyncHistory(held=held, elsewhere={"a.md"}), DELETING)
    assert plan.remember["a.md"].revision is None
    gone = make_plan({}, set(), SyncHistory(rows=plan.remember, held=held, elsewhere={"a.md"}), DELETING)
    assert (gone.deletes, gone.forget) == ({}, ["a.md"])


@pytest.mark.parametrize(
    ("text", "n_deletes", "n_owned", "is_allowed"),
    [
        ("20%", 20, 100, True),
        ("20%", 21, 100, False),
        ("0", 0, 5, True),
        ("0", 1, 5, False),
        ("3", 3, 3, True),
        ("100%", 7, 7, True),
        ("12.5%", 1, 8, True),
    ],
)
def test_a_limit_is_a_number_or_a_share(text: str, n_deletes: int, n_owned: int, is_allowed: bool) -> None:
    assert parse_limit(text).allows(n_deletes, n_owned) is is_allowed
    assert str(parse_limit(text)) == text


@pytest.mark.parametrize("text", ["", "%", "-1", "101%", "many", "nan%", "inf%", "1.5", "-5%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--max-delete"):
        parse_limit(text)


def test_by_default_a_fifth_may_go() -> None:
    assert parse_limit("20%") == DEFAULT_LIMIT
