"""What is searched and how: the options that `search`, `ask` and `chat` share."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import is_not_given
from openrag_cli.domain import ALL_PARTITIONS, SearchMode
from openrag_cli.retrieval.request import CONTEXT_TOKENS, MAX_CONTEXT, SearchRequest, SortOrder
from openrag_cli.store.files.dates import read_bound


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


PartitionsOption = Annotated[
    list[str],
    typer.Option(
        "--partition",
        "-p",
        metavar="NAME",
        callback=_partitions,
        help="Partition to search, or one view. Repeatable. Default: OPENRAG_PARTITION, or all.",
    ),
]
FilesOption = Annotated[
    list[str], typer.Option("--file", "-f", metavar="ID", help="File to search in. Repeatable. Default: every file.")
]
TopKOption = Annotated[
    int,
    typer.Option(
        "--top-k",
        "-k",
        metavar="N",
        callback=top_k_or_setting,
        help="Hits, or passages behind an answer, at most; 1 to 1000.",
    ),
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
AllChunksOption = Annotated[
    bool,
    typer.Option(
        "--all-chunks",
        help="Show every chunk of a page, and of nearly equal texts. Default: the best one, and how many more.",
    ),
]
ContextOption = Annotated[
    int,
    typer.Option(
        "--context",
        metavar="N",
        min=0,
        max=MAX_CONTEXT,
        help=f"Chunks of its file to add to each hit on either side, 0 to {MAX_CONTEXT}; a short file that is hit in half of "
        f"its chunks comes whole. {CONTEXT_TOKENS:,} tokens at most for all hits, or what the LLM's window has room for.",
    ),
]


SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATE|AGE",
        help="Documents of this date or later: 2026-03-01, 2026-03, 2026, a time, or an age such as 30d (h, d, w, m, y). "
        "Days are those of UTC. Default: any date.",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="DATE|AGE", help="Documents of this date or earlier, all of that day. Default: any date."),
]
SortOption = Annotated[SortOrder, typer.Option(help="Order of the hits: by score, or the newest document first.")]
RecentOption = Annotated[
    float,
    typer.Option(
        metavar="W",
        min=0.0,
        max=1.0,
        help="Prefer newer documents, 0 to 1: one of today gains up to W x 30% of the best score, one of a year ago half "
        "of that; weak hits gain nothing. 0 is off.",
    ),
]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Where to look, what is let through, and how much of it is shown."""

    partition: PartitionsOption = field(default_factory=list)
    file: FilesOption = field(default_factory=list)
    mode: ModeOption = SearchMode.HYBRID
    condition: FilterOption = ""
    min_score: MinScoreOption = None
    per_file: PerFileOption = None
    all_chunks: AllChunksOption = False
    context: ContextOption = 0
    since: SinceOption = None
    until: UntilOption = None
    sort: SortOption = SortOrder.SCORE
    prefer_recent: RecentOption = 0.0

    def request(self, text: str, top_k: int, **changes: Any) -> SearchRequest:
        """Return the search for a text; `changes` are fields of the request that are not as the options say."""
        now = datetime.now(UTC)
        asked = {
            "partitions": tuple(self.partition) or (ALL_PARTITIONS,),
            "file_ids": tuple(self.file),
            "mode": self.mode,
            "min_score": self.min_score,
            "filter": self.condition,
            "per_file": self.per_file,
            "collapse": not self.all_chunks,
            "context": self.context,
            "since": read_bound(self.since, now=now) if self.since else None,
            "until": read_bound(self.until, now=now, is_last=True) if self.until else None,
            "sort": self.sort,
            "prefers_recent": self.prefer_recent,
        }
        return SearchRequest(text, top_k=top_k, **(asked | changes))
