"""`openrag extract`: chunks by id."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.search import place
from openrag_cli.cli.snippet import readable_lines
from openrag_cli.contract import to_json as render

app = typer.Typer(help="Show the chunks that searches return.", no_args_is_help=True)


@app.command("show")
def show(
    context: Context,
    chunk_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the chunk, or its beginning: chunk_id in search --json.")
    ],
    context_chunks: Annotated[
        int, typer.Option("--context", metavar="N", min=0, help="Chunks of the file to show on either side.")
    ] = 0,
) -> None:
    """Show one chunk whole, with its neighbours if wanted.

    Example:

        openrag extract show 0a1b… --context 1
    """
    found = context.engine.extract(chunk_id, context=context_chunks)
    if context.out.is_json:
        context.out.json(render.extract(found))
        return
    for chunk in (*found.before, found.chunk, *found.after):
        head = f"{place(found.file, chunk.span)}  {' > '.join(chunk.span.heading)}".rstrip()
        context.out.line(context.out.styled(head, "1" if chunk.id == found.chunk.id else "2"))
        for line in readable_lines(context.out, chunk.span.shown):
            context.out.line(line)
        context.out.line()
