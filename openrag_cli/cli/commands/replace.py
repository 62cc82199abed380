"""`openrag file replace`: other content for a file."""

import shlex
import stat
from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli.commands import add
from openrag_cli.cli.commands.context import Context, parse_metadata, reading_argument
from openrag_cli.cli.commands.options import FileArgument, MetadataOption, PartitionOption
from openrag_cli.domain import DEFAULT_PARTITION, new_task_id
from openrag_cli.errors import InvalidInput
from openrag_cli.ingest.discovery import FileList
from openrag_cli.ingest.naming import Source, file_source
from openrag_cli.ingest.options import AddOptions, IfExists


def replace(
    context: Context,
    file_id: FileArgument,
    path: Annotated[Path, typer.Argument(help="The file that takes its place.")],
    partition: PartitionOption = DEFAULT_PARTITION,
    metadata: MetadataOption = [],  # noqa: B006
) -> int:
    """Replace a file; the old version stays searchable until the new one is complete, and for good if it fails.

    Example:

        openrag file replace policy.pdf new/policy.pdf -p handbook
    """
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
