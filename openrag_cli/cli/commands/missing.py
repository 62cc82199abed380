"""Why nothing was found: what a store has not read yet, or never got."""

import contextlib
from collections.abc import Sequence

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.places import paste
from openrag_cli.contract import to_json as render
from openrag_cli.domain import FINAL_STATES
from openrag_cli.errors import Forbidden


def tell_what_is_missing(context: Context, partitions: Sequence[str] = ()) -> None:
    """Say that files wait to be indexed, or that the store, or each of these partitions, is empty."""
    waiting = 0
    with contextlib.suppress(Forbidden):  # a token of some partitions does not see the queue of all
        waiting = sum(n for state, n in context.engine.task_counts().items() if state not in FINAL_STATES)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        context.out.note(f"{render.counted(waiting, 'file')} {verb} to be indexed: openrag task run")
        return
    n_files = {partition.name: partition.file_count for partition in context.engine.partitions()}
    if not any(n_files.values()):
        context.out.note("the store is empty: openrag file add FOLDER")
    elif partitions and not any(n_files.get(name, 1) for name in partitions):
        name = partitions[0]
        what = f"partition {name} is" if len(partitions) == 1 else "these partitions are"
        context.out.note(f"{what} empty: openrag file add FOLDER {paste('-p', name)}")
