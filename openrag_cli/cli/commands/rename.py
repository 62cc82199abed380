"""`openrag file rename`: another id for a file; nothing is read, cut or embedded again."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import PartitionOption
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION


def rename(
    context: Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Id of the file: see openrag file list.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new id, which no file may have.")],
    partition: PartitionOption = DEFAULT_PARTITION,
) -> None:
    """Give a file another id; its text, chunks, vectors and metadata stay, and nothing is embedded again.

    Example:

        openrag file rename x.md notes/x.md -p handbook
    """
    file = context.engine.rename_file(partition, old, new)
    context.out.outcome(render.document("file", render.file(file)), f"{old} is now {new} in partition {partition}")
