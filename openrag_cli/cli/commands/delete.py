"""`openrag file delete`: files that go, in one commit."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context, read_stdin
from openrag_cli.cli.commands.options import DryRunOption, NullOption, PartitionOption, YesOption, whole_file_id
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION
from openrag_cli.errors import DocumentNotFound, PartitionNotFound
from openrag_cli.ingest.report import Failure, Report


def delete(
    context: Context,
    file_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of files, or - to read them from stdin.")
    ],
    partition: PartitionOption = DEFAULT_PARTITION,
    yes: YesOption = False,
    null: NullOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Delete files.

    Examples:

        openrag file delete old.md older.md -p handbook --yes

        openrag file list -p tmp -0 | openrag file delete - -0 -p tmp --yes
    """
    wanted = [
        one
        for given in file_ids
        for one in (_ids_from_stdin(is_null=null) if given == "-" else [whole_file_id(given)])
    ]
    if dry_run:
        return _rehearse_deleting(context, partition, wanted)
    noun = wanted[0] if len(wanted) == 1 else render.counted(len(wanted), "file")
    context.confirm(f"Delete {noun} from partition {partition}?", is_agreed=yes)
    began = time.monotonic()
    deleted, missing = _delete(context, partition, wanted)
    if not deleted and len(missing) == 1:
        raise DocumentNotFound(missing[0], partition)
    if context.out.is_json:
        failures = [Failure(one, None, None, DocumentNotFound.code, "not found") for one in missing]
        report = Report(deleted=len(deleted), seconds=round(time.monotonic() - began, 3), failures=failures)
        context.out.json(render.report(report))
    else:
        context.out.note(
            f"deleted {len(deleted):,} of {render.counted(len(wanted), 'file')} from partition {partition}"
        )
        for file_id in missing:
            context.out.warn(f"not found: {file_id}")
    return ExitCode.PARTIAL if missing else ExitCode.OK


def _delete(context: Context, partition: str, wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    try:
        return context.engine.delete_files(partition, wanted)
    except PartitionNotFound:
        if partition != DEFAULT_PARTITION or len(wanted) != 1:
            raise
        raise DocumentNotFound(wanted[0], partition) from None  # nobody named that partition


def _rehearse_deleting(context: Context, partition: str, wanted: Sequence[str]) -> int:
    known = context.files_by_id(partition)
    deletes = [one for one in dict.fromkeys(wanted) if one in known]
    missing = [one for one in dict.fromkeys(wanted) if one not in known]
    if context.out.is_json:
        failures = [Failure(one, None, None, DocumentNotFound.code, "not found") for one in missing]
        body = render.report(Report(deleted=len(deletes), failures=failures))
        plan = {"add": [], "replace": [], "move": [], "delete": deletes}
        context.out.json(body | {"dry_run": True, "plan": plan})
    else:
        context.out.table(
            (Column("ACTION"), Column("FILE", may_shrink=True)), [("delete", one) for one in deletes], empty=""
        )
        context.out.note(f"dry run: {render.counted(len(deletes), 'file')} to delete")
        for file_id in missing:
            context.out.warn(f"not found: {file_id}")
    return ExitCode.PARTIAL if missing else ExitCode.OK


def _ids_from_stdin(*, is_null: bool) -> list[str]:
    """Return the ids; only a newline ends a line: U+2028 and its kin are characters of a name."""
    text = read_stdin().decode("utf-8", "surrogateescape")
    ids = text.split("\0") if is_null else (line.removesuffix("\r") for line in text.split("\n"))
    return [one for one in ids if one]
