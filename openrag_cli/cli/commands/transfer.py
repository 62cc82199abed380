"""`openrag export` and `import`: a partition as files that any program can read, and back."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.contract import to_json as render


def export(
    context: Context,
    partition: Annotated[str, typer.Option("--partition", "-p", metavar="NAME", help="Partition to write.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write; it is made, or must be empty.")
    ],
) -> None:
    """Write a partition as JSON Lines (documents, chunks), Parquet (vectors) and the originals.

    Example:

        openrag export -p handbook -o handbook-export
    """
    report = context.here(f"export -p {shlex.quote(partition)} -o DIR").maintenance.export(partition, output)
    if context.out.is_json:
        body = {"partition": report.partition, "path": str(output), "files": report.files, "chunks": report.chunks}
        context.out.json(render.document("export", body))
    else:
        context.out.note(f"exported {render.files_and_chunks(report.files, report.chunks)} to {output}")


def import_partition(
    context: Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What openrag export wrote.")],
    partition: Annotated[
        str | None,
        typer.Option("--partition", "-p", metavar="NAME", help="Partition to make. Default: the one exported."),
    ] = None,
) -> None:
    """Make a partition from an export. Vectors of the same embedding model are kept, others made anew.

    It appears when all of it is there. If it was stopped, the same command goes on with the file where it stopped.

    Example:

        openrag import handbook-export -p handbook2
    """
    context.allow_creating()
    report = context.here("import DIR").maintenance.import_partition(folder, partition)
    if context.out.is_json:
        context.out.json(render.document("import", asdict(report)))
        return
    made = f", {report.embedded:,} embedded anew" if report.embedded else ""
    if report.resumed:
        context.out.note(f"went on after {render.counted(report.resumed, 'file')} of an import that was stopped")
    counts = render.files_and_chunks(report.files, report.chunks)
    context.out.note(f"imported {counts} into {report.partition}{made}")
