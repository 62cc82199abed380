"""`openrag search`: passages for a query, with file, page and line."""

from collections.abc import Sequence
from typing import Annotated

import typer

from openrag_cli.cli import snippet
from openrag_cli.cli.commands.context import Context, read_stdin
from openrag_cli.cli.commands.options import LinesOption, NullOption, is_not_given
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import BOLD, CYAN, DIM, YELLOW
from openrag_cli.contract import to_json as render
from openrag_cli.domain import ALL_PARTITIONS, DocumentWarning, File, Hit, SearchMode, Span
from openrag_cli.retrieval.request import SearchRequest

SNIPPET_LINES = 3


def _partitions(ctx: typer.Context, param: typer.CallbackParam, value: list[str]) -> list[str]:
    context: Context = ctx.obj
    chosen = context.settings.partition if is_not_given(ctx, param) else None
    return [chosen] if chosen else value


def top_k_or_setting(ctx: typer.Context, param: typer.CallbackParam, value: int) -> int:
    """Return the value of the option, or that of the setting where none was given."""
    context: Context = ctx.obj
    return (is_not_given(ctx, param) and context.settings.top_k) or value


def _filter(ctx: typer.Context, param: typer.CallbackParam, value: str) -> str:
    context: Context = ctx.obj
    chosen = context.settings.filter if is_not_given(ctx, param) else None
    if not chosen:
        return value
    context.out.note(f"filter {chosen!r}: from {context.resolved.origins['filter']}")
    return chosen


QueryArgument = Annotated[str, typer.Argument(metavar="TEXT|-", help="What to look for; - reads it from stdin.")]
PartitionsOption = Annotated[
    list[str],
    typer.Option(
        "--partition",
        "-p",
        metavar="NAME",
        callback=_partitions,
        help="Partition to search. Repeatable. Default: OPENRAG_PARTITION, or all.",
    ),
]
FilesOption = Annotated[
    list[str], typer.Option("--file", "-f", metavar="ID", help="File to search in. Repeatable. Default: every file.")
]
TopKOption = Annotated[
    int, typer.Option("--top-k", "-k", metavar="N", callback=top_k_or_setting, help="Hits at most, 1 to 1000.")
]
ModeOption = Annotated[SearchMode, typer.Option(help="Rank by meaning (dense), by words (text), or both.")]
FilterOption = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="EXPR",
        callback=_filter,
        help="Condition on metadata: 'year >= 2024 and tag = \"x\"'. Default: OPENRAG_FILTER, or none.",
    ),
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(metavar="S", help="Leave out hits that score less (hybrid: about 0 to 1.3). Default: none."),
]
PerFileOption = Annotated[int | None, typer.Option(metavar="N", help="Hits of one file at most. Default: no limit.")]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show the parts of each score, and the ranks in both legs. Default: off.")
]
AllChunksOption = Annotated[
    bool,
    typer.Option(
        "--all-chunks",
        help="Show every chunk of a page, and of nearly equal texts. Default: the best one, and how many more.",
    ),
]
NamesOption = Annotated[
    bool, typer.Option("--files-with-matches", "-l", help="Print each file's id once, nothing else. Default: off.")
]


def search(
    ctx: typer.Context,
    text: QueryArgument,
    partition: PartitionsOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    file: FilesOption = [],  # noqa: B006
    top_k: TopKOption = 5,
    mode: ModeOption = SearchMode.HYBRID,
    condition: FilterOption = "",
    min_score: MinScoreOption = None,
    per_file: PerFileOption = None,
    all_chunks: AllChunksOption = False,
    explain: ExplainOption = False,
    names: NamesOption = False,
    null: NullOption = False,
    jsonl: LinesOption = False,
) -> int:
    """Find the passages that answer a query, by meaning and by words. Exit 1 when there are none.

    Examples:

        openrag search "rotate api keys" -p handbook

        openrag search "rotate api keys" --json | jq -r '.hits[].file_id'

        openrag search "api keys" -l -0 | xargs -0 ls
    """
    context: Context = ctx.obj
    request = SearchRequest(
        text=read_stdin().decode("utf-8", "replace").strip() if text == "-" else text,
        partitions=tuple(partition) or (ALL_PARTITIONS,),
        file_ids=tuple(file),
        top_k=top_k,
        mode=mode,
        min_score=min_score,
        filter=condition,
        per_file=per_file,
        collapse=not all_chunks,
    )
    hits = context.engine.search(request)
    if jsonl:
        context.out.json_lines(render.document("hit", render.hit(hit, rank)) for rank, hit in enumerate(hits, 1))
    elif context.out.is_json:
        context.out.json(render.search(request, hits))
    elif names:
        context.out.names(dict.fromkeys(hit.file.file_id for hit in hits), is_null_separated=null)
    else:
        _show(context, request, hits, is_explained=explain)
    show_filter_warnings(context, hits.warnings)
    if not hits:
        context.out.note("nothing found")
    return ExitCode.OK if hits else ExitCode.NO


def shortened(line: str, width: int) -> str:
    """Return a line cut to `width` columns, with an ellipsis where something is cut."""
    return line if len(line) <= width else line[: max(0, width - 1)].rstrip() + "…"


def show_filter_warnings(context: Context, warnings: Sequence[DocumentWarning]) -> None:
    """Say what a filter may have got wrong; with --json the output says it."""
    if not context.out.is_json:
        for warning in warnings:
            context.out.warn(f"{context.out.styled('warning:', YELLOW)} {warning.message}")


def place(file: File, span: Span) -> str:
    """Return where a chunk is: `file p.N` where pages are known, else `file:line`."""
    return f"{file.file_id} p.{span.page}" if span.page else f"{file.file_id}:{span.line_start}"


def _show(context: Context, request: SearchRequest, hits: Sequence[Hit], *, is_explained: bool) -> None:
    out = context.out
    is_mixed = len({hit.file.partition for hit in hits}) > 1
    for rank, hit in enumerate(hits, 1):
        where = place(hit.file, hit.chunk.span)
        label = f"{hit.file.partition}/{where}" if is_mixed else where
        heading = " > ".join(hit.chunk.span.heading)
        out.line(
            f"{rank:<3}{out.styled(label, BOLD, CYAN)}  {hit.score:.2f}"
            + (f"  {out.styled(heading, DIM)}" if heading else "")
            + (f"  {out.styled(f'+{len(hit.others)} like it', DIM)}" if hit.others else "")
        )
        if is_explained:
            parts = [f"{name} {value:.4g}" for name, value in hit.scores.items()]
            out.line(f"   {out.styled(', '.join(parts), DIM)}")
        if hit.chunk.span.head:
            out.line(f"   {out.styled(shortened(hit.chunk.span.head[-1], out.width - 3), DIM)}")
        lines = snippet.best_lines(hit.chunk.span.text, request.text, width=out.width - 3, n_lines=SNIPPET_LINES)
        for line in lines:
            out.line("   " + snippet.marked(line, request.text, lambda word: out.styled(word, BOLD)))
