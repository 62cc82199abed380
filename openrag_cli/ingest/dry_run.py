"""What adding files would do, found out without doing it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from openrag_cli.documents.media_types import HEAD_BYTES, media_type_of
from openrag_cli.domain import File
from openrag_cli.errors import Conflict, IngestError, InvalidInput, PathNotFound
from openrag_cli.ingest.add_files import is_unchanged, taken
from openrag_cli.ingest.discovery import failure
from openrag_cli.ingest.naming import Source, check_distinct
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.ingest.report import Report
from openrag_cli.ingest.stable_read import user_file_errors
from openrag_cli.store.names import check_file_id


@dataclass(slots=True)
class DryRun:
    """The ids that would be added and replaced; the report counts them as if they had been."""

    adds: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    report: Report = field(default_factory=Report)


def dry_run(sources: Iterable[Source], known: Mapping[str, File], options: AddOptions) -> DryRun:
    """Return what adding `sources` to a partition that holds `known`, by id, would begin; nothing is converted."""
    found = DryRun()
    for source in check_distinct(list(sources)):
        try:
            check_file_id(source.file_id)
            held = known.get(source.file_id)
            with user_file_errors(source.path), source.path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
            if held is None:
                media_type_of(source.filename, head)
                found.adds.append(source.file_id)
            elif options.if_exists is IfExists.SKIP or is_unchanged(source.path, held):
                found.report.unchanged += 1
            elif options.if_exists is IfExists.REPLACE:
                media_type_of(source.filename, head)
                found.replaces.append(source.file_id)
            else:
                raise taken(held, source)
        except (InvalidInput, Conflict, PathNotFound, IngestError) as exc:
            found.report.failures.append(failure(source, exc))
    found.report.added, found.report.replaced = len(found.adds), len(found.replaces)
    return found
