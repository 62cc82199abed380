"""The Typer application, the options that every command has, and the one place where errors become exit codes."""

import difflib
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from openrag_cli import __version__
from openrag_cli.commands import (
    add,
    ask,
    backup,
    chat,
    config,
    doctor,
    exchange,
    extract,
    file,
    partition,
    reference,
    search,
    serve,
    session,
    sync,
    task,
)
from openrag_cli.commands.context import Context
from openrag_cli.config import color_is_refused
from openrag_cli.errors import OpenRAGError, WrongUsage
from openrag_cli.exits import ExitCode, exit_code
from openrag_cli.output import Output, When, close_quietly

EPILOG = (
    "The options of `openrag` itself (--store, --json, --quiet and so on: see openrag --help) may stand before or "
    "after the command."
)

app = typer.Typer(
    name="openrag",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _name, _group in (
    ("partition", partition.app),
    ("file", file.app),
    ("extract", extract.app),
    ("session", session.app),
    ("task", task.app),
    ("config", config.app),
):
    app.add_typer(_group, name=_name, epilog=EPILOG)
file.app.command("add", epilog=EPILOG)(add.add)
file.app.command("sync", epilog=EPILOG)(sync.sync)
app.command("search", epilog=EPILOG)(search.search)
app.command("ask", epilog=EPILOG)(ask.ask)
app.command("chat", epilog=EPILOG)(chat.chat)
app.command("doctor", epilog=EPILOG)(doctor.doctor)
app.command("backup", epilog=EPILOG)(backup.backup)
app.command("restore", epilog=EPILOG)(backup.restore)
app.command("export", epilog=EPILOG)(exchange.export)
app.command("import", epilog=EPILOG)(exchange.take_in)
app.command("schema", epilog=EPILOG)(reference.schema)
app.command("completion", epilog=EPILOG)(reference.completion)
app.command("help", epilog=EPILOG)(reference.show_help)
app.command("serve", epilog=EPILOG)(serve.serve)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"openrag {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(help="Folder of the store. Default: OPENRAG_STORE, or openrag in the user's data folder."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Work on a server instead of a store; its token is OPENRAG_TOKEN. Default: OPENRAG_SERVER.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with a stable schema. Default: off.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print data and errors only, no notes, no progress. Default: off.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to stderr. Default: off.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log everything, with tracebacks. Default: off.")] = False,
    color: Annotated[When, typer.Option(help="When to colour; wins over NO_COLOR.")] = When.AUTO,
    embed_model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of an ONNX model with a manifest. Default: OPENRAG_EMBED_MODEL, or the model inside.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads for embedding. Default: OPENRAG_THREADS, or all cores.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Index your documents, search them, and get answers you can check. Offline.

    Examples:

        openrag file add ~/docs -p handbook

        openrag search "rotate api keys"

        openrag ask "how often do we rotate keys?"
    """
    del version
    out = Output(is_json=as_json, is_quiet=quiet, color=color, no_color=color_is_refused())
    flags = {"store": store, "server": server, "embed_model": embed_model, "threads": threads}
    level = "DEBUG" if debug else "INFO" if verbose else None
    ctx.obj.configure(out, {**flags, "log_level": level}, is_debug=debug)
    if ctx.invoked_subcommand is None:
        _overview(ctx)


def _overview(ctx: typer.Context) -> None:
    """Show what is in the store to a person, and the help to a pipe."""
    context: Context = ctx.obj
    if not context.out.is_terminal:
        context.out.line(ctx.get_help())
        return
    where = context.settings.server or context.settings.store
    is_there = context.settings.server or (context.settings.store / "openrag.db").exists()
    partitions = context.engine.partitions() if is_there else []
    n_files, n_chunks = sum(p.file_count for p in partitions), sum(p.chunk_count for p in partitions)
    context.out.line(f"{where}: {n_files:,} files, {n_chunks:,} chunks, {len(partitions)} partitions")
    context.out.line()
    for example, what in (
        ("openrag file add ~/docs -p handbook", "index files and folders"),
        ('openrag search "rotate api keys"', "find passages"),
        ('openrag ask "how often do we rotate keys?"', "get an answer with its sources"),
        ("openrag --help", "everything else"),
    ):
        context.out.line(f"  {context.out.styled(example, '1'):{44 + 8 * context.out.has_color(sys.stdout)}} {what}")


FLAGS = {"--json", "--quiet", "-q", "--verbose", "-v", "--debug"}
WITH_VALUE = {"--store", "--server", "--color", "--embed-model", "--threads"}


def hoist(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options first, wherever they stood before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest += [word, *pending]
            break
        if word in FLAGS or (word.partition("=")[0] in WITH_VALUE and "=" in word):
            front.append(word)
        elif word in WITH_VALUE and pending:
            front += [word, pending.pop(0)]
        else:
            rest.append(word)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing but the code and the two streams leaves this function."""
    os.umask(0o077)  # LanceDB creates its files readable by all
    context = Context()
    try:
        try:
            code = _invoke(context, arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            close_quietly()
            code = ExitCode.CLOSED_PIPE
    finally:
        context.close()
    return int(code)


def _invoke(context: Context, arguments: Sequence[str]) -> int:
    try:
        outcome = app(hoist(arguments), standalone_mode=False, prog_name="openrag", obj=context)
        return outcome if isinstance(outcome, int) else ExitCode.OK
    except typer.Exit as exc:
        return exc.exit_code
    except TyperException as exc:
        return _usage_error(context, exc, arguments)
    except OpenRAGError as exc:
        context.out.error(exc)
        if context.is_debug:
            traceback.print_exc()
        return exit_code(type(exc))
    except (KeyboardInterrupt, typer.Abort):
        context.out.warn("interrupted")
        return ExitCode.INTERRUPTED
    except SystemExit as exc:  # Typer ends the process itself when a pipe has closed
        if isinstance(exc.__context__, BrokenPipeError):
            raise exc.__context__ from None
        raise
    except Exception as exc:  # the last resort: a bug must not look like a mistake of the user
        logging.getLogger(__name__).debug("a bug", exc_info=True)
        context.out.error(
            OpenRAGError(
                f"a bug in openrag: {exc!r}", hint="run it again with --debug, and please report what it prints"
            )
        )
        if context.is_debug:
            traceback.print_exc()
        return ExitCode.BUG


def _usage_error(context: Context, exc: TyperException, arguments: Sequence[str]) -> int:
    context.out.is_json |= "--json" in hoist(arguments)  # the options may not have been read yet
    if type(exc).__name__ == "NoArgsIsHelpError":  # typer does not export it
        context.out.note(exc.format_message())
        return ExitCode.USAGE
    message = exc.format_message().replace("\n", " ").replace("Value error, ", "")
    context.out.error(WrongUsage(message, hint=_usage_hint(exc, message)))
    return ExitCode.USAGE


def _usage_hint(exc: TyperException, message: str) -> str:
    """Return the nearest command or option, if one is near; else where the help is."""
    here = getattr(exc, "ctx", None)
    path = getattr(here, "command_path", "openrag")
    typo = re.match(r"No such (command|option)[^'-]*'?(--?[\w-]+|[^']*)'?", message)
    if typo and here is not None:
        options = [flag for parameter in here.command.params for flag in parameter.opts] + [*FLAGS, *WITH_VALUE]
        known = options if typo[1] == "option" else list(getattr(here.command, "commands", {}))
        starting = [name for name in known if name.startswith(typo[2])]
        for near in [*starting, *difflib.get_close_matches(typo[2], known, n=1)][:1]:
            return f"did you mean '{near}'?" if typo[1] == "option" else f"did you mean '{path} {near}'?"
    return f"{path} --help"
