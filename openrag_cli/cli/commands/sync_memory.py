"""The folders that were synced before: kept, listed, forgotten, and synced again."""

from __future__ import annotations

import contextlib
import os
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.cli.commands.sync_options import SyncFlags, Wanted
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.config.homes import state_folder, user_folder
from openrag_cli.contract import to_json as render
from openrag_cli.errors import InvalidInput, OpenRAGError, PathNotFound, WrongUsage
from openrag_cli.ingest.naming import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openrag_cli.cli.commands.context import Context
    from openrag_cli.sync.remembered import RememberedSyncs


def recalled(context: Context, partition: str | None) -> list[Wanted]:
    """Return the folders that are remembered, for one partition or all. Raises: WrongUsage, when there is none."""
    known = [one for one in remembered(context).all() if partition in {None, one.partition}]
    if not known:
        raise WrongUsage("no folder is named, and none was synced before", hint="openrag file sync ~/notes -p notes")
    return [Wanted(Path(one.folder), one.partition, _flags(one.options)) for one in known]


def _flags(options: dict[str, Any]) -> SyncFlags:
    """Return options as they were kept, but for those that this version does not know."""
    names = {one.name for one in fields(SyncFlags)}
    return SyncFlags(**{name: value for name, value in options.items() if name in names})


def list_or_forget(
    context: Context, partition: str | None, forget: Sequence[str], unused: tuple[SyncFlags, Sequence[str]]
) -> int:
    """Print the folders that are remembered, or those that are forgotten now."""
    flags, folders = unused
    if folders or flags.changed():
        raise WrongUsage("--list and --forget sync nothing", hint="openrag file sync --list, or --forget DIR")
    kept = remembered(context)
    found = [one for one in kept.all() if partition in {None, one.partition}]
    if forget:
        found = []
        for folder in forget:
            gone = kept.forget(Path(folder), partition)
            if not gone:
                raise PathNotFound(f"{folder}: no such folder is remembered", hint="openrag file sync --list")
            found += gone
    if context.out.is_json:
        entries = [
            {"folder": one.folder, "partition": one.partition, "options": one.options, "synced_at": one.synced_at}
            for one in found
        ]
        context.out.json(render.listing("syncs", entries))
    elif forget:
        for one in found:
            context.out.note(f"forgot {readable(one.folder)}; its files stay in partition {one.partition}")
    else:
        rows = [
            (
                readable(one.folder),
                one.partition,
                _flags(one.options).shown(),
                context.out.time(datetime.fromisoformat(one.synced_at)),
            )
            for one in found
        ]
        columns = (
            Column("FOLDER", may_shrink=True),
            Column("PARTITION"),
            Column("OPTIONS", may_shrink=True),
            Column("SYNCED", is_optional=True),
        )
        context.out.table(columns, rows, empty="no folder is remembered: openrag file sync DIR")
    return ExitCode.OK


def remembered(context: Context) -> RememberedSyncs:
    """Return what this user syncs to the store, or the server, of the command. Raises: NoHome."""
    from openrag_cli.sync.remembered import RememberedSyncs

    server, store = context.settings.server, context.settings.store
    if server:
        return RememberedSyncs(server.address, user_folder("state"))
    return RememberedSyncs(os.path.realpath(store), state_folder(store))


@contextlib.contextmanager
def remembering(context: Context, one: Wanted) -> Iterator[None]:
    """Keep a folder for a sync that is told nothing, unless it is refused for how it is asked.

    Where nothing can be kept, the sync goes on all the same.
    """
    try:
        put_back = remembered(context).remember(one.folder, one.partition, one.flags.changed())
    except OpenRAGError as exc:
        context.out.note(f"the folder is not remembered: {exc.message}")
        yield
        return
    try:
        yield
    except InvalidInput:
        put_back()
        raise
