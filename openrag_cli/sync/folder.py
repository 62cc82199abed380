"""Looking at a folder of this machine, for a sync into a store of this machine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from openrag_cli.domain import new_task_id
from openrag_cli.ingest.discovery import Choice
from openrag_cli.sync.outcome import Reporter, SyncOptions, refusal
from openrag_cli.sync.prefix import prefix_refusal
from openrag_cli.sync.root import local_root
from openrag_cli.sync.scan import Scan, read_contents, scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openrag_cli.config.settings import Settings
    from openrag_cli.ingest.refresh import Refresher, RefreshRun
    from openrag_cli.ingest.report import Listener
    from openrag_cli.sync.outcome import SyncOutcome
    from openrag_cli.sync.runner import Syncer


def scanned(options: SyncOptions, *, own: Path | None, max_bytes: int, listener: Listener) -> Scan:
    """Return what the folder has, with ids below it; `own` is a store, which is never read. Raises: PathNotFound."""
    choice = Choice(globs=options.globs, excludes=options.excludes, own=[own] if own else [], follows=options.follows)
    origin = local_root(options.folder).source
    return scan_folder(options.folder, max_bytes=max_bytes, choice=choice, origin=origin, listener=listener)


def look(syncer: Syncer, options: SyncOptions, settings: Settings, run: RefreshRun) -> Reporter:
    """Scan, read what must be read, and plan; return what tells of it.

    Raises:
        PathNotFound: there is no such folder. WrongUsage: its prefix belongs to another.
    """
    scan = scanned(options, own=settings.store, max_bytes=settings.max_file_bytes, listener=run.listener)
    prefix = syncer.prefix(scan)
    if prefix.is_taken:
        raise prefix_refusal(prefix.text, options.folder, options.partition)
    scan.begin_ids_with(prefix.text)
    syncer.take(scan)
    read_contents(scan, syncer.to_hash(), run.should_stop, run.listener)
    return Reporter(options, scan, syncer.make_plan(), prefix.text)


class Machine(Protocol):
    """What a sync asks of the engine: to run what is queued, and to put the store in order."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def refresher(self) -> Refresher:
        """What reads files again."""

    def drain(self, *, batch: str, listener: Listener, should_stop: Callable[[], bool]) -> None:
        """Run the tasks of a batch."""

    def maintain(self, *, force: bool = False) -> object:
        """Put index and catalog in order."""

    def check_model(self) -> None:
        """Refuse a store of another model. Raises: StoreMismatch."""


def sync_folder(machine: Machine, syncer: Syncer, options: SyncOptions, run: RefreshRun) -> SyncOutcome:
    """Sync a folder of this machine; see `Engine.sync`."""
    began = time.monotonic()
    with syncer.locked():
        told = look(syncer, options, machine.settings, run)
        plan = told.plan
        if options.is_dry_run:
            return told.preview(syncer.earlier())
        if refused := refusal(options, plan, told.scan):
            raise refused
        if plan.adds or plan.replaces or plan.deletes:
            machine.check_model()  # before anything is changed
        syncer.change(run.should_stop)
        syncer.submit(run.should_stop)
        run.on_queued(syncer.n_queued)
        if syncer.n_queued and not run.should_stop():
            machine.drain(batch=options.batch, listener=run.listener, should_stop=run.should_stop)
        if (syncer.needs_tidying or plan.moves) and not run.should_stop():
            machine.maintain(force=syncer.is_resuming)
        outcome = told.outcome(syncer.finish(is_stopped=run.should_stop()), syncer)
        if options.n_refresh and not run.should_stop():
            again = replace(run, batch=new_task_id())
            refreshed = machine.refresher.refresh_some(options.partition, options.n_refresh, again)
            outcome = outcome.with_refreshed(refreshed)
    outcome.report.seconds = round(time.monotonic() - began, 3)
    return outcome
