"""Rounds of SIGKILL over everything that writes, on one store that lives through all of them, and their tally.

Every text names its file and a number that only grows, so that a file is lost when an acknowledged number never comes,
turned back when its number ever sinks, and there twice when catalog and index do not agree.
"""

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness import Driver, check, contents, open_engine, put

from openrag_cli.domain import TaskState
from openrag_cli.engine import Engine
from openrag_cli.errors import PartitionNotFound

WORKING = ("claimed", "converted", "embedded", "committing", "committed", "completed")
FAILPOINTS = {
    "put": ("spooled", "queued", *WORKING, "replacing", "deleting", "optimizing"),
    "delete": ("queued", *WORKING, "replacing", "deleting"),
    "retry": ("spooled", "queued", *WORKING, "replacing"),
    "import": ("bulk_announced", "bulk_put", "bulk_staged"),
    "sync": ("spooled", "stored", "queued", *WORKING, "renamed", "settling"),
    "refresh": ("stored", "queued", *WORKING, "replacing", "deleting"),
    "rename": ("spooled", "queued", *WORKING, "replacing"),
}
"""Where a process is killed that does operations of a kind: each point is one that they can reach."""

KINDS = tuple(FAILPOINTS)
KEYS = "abcde"
N_EXPORTED = 6
MOVING = ["m0", "m1", "m2"]
"""The names that one file has in turn: it is the key `m` of what follows, and never there under two of them."""


class Moment(StrEnum):
    """When a kill came: at its failpoint, in the middle of an operation, or when all of them were done."""

    FAILPOINT = "at failpoint"
    WORKING = "at work"
    IDLE = "idle"


@dataclass
class Tally:
    """What became of a run; the last three must be 0."""

    kills: Counter[tuple[str, Moment]] = field(default_factory=Counter)
    failpoints: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    turned_back: list[str] = field(default_factory=list)

    @property
    def n_kills(self) -> int:
        """How many kills met a process at work; those that found it idle do not count."""
        return sum(n for (_, moment), n in self.kills.items() if moment is not Moment.IDLE)

    def note(self, kind: str, moment: Moment, failpoint: str | None) -> None:
        """Count a kill."""
        self.kills[kind, moment] += 1
        if moment is Moment.FAILPOINT and failpoint is not None:
            self.failpoints[failpoint] += 1

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.turned_back)


def text_of(key: str, number: int) -> str:
    return f"# {key} version {number:06}\n\nThe note {key} stands here in version {number:06}.\n" + "word " * 120


def number_of(text: str) -> int:
    return int(text.split("version ", 1)[1][:6])


def key_of(partition: str, file_id: str) -> str:
    """Return what a file is called here, whatever its name is now."""
    name = "m" if file_id in MOVING else file_id
    return name if partition == "p" else f"{partition}/{name}"


class Rounds:
    """One store, and what it must hold."""

    def __init__(self, root: Path, choose: random.Random, tally: Tally) -> None:
        self.store, self.folder, self.export = root / "store", root / "folder", root / "export"
        self.choose, self.tally = choose, tally
        self.n = 0
        self.acknowledged: dict[str, tuple[int, str]] = {}
        self.seen: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.partition = 0
        self.folder.mkdir()
        with open_engine(root / "source") as engine:
            for number in range(N_EXPORTED):
                put(engine, "export", f"x{number}", text_of(f"x{number}", 0))
            engine.drain()
            engine.maintenance.export("export", self.export)

    def next(self) -> int:
        self.n += 1
        return self.n

    def script(self, kind: str) -> list[dict[str, Any]]:
        """Return operations of one kind, as a process is given them."""
        key = self.choose.choice(KEYS)
        puts = [
            {"do": "put", "partition": "p", "file_id": one, "text": text_of(one, self.next())}
            for one in self.choose.sample(KEYS, 2)
        ]
        drain: dict[str, Any] = {"do": "drain"}
        if kind == "put":
            return [*puts, drain, {"do": "maintain", "force": True}]
        if kind == "delete":
            return [puts[0], drain, {"do": "delete", "partition": "p", "file_ids": [key]}, puts[1], drain]
        if kind == "retry":
            return [*puts, {"do": "retry"}, drain, {"do": "retry"}, drain]
        if kind == "import":
            return [{"do": "import", "folder": str(self.export), "partition": f"copy{self.partition}", "group": 2}]
        if kind == "refresh":
            again = {"do": "refresh", "partition": "p"}
            return [puts[0], drain, {**again, "is_detached": True}, puts[1], drain, again, {"do": "maintain"}]
        if kind == "rename":
            moving = {"partition": "p", "names": MOVING}
            rename = {"do": "rename_moving", **moving}
            one, two = ({"do": "put_moving", "text": text_of("m", self.next()), **moving} for _ in range(2))
            return [one, drain, rename, two, rename, drain, rename, {"do": "retry"}, drain]
        return self._sync_script()

    def _sync_script(self) -> list[dict[str, Any]]:
        for path in self.folder.iterdir():
            if self.choose.random() < 0.5:
                path.unlink()
        for name in "stu":
            if self.choose.random() < 0.6:
                (self.folder / f"{name}.md").write_text(text_of(name, self.next()))
        return [{"do": "sync", "folder": str(self.folder), "partition": "s"}]

    def kill(self, kind: str) -> None:
        """Kill a process at a boundary, or at any moment; then look."""
        failpoint = self.choose.choice([*FAILPOINTS[kind], *[None] * 5])
        script = self.script(kind)
        with Driver(self.store, failpoint=failpoint) as driver:
            n_done = 0
            if driver.receive() is not None:
                for operation in script:
                    driver.send(**operation)
                if failpoint is None:
                    time.sleep(self.choose.uniform(0, 1.5))  # the kill falls anywhere: this waits for nothing
                else:
                    n_done = self._note(driver, script)
            driver.kill()
            assert driver.process.returncode == -signal.SIGKILL
            if failpoint is None:
                n_done = self._note(driver, script)
        hit = Moment.FAILPOINT if failpoint else Moment.WORKING
        self.tally.note(kind, Moment.IDLE if n_done == len(script) else hit, failpoint)
        with open_engine(self.store) as engine:
            if kind == "sync":
                self._upload_beside(engine)
            self.look(engine, is_quiet=False)

    def _note(self, driver: Driver, script: list[dict[str, Any]]) -> int:
        """Write down what the process acknowledges; return how many operations it answered."""
        for n_done, operation in enumerate(script):
            reply = driver.receive()
            if reply is None:
                return n_done
            if reply["error"] is not None:
                continue
            if operation["do"] in {"put", "put_moving"}:
                key, number = operation.get("file_id", "m"), number_of(operation["text"])
                self.acknowledged[key] = number, reply["result"]
                self.deleted.pop(key, None)
            elif operation["do"] == "delete":
                for key in operation["file_ids"]:
                    self.deleted[key] = max(self.seen.get(key, 0), self.acknowledged.pop(key, (0, ""))[0])
                    self.seen.pop(key, None)
        return len(script)

    def _upload_beside(self, engine: Engine) -> None:
        """Put a file that the folder may have lost: whatever the next syncs do, it stays."""
        number = self.next()
        self.acknowledged["s/client.md"] = number, put(engine, "s", "client.md", text_of("client", number))

    def look(self, engine: Engine, *, is_quiet: bool) -> None:
        """Compare the store with what it must hold."""
        where = f"after {self.tally.n_kills} kills"
        try:
            check(engine, is_quiet=is_quiet)
        except AssertionError as exc:
            self.tally.twice.append(f"{where}: {exc}")
        texts = contents(engine)
        found = {key_of(*name): number_of(text) for name, text in texts.items()}
        if len(found) < len(texts):
            self.tally.twice.append(f"{where}: a file that was renamed is there under two names")
        for key, number in found.items():
            if number < self.seen.get(key, 0) or (key in self.deleted and number <= self.deleted[key]):
                self.tally.turned_back.append(f"{where}: {key} is {number} after {self.seen.get(key)}")
            if not key.startswith("s/") or key == "s/client.md":
                self.seen[key] = number
        try:
            n_imported = engine.partition(f"copy{self.partition}").file_count
        except PartitionNotFound:
            n_imported = 0
        if n_imported not in {0, N_EXPORTED}:
            self.tally.lost.append(f"{where}: an import shows {n_imported} of {N_EXPORTED} files")

    def settle(self) -> None:
        """Let everything come to its end, and look whether all that was acknowledged is there."""
        with open_engine(self.store) as engine:
            engine.drain()
            if engine.maintenance.import_partition(self.export, f"copy{self.partition}").files != N_EXPORTED:
                self.tally.lost.append("an import does not end")
            engine.maintain(force=True)
            self.look(engine, is_quiet=True)
            found = {key_of(*name): text for name, text in contents(engine).items()}
            for key, (number, task_id) in self.acknowledged.items():
                text = found.get(key)
                is_dead = engine.task(task_id).state is TaskState.FAILED  # it died with three workers, and says so
                if not is_dead and (text is None or number_of(text) < number):
                    self.tally.lost.append(f"{key} {number}: {text and number_of(text)}")
            engine.delete_partition(f"copy{self.partition}")
            self.partition += 1


def run(root: Path, *, n_kills: int, seed: int, until: float | None = None, settle_every: int = 10) -> Tally:
    """Kill until there were `n_kills`, or until a moment of `time.monotonic()`; return the tally."""
    tally = Tally()
    rounds = Rounds(root, random.Random(seed), tally)
    n_rounds = 0
    while tally.n_kills < n_kills and (until is None or time.monotonic() < until):
        rounds.kill(KINDS[n_rounds % len(KINDS)])
        n_rounds += 1
        if n_rounds % settle_every == 0:
            _settle(rounds)
    _settle(rounds)
    return tally


def _settle(rounds: Rounds) -> None:
    with open_engine(rounds.store) as engine:
        has_copy = f"copy{rounds.partition}" in {partition.name for partition in engine.partitions()}
        if has_copy:
            engine.delete_partition(f"copy{rounds.partition}")
            rounds.partition += 1
    rounds.settle()
