"""`openrag grep`: every line of the stored texts that matches a pattern, whatever kind the file is of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.missing import tell_what_is_missing
from openrag_cli.cli.commands.options import NullOption
from openrag_cli.cli.commands.search_options import FilesOption, FilterOption, PartitionsOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import BOLD, CYAN, RED, YELLOW
from openrag_cli.cli.places import is_gone, local_path, name_of, tell_gone, url_of
from openrag_cli.contract import to_json as render
from openrag_cli.domain import ALL_PARTITIONS, File
from openrag_cli.matching.grep import Found, GrepEnd, GrepFile, GrepLine, GrepRequest
from openrag_cli.terminal import quoted_name

Json = render.Json


@dataclass(frozen=True, slots=True)
class _How:
    """What is printed of each file."""

    pattern: str
    n_context: int
    has_names: bool
    has_counts: bool
    is_null: bool


PatternArgument = Annotated[
    str, typer.Argument(metavar="PATTERN", help="Regular expression (Python's); -F for plain text.")
]
FixedOption = Annotated[bool, typer.Option("--fixed-strings", "-F", help="Take the pattern as text. Default: off.")]
CaseOption = Annotated[bool, typer.Option("--ignore-case", "-i", help="Ignore case. Default: off.")]
NamesOption = Annotated[
    bool, typer.Option("--files-with-matches", "-l", help="Print the name of each file once. Default: off.")
]
CountOption = Annotated[
    bool, typer.Option("--count", "-c", help="Print how many lines match, by file. Default: off.")
]
LinesOption = Annotated[
    int, typer.Option("--context", "-C", metavar="N", min=0, help="Lines to print around each match.")
]
SecondsOption = Annotated[float, typer.Option(metavar="S", min=0.01, help="Seconds that one document may take.")]


def grep(
    context: Context,
    pattern: PatternArgument,
    partition: PartitionsOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    file: FilesOption = [],  # noqa: B006
    condition: FilterOption = "",
    fixed: FixedOption = False,
    ignore_case: CaseOption = False,
    names: NamesOption = False,
    count: CountOption = False,
    n_context: LinesOption = 0,
    null: NullOption = False,
    max_seconds: SecondsOption = 5.0,
) -> int:
    """Find every line that matches a pattern, in the text of all files, PDF and Office too. Exit 1 when there is none.

    Prints path:line:text; where pages are known, path p.N:line:text. Exit 3 when a document took too long.

    Examples:

        openrag grep -i "invoice 20[0-9]+" -p finance

        openrag grep -F -l "Jane Doe" -0 | xargs -0 ls
    """
    request = GrepRequest(
        pattern,
        partitions=partition or [ALL_PARTITIONS],
        file_ids=file,
        filter=condition,
        is_fixed=fixed,
        ignores_case=ignore_case,
        n_context=0 if names or count else n_context,
        limit_s=max_seconds,
    )
    how = _How(pattern, request.n_context, has_names=names, has_counts=count, is_null=null)
    end, n_files = _told(context, context.engine.grep(request), how)
    if not context.out.is_json:
        _tell_end(context, end, partition, max_seconds)
    if end.overdue:
        return ExitCode.PARTIAL
    return ExitCode.OK if n_files else ExitCode.NO


def _told(context: Context, found: Iterable[Found], how: _How) -> tuple[GrepEnd, int]:
    """Print what was found as it comes; return the end, and how many files have a match."""
    out, end, entries, gone, n_files = context.out, GrepEnd(), list[Json](), list[File](), 0
    shown: set[tuple[Path, str]] = set()
    is_further = False
    for one in found:
        if isinstance(one, GrepEnd):
            end = one
            continue
        n_files += 1
        path = local_path(one.file)
        gone += [one.file] * is_gone(one.file, path)
        name = name_of(one.file, path)
        if out.is_json:
            entries += _entries(one, path, how.n_context)
        elif path and (path, one.file.sha256) in shown:
            continue  # it is in several partitions, and here it is one file
        elif how.has_names:
            out.names([name], is_null_separated=how.is_null)
        elif how.has_counts:
            _row(context, name, f"{len(one.matches)}", url=url_of(path, None, None), is_null=how.is_null)
        else:
            if how.n_context and is_further:
                out.line("--")
            _show(context, one, path, how)
            is_further = True
        shown |= {(path, one.file.sha256)} if path else set()
    if out.is_json:
        left_out = [{"partition": one.partition, "file_id": one.file_id} for one in end.overdue]
        body = {"pattern": how.pattern, "files": end.n_searched, "read": end.n_read, "lines": entries}
        out.json(render.document("grep", body | {"too_slow": left_out, "not_searched": end.n_left}))
    else:
        tell_gone(out, gone)
    return end, n_files


def _entries(one: GrepFile, path: Path | None, n_context: int) -> Iterator[Json]:
    texts = {line.number: line.text for line in one.lines}

    def around(begin: int, end: int) -> list[str]:
        """Return lines that are there."""
        return [texts[number] for number in range(begin, end) if number in texts]

    for line in one.matches:
        at = line.number
        yield {
            "partition": one.file.partition,
            "file_id": one.file.file_id,
            "path": str(path) if path else None,
            "line": at + 1,
            "page": line.page,
            "text": line.text,
            "matches": [{"start": start, "end": end} for start, end in line.spans],
            "before": around(at - n_context, at),
            "after": around(at + 1, at + 1 + n_context),
        }


def _show(context: Context, one: GrepFile, path: Path | None, how: _How) -> None:
    last = one.lines[0].number
    name = name_of(one.file, path)
    for line in one.lines:
        if how.n_context and line.number > last + 1:
            context.out.line("--")
        last = line.number
        sign = ":" if line.is_match else "-"
        where = f" p.{line.page}" if line.page else ""
        url = url_of(path, line.number + 1, line.page)
        rest = f"{line.number + 1}{sign}{_marked(context, line)}"
        _row(context, name, rest, where=where, sign=sign, url=url, is_null=how.is_null)


def _row(
    context: Context, name: str, rest: str, *, url: str | None, where: str = "", sign: str = ":", is_null: bool
) -> None:
    """Print a line after the name of its file, which a NUL byte ends with -0."""
    out = context.out
    if is_null:
        out.names([name], is_null_separated=True)
        out.line(f"{where.strip()}{sign if where else ''}{rest}")
    else:
        out.line(out.link(out.styled(f"{quoted_name(name)}{where}", BOLD, CYAN), url) + f"{sign}{rest}")


def _marked(context: Context, line: GrepLine) -> str:
    parts: list[str] = []
    at = 0
    for start, end in line.spans:
        parts += [line.text[at:start], context.out.styled(line.text[start:end], BOLD, RED) if end > start else ""]
        at = end
    return "".join([*parts, line.text[at:]])


def _tell_end(context: Context, end: GrepEnd, partitions: Sequence[str], limit_s: float) -> None:
    """Say what was not searched."""
    out = context.out
    for file in end.overdue:
        what = f"{file.file_id}: the pattern took longer than {limit_s:g} s; not searched"
        out.warn(f"{out.styled('warning:', YELLOW)} {what}")
    if end.n_left:
        out.warn(f"gave up: {render.counted(end.n_left, 'more file')} not searched")
        out.hint("a pattern without nested repetitions, or -F, is faster; or give it more with --max-seconds")
    tell_what_is_missing(context, partitions)
