"""`openrag file refresh`: files read again, from their kept originals, with the readers of today."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.add import duration, report_exit_code, show_failures, show_warnings
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import DryRunOption, PartitionOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION, File
from openrag_cli.ingest.report import Report

if TYPE_CHECKING:
    from openrag_cli.library.kept import Refreshing

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of files. Default: every file of the partition.")
]
OutdatedOption = Annotated[
    bool,
    typer.Option(
        "--outdated",
        help="Only files that an older reader, chunker or another model made. Default: all that are named.",
    ),
]


def refresh(
    context: Context,
    file_ids: IdsArgument = None,
    partition: PartitionOption = DEFAULT_PARTITION,
    outdated: OutdatedOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Read files again from their kept originals, so that better readers reach what is stored. Ids and metadata stay.

    The old text is found until the new one is complete, and for good when a file cannot be read any more (exit 3).
    What was interrupted goes on when the same command is run again.

    Examples:

        openrag file refresh --outdated -p all --dry-run

        openrag file refresh --outdated -p all

        openrag file refresh report.pdf -p handbook
    """
    refresher = context.engine.refresher
    files, failures = refresher.named(partition, file_ids or [], is_outdated=outdated)
    n_inputs = len(files) + len(failures)
    if dry_run:
        _rehearse(context, files, Report(replaced=len(files), failures=failures))
        return report_exit_code(Report(failures=failures), n_inputs=n_inputs)
    with context.stopping() as should_stop:
        report, n_queued = _run(context, refresher, files, should_stop)
        is_stopped = should_stop()
    report.failures[:0] = failures
    if context.out.is_json:
        context.out.json(render.report(report) | {"queued": n_queued})
    else:
        _show(context, report, n_queued=n_queued)
    if is_stopped:
        waiting = render.counted(n_queued, "file")
        context.out.hint(f"{waiting} waiting: run the same command again, or: openrag task run")
        return ExitCode.INTERRUPTED
    return report_exit_code(report, n_inputs=n_inputs)


def _run(
    context: Context, refresher: "Refreshing", files: Sequence[File], should_stop: Callable[[], bool]
) -> tuple[Report, int]:
    """Return what was done, and how many files still wait."""
    from openrag_cli.ingest.refresh import RefreshRun

    with context.out.progress("reading again") as progress:
        run = RefreshRun(
            on_queued=progress.expect,
            listener=progress.take,
            should_stop=should_stop,
        )
        report = refresher.refresh(files, run)
    return report, context.engine.count_live(run.batch)


def _rehearse(context: Context, files: Sequence[File], report: Report) -> None:
    if context.out.is_json:
        plan = {"add": [], "replace": [file.file_id for file in files], "move": [], "delete": []}
        context.out.json(render.report(report) | {"queued": 0, "dry_run": True, "plan": plan})
        return
    columns = (Column("ACTION"), Column("PARTITION", may_shrink=True), Column("FILE", may_shrink=True))
    context.out.table(columns, [("read again", file.partition, file.file_id) for file in files], empty="")
    context.out.note(f"dry run: {render.counted(len(files), 'file')} to read again")
    show_failures(context, report)


def _show(context: Context, report: Report, *, n_queued: int) -> None:
    counts = render.files_and_chunks(report.replaced, report.chunks)
    queued = f", queued {n_queued:,}" if n_queued else ""
    left = f" ({report.unchanged:,} changed meanwhile)" if report.unchanged else ""
    context.out.note(f"read {counts} again in {duration(report.seconds)}{queued}{left}")
    show_warnings(context, report)
    show_failures(context, report)
