"""`openrag store`: what is done to the store as a whole."""

from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.listing import human_size
from openrag_cli.contract import to_json as render
from openrag_cli.fsync import files_below

app = typer.Typer(help="Put the store in order.", no_args_is_help=True)


@app.command("optimize")
def optimize(
    context: Context,
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only what is worth it, as a worker does it. Default: all of it.")
    ] = False,
) -> None:
    """Write the index and the catalog anew without what was deleted, and delete what nothing needs any more.

    Searches and uploads go on meanwhile; what they read stays until they are done. The disk needs room for a second index.

    Examples:

        openrag store optimize

        openrag store optimize --if-needed --json
    """
    engine = context.here("store optimize")
    engine.maintenance.require_store()
    before = _size(context)
    done = engine.maintain(force=not if_needed)
    after = _size(context)
    if context.out.is_json:
        body = {
            "swept": done.n_swept,
            "orphans": done.n_orphans,
            "tasks": done.n_tasks,
            "optimized": done.is_optimized,
            "shrunk": done.is_shrunk,
            "size_before": before,
            "size": after,
        }
        context.out.json(render.document("optimized", body))
    elif done.is_optimized or done.is_shrunk:
        context.out.note(f"put in order: {human_size(before)} before, {human_size(after)} now")
    else:
        context.out.note(f"nothing to put in order: {human_size(after)}")


def _size(context: Context) -> int:
    """Return the size of catalog and index, in bytes; a file that goes meanwhile counts as nothing."""
    store = context.settings.store
    total = 0
    for path in (*files_below(store / "lance"), *map(str, store.glob("openrag.db*"))):
        try:
            total += (store / path).stat().st_size
        except FileNotFoundError:
            continue
    return total
