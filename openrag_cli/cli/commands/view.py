"""`openrag view`: a search's scope under a name, which is a model for chat clients."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.listing import show_list
from openrag_cli.cli.commands.options import YesOption
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render

app = typer.Typer(
    no_args_is_help=True,
    help="Name some partitions with a filter: searched with -p NAME, and the model openrag-NAME of a server.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the view.")]
ViewedOption = Annotated[
    list[str],
    typer.Option("--partition", "-p", metavar="NAME", help="Partition that it shows. Repeatable. Default: all."),
]
ConditionOption = Annotated[
    str,
    typer.Option("--filter", metavar="EXPR", help="Condition on metadata: 'year = 2026'. Default: every file."),
]


@app.command("create")
def create(
    context: Context,
    name: NameArgument,
    partition: ViewedOption = [],  # noqa: B006 - Typer reads the default, nobody changes it
    condition: ConditionOption = "",
) -> None:
    """Make a view of partitions that are there; no partition and no other view may have its name.

    `search`, `ask` and `chat` take it for -p, alone; --filter narrows it further. A server has it as a model.

    Example:

        openrag view create ops-2026 -p handbook --filter 'year = 2026'
    """
    made = context.engine.views.create(name, partition, condition)
    context.out.outcome(
        render.document("view", render.view(made)),
        f"created view {name}: search it with -p {name}, or as the model openrag-{name}",
    )


@app.command("list")
def list_views(context: Context) -> None:
    """List the views with what they show.

    Example:

        openrag view list --json | jq -r '.views[].model'
    """
    columns = (
        Column("VIEW", may_shrink=True),
        Column("PARTITIONS", may_shrink=True),
        Column("FILTER", may_shrink=True),
        Column("CREATED", is_optional=True),
    )
    show_list(
        context.out,
        "views",
        context.engine.views.all(),
        render.view,
        columns=columns,
        as_row=lambda one: (one.name, ", ".join(one.partitions), one.filter, context.out.time(one.created_at)),
        empty="no views yet: openrag view create NAME -p PARTITION --filter EXPR",
    )


@app.command("show")
def show(context: Context, name: NameArgument) -> None:
    """Show one view.

    Example:

        openrag view show ops-2026
    """
    entry = render.view(context.engine.views.get(name))
    context.out.record(
        render.document("view", entry),
        *(
            f"{key:10}  {', '.join(value) if isinstance(value, list) else value}".rstrip()
            for key, value in entry.items()
        ),
    )


@app.command("delete")
def delete(context: Context, name: NameArgument, yes: YesOption = False) -> None:
    """Delete a view; the files that it shows stay.

    Example:

        openrag view delete ops-2026 --yes
    """
    view = context.engine.views.get(name)
    context.confirm(f"Delete view {name}? Its files stay.", is_agreed=yes)
    context.engine.views.delete(name)
    context.out.outcome(render.document("view", render.view(view)), f"deleted view {name}")
