"""Making a partition hold what a folder has: adds, replacements, moves and, when asked for, deletions.

Each step leaves a state from which the next sync goes on: what a folder is remembered to have brought is written before
the tasks that bring it are queued, and after what is done at once. Looking and planning write nothing.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from openrag_cli.errors import Conflict, TaskNotFound
from openrag_cli.failpoints import failpoint
from openrag_cli.ingest.discovery import failure
from openrag_cli.ingest.naming import Source, readable
from openrag_cli.ingest.options import AddOptions, IfExists, QueuedUpload
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.sync.outcome import SyncOptions, wanted_of
from openrag_cli.sync.plan import Plan, Rules, SyncHistory, SyncRecord, ids_to_hash, make_plan, settled
from openrag_cli.sync.scan import Scan, looked_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from openrag_cli.domain import File
    from openrag_cli.ingest.add_files import Adder
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.task_queue import TaskQueue
    from openrag_cli.store.task_records import TaskRecords
    from openrag_cli.sync.plan import FolderFile
    from openrag_cli.sync.prefix import FolderPrefix, Prefix
    from openrag_cli.sync.state import SyncState


logger = logging.getLogger(__name__)


class Syncer:
    """One run of one sync, as far as the store goes: `prefix`, `take`, `make_plan`, `change`, `submit`; when the tasks of
    `batch` have run, `finish`."""

    def __init__(  # noqa: PLR0913 - the adapters it joins
        self,
        *,
        catalog: Catalog,
        queue: TaskQueue,
        ledger: TaskRecords,
        memory: SyncState,
        prefix: FolderPrefix,
        options: SyncOptions,
        new_adder: Callable[[AddOptions], Adder],
    ) -> None:
        self._catalog = catalog
        self._queue = queue
        self._ledger = ledger
        self._memory = memory
        self._prefix = prefix
        self._options = options
        self._scan = Scan()
        self._past = SyncHistory()
        self._rows: dict[str, SyncRecord] = {}
        self._before = SyncHistory()
        self._is_touched = False
        self.busy: list[Failure] = []
        self.n_moved = self.n_deleted = 0
        self.plan = Plan()
        self.n_queued = 0
        self.needs_tidying = False
        self._adder = new_adder(_adding(options, may_replace=self._is_as_planned, on_stored=self._note_stored))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other syncs of the folder out; a dry run may look at any time. Raises: StoreBusy."""
        with nullcontext() if self._options.is_dry_run else self._memory.lock(self._options.lock_timeout_s):
            yield

    @property
    def is_resuming(self) -> bool:
        """Whether the last sync of the folder did not come to its end: the index may be in any order."""
        return not self._past.is_settled

    @property
    def is_open(self) -> bool:
        """Whether the folder's memory is in the middle of changes, now or since the last sync."""
        return self._is_touched or not self._past.is_settled

    # --- looking; nothing is written but the end of tasks whose worker died

    def prefix(self, scan: Scan) -> Prefix:
        """Choose what the ids of the folder begin with, and remember it with what is saved next.

        A new folder that has what a folder that is gone had takes its place, with its ids and all that is known of them.
        """
        inherited = self._memory.inherit(scan.seen)
        if inherited is not None:
            logger.warning("%s takes the place of %s, which is gone", self._options.folder, inherited.shown)
        chosen = self._prefix.choose(self._options.prefix, inherited.prefix if inherited else None)
        self._memory.keep_prefix(chosen.text)
        return chosen

    def take(self, scan: Scan) -> list[str]:
        """Take what a folder has, its ids complete; return the files without bytes that are left out of it.

        Raises: PathNotFound: its disk is not there, see `SyncState.check_disk`.
        """
        self._scan = scan
        self._before = self._recall()
        self._memory.check_disk(self._options.folder, self._before.rows.keys(), scan.seen.keys())
        empty = [] if self._options.keeps_empty else scan.leave_out_empty(self._before.held.keys())
        self._past = settled(self._before)
        self._rows = dict(self._past.rows)
        self.needs_tidying = not self._past.is_settled
        return empty

    def to_hash(self) -> list[str]:
        """Return the files whose content must be read to plan, and was not."""
        wanted = ids_to_hash(self._scan.seen, self._past, is_thorough=self._options.is_thorough)
        return [file_id for file_id in wanted if self._scan.seen[file_id].sha256 is None]

    def make_plan(self) -> Plan:
        """Return what there is to do, once every file that `to_hash` named was read."""
        options, past = self._options, self._past
        self._scan.recall_hashes(past)
        rules = Rules(
            is_deleting=options.is_deleting,
            is_complete=self._scan.is_complete,
            quarantine_after=options.quarantine_after,
        )
        self.plan = make_plan(self._scan.seen, self._scan.skipped, past, rules)
        news = {file_id: row for file_id, row in past.rows.items() if row is not self._before.rows[file_id]}
        for file_id in self.plan.forget:
            news.pop(file_id, None)
        self.plan.remember = news | self.plan.remember
        return self.plan

    def _recall(self) -> SyncHistory:
        past = self._memory.load()
        if self._options.is_dry_run or all(attempt.state.is_final for attempt in past.attempts.values()):
            return past
        from openrag_cli.ingest.worker import is_dead

        self._queue.expire(is_dead)
        self._queue.fail_exhausted()
        return self._memory.load()

    # --- changing

    def change(self, should_stop: Callable[[], bool]) -> None:
        """Do what can be done at once; when told to stop, only remember what was seen."""
        plan = self.plan
        if plan.is_changing and not should_stop():
            self._save({}, is_settled=False)
            for task_id in plan.cancel:
                with suppress(Conflict, TaskNotFound):  # it has ended meanwhile
                    self._ledger.cancel(task_id)
            self._move()
            self._delete()
        if plan.remember or plan.forget or self._memory.takes_place:
            self._save(plan.remember, plan.forget)
        if plan.resume and not should_stop():
            self._ledger.adopt(plan.resume, self._options.batch)

    def begin(self) -> None:
        """Remember the folder, and that it is in the middle of changes: its files come one by one."""
        self._save({}, is_settled=False)

    def submit(self, should_stop: Callable[[], bool]) -> None:
        """Queue the files that are to be read, unless told to stop."""
        if should_stop():
            return
        self._adder.submit(wanted_of(self.plan, self._scan), should_stop)
        self.n_queued = len(self._adder.task_ids) + len(self.plan.resume)

    def _move(self) -> None:
        plan = self.plan
        done = self._catalog.rename_files(self._options.partition, plan.moves) if plan.moves else []
        failpoint("renamed")
        self.n_moved = len(done)
        self.needs_tidying |= any(move.replaced for move in done)
        made = {move.revision for move in done}
        refused = [move for move in plan.moves if move.revision not in made]
        for move in refused:  # somebody works on it: the next sync sees what came of it
            busy = Conflict("another command is working on it", hint="sync again later")
            self.busy.append(failure(self._scan.sources[move.target], busy))
            plan.remember.pop(move.target, None)
        staying = {move.source for move in refused}
        plan.forget = [file_id for file_id in plan.forget if file_id not in staying]
        plan.adds = [file_id for file_id in plan.adds if file_id not in staying]

    def _delete(self) -> None:
        plan = self.plan
        deleted = self._catalog.delete_unchanged(self._options.partition, plan.deletes)
        if not deleted:
            return
        self.n_deleted = len(deleted)
        self.needs_tidying = True
        plan.forget += deleted

    def _save(
        self, rows: dict[str, SyncRecord], forget: Sequence[str] = (), *, is_settled: bool | None = None
    ) -> None:
        self._is_touched = True
        self._memory.save(rows, forget, is_settled=is_settled)
        self._rows |= rows
        for file_id in set(forget) - rows.keys():
            self._rows.pop(file_id, None)

    def revisions(self, file_ids: Sequence[str]) -> dict[str, str]:
        """Return the versions that the partition had of these files when it was looked at."""
        return {file_id: self._past.held[file_id].revision for file_id in file_ids}

    def _is_as_planned(self, file: File) -> bool:
        held = self._past.held.get(file.file_id)
        return held is not None and held.revision == file.revision

    def _note_stored(self, group: Sequence[QueuedUpload]) -> None:
        self._save(stored_records(group, self._rows), is_settled=False)

    # --- reporting

    def finish(self, *, is_stopped: bool) -> Report:
        """Remember what became of the tasks, and return what was done to the files that were queued."""
        if self.is_open:
            settle(self._memory, is_stopped=is_stopped)
        return self._adder.finish()

    def earlier(self) -> list[Failure]:
        """Return the failures of earlier runs whose files are not tried."""
        found = []
        for file_id, task_id in self.plan.failed.items():
            error = self._past.attempts[task_id].error
            path = readable(str(self._scan.sources[file_id].path))
            if error:
                found.append(Failure(file_id, path, task_id, error.code, error.message, error.hint))
        return found


class Receiver:
    """Takes the files of a client's folder one by one, as a sync of this machine takes them in groups."""

    def __init__(self, new_adder: Callable[[AddOptions], Adder], memory: SyncState, options: SyncOptions) -> None:
        self._new_adder = new_adder
        self._memory = memory
        self._options = options

    def take(self, source: Source, revision: str | None, seen: FolderFile) -> Adder:
        """Queue a file, as the client saw it, in the place of a revision, or (None) where there is none; return what tells
        of it."""
        adding = _adding(
            self._options,
            may_replace=lambda file: file.revision == revision,
            on_stored=lambda group: self._note_stored(group, seen),
        )
        adder = self._new_adder(adding)
        adder.submit([source], lambda: False)
        return adder

    def _note_stored(self, group: Sequence[QueuedUpload], seen: FolderFile) -> None:
        rows = self._memory.records(one.source.file_id for one in group)
        stored = stored_records(group, rows)
        self._memory.save({one: row.with_stat_of(seen) for one, row in stored.items()}, is_settled=False)


def _adding(
    options: SyncOptions, *, may_replace: Callable[[File], bool], on_stored: Callable[[Sequence[QueuedUpload]], None]
) -> AddOptions:
    return AddOptions(
        partition=options.partition,
        batch=options.batch,
        if_exists=IfExists.REPLACE,
        may_replace=may_replace,
        keeps_metadata=True,
        is_guarded=True,
        on_stored=on_stored,
    )


def settle(memory: SyncState, *, is_stopped: bool) -> None:
    """Remember what became of the tasks of a folder."""
    before = memory.load()
    news = {file_id: row for file_id, row in settled(before).rows.items() if row is not before.rows[file_id]}
    failpoint("settling")
    memory.save(news, is_settled=not is_stopped)


def stored_records(group: Sequence[QueuedUpload], rows: Mapping[str, SyncRecord]) -> dict[str, SyncRecord]:
    """Return what to remember of files that are about to be queued, from what `rows` remember of them."""
    known = {one.source.file_id: rows.get(one.source.file_id) for one in group}
    return {
        (file_id := one.source.file_id): replace(
            looked_at(one.state).record(one.upload.sha256, row.revision if (row := known[file_id]) else None),
            task_id=one.upload.revision,
            n_failed=row.n_failed if row else 0,
        )
        for one in group
    }
