"""`openrag file`: what is in a partition, and its metadata. Commands that do more have modules of their own."""

import json
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.context import Context, parse_metadata
from openrag_cli.cli.commands.listing import human_size, show_filter_warnings, show_record
from openrag_cli.cli.commands.options import FileArgument, LinesOption, MetadataOption, NullOption, PartitionOption
from openrag_cli.cli.commands.pages import AfterOption, LimitOption, show_rest
from openrag_cli.cli.commands.search_options import FilterOption
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION
from openrag_cli.errors import InvalidInput
from openrag_cli.store.metadata import said

if TYPE_CHECKING:
    from openrag_cli.store.files.filtered_files import KeyFacts

app = typer.Typer(
    help="Add, sync, refresh, rename, list, show, get, edit, replace and delete files.", no_args_is_help=True
)


@app.command("list")
def list_files(
    context: Context,
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
        empty = f"no files of partition {partition} match" if condition else f"no files in partition {partition}"
        context.out.table(columns, rows, empty=empty)
    show_rest(context, files, "file")
    show_filter_warnings(context, files.warnings)


@app.command("keys")
def list_keys(context: Context, partition: PartitionOption = DEFAULT_PARTITION) -> None:
    """List the keys of metadata that --filter can ask for, with their types and commonest values.

    Example:

        openrag file keys -p handbook
    """
    keys = context.engine.file_keys(partition)
    if context.out.is_json:
        context.out.json(render.listing("keys", map(render.key, keys)))
        return
    columns = (
        Column("KEY"),
        Column("FILES", True),
        Column("TYPES"),
        Column("COMMONEST VALUES", may_shrink=True, is_prose=True),
    )
    rows = [(key.key, key.files, ", ".join(key.types), _commonest(key)) for key in keys]
    context.out.table(columns, rows, empty=f"no files in partition {partition}")


def _commonest(key: "KeyFacts") -> str:
    return ", ".join(f"{json.dumps(value, ensure_ascii=False)} ({n:,})" for value, n in key.values)


@app.command("show")
def show(context: Context, file_id: FileArgument, partition: PartitionOption = DEFAULT_PARTITION) -> None:
    """Show what is known of one file.

    Example:

        openrag file show ops/keys.md -p handbook
    """
    file = context.engine.file(partition, file_id)
    show_record(context.out, "file", render.file(file), file.warnings)


@app.command("get")
def get(
    context: Context,
    file_id: FileArgument,
    partition: PartitionOption = DEFAULT_PARTITION,
    raw: Annotated[bool, typer.Option("--raw/--text", help="The stored original, or its converted text.")] = False,
) -> None:
    """Print a file: its text as it was indexed, or with --raw its original bytes.

    Examples:

        openrag file get policy.pdf -p handbook | less

        openrag file get policy.pdf -p handbook --raw > policy.pdf
    """
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
    context: Context,
    file_id: FileArgument,
    partition: PartitionOption = DEFAULT_PARTITION,
    metadata: MetadataOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    remove: Annotated[list[str], typer.Option(metavar="KEY", help="Metadata key to drop. Repeatable.")] = [],  # noqa: B006
) -> None:
    """Change a file's metadata; nothing is indexed again.

    Example:

        openrag file edit policy.pdf -p handbook -m year=2024 --remove draft
    """
    if not metadata and not remove:
        raise InvalidInput("there is nothing to change", hint="give -m KEY=VALUE or --remove KEY")
    file = context.engine.edit_file(partition, file_id, parse_metadata(metadata), remove=remove)
    context.out.outcome(
        render.document("file", render.file(file)),
        f"{file_id}: metadata is now {json.dumps(said(file), ensure_ascii=False)}",
    )
    for key in remove:
        if key in said(file):
            context.out.warn(f"the document itself says {key}: hide it with -m {key}=null")
