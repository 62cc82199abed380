"""Looking at a folder of this machine, for a sync into a store of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openrag_cli.ingest.discovery import Choice
from openrag_cli.sync.outcome import Reporter, SyncOptions
from openrag_cli.sync.prefix import prefix_refusal
from openrag_cli.sync.root import local_root
from openrag_cli.sync.scan import Scan, read_contents, scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openrag_cli.config.settings import Settings
    from openrag_cli.sync.runner import Syncer


def scanned(options: SyncOptions, *, own: Path | None, max_bytes: int) -> Scan:
    """Return what the folder has, with ids below it; `own` is a store, which is never read. Raises: PathNotFound."""
    choice = Choice(globs=options.globs, excludes=options.excludes, own=[own] if own else [], follows=options.follows)
    origin = local_root(options.folder).source
    return scan_folder(options.folder, max_bytes=max_bytes, choice=choice, origin=origin)


def look(syncer: Syncer, options: SyncOptions, settings: Settings, should_stop: Callable[[], bool]) -> Reporter:
    """Scan, read what must be read, and plan; return what tells of it.

    Raises:
        PathNotFound: there is no such folder. WrongUsage: its prefix belongs to another.
    """
    prefix = syncer.prefix()
    if prefix.is_taken:
        raise prefix_refusal(prefix.text, options.folder, options.partition)
    scan = scanned(options, own=settings.store, max_bytes=settings.max_file_bytes)
    scan.begin_ids_with(prefix.text)
    syncer.take(scan)
    read_contents(scan, syncer.to_hash(), should_stop)
    return Reporter(options, scan, syncer.make_plan(), prefix.text)
