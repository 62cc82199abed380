"""`openrag grep`: every line of the stored texts that matches a pattern, whatever kind the file is of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import NullOption
from openrag_cli.cli.commands.search_options import FilesOption, FilterOption, PartitionsOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import BOLD, CYAN, RED, YELLOW
from openrag_cli.cli.places import is_gone, local_path, name_of, tell_gone
from openrag_cli.contract import to_json as render
from openrag_cli.domain import FINAL_STATES, Document, File
from openrag_cli.errors import DocumentNotFound
from openrag_cli.terminal import quoted_name

if TYPE_CHECKING:
    from openrag_cli.matching.matcher import Matcher, MatchingLine

MAX_OVERDUE = 3
"""Documents that may take too long before the rest is left out: a pattern that hangs in three hangs in all."""

Json = render.Json


@dataclass(frozen=True, slots=True)
class Grepped:
    """A file with the lines of its text and those that match."""

    file: File
    path: Path | None
    document: Document
    lines: list[str]
    found: "list[MatchingLine]"

    @property
    def name(self) -> str:
        """The path of the file from here, or else its id."""
        return name_of(self.file, self.path)

    def pages(self) -> list[int | None]:
        """Return the page of each line; None where the format has no pages."""
        pages: list[int | None] = []
        at, number = 0, 0
        for line in self.lines:
            while number < len(self.document.pages) - 1 and at >= self.document.pages[number].end:
                number += 1
            pages.append(self.document.pages[number].number if self.document.pages else None)
            at += len(line) + 1
        return pages


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


@dataclass(slots=True)
class Tally:
    """What was searched, and what was not because it took too long."""

    n_searched: int = 0
    n_lines: int = 0
    gone: list[File] = field(default_factory=list)
    overdue: list[File] = field(default_factory=list)
    n_left: int = 0


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
    from openrag_cli.matching.matcher import Matcher

    tally = Tally()
    entries: list[Json] = []
    with Matcher(pattern, is_fixed=fixed, ignores_case=ignore_case, limit_s=max_seconds) as matcher:
        for one in _grepped(context, matcher, _files(context, partition, file, condition), tally):
            tally.n_lines += len(one.found)
            tally.gone += [one.file] * is_gone(one.file, one.path)
            if context.out.is_json:
                entries += _entries(one, n_context)
            elif names:
                context.out.names([one.name], is_null_separated=null)
            elif count:
                _row(context, one, f"{len(one.found)}", is_null=null)
            else:
                _show(context, one, n_context, is_null=null)
    if context.out.is_json:
        left_out = [{"partition": one.partition, "file_id": one.file_id} for one in tally.overdue]
        body = {"pattern": pattern, "files": tally.n_searched, "lines": entries, "too_slow": left_out}
        context.out.json(render.document("grep", body | {"not_searched": tally.n_left}))
    return _end(context, tally, max_seconds)


def _files(context: Context, partitions: list[str], file_ids: list[str], condition: str) -> list[File]:
    """Return the files to search, by partition and id. Raises: DocumentNotFound, when none has an id that is named."""
    names = partitions or [one.name for one in context.engine.partitions()]
    files = [one for name in names for one in context.engine.files(name, filter=condition)]
    if not file_ids:
        return files
    chosen = [one for one in files if one.file_id in file_ids]
    missing = set(file_ids) - {one.file_id for one in chosen}
    if missing and not condition:
        raise DocumentNotFound(min(missing), ", ".join(names))
    return chosen


def _grepped(context: Context, matcher: "Matcher", files: list[File], tally: Tally) -> Iterator[Grepped]:
    """Yield the files that match, and count what was searched."""
    for at, file in enumerate(files):
        try:
            document = context.engine.document(file.partition, file.file_id)
        except DocumentNotFound:  # deleted meanwhile
            continue
        found = matcher.lines(document.markdown)
        if found is None:
            tally.overdue.append(file)
            if len(tally.overdue) == MAX_OVERDUE:
                tally.n_left = len(files) - at - 1
                return
            continue
        tally.n_searched += 1
        if found:
            lines = [line.removesuffix("\r") for line in document.markdown.removesuffix("\n").split("\n")]
            yield Grepped(file, local_path(file), document, lines, found)


def _entries(one: Grepped, n_context: int) -> Iterator[Json]:
    pages = one.pages()
    for match in one.found:
        at = match.number
        yield {
            "partition": one.file.partition,
            "file_id": one.file.file_id,
            "path": str(one.path) if one.path else None,
            "line": at + 1,
            "page": pages[at],
            "text": one.lines[at],
            "matches": [{"start": start, "end": end} for start, end in match.spans],
            "before": one.lines[max(0, at - n_context) : at],
            "after": one.lines[at + 1 : at + 1 + n_context],
        }


def _show(context: Context, one: Grepped, n_context: int, *, is_null: bool) -> None:
    matching = {match.number: match for match in one.found}
    shown = sorted(
        {
            number
            for at in matching
            for number in range(max(0, at - n_context), min(len(one.lines), at + n_context + 1))
        }
    )
    pages = one.pages()
    last = shown[0]
    for number in shown:
        if n_context and number > last + 1:
            context.out.line("--")
        last = number
        text = one.lines[number]
        sign = ":" if number in matching else "-"
        if number in matching:
            text = _marked(context, text, matching[number])
        _row(context, one, f"{number + 1}{sign}{text}", page=pages[number], sign=sign, is_null=is_null)


def _row(
    context: Context, one: Grepped, rest: str, *, page: int | None = None, sign: str = ":", is_null: bool = False
) -> None:
    """Print a line after the name of its file, which a NUL byte ends with -0."""
    where = f" p.{page}" if page else ""
    if is_null:
        context.out.names([one.name], is_null_separated=True)
        context.out.line(f"{where.strip()}{sign if where else ''}{rest}")
    else:
        context.out.line(context.out.styled(f"{quoted_name(one.name)}{where}", BOLD, CYAN) + f"{sign}{rest}")


def _marked(context: Context, text: str, match: "MatchingLine") -> str:
    parts: list[str] = []
    at = 0
    for start, end in match.spans:
        parts += [text[at:start], context.out.styled(text[start:end], BOLD, RED) if end > start else ""]
        at = end
    return "".join([*parts, text[at:]])


def _end(context: Context, tally: Tally, limit_s: float) -> int:
    """Say what was not searched, and return the exit code."""
    out = context.out
    if not out.is_json:
        tell_gone(out, tally.gone)
        for file in tally.overdue:
            what = f"{file.file_id}: the pattern took longer than {limit_s:g} s; not searched"
            out.warn(f"{out.styled('warning:', YELLOW)} {what}")
        if tally.n_left:
            out.warn(f"gave up: {render.counted(tally.n_left, 'more file')} not searched")
            out.hint("a pattern without nested repetitions, or -F, is faster; or give it more with --max-seconds")
        waiting = sum(n for state, n in context.engine.task_counts().items() if state not in FINAL_STATES)
        if waiting:
            out.note(f"{render.counted(waiting, 'file')} waiting to be indexed: openrag task run")
    if tally.overdue:
        return ExitCode.PARTIAL
    return ExitCode.OK if tally.n_lines else ExitCode.NO
