"""What a sync is told and what it tells, whether its store is here or behind a server."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from openrag_cli.domain import new_task_id
from openrag_cli.errors import Conflict, PathNotFound, TooManyDeletions
from openrag_cli.ingest.discovery import failure
from openrag_cli.ingest.naming import Source, readable
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.sync.plan import DEFAULT_LIMIT, DeleteLimit, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from openrag_cli.sync.scan import Scan


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


def wanted_of(plan: Plan, scan: Scan) -> list[Source]:
    """Return the files that are to be added or replaced, in the order of the folder."""
    wanted = set(plan.adds) | set(plan.replaces)
    return [source for file_id, source in scan.sources.items() if file_id in wanted]


def refusal(options: SyncOptions, plan: Plan, scan: Scan) -> TooManyDeletions | None:
    """Return why nothing is done: more is to be deleted than the limit allows, or all because the folder is empty."""
    n_deletes, n_owned = len(plan.deletes), plan.n_owned
    if not n_deletes:
        return None
    if not scan.seen and not scan.skipped:
        return TooManyDeletions(
            f"the folder {options.folder} is empty, and partition '{options.partition}' has {n_owned:,} files "
            "from it: nothing was changed",
            hint=f"is it mounted? If they are to go: openrag partition delete {shlex.quote(options.partition)}",
        )
    if options.max_delete.allows(n_deletes, n_owned):
        return None
    return TooManyDeletions(
        f"{n_deletes:,} of the {n_owned:,} files from {options.folder} would be deleted "
        f"({n_deletes / n_owned:.0%}), more than --max-delete {options.max_delete}: nothing was changed",
        hint=f"if they are to go, run it again with --max-delete {n_deletes}; --dry-run lists them",
    )


class Changed(Protocol):
    """What was done at once; `busy` are moves that others' work forbids, `earlier` failures that are not tried."""

    busy: list[Failure]
    n_moved: int
    n_deleted: int

    def earlier(self) -> list[Failure]:
        """Return the failures of earlier runs whose files are not tried."""


@dataclass(slots=True)
class Reporter:
    """Makes the report of one sync; `prefix` is what the ids of the folder begin with."""

    options: SyncOptions
    scan: Scan
    plan: Plan
    prefix: str

    def preview(self, earlier: Iterable[Failure]) -> SyncOutcome:
        """Return what would be done."""
        plan = self.plan
        report = Report(
            added=len(plan.adds), replaced=len(plan.replaces), moved=len(plan.moves), deleted=len(plan.deletes)
        )
        refused = refusal(self.options, plan, self.scan)
        return replace(self._told(report, [], earlier), is_dry_run=True, refusal=refused)

    def outcome(self, report: Report, changed: Changed) -> SyncOutcome:
        """Return what was done: `report` tells of the files that were read, `changed` of what was done at once."""
        report.moved, report.deleted = changed.n_moved, changed.n_deleted
        return self._told(report, changed.busy, changed.earlier())

    def _told(self, report: Report, busy: Iterable[Failure], earlier: Iterable[Failure]) -> SyncOutcome:
        report.unchanged += self.plan.n_unchanged
        report.left_out += self.scan.left_out
        new = [one for one in report.failures if one.code != PathNotFound.code]  # gone since: no failure
        conflicts = map(self._conflict, self.plan.conflicts)
        report.failures = [*self.scan.failures, *busy, *conflicts, *new, *earlier]
        below = [file_id.removeprefix(self.prefix) for file_id in self.plan.gone]
        n_ignored = sum(os.path.lexists(self.options.folder / path) for path in below)
        return SyncOutcome(report, self.plan, n_files=len(self.scan.sources), n_ignored_now=n_ignored)

    def _conflict(self, file_id: str) -> Failure:
        options = self.options
        taken = Conflict(
            f"partition '{options.partition}' has other content under this id, which did not come from this folder",
            hint=f"keep both: openrag file sync {shlex.quote(readable(str(options.folder)))} "
            f"-p {shlex.quote(options.partition)} --prefix NAME",
        )
        return failure(self.scan.sources[file_id], taken)
