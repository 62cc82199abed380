"""`openrag file`: what is in a partition, and changing it. Adding is in add.py."""

import json
import shlex
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands import add, refresh, rename, sync
from openrag_cli.cli.commands.context import Context, parse_metadata, read_stdin, reading_argument
from openrag_cli.cli.commands.listing import show_record
from openrag_cli.cli.commands.options import (
    DryRunOption,
    LinesOption,
    MetadataOption,
    NullOption,
    PartitionOption,
    YesOption,
)
from openrag_cli.cli.commands.pages import AfterOption, LimitOption, show_rest
from openrag_cli.cli.commands.search import show_filter_warnings
from openrag_cli.cli.commands.search_options import FilterOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column, human_size
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION, new_task_id
from openrag_cli.errors import DocumentNotFound, InvalidInput
from openrag_cli.ingest.discovery import FileList
from openrag_cli.ingest.naming import Source, file_source
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.store.metadata import said

if TYPE_CHECKING:
    from openrag_cli.store.files.filtered_files import KeyFacts

app = typer.Typer(
    help="Add, sync, refresh, rename, list, show, get, edit, replace and delete files.", no_args_is_help=True
)
app.command("add")(add.add)
app.command("sync")(sync.sync)
app.command("refresh")(refresh.refresh)
app.command("rename")(rename.rename)

FileArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the file: see openrag file list.")]


@app.command("list")
def list_files(
    ctx: typer.Context,
    partition: PartitionOption = DEFAULT_PARTITION,
    limit: LimitOption = -1,
    offset: Annotated[int, typer.Option(metavar="N", help="Rows to skip; without effect beside --after.")] = 0,
    after: AfterOption = "",
    condition: FilterOption = "",
    null: NullOption = False,
    jsonl: LinesOption = False,
) -> None:
    """List the files of a partition, or of `all`.

    Examples:

        openrag file list -p handbook

        openrag file list -p handbook -0 | xargs -0 -n1 echo

        openrag file list -p handbook --filter 'year >= 2024 and not draft = true'
    """
    context: Context = ctx.obj
    files = context.engine.files(partition, limit=limit, offset=offset, after=after, filter=condition)
    if jsonl:
        context.out.json_lines(render.document("file", render.file(file)) for file in files)
    elif context.out.is_json:
        context.out.json(render.files(files))
    elif null:
        context.out.names((file.file_id for file in files), is_null_separated=True)
    else:
        columns = (
            Column("FILE", may_shrink=True),
            Column("CHUNKS", True),
            Column("SIZE", True),
            Column("UPDATED", is_optional=True),
        )
        show = human_size if context.out.is_terminal else str
        rows = [(f.file_id, f.chunk_count, show(f.size), context.out.time(f.updated_at)) for f in files]
        context.out.table(columns, rows, empty=f"no files in partition {partition}")
    show_rest(context, files, "file")
    show_filter_warnings(context, files.warnings)


@app.command("keys")
def list_keys(ctx: typer.Context, partition: PartitionOption = DEFAULT_PARTITION) -> None:
    """List the keys of metadata that --filter can ask for, with their types and commonest values.

    Example:

        openrag file keys -p handbook
    """
    context: Context = ctx.obj
    keys = context.engine.file_keys(partition)
    if context.out.is_json:
        context.out.json(render.listing("keys", map(render.key, keys)))
        return
    columns = (Column("KEY"), Column("FILES", True), Column("TYPES"), Column("COMMONEST VALUES", may_shrink=True))
    rows = [(key.key, key.files, ", ".join(key.types), _commonest(key)) for key in keys]
    context.out.table(columns, rows, empty=f"no files in partition {partition}")


def _commonest(key: "KeyFacts") -> str:
    return ", ".join(f"{json.dumps(value, ensure_ascii=False)} ({n:,})" for value, n in key.values)


@app.command("show")
def show(ctx: typer.Context, file_id: FileArgument, partition: PartitionOption = DEFAULT_PARTITION) -> None:
    """Show what is known of one file.

    Example:

        openrag file show ops/keys.md -p handbook
    """
    context: Context = ctx.obj
    file = context.engine.file(partition, file_id)
    show_record(context.out, "file", render.file(file), file.warnings)


@app.command("get")
def get(
    ctx: typer.Context,
    file_id: FileArgument,
    partition: PartitionOption = DEFAULT_PARTITION,
    raw: Annotated[bool, typer.Option("--raw/--text", help="The stored original, or its converted text.")] = False,
) -> None:
    """Print a file: its text as it was indexed, or with --raw its original bytes.

    Examples:

        openrag file get policy.pdf -p handbook | less

        openrag file get policy.pdf -p handbook --raw > policy.pdf
    """
    context: Context = ctx.obj
    if raw:
        refusal = InvalidInput("the original may not be text", hint="redirect it to a file: … --raw > FILE")
        target = context.out.binary(refusal)
        with context.engine.original(partition, file_id) as stream:
            shutil.copyfileobj(stream, target)
        return
    file = context.engine.file(partition, file_id)
    document = context.engine.document(partition, file_id)
    if context.out.is_json:
        pages = [{"number": page.number, "start": page.start, "end": page.end} for page in document.pages]
        body = {"partition": partition, "file_id": file_id, "text": document.markdown, "pages": pages}
        context.out.json(render.document("text", body | {"media_type": file.media_type}))
    else:
        context.out.verbatim(document.markdown)


@app.command("edit")
def edit(
    ctx: typer.Context,
    file_id: FileArgument,
    partition: PartitionOption = DEFAULT_PARTITION,
    metadata: MetadataOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    remove: Annotated[list[str], typer.Option(metavar="KEY", help="Metadata key to drop. Repeatable.")] = [],  # noqa: B006
) -> None:
    """Change a file's metadata; nothing is indexed again.

    Example:

        openrag file edit policy.pdf -p handbook -m year=2024 --remove draft
    """
    context: Context = ctx.obj
    if not metadata and not remove:
        raise InvalidInput("there is nothing to change", hint="give -m KEY=VALUE or --remove KEY")
    file = context.engine.edit_file(partition, file_id, parse_metadata(metadata), remove=remove)
    if context.out.is_json:
        context.out.json(render.document("file", render.file(file)))
    else:
        context.out.note(f"{file_id}: metadata is now {json.dumps(said(file), ensure_ascii=False)}")
    for key in remove:
        if key in said(file):
            context.out.warn(f"the document itself says {key}: hide it with -m {key}=null")


@app.command("replace")
def replace(
    ctx: typer.Context,
    file_id: FileArgument,
    path: Annotated[Path, typer.Argument(help="The file that takes its place.")],
    partition: PartitionOption = DEFAULT_PARTITION,
    metadata: MetadataOption = [],  # noqa: B006
) -> int:
    """Replace a file; the old version stays searchable until the new one is complete, and for good if it fails.

    Example:

        openrag file replace policy.pdf new/policy.pdf -p handbook
    """
    context: Context = ctx.obj
    known = context.engine.file(partition, file_id)
    with reading_argument(str(path)):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        words = shlex.join(["--id", file_id, "-p", partition, "--if-exists", "replace"])
        raise InvalidInput(
            f"{path} is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}, and no file",
            hint=f"COMMAND | openrag file add - {words}",
        )
    options = AddOptions(
        partition=partition,
        batch=new_task_id(),
        metadata=known.metadata | parse_metadata(metadata),
        if_exists=IfExists.REPLACE,
        max_bytes=context.settings.max_file_bytes,
        max_markup_bytes=context.settings.max_markup_bytes,
    )
    source = Source(path, file_id, file_source(path, None))
    return add.index(context, FileList(sources=[source]), options, is_detached=False)


@app.command("delete")
def delete(
    ctx: typer.Context,
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
    context: Context = ctx.obj
    wanted = [one for given in file_ids for one in (_ids_from_stdin(is_null=null) if given == "-" else [given])]
    if dry_run:
        return _rehearse_deleting(context, partition, wanted)
    noun = wanted[0] if len(wanted) == 1 else render.counted(len(wanted), "file")
    context.confirm(f"Delete {noun} from partition {partition}?", is_agreed=yes)
    began = time.monotonic()
    deleted, missing = context.engine.delete_files(partition, wanted)
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
