"""`openrag file rename`: another id for a file; nothing is read, cut or embedded again."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import PartitionOption
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION


def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Id of the file: see openrag file list.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new id, which no file may have.")],
    partition: PartitionOption = DEFAULT_PARTITION,
) -> None:
    """Give a file another id; its text, chunks, vectors and metadata stay, and nothing is embedded again.

    Example:

        openrag file rename x.md notes/x.md -p handbook
    """
    context: Context = ctx.obj
    file = context.engine.rename_file(partition, old, new)
    if context.out.is_json:
        context.out.json(render.document("file", render.file(file)))
    else:
        context.out.note(f"{old} is now {new} in partition {partition}")
