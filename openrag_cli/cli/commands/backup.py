"""`openrag backup` and `restore`: a whole store as one file, and back."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context, reading_argument
from openrag_cli.cli.commands.listing import human_size
from openrag_cli.contract import to_json as render
from openrag_cli.errors import Conflict, InvalidInput, os_errors
from openrag_cli.fsync import fsync, undoing
from openrag_cli.store.metadata import rfc3339

TargetArgument = Annotated[str, typer.Argument(metavar="FILE|-", help="File to write; - is standard output.")]
SourceArgument = Annotated[str, typer.Argument(metavar="FILE|-", help="The backup; - is standard input.")]


ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace a file that is there already. Default: it is left alone.")
]


def backup(context: Context, file: TargetArgument, force: ForceOption = False) -> None:
    """Write the whole store to one tar file: catalog, index, originals. Others may go on writing meanwhile.

    Examples:

        openrag backup handbook.tar

        openrag backup - | zstd > handbook.tar.zst
    """
    maintenance = context.here("backup - > backup.tar").maintenance
    maintenance.require_store()
    if file == "-":
        refusal = InvalidInput("a backup is no text for a terminal", hint="openrag backup FILE, or pipe it on")
        stream = context.out.binary(refusal)
        report = maintenance.back_up(stream)
        stream.flush()
        context.out.note(f"backed up {render.counted(report.files, 'file')}, {human_size(report.size)}")
        return
    target = Path(file)
    with os_errors(f"writing {target}"):
        is_there = target.exists()
    if is_there and not force:
        raise Conflict(f"{target} exists already; it was left alone", hint="give another name, or --force")
    with os_errors(f"writing {target}"):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.absolute().parent)
    with undoing(Path(name).unlink, missing_ok=True):
        with os.fdopen(descriptor, "wb") as stream:
            report = maintenance.back_up(stream)
            with os_errors(f"writing {target}"):
                stream.flush()
                os.fsync(stream.fileno())
        with os_errors(f"writing {target}"):
            Path(name).replace(target)
            fsync(target.absolute().parent)
    if context.out.is_json:
        body = {
            "path": str(target),
            "files": report.files,
            "chunks": report.chunks,
            "members": report.members,
            "size": report.size,
            "created_at": rfc3339(report.created_at),
        }
        context.out.json(render.document("backup", body))
    else:
        context.out.note(f"backed up {render.counted(report.files, 'file')}, {human_size(report.size)} to {target}")


def restore(context: Context, file: SourceArgument) -> None:
    """Make a store from a backup, where none is yet. A damaged backup leaves nothing behind.

    Examples:

        openrag restore handbook.tar --store ~/restored

        zstd -dc handbook.tar.zst | openrag restore -
    """
    from openrag_cli.maintenance.restore import restore as make

    context.require_store("restore - < backup.tar")
    store = context.settings.store
    if file == "-":
        n_members = make(sys.stdin.buffer, store)
    else:
        with reading_argument(file):
            stream = Path(file).open("rb")  # noqa: SIM115 - closed below; what happens then is no error of the argument
        with stream:
            n_members = make(stream, store)
    context.out.outcome(render.document("restore", {"store": str(store), "members": n_members}), f"restored {store}")
