"""`openrag file add`, and what came of indexing, for a person."""

import contextlib
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.context import Context, parse_metadata, read_stdin, reading_argument
from openrag_cli.cli.commands.ignored_now import ignored_now, tell_with_ids
from openrag_cli.cli.commands.options import (
    DryRunOption,
    FollowOption,
    MetadataOption,
    NullOption,
    PartitionOption,
    StrictOption,
)
from openrag_cli.cli.exit_codes import ExitCode, failure_exit_code
from openrag_cli.cli.output import Column
from openrag_cli.config.homes import scratch_folder
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION, DocumentWarning, FileSource, new_task_id
from openrag_cli.errors import InvalidInput, os_errors
from openrag_cli.ingest.discovery import (
    LINKED_FILE,
    LINKED_FOLDER,
    STORE,
    Choice,
    FileList,
    collect,
    read_path_list,
)
from openrag_cli.ingest.naming import readable
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.ingest.report import Report
from openrag_cli.store.names import check_new_id

if TYPE_CHECKING:
    from openrag_cli.ingest.report import Progressed

SHOWN_FAILURES = 20
MAX_WARNING_CHARS = 300
MAX_NAME_CHARS = 60
STDIN = FileSource("upload", "stdin")

PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH|DIR|-]...", help="Files, folders (recursive), or - for standard input."),
]
IdOption = Annotated[
    str | None, typer.Option("--id", help="Id of the one file given. Default: its path below --root.")
]
IfExistsOption = Annotated[IfExists, typer.Option(help="What to do with an id that is taken by other content.")]
GlobOption = Annotated[
    list[str],
    typer.Option(metavar="PATTERN", help="In folders, take only what matches, as in .gitignore. Repeatable."),
]
ExcludeOption = Annotated[
    list[str], typer.Option(metavar="PATTERN", help="In folders, leave out what matches. Repeatable.")
]
FilesFromOption = Annotated[
    str | None, typer.Option(metavar="FILE|-", help="Read more paths from a file, one a line. Default: none.")
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder below which ids are paths. Default: the folder given, or the current one."
    ),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Only queue; a server or `openrag task run` indexes. Default: index now.")
]


def add(
    context: Context,
    paths: PathsArgument = None,
    partition: PartitionOption = DEFAULT_PARTITION,
    file_id: IdOption = None,
    metadata: MetadataOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    if_exists: IfExistsOption = IfExists.FAIL,
    glob: GlobOption = [],  # noqa: B006
    exclude: ExcludeOption = [],  # noqa: B006
    files_from: FilesFromOption = None,
    root: RootOption = None,
    null: NullOption = False,
    detach: DetachOption = False,
    dry_run: DryRunOption = False,
    strict: StrictOption = False,
    follow: FollowOption = False,
) -> int:
    """Index files: PDF, Office, HTML, e-mail, Markdown, text and code. Folders are walked; git's rules are obeyed.

    A file whose content is there already is skipped. One that fails is reported, and the rest goes on (exit 3);
    in folders, kinds without a reader, empty files, links and the store itself are counted and skipped. A folder with
    ignore rules that cannot be read is left out whole.

    Examples:

        openrag file add ~/docs -p handbook

        git ls-files -z | openrag file add --files-from - -0 -p code

        curl -s https://example.org/a.html | openrag file add - --id a.html
    """
    options = AddOptions(
        partition=partition,
        batch=new_task_id(),
        metadata=parse_metadata(metadata),
        if_exists=if_exists,
        max_bytes=context.settings.max_file_bytes,
        max_markup_bytes=context.settings.max_markup_bytes,
    )
    with contextlib.ExitStack() as kept:
        listed = _listed(files_from, is_null=null)
        given = [_from_stdin(context, kept, file_id) if path == "-" else Path(path) for path in paths or []]
        choice = Choice(glob, exclude, own_folders(context), follows=follow, skips_empty=not strict)
        intake = _renamed(collect([*given, *listed], choice, root=root), file_id, paths or [])
        named = None if strict else {readable(path) for path in paths or []}
        ignored = partial(ignored_now, context, partition, [*given, *listed], choice, intake)
        if dry_run:
            return _rehearse(context, intake, options, named=named, ignored=ignored)
        return index(context, intake, options, is_detached=detach, named=named, ignored=ignored)


def index(
    context: Context,
    intake: FileList,
    options: AddOptions,
    *,
    is_detached: bool,
    named: set[str] | None = None,
    ignored: Callable[[], list[str]] = list,
) -> int:
    """Add what was found, with a progress bar, and report; the exit code tells failures and interruption.

    `ignored` finds the files that a rule leaves out by now. Of kinds that no reader knows, only the paths in `named` fail;
    without it all of them do.
    """
    context.allow_creating()
    with context.stopping() as should_stop:
        with context.out.progress("scanning") as progress:
            progress.scan(len(intake.sources))
            report = context.engine.add_sources(
                intake.sources,
                replace(options, on_looked=progress.look),
                detach=is_detached,
                on_queued=progress.expect,
                listener=progress.take,
                should_stop=should_stop,
            )
        is_stopped = should_stop()
    report.failures[:0] = intake.failures
    report.left_out += intake.left_out
    if named is not None:
        report.skip_unread_kinds(named)
    n_queued = context.engine.count_live(options.batch)
    left = ignored()
    if context.out.is_json:
        context.out.json(render.report(report) | {"queued": n_queued, "ignored_now": len(left)})
    else:
        show_report(context, report, n_queued=n_queued)
        tell_with_ids(context, left, options.partition)
        _show_old_names(context, report, options.partition)
    if is_stopped:
        context.out.hint(
            f"{render.counted(n_queued, 'file')} waiting: run the same command again, or: openrag task run"
        )
        return ExitCode.INTERRUPTED
    return report_exit_code(report, n_inputs=len(intake.sources) + len(intake.failures))


def _rehearse(
    context: Context,
    intake: FileList,
    options: AddOptions,
    *,
    named: set[str] | None,
    ignored: Callable[[], list[str]],
) -> int:
    from openrag_cli.ingest.dry_run import dry_run

    found = dry_run(intake.sources, context.files_by_id(options.partition), options)
    report, left = found.report, ignored()
    report.failures[:0] = intake.failures
    report.left_out += intake.left_out
    if named is not None:
        report.skip_unread_kinds(named)
    if context.out.is_json:
        plan = {"add": found.adds, "replace": found.replaces, "move": [], "delete": []}
        told = {"queued": 0, "ignored_now": len(left), "dry_run": True, "plan": plan}
        context.out.json(render.report(report) | told)
    else:
        rows = [("add", one) for one in found.adds] + [("replace", one) for one in found.replaces]
        context.out.table((Column("ACTION"), Column("FILE", may_shrink=True)), rows, empty="")
        counts = f"{report.added:,} to add, {report.replaced:,} to replace, {report.unchanged:,} unchanged"
        context.out.note(f"dry run, {render.counted(len(intake.sources), 'file')}: {counts}")
        show_skipped(context, report)
        tell_with_ids(context, left, options.partition)
        show_failures(context, report)
    return report_exit_code(report, n_inputs=len(intake.sources) + len(intake.failures))


def show_report(context: Context, report: Report, *, n_queued: int = 0) -> None:
    """Print the summary and the failures."""
    out = context.out
    done = report.added + report.replaced
    skipped = f" ({report.unchanged:,} skipped: unchanged)" if report.unchanged else ""
    queued = f", queued {n_queued:,}" if n_queued else ""
    counts = render.files_and_chunks(done, report.chunks)
    out.note(f"indexed {counts} in {duration(report.seconds)}{queued}{skipped}")
    show_skipped(context, report)
    show_warnings(context, report)
    show_failures(context, report)


def show_skipped(context: Context, report: Report) -> None:
    """Print how many entries of which kinds were skipped: no reader knows them, or they are no source."""
    kinds = ", ".join(_counted_kind(noun, n) for noun, n in report.skipped_kinds().items())
    if kinds:
        is_linked = bool(report.left_out[LINKED_FOLDER] or report.left_out[LINKED_FILE])
        context.out.note(f"skipped: {kinds}" + " (--follow follows links)" * is_linked)


def _counted_kind(noun: str, n: int) -> str:
    if noun == STORE and n == 1:
        return "the store"
    first, _, rest = noun.partition(" of ")
    return f"{render.counted(n, first)} of {rest}" if rest else render.counted(n, noun)


def own_folders(context: Context) -> tuple[Path, ...]:
    """Return the folders of openrag on this machine, which are never a source."""
    return () if context.settings.server else (context.settings.store,)


def show_warnings(context: Context, report: Report) -> None:
    """Print what was not indexed of the files that were: one line a file, the first files alone."""
    out = context.out
    for one in report.warned[:SHOWN_FAILURES]:
        out.warn(f"{out.styled('warning:', '33')} {one.path or one.file_id}: {warning_line(one.warnings)}")
    n_more = len(report.warned) - SHOWN_FAILURES
    if n_more > 0:
        out.warn(f"... and {render.counted(n_more, 'more file')} with warnings: openrag task list")


def warning_line(warnings: Sequence[DocumentWarning]) -> str:
    """Return the first warning, cut to a line, and how many more there are."""
    sentence = warnings[0].sentence
    shown = sentence if len(sentence) <= MAX_WARNING_CHARS else sentence[: MAX_WARNING_CHARS - 1] + "…"
    return shown + (f" (and {len(warnings) - 1:,} more)" if len(warnings) > 1 else "")


def _show_old_names(context: Context, report: Report, partition: str) -> None:
    for file_id, known in report.known_as[:SHOWN_FAILURES]:
        names = shlex.join([known, file_id, "-p", partition])
        context.out.note(
            f"unchanged: {file_id} is there as {known}; to give it its path: openrag file rename {names}"
        )


def show_failures(context: Context, report: Report) -> None:
    """Print the first failures, and what to do about them."""
    out = context.out
    for failure in report.failures[:SHOWN_FAILURES]:
        out.warn(f"{out.styled('failed:', '31')} {failure.path or failure.file_id}: {failure.message}")
    n_more = len(report.failures) - SHOWN_FAILURES
    if n_more > 0:
        has_tasks = all(failure.task_id for failure in report.failures[SHOWN_FAILURES:])
        rest = ": openrag task list --state FAILED" if has_tasks else "; --json lists them all"
        out.warn(f"... and {n_more:,} more{rest}")
    if len(report.failures) == 1:
        out.hint(report.failures[0].hint)
    elif report.failures and (task_id := next((f.task_id for f in report.failures if f.task_id), None)):
        out.hint(f"openrag task error {task_id}")


def report_exit_code(report: Report, *, n_inputs: int) -> int:
    """Return 0, the code of the only input's failure, or 3 when some of several failed."""
    if not report.failures:
        return ExitCode.OK
    return failure_exit_code(report.failures[0].code) if n_inputs == 1 else ExitCode.PARTIAL


def drain(context: Context) -> int:
    """Run every queued task, with a progress bar; the body of `openrag task run`."""
    from openrag_cli.ingest.report import TaskDone

    engine = context.engine
    failures: list[TaskDone] = []
    n_done = n_chunks = 0
    with context.stopping() as should_stop:
        with context.out.progress("indexing") as progress:

            def listen(done: "Progressed") -> None:
                """Take note of a task that ended."""
                nonlocal n_done, n_chunks
                progress.take(done)
                if not isinstance(done, TaskDone):
                    return
                n_done += done.error is None and not done.is_lost
                n_chunks += done.n_chunks
                if done.error:
                    failures.append(done)

            progress.expect(engine.count_live())
            engine.drain(listener=listen, should_stop=should_stop)
        is_stopped = should_stop()
    if context.out.is_json:
        body = {"completed": n_done, "failed": len(failures), "chunks": n_chunks, "left": engine.count_live()}
        context.out.json(render.document("run", body))
    else:
        ran = render.counted(n_done + len(failures), "task")
        context.out.note(f"ran {ran}: {render.files_and_chunks(n_done, n_chunks)} indexed")
        for done in failures[:SHOWN_FAILURES]:
            context.out.warn(f"failed: {done.task.upload.file_id}: {done.error.message if done.error else ''}")
    return ExitCode.INTERRUPTED if is_stopped else ExitCode.PARTIAL if failures else ExitCode.OK


def _listed(files_from: str | None, *, is_null: bool) -> list[Path]:
    if files_from is None:
        return []
    if files_from == "-":
        data = read_stdin()
    else:
        with reading_argument(files_from):
            data = Path(files_from).read_bytes()
    return read_path_list(data, is_null_separated=is_null)


def _from_stdin(context: Context, kept: contextlib.ExitStack, file_id: str | None) -> Path:
    if not file_id:
        raise InvalidInput(
            "what comes from standard input needs a name", hint="give one with --id, for example --id a.html"
        )
    name = Path(check_new_id(file_id)).name[-MAX_NAME_CHARS:]  # its extension may tell the format
    content = read_stdin(context.settings.max_file_bytes)
    scratch = scratch_folder("openrag-")
    kept.callback(shutil.rmtree, scratch, ignore_errors=True)
    target = scratch / (name if name.strip(".") else "stdin")
    with os_errors(f"keeping standard input in {scratch}"):
        target.write_bytes(content)
    return target


def _renamed(intake: FileList, file_id: str | None, given: Sequence[str]) -> FileList:
    """Give the one file its id from --id; of what came from standard input there is only a copy."""
    if file_id is not None:
        if len(intake.sources) + len(intake.failures) != 1:
            n_found = len(intake.sources)
            raise InvalidInput(f"--id names one file, and {n_found:,} were found", hint="add them without --id")
        check_new_id(file_id)
        intake.sources = [
            replace(source, file_id=file_id, is_elsewhere=False, name=source.filename, origin=STDIN)
            if given == ["-"]
            else replace(source, file_id=file_id, is_elsewhere=False)
            for source in intake.sources
        ]
    elif not intake.sources and not intake.failures and not intake.left_out:
        where = f"no file to add in {', '.join(map(readable, given))}" if given else "there is no file to add"
        raise InvalidInput(where, hint="give files or folders: openrag file add ~/docs -p handbook")
    return intake


def duration(seconds: float) -> str:
    """Return a time for a person: 0.4 s, 41 s, 12 min."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
