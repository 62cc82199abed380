"""Options that several commands share."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context


def is_not_given(ctx: typer.Context, param: typer.CallbackParam) -> bool:
    """Whether an option of a command that runs has its default: no value on the command line or in its variable."""
    source = ctx.get_parameter_source(param.name or "")
    return ctx.obj is not None and (source is None or source.name == "DEFAULT")


def _partition(ctx: typer.Context, param: typer.CallbackParam, value: str) -> str:
    context: Context = ctx.obj
    return (is_not_given(ctx, param) and context.settings.partition) or value


def whole_file_id(file_id: str) -> str:
    """Return the id that is meant by what was given: of a file called `-` it is `-` and, as everywhere, `./-`."""
    return "-" if file_id == "./-" else file_id


FileArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the file: see openrag file list.", callback=whole_file_id)
]
PartitionOption = Annotated[
    str,
    typer.Option(
        "--partition",
        "-p",
        metavar="NAME",
        envvar="OPENRAG_PARTITION",
        callback=_partition,
        help="Partition of the file.",
    ),
]
MetadataOption = Annotated[
    list[str],
    typer.Option(
        "--metadata", "-m", metavar="KEY=VALUE", help="Metadata; a value that is JSON is kept as such. Repeatable."
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Count files of kinds without a reader as failed (exit 3). Default: they are skipped."
    ),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--follow",
        help="Follow links to folders, and to files elsewhere. Default: links to files of the folder only.",
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. Default: ask, and refuse without a terminal.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, and do nothing. Default: off.")
]
NullOption = Annotated[
    bool, typer.Option("--null", "-0", help="Separate paths by NUL bytes instead of newlines. Default: off.")
]

LinesOption = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line. Default: off.")]
