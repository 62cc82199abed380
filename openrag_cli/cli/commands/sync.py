"""`openrag file sync`: a partition that follows a folder."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.option_groups import grouped, is_given
from openrag_cli.cli.commands.options import DryRunOption, PartitionOption
from openrag_cli.cli.commands.sync_memory import list_or_forget, recalled, remembering
from openrag_cli.cli.commands.sync_options import (
    FoldersArgument,
    ForgetOption,
    ListOption,
    SyncFlags,
    TimeoutOption,
    Wanted,
    WatchOption,
)
from openrag_cli.cli.commands.sync_view import code_of, merged, show
from openrag_cli.cli.exit_codes import ExitCode, exit_code
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION, new_task_id
from openrag_cli.errors import OpenRAGError, PathNotFound, StoreBusy, WrongUsage, os_errors
from openrag_cli.ingest.naming import readable

if TYPE_CHECKING:
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome


@grouped
def sync(
    ctx: typer.Context,
    flags: SyncFlags,
    folders: FoldersArgument = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    partition: PartitionOption = DEFAULT_PARTITION,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
    watch: WatchOption = False,
    lists: ListOption = False,
    forget: ForgetOption = [],  # noqa: B006
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

        openrag file sync

        openrag file sync ~/notes -p notes --watch

        */15 * * * * openrag -q file sync ~/notes -p notes --delete
    """
    context: Context = ctx.obj
    chosen = partition if is_given(ctx, "partition") else None
    if lists or forget:
        return list_or_forget(context, chosen, forget, (flags, folders))
    if not dry_run:
        context.allow_creating()
    if watch and (dry_run or context.out.is_json):
        raise WrongUsage("--watch goes on: neither --dry-run nor --json fits", hint="leave one of them out")
    wanted = _named(folders, partition, flags) if folders else _remembered(context, chosen, flags)
    syncing = Syncing(context, is_dry_run=dry_run, is_remembering=bool(folders) and not dry_run, timeout_s=timeout)
    with context.stopping() as is_interrupted:
        code = (syncing.follow if watch else syncing.run)(wanted, is_interrupted, is_named=not folders)
    if context.out.is_json:
        context.out.json(merged(syncing.bodies))
    return code


def _named(folders: Sequence[str], partition: str, flags: SyncFlags) -> list[Wanted]:
    """Return what is to be synced of the folders that are named. Raises: WrongUsage, PathNotFound."""
    if flags.prefix is not None and len(folders) > 1:
        raise WrongUsage("--prefix belongs to one folder", hint="sync them one at a time")
    return [Wanted(_existing(folder), partition, flags) for folder in dict.fromkeys(folders)]


def _remembered(context: Context, partition: str | None, flags: SyncFlags) -> list[Wanted]:
    """Return what is to be synced where no folder is named. Raises: WrongUsage: options were given."""
    if flags.changed():
        raise WrongUsage(
            f"{flags.shown()}: no folder is named, and those remembered keep the options last given",
            hint="openrag file sync DIR with the new options; openrag file sync --list shows what is remembered",
        )
    return recalled(context, partition)


class Syncing:
    """The syncs of one command, one folder after the other."""

    def __init__(self, context: Context, *, is_dry_run: bool, is_remembering: bool, timeout_s: float | None) -> None:
        self._context = context
        self._is_dry_run = is_dry_run
        self._is_remembering = is_remembering
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.bodies: list[render.Json] = []

    def run(
        self, wanted: Sequence[Wanted], is_interrupted: Callable[[], bool], *, is_named: bool = False
    ) -> ExitCode:
        """Sync each folder; return the exit code. `is_named`: lines name the folder, and one that fails stops no other."""
        code = ExitCode.OK
        for one in wanted:
            try:
                reached, is_late = self._sync(one, is_interrupted, is_named=is_named)
            except StoreBusy as exc:
                if not (self._context.out.is_quiet and not self._context.out.is_json):
                    if not is_named:
                        raise
                    self._context.out.error(exc)
                reached, is_late = ExitCode.BUSY, False
            except OpenRAGError as exc:
                if not is_named:
                    raise
                self._context.out.error(exc)
                reached, is_late = exit_code(type(exc)), False
            code = max(code, reached)
            if is_interrupted() or is_late:
                return ExitCode.INTERRUPTED if is_interrupted() else ExitCode.TIMEOUT
        return code

    def follow(
        self, wanted: Sequence[Wanted], is_interrupted: Callable[[], bool], *, is_named: bool = False
    ) -> ExitCode:
        """Sync each folder, now and whenever something in it changes, until the command is interrupted or its time is up.

        Raises:
            PathNotFound: a folder is not there.
        """
        from openrag_cli.sync.watching import changed_folders

        def should_stop() -> bool:
            """Whether a signal or the time says so."""
            return is_interrupted() or (self._deadline is not None and time.monotonic() >= self._deadline)

        folders = [str(one.folder) for one in wanted]
        for folder in folders:
            with os_errors(f"reading {readable(folder)}"):
                is_folder = Path(folder).is_dir()
            if not is_folder:
                raise PathNotFound(f"{readable(folder)}: no such folder", hint="check the path")
        self._context.goes_on()
        is_watching = False
        for changed in changed_folders(folders, should_stop):
            self._context.is_idle = False
            some = [one for one in wanted if str(one.folder) in changed]
            self.run(some, is_interrupted, is_named=is_named or is_watching)
            self._context.is_idle = True
            if not is_watching and not should_stop():
                self._context.out.note(f"watching {render.counted(len(wanted), 'folder')}; Ctrl-C ends it")
            is_watching = True
        return ExitCode.INTERRUPTED if is_interrupted() else ExitCode.TIMEOUT

    def _sync(self, one: Wanted, is_interrupted: Callable[[], bool], *, is_named: bool) -> tuple[ExitCode, bool]:
        options = one.flags.options(one.folder, one.partition)
        wait_s = options.lock_timeout_s if self._timeout_s is None else min(options.lock_timeout_s, self._timeout_s)
        options = replace(options, is_dry_run=self._is_dry_run, lock_timeout_s=wait_s, batch=new_task_id())
        is_kept = self._is_remembering and os.path.isdir(one.folder)  # noqa: PTH112 - not even where nobody may look
        with remembering(self._context, one) if is_kept else contextlib.nullcontext():
            outcome, is_late = _run(self._context, options, is_interrupted, self._deadline)
        if not one.flags.strict:
            outcome.report.skip_unread_kinds()
        name = f"{readable(str(one.folder))} -> {one.partition}: " if is_named else ""
        is_stopped = is_late or is_interrupted()
        self.bodies.append(show(self._context, outcome, options, is_stopped=is_stopped, name=name))
        if outcome.refusal and not is_stopped:
            self._context.out.error(outcome.refusal)
        return code_of(outcome), is_late


def _existing(folder: str) -> Path:
    """Return the path of a folder. Raises: PathNotFound, when it was deleted while one stands in it."""
    path = Path(folder)
    try:
        path.absolute()
    except FileNotFoundError:
        raise PathNotFound(f"{folder}: no such folder: the current folder was deleted", hint="cd elsewhere") from None
    return path


def _run(
    context: Context, options: "SyncOptions", is_interrupted: Callable[[], bool], deadline: float | None
) -> "tuple[SyncOutcome, bool]":
    """Return the outcome, and whether the deadline cut it short."""
    is_late = False

    def should_stop() -> bool:
        """Whether a signal or the time says so."""
        nonlocal is_late
        is_late = is_late or (deadline is not None and time.monotonic() >= deadline)
        return is_late or is_interrupted()

    with contextlib.ExitStack() as shown:
        progress = shown.enter_context(context.out.progress(f"scanning {readable(str(options.folder))}"))
        outcome = context.engine.sync_folder(
            options, on_queued=progress.expect, listener=progress.take, should_stop=should_stop
        )
    return outcome, is_late
