"""Files of a folder that a rule leaves out by now, and that are still searched: `file add` tells of them, as a sync does."""

import contextlib
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from openrag_cli.cli.commands.context import Context
from openrag_cli.contract import to_json as render
from openrag_cli.ingest.discovery import Choice, FileList
from openrag_cli.ingest.gitignore import compile_patterns
from openrag_cli.store.access.permissions import has_catalog
from openrag_cli.terminal import percent_decoded

SHOWN_IDS = 5


def ignored_now(
    context: Context, partition: str, paths: Iterable[Path], choice: Choice, intake: FileList
) -> list[str]:
    """Return the ids of files that folders among `paths` brought, still have, and that `choice` or a rule leaves out.

    Files that other patterns of --glob brought are not left out. Of what a server has only it knows the folder.
    """
    from openrag_cli.engine import Engine
    from openrag_cli.store.files.sources import brought_by

    folders: set[str] = set()
    with contextlib.suppress(FileNotFoundError):  # the current folder was deleted
        folders = {os.path.realpath(path) for path in paths if os.path.isdir(path)}  # noqa: PTH112 - never raises
    if not folders or context.settings.server or not has_catalog(context.settings.store):
        return []
    engine = context.engine
    assert isinstance(engine, Engine), "without a server"
    wanted = compile_patterns(choice.globs) if choice.globs else None
    taken = {(one.origin.root, one.origin.path) for one in intake.sources if one.origin is not None}
    found: list[str] = []
    for folder in sorted(folders):
        root = os.fsencode(folder)
        for path, file_id in brought_by(engine.parts.database, partition, root).items():
            name = percent_decoded(path)
            is_meant = wanted is None or wanted.match_file(name)
            if is_meant and (root, path) not in taken and os.path.lexists(Path(folder) / name):
                found.append(file_id)
    return found


def tell_ignored(context: Context, n_ignored: int, remedy: str) -> None:
    """Say how many files are left out by now and still searched, and what removes them."""
    if n_ignored:
        are = "is" if n_ignored == 1 else "are"
        what = render.counted(n_ignored, "file")
        context.out.warn(f"{what} {are} ignored now but still searchable; {remedy}")


def tell_with_ids(context: Context, file_ids: Sequence[str], partition: str) -> None:
    """Say it of these files, and how to delete them, or the first of them."""
    tell_ignored(context, len(file_ids), "openrag file delete removes what is not to be found")
    if file_ids:
        more = len(file_ids) - SHOWN_IDS
        shown = shlex.join(["openrag", "file", "delete", *file_ids[:SHOWN_IDS], "-p", partition])
        context.out.hint(shown + (f"  (and {more:,} more)" if more > 0 else ""))
