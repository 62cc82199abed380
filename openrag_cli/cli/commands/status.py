"""`openrag` alone: what is in the store, what waits or failed, and what one may do next."""

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.output import BOLD, Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Partition, TaskState
from openrag_cli.store.access.permissions import has_catalog

MAX_PARTITIONS = 10
EXAMPLES = {
    "openrag file add ~/docs -p handbook": "index files and folders",
    'openrag search "rotate api keys"': "find passages",
    'openrag ask "how often do we rotate keys?"': "get an answer with its sources",
    "openrag --help": "everything else",
}


def show(context: Context) -> None:
    """Print the state of the store or server."""
    where = str(context.settings.server or context.settings.store)
    is_there = bool(context.settings.server) or has_catalog(context.settings.store)
    partitions = context.engine.partitions() if is_there else []
    tasks = context.engine.task_counts() if is_there else {}
    n_waiting = sum(n for state, n in tasks.items() if not state.is_final)
    n_failed = tasks.get(TaskState.FAILED, 0)
    n_outdated = _outdated(context, is_there=is_there)
    n_files, n_chunks = sum(p.file_count for p in partitions), sum(p.chunk_count for p in partitions)
    if context.out.is_json:
        body = {"store": where, "partitions": len(partitions), "files": n_files, "chunks": n_chunks}
        counted = {"waiting": n_waiting, "failed": n_failed, "outdated": n_outdated}
        context.out.json(render.document("overview", body | counted))
        return
    counts = (n_files, "file"), (n_chunks, "chunk"), (len(partitions), "partition")
    context.out.line(f"{where}: {', '.join(render.counted(n, noun) for n, noun in counts)}")
    context.out.line()
    if partitions:
        _show_partitions(context, partitions)
    if n_waiting:
        context.out.line(f"{render.counted(n_waiting, 'task')} waiting or running: openrag task list")
    if n_failed:
        context.out.line(f"{n_failed:,} failed: openrag task list --state FAILED")
    if n_outdated:
        context.out.line(
            f"{render.counted(n_outdated, 'file')} read by older readers: openrag file refresh --outdated -p all"
        )
    if n_waiting or n_failed or n_outdated:
        context.out.line()
    width = max(map(len, EXAMPLES)) + 2
    for example, what in EXAMPLES.items():
        context.out.line(f"  {context.out.styled(example, BOLD)}{' ' * (width - len(example))}{what}")


def _outdated(context: Context, *, is_there: bool) -> int:
    """Return how many files were read by older readers."""
    return context.engine.refresher.count_outdated() if is_there else 0


def _show_partitions(context: Context, partitions: list[Partition]) -> None:
    columns = (Column("PARTITION", may_shrink=True), Column("FILES", True), Column("CHUNKS", True))
    rows = [(p.name, f"{p.file_count:,}", f"{p.chunk_count:,}") for p in partitions[:MAX_PARTITIONS]]
    context.out.table(columns, rows, empty="")
    if len(partitions) > MAX_PARTITIONS:
        context.out.line(f"... and {len(partitions) - MAX_PARTITIONS:,} more: openrag partition list")
    context.out.line()
