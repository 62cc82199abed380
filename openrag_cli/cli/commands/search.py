"""`openrag search`: passages for a query, with file, page and line."""

from collections.abc import Sequence
from typing import Annotated

import typer

from openrag_cli.cli.commands import hits as view
from openrag_cli.cli.commands.context import Context, read_stdin
from openrag_cli.cli.commands.listing import show_filter_warnings
from openrag_cli.cli.commands.missing import tell_what_is_missing
from openrag_cli.cli.commands.option_groups import grouped
from openrag_cli.cli.commands.options import LinesOption, NullOption
from openrag_cli.cli.commands.search_options import SearchOptions, TopKOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.places import tell_gone
from openrag_cli.contract import to_json as render
from openrag_cli.domain import File, Hit, Span
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.store.files.results import Results

QueryArgument = Annotated[
    list[str],
    typer.Argument(metavar="TEXT...|-", help="What to look for, quoted or not; - reads it from stdin."),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show the parts of each score, and the ranks in both legs. Default: off.")
]
NamesOption = Annotated[
    bool,
    typer.Option(
        "--files-with-matches",
        "-l",
        help="Print the path of each file once, or its id where it is not on this machine; -k counts files. Default: off.",
    ),
]
AllOption = Annotated[
    bool,
    typer.Option("--all", help="Show hits that have little to do with the query too. Default: they are counted."),
]
VimgrepOption = Annotated[
    bool, typer.Option("--vimgrep", help="Print path:line:column:text for each hit, for editors. Default: off.")
]


@grouped
def search(
    ctx: typer.Context,
    text: QueryArgument,
    options: SearchOptions,
    top_k: TopKOption = 5,
    all_hits: AllOption = False,
    explain: ExplainOption = False,
    names: NamesOption = False,
    vimgrep: VimgrepOption = False,
    null: NullOption = False,
    jsonl: LinesOption = False,
) -> int:
    """Find the passages that answer a query, by meaning and by words. Exit 1 when there are none.

    Hits that are far from the query and lack words of it are weak: counted, not shown.

    Examples:

        openrag search rotate api keys -p handbook

        openrag search "rotate api keys" --json | jq -r '.hits[].path'

        openrag search "api keys" -l -0 | xargs -0 ls
    """
    context: Context = ctx.obj
    query = read_stdin().decode("utf-8-sig", "replace").strip() if text == ["-"] else " ".join(text)
    per_file = 1 if names and options.per_file is None else options.per_file
    request = options.request(query, top_k, per_file=per_file)
    hits = context.engine.search(request)
    found = view.look(context, request, hits)
    shown = [one for one in found if all_hits or not one.is_weak]
    if jsonl or context.out.is_json:
        _print_json(context, request, (hits, found), is_by_line=jsonl)
    elif names:
        context.out.names(dict.fromkeys(one.name for one in shown), is_null_separated=null)
    elif vimgrep:
        view.show_vimgrep(context, shown)
    else:
        view.show(context, request, shown, is_explained=explain)
        view.remember(context, shown)
    if (names or vimgrep) and not context.out.is_json:
        tell_gone(context.out, [one.hit.file for one in shown if one.is_gone])
    show_filter_warnings(context, hits.warnings)
    _tell_what_is_not_shown(context, found, options.partition, n_hidden=len(found) - len(shown))
    return ExitCode.OK if any(not one.is_weak for one in found) else ExitCode.NO


def _print_json(
    context: Context, request: SearchRequest, both: tuple[Results[Hit], list[view.Seen]], *, is_by_line: bool
) -> None:
    hits, found = both
    entries = [render.hit(one.hit, rank) | one.facts() for rank, one in enumerate(found, 1)]
    if is_by_line:
        context.out.json_lines(render.document("hit", entry) for entry in entries)
    else:
        context.out.json(render.search(request, hits) | {"hits": entries})


def _tell_what_is_not_shown(
    context: Context, found: list[view.Seen], partitions: Sequence[str], *, n_hidden: int
) -> None:
    if context.out.is_json:
        return
    if n_hidden:
        noun = "match" if n_hidden == 1 else "matches"
        verb = "shows it" if n_hidden == 1 else "shows them"
        context.out.note(f"{n_hidden:,} weak {noun} hidden; --all {verb}")
    elif not found:
        context.out.note("nothing found")
    if not found or n_hidden == len(found):
        tell_what_is_missing(context, partitions)


def place(file: File, span: Span) -> str:
    """Return where a chunk is: `file p.N` where pages are known, else `file:line`."""
    return f"{file.file_id} p.{span.page}" if span.page else f"{file.file_id}:{span.line_start}"
