"""The hits of a search as a person sees them: a path from here, the line of the match, the lines that say most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.cli import last_search
from openrag_cli.cli.last_search import Found
from openrag_cli.cli.output import BOLD, CYAN, DIM
from openrag_cli.cli.places import GONE, is_gone, local_path, name_of, paste, url_of
from openrag_cli.domain import DEFAULT_PARTITION
from openrag_cli.terminal import quoted_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openrag_cli.cli.commands.context import Context
    from openrag_cli.cli.snippet import Snippet
    from openrag_cli.contract.to_json import Json
    from openrag_cli.domain import Hit
    from openrag_cli.retrieval.request import SearchRequest

SNIPPET_LINES = 3
INDENT = "   "


@dataclass(frozen=True, slots=True)
class Seen:
    """A hit with what the screen shows of it. `path` is None where its file is not on this machine."""

    hit: Hit
    path: Path | None
    is_weak: bool
    snippet: Snippet

    @property
    def name(self) -> str:
        """The path of its file from here, or else its id."""
        return name_of(self.hit.file, self.path)

    @property
    def is_gone(self) -> bool:
        """Whether its file was on this machine, and is not where it was."""
        return is_gone(self.hit.file, self.path)

    @property
    def place(self) -> str:
        """Its file with the page where pages are known, or else the line of the match."""
        page = self.hit.chunk.span.page
        name = quoted_name(self.name)
        return f"{name} p.{page}" if page else f"{name}:{self.snippet.line}"

    @property
    def url(self) -> str | None:
        """A link to its file, at its page or line."""
        return url_of(self.path, self.snippet.line, self.hit.chunk.span.page)

    def facts(self) -> Json:
        """Return what JSON tells of a hit besides what the store knows."""
        path = str(self.path) if self.path else None
        return {"path": path, "gone": self.is_gone, "line": self.snippet.line, "weak": self.is_weak}


def look(context: Context, request: SearchRequest, hits: Sequence[Hit]) -> list[Seen]:
    """Return hits with what is shown of them."""
    from openrag_cli.cli.snippet import snippet
    from openrag_cli.retrieval.query_words import Words, is_weak

    words = Words(request.text, context.settings.language)
    width = context.out.width - len(INDENT)
    return [
        Seen(
            hit,
            local_path(hit.file),
            is_weak(hit, words),
            snippet(hit.chunk.span, words, width=width, n_lines=SNIPPET_LINES),
        )
        for hit in hits
    ]


def show(context: Context, request: SearchRequest, found: Sequence[Seen], *, is_explained: bool) -> None:
    """Print hits for a person, a blank line between two."""
    from openrag_cli.cli.snippet import whole
    from openrag_cli.retrieval.query_words import Words

    out = context.out
    words = Words(request.text, context.settings.language)
    for rank, one in enumerate(found, 1):
        if rank > 1:
            out.line()
        out.line(_first_line(context, one, rank))
        if is_explained:
            parts = [f"{name} {value:.4g}" for name, value in one.hit.scores.items()]
            for line in whole(", ".join(parts), width=out.width - len(INDENT)):
                out.line(INDENT + out.styled(line, DIM))
        owners = {one.hit.chunk.id: rank for rank, one in enumerate(found, 1)}
        if one.hit.within in owners:
            out.line(INDENT + out.styled(f"in the passage of hit {owners[one.hit.within]}", DIM))
            continue
        head, lines = one.snippet.head, one.snippet.lines
        if one.hit.passage:
            head, lines = one.hit.passage.head, whole(one.hit.passage.text, width=out.width - len(INDENT))
        for line in head:
            out.line(INDENT + out.styled(line, DIM))
        for line in lines:
            out.line(f"{INDENT}{words.marked(line, lambda word: out.styled(word, BOLD))}".rstrip())


def _first_line(context: Context, one: Seen, rank: int) -> str:
    from openrag_cli.cli.snippet import fitting_heading, n_columns

    out = context.out
    label = out.link(out.styled(one.place, BOLD, CYAN), one.url)
    more = f"  +{len(one.hit.others)} like it" if one.hit.others else ""
    pasted = _id_to_paste(context, one)
    gone = f"  ({GONE})" if one.is_gone else ""
    rest = f"{one.hit.score:.2f}{pasted}{gone}{more}"
    plain = f"{rank:<3}{one.place}  {rest}"
    if out.is_terminal and n_columns(plain) > out.width:
        plain, between = INDENT + rest, f"\n{INDENT}"
    else:
        between = "  "
    heading = fitting_heading(one.hit.chunk.span.heading, out.width - n_columns(plain) - 2)
    shown = f"{rank:<3}{label}{between}{one.hit.score:.2f}"
    return shown + "".join(
        out.styled(part, DIM) for part in (f"  {heading}" if heading else "", pasted, gone, more) if part
    )


def _id_to_paste(context: Context, one: Seen) -> str:
    """Return what other commands must be told to find the file, where the path does not tell it."""
    file = one.hit.file
    if file.partition == (context.settings.partition or DEFAULT_PARTITION):
        return ""
    return f"  {paste('-p', file.partition)}"


def show_vimgrep(context: Context, found: Sequence[Seen]) -> None:
    """Print path:line:column:text for each hit; the column, from 1, is that of its first word of the query."""
    for one in found:
        span = one.hit.chunk.span
        text = (span.text.splitlines() or [""])[max(0, one.snippet.line - span.line_start)]
        context.out.line(f"{quoted_name(one.name)}:{one.snippet.line}:{one.snippet.column}:{text}")


def remember(context: Context, found: Sequence[Seen]) -> None:
    """Keep the hits for `openrag open N`."""
    last_search.remember(
        context.settings.cache,
        [
            Found(n, one.hit.file.partition, one.hit.file.file_id, one.snippet.line, one.hit.chunk.span.page)
            for n, one in enumerate(found, 1)
        ],
    )
