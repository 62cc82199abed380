"""`openrag file sync`: a partition that follows a folder."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.add import (
    SHOWN_FAILURES,
    ExcludeOption,
    GlobOption,
    duration,
    show_skipped,
    show_warnings,
)
from openrag_cli.cli.commands.context import DEFAULT_PARTITION, Context
from openrag_cli.cli.commands.options import DryRunOption, FollowOption, PartitionOption, StrictOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column, Progress
from openrag_cli.contract import to_json as render
from openrag_cli.domain import new_task_id
from openrag_cli.errors import PathNotFound, StoreBusy, WrongUsage

if TYPE_CHECKING:
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome

FoldersArgument = Annotated[
    list[str], typer.Argument(metavar="DIR...", help="Folder that the partition is to follow, or several.")
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What the ids of the folder's files begin with. Default: as at its first sync; then nothing for the first "
        "folder of a partition, and its name for a further one.",
    ),
]
DeleteOption = Annotated[
    bool, typer.Option("--delete", help="Delete what came from the folder and is gone from it. Default: keep it.")
]
MaxDeleteOption = Annotated[
    str,
    typer.Option(
        metavar="N|P%",
        help="Change nothing if more than N files, or P percent of those that came from the folder, are to be deleted.",
    ),
]
ChecksumOption = Annotated[
    bool, typer.Option("--checksum", help="Read every file. Default: those whose size or time has changed.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, help="Seconds after which to stop; the next run goes on. Default: no limit."),
]
LockTimeoutOption = Annotated[
    float, typer.Option(metavar="S", min=0.0, help="Seconds to wait while another sync of the folder runs.")
]
QuarantineOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Failures in a row after which a file is left alone even when it changes, until task retry; 0 is never.",
    ),
]
RefreshOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Outdated files of the partition to read again after the sync, at most: see openrag file refresh.",
    ),
]


def sync(
    ctx: typer.Context,
    folders: FoldersArgument,
    partition: PartitionOption = DEFAULT_PARTITION,
    delete: DeleteOption = False,
    max_delete: MaxDeleteOption = "20%",
    checksum: ChecksumOption = False,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
    lock_timeout: LockTimeoutOption = 0.0,
    quarantine_after: QuarantineOption = 3,
    refresh: RefreshOption = 0,
    strict: StrictOption = False,
    prefix: PrefixOption = None,
    follow: FollowOption = False,
    glob: GlobOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    exclude: ExcludeOption = [],  # noqa: B006
) -> int:
    """Make a partition follow a folder or several: add, replace, move, and with --delete remove files. Made for cron.

    Only what has changed is read, and what was only moved or renamed is not indexed again. Files that came into the
    partition another way are never touched. A file that failed is tried again when it changes.

    Exit codes: 0 the partition has what the folder has; 3 some files failed, now or before, or --max-delete was
    exceeded; 75 another sync of the folder is running, without a word with -q; 124 the time was up.

    Examples:

        openrag file sync ~/notes -p notes

        openrag file sync ~/notes -p notes --delete --dry-run

        openrag file sync ~/notes ~/papers -p desk

        openrag file sync ~/src -p code --glob '*.py' --exclude 'build/'

        */15 * * * * openrag -q file sync ~/notes -p notes --delete
    """
    from openrag_cli.sync.outcome import SyncOptions
    from openrag_cli.sync.plan import parse_limit

    context: Context = ctx.obj
    if not dry_run:
        context.allow_creating()
    if prefix is not None and len(folders) > 1:
        raise WrongUsage("--prefix belongs to one folder", hint="sync them one at a time")
    deadline = None if timeout is None else time.monotonic() + timeout
    options = SyncOptions(
        folder=Path(folders[0]),
        partition=partition,
        is_deleting=delete,
        max_delete=parse_limit(max_delete),
        is_thorough=checksum,
        is_dry_run=dry_run,
        lock_timeout_s=lock_timeout if timeout is None else min(lock_timeout, timeout),
        quarantine_after=quarantine_after,
        n_refresh=refresh,
        prefix=prefix,
        follows=follow,
        keeps_empty=strict,
        globs=tuple(glob),
        excludes=tuple(exclude),
    )
    bodies: list[render.Json] = []
    code = ExitCode.OK
    with context.stopping() as is_interrupted:
        for folder in dict.fromkeys(folders):
            one = replace(options, folder=_existing(folder), batch=new_task_id())
            try:
                outcome, is_late = _run(context, one, is_interrupted, deadline)
            except StoreBusy:
                if context.out.is_quiet and not context.out.is_json:
                    return ExitCode.BUSY
                raise
            if not strict:
                outcome.report.skip_unread_kinds()
            bodies.append(_show(context, outcome, one, is_stopped=is_late or is_interrupted()))
            code = max(code, _code_of(outcome))
            if is_interrupted() or is_late:
                code = ExitCode.INTERRUPTED if is_interrupted() else ExitCode.TIMEOUT
                break
            if outcome.refusal:
                context.out.error(outcome.refusal)
    if context.out.is_json:
        context.out.json(_merged(bodies))
    return code


def _existing(folder: str) -> Path:
    """Return the path of a folder. Raises: PathNotFound, when it was deleted while one stands in it."""
    path = Path(folder)
    try:
        path.absolute()
    except FileNotFoundError:
        raise PathNotFound(f"{folder}: no such folder: the current folder was deleted", hint="cd elsewhere") from None
    return path


def _code_of(outcome: "SyncOutcome") -> ExitCode:
    return ExitCode.PARTIAL if outcome.refusal or outcome.report.failures else ExitCode.OK


def _merged(bodies: Sequence[render.Json]) -> render.Json:
    """Return the reports of several folders as one: counts added, lists joined."""
    total = dict(bodies[0])
    for body in bodies[1:]:
        for key, value in body.items():
            if key == "plan":
                total[key] = {name: total[key][name] + entries for name, entries in value.items()}
            elif key == "skipped":
                total[key] = dict(Counter(total[key]) + Counter(value))
            elif key not in {"schema", "dry_run"}:
                total[key] = total[key] + value
    return total


def _run(
    context: Context, options: "SyncOptions", is_interrupted: Callable[[], bool], deadline: float | None
) -> "tuple[SyncOutcome, bool]":
    """Return the outcome, and whether the deadline cut it short."""
    is_late = False

    def should_stop() -> bool:
        nonlocal is_late
        is_late = is_late or (deadline is not None and time.monotonic() >= deadline)
        return is_late or is_interrupted()

    with contextlib.ExitStack() as shown:
        bars: list[Progress] = []

        n_expected = 0

        def show_bar(n_files: int) -> None:
            nonlocal n_expected
            n_expected += n_files
            if n_files and not bars:
                bars.append(shown.enter_context(context.out.progress("indexing")))
            if bars:
                bars[0].expect(n_expected)

        outcome = context.engine.sync(
            options,
            on_queued=show_bar,
            listener=lambda done: bars[0].advance(done.n_chunks),
            should_stop=should_stop,
        )
    return outcome, is_late


def _show(context: Context, outcome: "SyncOutcome", options: "SyncOptions", *, is_stopped: bool) -> render.Json:
    """Print what a sync did, for a person; return it as JSON."""
    out = context.out
    n_queued = 0 if outcome.is_dry_run else context.engine.count_live(options.batch)
    body = render.sync(outcome) | {"queued": n_queued}
    if out.is_json:
        return body
    if outcome.is_dry_run:
        _show_plan(context, outcome)
    out.note(_summary(outcome, n_queued=n_queued, is_stopped=is_stopped))
    show_skipped(context, outcome.report)
    if outcome.n_ignored_now:
        are = "is" if outcome.n_ignored_now == 1 else "are"
        what = render.counted(outcome.n_ignored_now, "file")
        out.warn(f"{what} {are} ignored now but still searchable; --delete removes what the folder no longer has")
    show_warnings(context, outcome.report)
    _tell_what_failed_earlier(context, outcome)
    new = outcome.report.failures[: len(outcome.report.failures) - _n_earlier(outcome)]
    for failure in new[:SHOWN_FAILURES]:
        out.warn(f"{out.styled('failed:', '31')} {failure.path or failure.file_id}: {failure.message}")
    if len(new) > SHOWN_FAILURES:
        out.warn(f"... and {len(new) - SHOWN_FAILURES:,} more: openrag task list --state FAILED")
    if new:
        out.hint(new[0].hint)
    return body


def _tell_what_failed_earlier(context: Context, outcome: "SyncOutcome") -> None:
    """With -q, where no summary tells why the exit code is 3, say it in one line."""
    if context.out.is_quiet and (n_earlier := _n_earlier(outcome)):
        what = f"{render.counted(n_earlier, 'file')} failed earlier and did not change"
        context.out.warn(f"{what}: openrag task list --state FAILED")


def _show_plan(context: Context, outcome: "SyncOutcome") -> None:
    plan = outcome.plan
    rows = [("add", file_id, "") for file_id in plan.adds]
    rows += [("replace", file_id, "") for file_id in plan.replaces]
    rows += [("move", move.target, move.source) for move in plan.moves]
    rows += [("delete", file_id, "") for file_id in plan.deletes]
    columns = (Column("ACTION"), Column("FILE", may_shrink=True), Column("FROM", may_shrink=True))
    if rows:
        context.out.table(
            columns if plan.moves else columns[:2], [row[: 2 + bool(plan.moves)] for row in rows], empty=""
        )


def _n_earlier(outcome: "SyncOutcome") -> int:
    """Return how many of the failures are of earlier runs; those of kinds without a reader may be skipped instead."""
    earlier = set(outcome.plan.failed.values())
    return sum(one.task_id in earlier for one in outcome.report.failures)


def _summary(outcome: "SyncOutcome", *, n_queued: int, is_stopped: bool) -> str:
    """Return the one line that tells all."""
    report, plan = outcome.report, outcome.plan
    counts = {
        "added": report.added,
        "replaced": report.replaced,
        "moved": report.moved,
        "deleted": report.deleted,
        "read again": outcome.n_refreshed,
        "failed": len(report.failures) - _n_earlier(outcome),
        "failed earlier": _n_earlier(outcome),
        "gone but kept": len(plan.gone),
        "left for the next run": n_queued,
    }
    done = [f"{n:,} {what}" for what, n in counts.items() if n]
    if report.unchanged or not done:
        done.append(f"{report.unchanged:,} unchanged")
    text = ", ".join(done)
    n_files = render.counted(outcome.n_files, "file")
    if outcome.is_dry_run:
        return f"dry run, {n_files}: {text}"
    return f"{'stopped' if is_stopped else 'synced'} {n_files} in {duration(report.seconds)}: {text}"
