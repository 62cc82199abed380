"""Options that several commands share."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import DEFAULT_PARTITION

PartitionOption = Annotated[
    str,
    typer.Option("--partition", "-p", metavar="NAME", envvar="OPENRAG_PARTITION", help="Partition of the file."),
]
MetadataOption = Annotated[
    list[str],
    typer.Option(
        "--metadata", "-m", metavar="KEY=VALUE", help="Metadata; a value that is JSON is kept as such. Repeatable."
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. Default: ask, and refuse without a terminal.")
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", help="Rows at most; -1 is all.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, and do nothing. Default: off.")
]
NullOption = Annotated[
    bool, typer.Option("--null", "-0", help="Separate paths by NUL bytes instead of newlines. Default: off.")
]

LinesOption = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line. Default: off.")]

__all__ = [
    "DEFAULT_PARTITION",
    "DryRunOption",
    "LimitOption",
    "LinesOption",
    "MetadataOption",
    "NullOption",
    "PartitionOption",
    "YesOption",
]
