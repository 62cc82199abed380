"""`openrag session`: the conversations of `openrag chat`."""

from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.listing import show_list
from openrag_cli.cli.commands.options import YesOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import BOLD, Column
from openrag_cli.cli.snippet import readable_lines
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Turn
from openrag_cli.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="List, search, show, export and delete conversations.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the session.")]


@app.command("list")
def list_sessions(context: Context) -> None:
    """List the sessions, the one used last first.

    Example:

        openrag session list --json | jq -r '.sessions[].session'
    """
    columns = (
        Column("SESSION", may_shrink=True),
        Column("PARTITIONS"),
        Column("MESSAGES", is_number=True),
        Column("USED", is_optional=True),
    )
    show_list(
        context.out,
        "sessions",
        context.engine.sessions.all(),
        render.session,
        columns=columns,
        as_row=lambda one: (
            one.name,
            ", ".join(one.partitions) or "all",
            one.message_count,
            context.out.time(one.updated_at),
        ),
        empty="no sessions yet: openrag chat",
    )


@app.command("show")
def show(context: Context, name: NameArgument) -> None:
    """Show the messages of a session.

    Example:

        openrag session show keys
    """
    session = context.engine.sessions.get(name)
    turns = context.engine.sessions.turns(name)
    if context.out.is_json:
        body = {**render.session(session), "turns": [render.turn(turn) for turn in turns]}
        context.out.json(render.document("session", body))
        return
    for at, turn in enumerate(turns):
        if at:
            context.out.line()
        first, *others = readable_lines(context.out, f"{turn.role}: {turn.content}")
        context.out.line(context.out.styled(f"{turn.role}:", BOLD) + first.removeprefix(f"{turn.role}:"))
        for line in others:
            context.out.line(line)
        if turn.citations:
            context.out.line("   ".join(f"[{entry['n']}] {render.dated_place(entry)}" for entry in turn.citations))


@app.command("search")
def search(
    context: Context,
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Words that a message has, all of them.")],
) -> int:
    """Find the messages that hold all words of a text, in every session; upper and lower case are the same.

    Prints session, number of the message, and its line with the most of them. Exit 1 when there is none.

    Example:

        openrag session search api keys
    """
    wanted = " ".join(text).casefold().split()
    sessions = context.engine.sessions
    found = [
        (session.name, number, turn)
        for session in sessions.all()
        for number, turn in enumerate(sessions.turns(session.name), 1)
        if wanted and all(word in turn.content.casefold() for word in wanted)
    ]
    if context.out.is_json:
        matches = [{"session": name, "n": number, **render.turn(turn)} for name, number, turn in found]
        context.out.json(render.document("sessionmatches", {"text": " ".join(text), "matches": matches}))
    else:
        rows = [(name, number, turn.role, _best_line(turn.content, wanted)) for name, number, turn in found]
        columns = (
            Column("SESSION", may_shrink=True),
            Column("MESSAGE", is_number=True),
            Column("BY"),
            Column("TEXT", may_shrink=True, is_prose=True),
        )
        context.out.table(columns, rows, empty="nothing found")
    return ExitCode.OK if found else ExitCode.NO


def _best_line(content: str, wanted: list[str]) -> str:
    lines = content.strip().splitlines() or [""]
    return max(lines, key=lambda line: sum(word in line.casefold() for word in wanted)).strip()


@app.command("export")
def export(
    context: Context,
    name: NameArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. Default: standard output.")
    ] = None,
) -> None:
    """Write a session as Markdown, or with --json as JSON.

    Example:

        openrag session export keys -o keys.md
    """
    session = context.engine.sessions.get(name)
    turns = context.engine.sessions.turns(name)
    if context.out.is_json:
        body = {**render.session(session), "turns": [render.turn(turn) for turn in turns]}
        text = context.out.json_text(render.document("session", body))
    else:
        text = to_markdown(name, turns)
    if output is None:
        context.out.verbatim(text)
    else:
        write_text(output, f"{text}\n")
        context.out.note(f"wrote {output}")


@app.command("delete")
def delete(context: Context, name: NameArgument, yes: YesOption = False) -> None:
    """Delete a session and its messages.

    Example:

        openrag session delete keys --yes
    """
    session = context.engine.sessions.get(name)
    context.confirm(f"Delete session {name} with {render.counted(session.message_count, 'message')}?", is_agreed=yes)
    context.engine.sessions.delete(name)
    context.out.outcome(render.document("session", render.session(session)), f"deleted session {name}")


def to_markdown(name: str, turns: list[Turn]) -> str:
    """Return a conversation as a Markdown document."""
    parts = [f"# {name}"]
    for turn in turns:
        if turn.role == "user":
            parts.append("\n".join(f"> {line}" for line in turn.content.splitlines()))
            continue
        parts.append(turn.content)
        if turn.citations:
            parts.append("\n".join(f"- [{entry['n']}] {render.dated_place(entry)}" for entry in turn.citations))
    return "\n\n".join(parts)


def write_text(path: Path, text: str) -> None:
    """Write a file that the user named. Raises: InvalidInput, when that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidInput(f"{path} cannot be written: {exc.strerror}", hint="name another file") from exc
