"""`openrag partition`: named sets of files."""

import time
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.listing import show_list
from openrag_cli.cli.commands.options import YesOption
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.ingest.report import Report

app = typer.Typer(help="List, create, show and delete partitions: named sets of files.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the partition.")]


@app.command("list")
def list_partitions(context: Context) -> None:
    """List the partitions with their numbers of files and chunks.

    Example:

        openrag partition list --json | jq -r '.partitions[].partition'
    """
    columns = (
        Column("PARTITION", may_shrink=True),
        Column("FILES", True),
        Column("CHUNKS", True),
        Column("CREATED", is_optional=True),
    )
    show_list(
        context.out,
        "partitions",
        context.engine.partitions(),
        render.partition,
        columns=columns,
        as_row=lambda one: (one.name, one.file_count, one.chunk_count, context.out.time(one.created_at)),
        empty="no partitions yet: openrag file add PATH -p NAME",
    )


@app.command("create")
def create(context: Context, name: NameArgument) -> None:
    """Create an empty partition; `file add` creates the one that it needs by itself.

    Example:

        openrag partition create handbook
    """
    context.allow_creating()
    partition = context.engine.create_partition(name)
    context.out.outcome(render.document("partition", render.partition(partition)), f"created partition {name}")


@app.command("show")
def show(context: Context, name: NameArgument) -> None:
    """Show one partition.

    Example:

        openrag partition show handbook
    """
    entry = render.partition(context.engine.partition(name))
    context.out.record(render.document("partition", entry), *(f"{key:10}  {entry[key]}" for key in entry))


@app.command("delete")
def delete(context: Context, name: NameArgument, yes: YesOption = False) -> None:
    """Delete a partition with all its files.

    Example:

        openrag partition delete handbook --yes
    """
    partition = context.engine.partition(name)
    context.confirm(f"Delete partition {name} with {render.counted(partition.file_count, 'file')}?", is_agreed=yes)
    began = time.monotonic()
    n_files = context.engine.delete_partition(name)
    context.out.outcome(
        render.report(Report(deleted=n_files, seconds=round(time.monotonic() - began, 3))),
        f"deleted partition {name} with {render.counted(n_files, 'file')}",
    )
