"""What a sync has to do: a pure function of what the folder has, what the last sync saw, and what the partition holds.

A file of the partition belongs to the folder when its revision is one that the folder's syncs brought or adopted. Only
such files are replaced, moved or deleted; under any other id that is taken by other content there is a conflict.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from openrag_cli.domain import TaskState
from openrag_cli.errors import InvalidInput
from openrag_cli.store.files.moves import Move

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from openrag_cli.domain import TaskError

UNREADABLE_KIND = ""
"""The hash remembered of a file of a kind that no reader knows: it was never read whole."""

_RETRIED = frozenset({"worker_died"})
"""Failures that are not the document's: tried again although it has not changed, until the quarantine."""

_NOT_COUNTED = frozenset({"unsupported_format"})
"""Failures that cost nothing to find out, and lead to no quarantine."""


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file of the folder; `sha256` is None when it was not read because nothing known has its size.

    `inode` and `ctime_ns` are None where an older client does not tell them.
    """

    size: int
    mtime_ns: int
    sha256: str | None = None
    inode: int | None = None
    ctime_ns: int | None = None

    def record(self, sha256: str, revision: str | None) -> SyncRecord:
        """Return what to remember of it, as the partition holds it."""
        return SyncRecord(self.size, self.mtime_ns, sha256, revision, inode=self.inode, ctime_ns=self.ctime_ns)


@dataclass(frozen=True, slots=True)
class PartitionFile:
    """A file of the partition."""

    revision: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a task; `updated_at` is in milliseconds since 1970."""

    state: TaskState
    updated_at: int
    error: TaskError | None = None

    @property
    def code(self) -> str | None:
        """The stable code of its error."""
        return self.error.code if self.error else None


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """What the last sync saw of a file, and what it did about it: see schema/003_folders.sql and 022_stats.sql."""

    size: int
    mtime_ns: int
    sha256: str
    revision: str | None = None
    task_id: str | None = None
    n_failed: int = 0
    failed_at: int | None = None
    inode: int | None = None
    ctime_ns: int | None = None

    def has_stat_of(self, seen: FolderFile) -> bool:
        """Whether the file still looks as it did; size and time can be those of other bytes (`cp -p`)."""
        is_alike = self.size == seen.size and self.mtime_ns == seen.mtime_ns
        return is_alike and (seen.ctime_ns is None or (self.inode, self.ctime_ns) == (seen.inode, seen.ctime_ns))

    def with_stat_of(self, seen: FolderFile) -> SyncRecord:
        """Return the record of the same content, looked at again."""
        return replace(self, mtime_ns=seen.mtime_ns, inode=seen.inode, ctime_ns=seen.ctime_ns)


@dataclass(frozen=True, slots=True)
class SyncHistory:
    """The partition, and what syncs of the folder left; `elsewhere` are the ids that came from other folders.

    `attempts` tells of the tasks that `rows` name, by id; one that was forgotten is not there.
    """

    rows: Mapping[str, SyncRecord] = field(default_factory=dict)
    held: Mapping[str, PartitionFile] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    elsewhere: Collection[str] = frozenset()
    is_settled: bool = True

    def owned(self, file_id: str) -> PartitionFile | None:
        """Return the file as the partition holds it, if that version came from the folder."""
        held, row = self.held.get(file_id), self.rows.get(file_id)
        return held if held and row and held.revision in {row.revision, row.task_id} else None

    def attempt(self, file_id: str) -> Attempt | None:
        """Return what became of the task that the file's row names."""
        row = self.rows.get(file_id)
        return self.attempts.get(row.task_id) if row and row.task_id else None


@dataclass(frozen=True, slots=True)
class Rules:
    """How to plan. `is_complete`: the whole folder could be seen, so that what is missing is gone.

    `quarantine_after` is a number of failures in a row; 0 is never.
    """

    is_deleting: bool = False
    is_complete: bool = True
    quarantine_after: int = 3


@dataclass(slots=True)
class Plan:
    """What to do, by file id; `resume` and `cancel` name tasks.

    `deletes` maps ids to revisions. `gone` are files that the folder lacks and the partition keeps, `failed` those
    that failed earlier and are not tried, with their tasks, `conflicts` ids that others took. `remember` and `forget`
    change what is remembered, nothing else.
    """

    adds: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    deletes: dict[str, str] = field(default_factory=dict)
    resume: list[str] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)
    remember: dict[str, SyncRecord] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    n_unchanged: int = 0
    n_owned: int = 0

    @property
    def is_changing(self) -> bool:
        """Whether the partition is to be changed, other than by files yet to be read."""
        return bool(self.moves or self.deletes or self.resume or self.cancel)


@dataclass(frozen=True, slots=True)
class DeleteLimit:
    """The most that one run may delete: a number of files, or percent of those that came from the folder."""

    number: float
    is_percent: bool = False

    def allows(self, n_deletes: int, n_owned: int) -> bool:
        """Whether so many of so many may be deleted."""
        return n_deletes * 100 <= self.number * n_owned if self.is_percent else n_deletes <= self.number

    def __str__(self) -> str:
        return f"{self.number:g}{'%' * self.is_percent}"


DEFAULT_LIMIT = DeleteLimit(20, is_percent=True)


def parse_limit(text: str) -> DeleteLimit:
    """Return the limit that `text` names: `100` is a number of files, `20%` a share.

    Raises:
        InvalidInput: neither, negative, or more than 100%.
    """
    number, percent = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        limit = DeleteLimit(float(number) if percent else int(number), percent)
    except ValueError:
        limit = DeleteLimit(-1)
    if not 0 <= limit.number <= (100 if percent else 1 << 53):
        raise InvalidInput(
            f"--max-delete {text!r} is neither a number of files nor a share", hint="for example 100 or 20%"
        )
    return limit


def settled(past: SyncHistory) -> SyncHistory:
    """Return the past with what has become of each task taken into its row; rows that stay are the same objects."""
    rows = {
        file_id: _settled(row, past.held.get(file_id), past.attempt(file_id)) if row.task_id else row
        for file_id, row in past.rows.items()
    }
    return replace(past, rows=rows)


def _settled(row: SyncRecord, held: PartitionFile | None, attempt: Attempt | None) -> SyncRecord:
    if held and held.revision == row.task_id:
        return replace(row, revision=held.revision, task_id=None, n_failed=0, failed_at=None)
    if attempt is None or attempt.state in {TaskState.COMPLETED, TaskState.CANCELLED}:
        # Never queued (a crash): its failures stand. Forgotten, cancelled, or replaced since: it begins anew.
        n_failed = row.n_failed if attempt is None and row.failed_at is None else 0
        return replace(row, task_id=None, n_failed=n_failed, failed_at=None)
    if attempt.state is TaskState.FAILED:
        return _failed(row, attempt)
    return replace(row, n_failed=0, failed_at=None) if row.failed_at is not None else row  # `task retry`


def _failed(row: SyncRecord, attempt: Attempt) -> SyncRecord:
    if row.failed_at == attempt.updated_at:
        return row
    n_before = row.n_failed if row.failed_at is None else 0  # failed again after `task retry`: it begins anew
    n_failed = n_before + (attempt.code not in _NOT_COUNTED)
    return replace(row, n_failed=n_failed, failed_at=attempt.updated_at)


def ids_to_hash(stats: Mapping[str, FolderFile], past: SyncHistory, *, is_thorough: bool) -> list[str]:
    """Return the files whose content must be read to plan: they look changed (or `is_thorough`), and something known,
    of the same id or that may have moved, has their size."""
    changed = {file_id for file_id, seen in stats.items() if not _looks_known(past.rows.get(file_id), seen)}
    movable = {
        held.size
        for file_id in past.rows
        if (file_id in changed or file_id not in stats) and (held := past.owned(file_id))
    }
    return [
        file_id
        for file_id, seen in stats.items()
        if (is_thorough and file_id not in changed and past.rows[file_id].sha256 != UNREADABLE_KIND)
        or (file_id in changed and (seen.size in movable or seen.size in _known_sizes(file_id, past)))
    ]


def _looks_known(row: SyncRecord | None, seen: FolderFile) -> bool:
    return row is not None and row.has_stat_of(seen)


def _known_sizes(file_id: str, past: SyncHistory) -> Iterable[int]:
    return (known.size for known in (past.rows.get(file_id), past.held.get(file_id)) if known)


def make_plan(seen: Mapping[str, FolderFile], skipped: Collection[str], past: SyncHistory, rules: Rules) -> Plan:
    """Return what makes the partition hold what the folder has.

    `seen` has the hash of each file that `ids_to_hash` named, and of one that looks known the hash remembered;
    `skipped` are files that are there and cannot be read now, and links; `past` is settled.
    """
    plan = Plan(n_owned=sum(past.owned(file_id) is not None for file_id in past.rows))
    for file_id, one in seen.items():
        _place(plan, file_id, one, past, rules)
    gone: list[str] = []
    if rules.is_complete:
        gone = [file_id for file_id in past.rows if file_id not in seen and not _is_below(file_id, skipped)]
        gone = [file_id for file_id in gone if _is_left(plan, file_id, past)]
        _find_moves(plan, gone, seen, past)
        moved = {move.source for move in plan.moves}
        gone = [file_id for file_id in gone if file_id not in moved]
    if rules.is_deleting:
        plan.deletes = {file_id: past.held[file_id].revision for file_id in gone}
    else:
        plan.gone = gone
    return plan


def _is_below(file_id: str, skipped: Collection[str]) -> bool:
    """Whether a file is one of those, or below one: of a folder that is a link now."""
    return any(file_id[:end] in skipped for end in (*_slashes(file_id), None))


def _slashes(file_id: str) -> Iterator[int]:
    return (place for place, letter in enumerate(file_id) if letter == "/")


def _place(plan: Plan, file_id: str, seen: FolderFile, past: SyncHistory, rules: Rules) -> None:
    """Decide about one file that the folder has."""
    row, held, attempt = past.rows.get(file_id), past.held.get(file_id), past.attempt(file_id)
    is_live = attempt is not None and not attempt.state.is_final
    is_tried = row is not None and row.sha256 == seen.sha256
    task_id = row.task_id if row and row.task_id else ""
    if is_live and not (is_tried and not (held and held.sha256 == seen.sha256)):
        plan.cancel.append(task_id)
    if held and held.sha256 == seen.sha256:
        plan.n_unchanged += 1
        may_own = file_id not in past.elsewhere or past.owned(file_id)
        now = seen.record(held.sha256, held.revision if may_own else None)
        if now != row:
            plan.remember[file_id] = now
    elif is_live and is_tried:
        plan.resume.append(task_id)
    elif row and attempt and _is_left_alone(row, attempt, rules, is_tried=is_tried):
        plan.failed[file_id] = task_id
        if is_tried and not row.has_stat_of(seen):
            plan.remember[file_id] = row.with_stat_of(seen)
    elif held is None:
        plan.adds.append(file_id)
    elif past.owned(file_id):
        plan.replaces.append(file_id)
    else:
        plan.conflicts.append(file_id)


def _is_left_alone(row: SyncRecord, attempt: Attempt, rules: Rules, *, is_tried: bool) -> bool:
    if attempt.state is not TaskState.FAILED:
        return False
    is_quarantined = 0 < rules.quarantine_after <= row.n_failed
    return is_quarantined or (is_tried and attempt.code not in _RETRIED)


def _is_left(plan: Plan, file_id: str, past: SyncHistory) -> bool:
    """Whether the partition still holds a file of the folder that is gone from it; if not, its row goes."""
    row, attempt = past.rows[file_id], past.attempt(file_id)
    if attempt and not attempt.state.is_final and row.task_id:
        plan.cancel.append(row.task_id)
    if past.owned(file_id):
        return True
    plan.forget.append(file_id)
    return False


def _find_moves(plan: Plan, gone: Iterable[str], seen: Mapping[str, FolderFile], past: SyncHistory) -> None:
    """Turn files whose content is to leave one id and to come to another into moves.

    Only within one extension: it decides how a file is read. Of several, one of the same name is taken first.
    """
    sources: dict[tuple[str, str], _Leaving] = defaultdict(_Leaving)
    for file_id in sorted([*gone, *plan.replaces]):
        sources[past.held[file_id].sha256, _extension(file_id)].add(file_id)
    targets: dict[str, str] = {}
    for target in [*plan.adds, *plan.replaces]:
        candidates = sources.get((seen[target].sha256 or "", _extension(target)))
        source = candidates.take(target) if candidates else None
        if source is not None:
            targets[target] = source
    leaving = set(targets.values())
    for target, source in targets.items():
        occupant = past.held.get(target)
        replaced = occupant.revision if occupant and target not in leaving else None
        plan.moves.append(Move(source, target, past.held[source].revision, replaced))
        plan.remember[target] = seen[target].record(past.held[source].sha256, past.held[source].revision)
    plan.adds = [one for one in plan.adds if one not in targets]
    plan.adds += [one for one in plan.replaces if one in leaving and one not in targets]
    plan.replaces = [one for one in plan.replaces if one not in targets and one not in leaving]
    plan.forget += sorted(leaving - targets.keys())


class _Leaving:
    """Files of one content that leave their ids; each is taken once, in constant time."""

    def __init__(self) -> None:
        self._ordered: deque[str] = deque()
        self._by_name: dict[str, deque[str]] = defaultdict(deque)
        self._taken: set[str] = set()

    def add(self, file_id: str) -> None:
        """Add one, after the others."""
        self._ordered.append(file_id)
        self._by_name[_name(file_id)].append(file_id)

    def take(self, target: str) -> str | None:
        """Return the first that has the name of `target`, else the first of all; None when all are taken."""
        for waiting in (self._by_name.get(_name(target)), self._ordered):
            while waiting:
                file_id = waiting.popleft()
                if file_id not in self._taken:
                    self._taken.add(file_id)
                    return file_id
        return None


def _name(file_id: str) -> str:
    return file_id.rpartition("/")[2]


def _extension(file_id: str) -> str:
    return PurePosixPath(file_id.replace("\\", "/")).suffix.lower()
