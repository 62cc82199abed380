"""Pages of what is listed: `--limit` and `--after`, and what is said where a list goes on."""

from typing import Annotated, Any

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.contract.to_json import counted
from openrag_cli.store.files.results import Results

LimitOption = Annotated[int, typer.Option("--limit", metavar="N", help="Rows at most; -1 is all.")]
AfterOption = Annotated[
    str,
    typer.Option(
        "--after", metavar="TOKEN", help="Go on after the page whose `next` this was. Default: from the beginning."
    ),
]


def show_rest(context: Context, page: Results[Any], noun: str) -> None:
    """Say on stderr where a page is not all of a list."""
    if page.next is not None:
        context.out.note(
            f"{len(page):,} of {counted(page.total, noun)}; for those that follow add --after {page.next}"
        )
