"""Making a partition hold what a folder has: adds, replacements, moves and, when asked for, deletions.

Each step leaves a state from which the next sync goes on: what a folder is remembered to have brought is written before
the tasks that bring it are queued, and after what is done at once. Looking and planning write nothing.
"""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from openrag_cli.domain import new_task_id
from openrag_cli.errors import Conflict, PathNotFound, TaskNotFound, TooManyDeletions
from openrag_cli.failpoints import failpoint
from openrag_cli.ingest.add_files import Adder
from openrag_cli.ingest.discovery import Choice, failure
from openrag_cli.ingest.naming import readable
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.sync.plan import DEFAULT_LIMIT, Plan, Rules, SyncHistory, SyncRecord, make_plan, settled
from openrag_cli.sync.scan import Scan, read_contents, scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from openrag_cli.domain import File
    from openrag_cli.ingest.options import QueuedUpload
    from openrag_cli.store.blobs import BlobStore
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.task_queue import TaskQueue
    from openrag_cli.store.task_records import TaskRecords
    from openrag_cli.sync.plan import DeleteLimit
    from openrag_cli.sync.prefix import FolderPrefix
    from openrag_cli.sync.state import SyncState


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How a folder is synced. `is_thorough` reads every file, also those that look as they did.

    `quarantine_after` is the number of failures in a row after which a file is left alone; 0 is never. `n_refresh` is
    how many outdated files of the partition are read again at most. `prefix` is what the ids begin with (None: as before).
    `globs` and `excludes` choose files as `file add` does; what is no longer chosen counts as gone.
    `follows` follows links, `keeps_empty` takes files of no bytes for files that fail.
    """

    folder: Path
    partition: str
    is_deleting: bool = False
    max_delete: DeleteLimit = DEFAULT_LIMIT
    is_thorough: bool = False
    is_dry_run: bool = False
    lock_timeout_s: float = 0.0
    quarantine_after: int = 3
    n_refresh: int = 0
    prefix: str | None = None
    follows: bool = False
    keeps_empty: bool = False
    globs: Sequence[str] = ()
    excludes: Sequence[str] = ()
    batch: str = field(default_factory=new_task_id)


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What a sync did, or with `is_dry_run` would do; `refusal` is why a dry run would not.

    `report.failures` ends with the failures of earlier runs, `plan.failed` of them: those files were not tried.
    `n_ignored_now` of the files in `plan.gone` are there, and left out by a rule.
    """

    report: Report
    plan: Plan
    n_files: int
    is_dry_run: bool = False
    refusal: TooManyDeletions | None = None
    n_refreshed: int = 0
    n_ignored_now: int = 0

    def with_refreshed(self, refreshed: Report) -> SyncOutcome:
        """Return the outcome with what a refresh after the sync did; its failures are this sync's."""
        n_earlier = len(self.plan.failed)
        at = len(self.report.failures) - n_earlier
        self.report.failures[at:at] = refreshed.failures
        return replace(self, n_refreshed=refreshed.replaced)


class Syncer:
    """One run of one sync: `look`, then `apply`, then let the tasks of `batch` run, then `finish`."""

    def __init__(  # noqa: PLR0913 - the adapters it joins
        self,
        *,
        catalog: Catalog,
        queue: TaskQueue,
        ledger: TaskRecords,
        blobs: BlobStore,
        memory: SyncState,
        prefix: FolderPrefix,
        options: SyncOptions,
        max_bytes: int,
        max_markup_bytes: int,
    ) -> None:
        self._catalog = catalog
        self._queue = queue
        self._ledger = ledger
        self._memory = memory
        self._prefix = prefix
        self._ids_begin = ""
        self._options = options
        self._max_bytes = max_bytes
        self._scan = Scan()
        self._past = SyncHistory()
        self._rows: dict[str, SyncRecord] = {}
        self._report = Report()
        self._is_touched = False
        self.plan = Plan()
        self.n_queued = 0
        self.needs_tidying = False
        add = AddOptions(
            partition=options.partition,
            batch=options.batch,
            if_exists=IfExists.REPLACE,
            max_bytes=max_bytes,
            max_markup_bytes=max_markup_bytes,
            may_replace=self._is_as_planned,
            keeps_metadata=True,
            is_guarded=True,
            on_stored=self._note_stored,
        )
        self._adder = Adder(catalog=catalog, queue=queue, ledger=ledger, blobs=blobs, options=add)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other syncs of the folder out; a dry run may look at any time. Raises: StoreBusy."""
        with nullcontext() if self._options.is_dry_run else self._memory.lock(self._options.lock_timeout_s):
            yield

    @property
    def is_resuming(self) -> bool:
        """Whether the last sync of the folder did not come to its end: the index may be in any order."""
        return not self._past.is_settled

    # --- looking

    def scan(self, store: Path, should_stop: Callable[[], bool]) -> Plan:
        """Return what there is to do; nothing is written but the end of tasks whose worker died.

        Raises:
            PathNotFound: there is no such folder. TooManyDeletions: see `check_deletions`; not in a dry run.
        """
        options = self._options
        prefix = self._ids_begin = self._prefix.choose(options.prefix)
        self._memory.keep_prefix(prefix)
        choice = Choice(globs=options.globs, excludes=options.excludes, own=[store], follows=options.follows)
        self._scan = scan_folder(options.folder, max_bytes=self._max_bytes, choice=choice, prefix=prefix)
        before = self._recall()
        if not options.keeps_empty:
            self._scan.leave_out_empty(before.held.keys())
        self._past = past = settled(before)
        self._rows = dict(past.rows)
        self.needs_tidying = not past.is_settled
        read_contents(self._scan, past, is_thorough=options.is_thorough, should_stop=should_stop)
        rules = Rules(
            is_deleting=options.is_deleting,
            is_complete=self._scan.is_complete,
            quarantine_after=options.quarantine_after,
        )
        self.plan = make_plan(self._scan.seen, self._scan.skipped, past, rules)
        news = {file_id: row for file_id, row in past.rows.items() if row is not before.rows[file_id]}
        for file_id in self.plan.forget:
            news.pop(file_id, None)
        self.plan.remember = news | self.plan.remember
        if not options.is_dry_run:
            self.check_deletions()
        return self.plan

    def _recall(self) -> SyncHistory:
        past = self._memory.load()
        if self._options.is_dry_run or all(attempt.state.is_final for attempt in past.attempts.values()):
            return past
        from openrag_cli.ingest.worker import is_dead

        self._queue.expire(is_dead)
        self._queue.fail_exhausted()
        return self._memory.load()

    def check_deletions(self) -> None:
        """Refuse to delete more than the limit allows, or everything because the folder is empty.

        Raises:
            TooManyDeletions: with the option that allows it.
        """
        options, plan = self._options, self.plan
        n_deletes, n_owned = len(plan.deletes), plan.n_owned
        if not n_deletes:
            return
        if not self._scan.seen and not self._scan.skipped:
            raise TooManyDeletions(
                f"the folder {options.folder} is empty, and partition '{options.partition}' has {n_owned:,} files "
                "from it: nothing was changed",
                hint=f"is it mounted? If they are to go: openrag partition delete '{options.partition}'",
            )
        if not options.max_delete.allows(n_deletes, n_owned):
            raise TooManyDeletions(
                f"{n_deletes:,} of the {n_owned:,} files from {options.folder} would be deleted "
                f"({n_deletes / n_owned:.0%}), more than --max-delete {options.max_delete}: nothing was changed",
                hint=f"if they are to go, run it again with --max-delete {n_deletes}; --dry-run lists them",
            )

    # --- changing

    def apply(self, should_stop: Callable[[], bool]) -> None:
        """Do what can be done at once, and queue the rest; when told to stop, only remember what was seen."""
        plan = self.plan
        if plan.is_changing and not should_stop():
            self._save({}, is_settled=False)
            for task_id in plan.cancel:
                with suppress(Conflict, TaskNotFound):  # it has ended meanwhile
                    self._ledger.cancel(task_id)
            self._move()
            self._delete()
        if plan.remember or plan.forget:
            self._save(plan.remember, plan.forget)
        if should_stop():
            return
        wanted = set(plan.adds) | set(plan.replaces)
        sources = [source for file_id, source in self._scan.sources.items() if file_id in wanted]
        self._adder.submit(sources, should_stop)
        if plan.resume:
            self._ledger.adopt(plan.resume, self._options.batch)
        self.n_queued = self._adder.n_queued + len(plan.resume)

    def _move(self) -> None:
        plan = self.plan
        done = self._catalog.rename_files(self._options.partition, plan.moves) if plan.moves else []
        failpoint("renamed")
        self._report.moved = len(done)
        self.needs_tidying |= any(move.replaced for move in done)
        made = {move.revision for move in done}
        refused = [move for move in plan.moves if move.revision not in made]
        for move in refused:  # somebody works on it: the next sync sees what came of it
            busy = Conflict("another command is working on it", hint="sync again later")
            self._scan.failures.append(failure(self._scan.sources[move.target], busy))
            plan.remember.pop(move.target, None)
        staying = {move.source for move in refused}
        plan.forget = [file_id for file_id in plan.forget if file_id not in staying]
        plan.adds = [file_id for file_id in plan.adds if file_id not in staying]

    def _delete(self) -> None:
        plan = self.plan
        deleted = self._catalog.delete_unchanged(self._options.partition, plan.deletes)
        if not deleted:
            return
        self._report.deleted = len(deleted)
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

    def _is_as_planned(self, file: File) -> bool:
        held = self._past.held.get(file.file_id)
        return held is not None and held.revision == file.revision

    def _note_stored(self, group: Sequence[QueuedUpload]) -> None:
        rows = {}
        for one in group:
            row = self._rows.get(one.source.file_id)
            rows[one.source.file_id] = SyncRecord(
                size=one.size,
                mtime_ns=one.mtime_ns,
                sha256=one.upload.sha256,
                revision=row.revision if row else None,
                task_id=one.upload.revision,
                n_failed=row.n_failed if row else 0,
            )
        self._save(rows, is_settled=False)

    # --- reporting

    def finish(self, *, is_stopped: bool) -> SyncOutcome:
        """Remember what became of the tasks, and return what was done."""
        report = self._adder.finish()
        report.moved, report.deleted = self._report.moved, self._report.deleted
        if self._is_touched or not self._past.is_settled:
            before = self._memory.load()
            news = {file_id: row for file_id, row in settled(before).rows.items() if row is not before.rows[file_id]}
            failpoint("settling")
            self._memory.save(news, is_settled=not is_stopped)
        return self._outcome(report)

    def preview(self) -> SyncOutcome:
        """Return what would be done."""
        plan = self.plan
        report = Report(
            added=len(plan.adds), replaced=len(plan.replaces), moved=len(plan.moves), deleted=len(plan.deletes)
        )
        try:
            self.check_deletions()
        except TooManyDeletions as exc:
            return replace(self._outcome(report), is_dry_run=True, refusal=exc)
        return replace(self._outcome(report), is_dry_run=True)

    def _outcome(self, report: Report) -> SyncOutcome:
        report.unchanged += self.plan.n_unchanged
        report.left_out += self._scan.left_out
        new = [one for one in report.failures if one.code != PathNotFound.code]  # gone since: no failure
        report.failures = [*self._scan.failures, *map(self._conflict, self.plan.conflicts), *new, *self._earlier()]
        below = [file_id.removeprefix(self._ids_begin) for file_id in self.plan.gone]
        n_ignored = sum(os.path.lexists(self._options.folder / path) for path in below)
        return SyncOutcome(report, self.plan, n_files=len(self._scan.sources), n_ignored_now=n_ignored)

    def _conflict(self, file_id: str) -> Failure:
        options = self._options
        taken = Conflict(
            f"partition '{options.partition}' has other content under this id, which did not come from this folder",
            hint=f"keep both: openrag file sync {shlex.quote(readable(str(options.folder)))} "
            f"-p {shlex.quote(options.partition)} --prefix NAME",
        )
        return failure(self._scan.sources[file_id], taken)

    def _earlier(self) -> Iterator[Failure]:
        for file_id, task_id in self.plan.failed.items():
            attempt = self._past.attempts[task_id]
            error = attempt.error
            path = readable(str(self._scan.sources[file_id].path))
            if error:
                yield Failure(file_id, path, task_id, error.code, error.message, error.hint)
