"""The Typer application, the options that every command has, and the one place where errors become exit codes."""

import errno
import functools
import importlib
import inspect
import json
import logging
import os
import re
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from openrag_cli import __version__
from openrag_cli.cli import help_formatter as helptext
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.completion import TREE
from openrag_cli.cli.exit_codes import ExitCode, exit_code
from openrag_cli.cli.log_lines import TerminalFormatter
from openrag_cli.cli.output import ColorMode, Output
from openrag_cli.config.settings import color_is_refused, prefers_json
from openrag_cli.errors import OpenRAGError, StoreError, WrongUsage
from openrag_cli.terminal import close_quietly, tolerate_narrow_encoding


def _show_version(wanted: bool) -> None:
    if wanted:
        Output().line(f"openrag {__version__}")
        raise typer.Exit


StoreOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Folder of the store. Default: OPENRAG_STORE, or openrag in the user's data folder."
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Work on a server instead of a store; its token is OPENRAG_TOKEN. Default: OPENRAG_SERVER.",
    ),
]
JsonOption = Annotated[
    bool | None,
    typer.Option("--json/--no-json", help="Print JSON, with a stable schema. Default: OPENRAG_OUTPUT, or off."),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print data and errors only, no notes, no progress. Default: off.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to stderr. Default: off.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Log everything, with tracebacks. Default: off.")]
ColorOption = Annotated[ColorMode, typer.Option(help="When to colour; wins over NO_COLOR.")]
EmbedModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder of an ONNX model with a manifest. Default: OPENRAG_EMBED_MODEL, or the model inside.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Threads for embedding. Default: OPENRAG_THREADS, or all cores.")
]
VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
]


def options(
    ctx: typer.Context,
    store: StoreOption = None,
    server: ServerOption = None,
    as_json: JsonOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
    color: ColorOption = ColorMode.AUTO,
    embed_model: EmbedModelOption = None,
    threads: ThreadsOption = None,
    version: VersionOption = False,
) -> None:
    """Index your documents, search them, and get answers you can check. Offline.

    Examples:

        openrag file add ~/docs -p handbook

        openrag search "rotate api keys"

        openrag ask "how often do we rotate keys?"
    """
    del version
    is_json = prefers_json() if as_json is None else as_json
    out = Output(is_json=is_json, is_quiet=quiet, color=color, no_color=color_is_refused())
    flags = {"store": store, "server": server, "embed_model": embed_model, "threads": threads}
    level = "DEBUG" if debug else "INFO" if verbose else None
    ctx.obj.configure(out, {**flags, "log_level": level}, is_debug=debug)
    if ctx.invoked_subcommand is None:
        if out.is_terminal or out.is_json:
            from openrag_cli.cli.commands import status

            status.show(ctx.obj)
        else:
            out.line(ctx.get_help())


GROUPS = {
    "partition": "partition", "file": "file", "extract": "extract", "session": "session", "view": "view", "task": "task",
    "store": "store", "eval": "evaluate", "config": "config",
}  # fmt: skip
"""The groups of commands, and the module of each."""

APART = {"file": ("add", "sync", "refresh", "rename", "replace", "delete")}
"""The commands of groups that have modules of their own, with a function of the same name."""

COMMANDS = {
    "search": ("search", "search"), "grep": ("grep", "grep"), "open": ("open_hit", "open_hit"), "ask": ("ask", "ask"),
    "chat": ("chat", "chat"), "doctor": ("doctor", "doctor"), "backup": ("backup", "backup"),
    "restore": ("backup", "restore"), "export": ("transfer", "export"), "import": ("transfer", "import_partition"),
    "schema": ("help", "schema"), "completion": ("help", "completion"), "help": ("help", "show_help"),
    "serve": ("serve", "serve"),
}  # fmt: skip
"""The other commands: module and function of each."""


def program(wanted: Sequence[str] | None = None) -> typer.Typer:
    """Return the whole program; with the words of a command that one alone, with none what tells of all in a list."""
    app = typer.Typer(
        name="openrag",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        suggest_commands=False,  # hints.py does
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(invoke_without_command=True)(options)
    told = {} if wanted or wanted is None else json.loads(TREE.read_text(encoding="utf-8"))["commands"]
    for name in (*COMMANDS, *GROUPS):
        if told:
            app.command(name, help=told[name]["help"])(_not_loaded)
        elif wanted and name != wanted[0]:
            continue
        elif name in GROUPS:
            app.add_typer(_group(name, wanted[1] if wanted and wanted[1:] else None), name=name)
        else:
            module, function = COMMANDS[name]
            app.command(name)(_with_context(getattr(_module(module), function)))
    helptext.use(app)
    return app


def _group(name: str, wanted: str | None) -> typer.Typer:
    """Return a group of commands; with `wanted` that one alone."""
    apart = [one for one in APART.get(name, ()) if wanted in {None, one}]
    app = typer.Typer(no_args_is_help=True)
    for one in apart:
        app.command(one)(_with_context(getattr(_module(one), one)))
    if wanted is None or not apart:
        others: typer.Typer = _module(GROUPS[name]).app
        app.info.help = others.info.help
        for other in others.registered_commands:
            if wanted in {None, other.name} and other.callback:
                app.command(other.name)(_with_context(other.callback))
    return app


def _with_context(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command for Typer, which gives its own context, as that of a command that takes ours."""
    first, *others = inspect.signature(command, eval_str=True).parameters.values()
    if first.annotation is not Context:
        return command

    @functools.wraps(command)
    def run(ctx: typer.Context, **values: Any) -> Any:
        """Run the command."""
        return command(ctx.obj, **values)

    kinds = [first.replace(name="ctx", annotation=typer.Context), *others]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in kinds]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _module(name: str) -> Any:
    return importlib.import_module(f"openrag_cli.cli.commands.{name}")


def _not_loaded() -> None:
    raise AssertionError("only the command that is wanted is run")


CLUSTER = re.compile(r"-[A-Za-z]{2,}.*", re.DOTALL)
FLAGS = {"--json", "--no-json", "--quiet", "-q", "--verbose", "-v", "--debug"}
SHORT_FLAGS = {"q", "v"}
SHORT_WITH_VALUE = set("pmfko")
"""The letters of commands' options that take a value: what follows one in its word is that value."""
WITH_VALUE = {"--store", "--server", "--color", "--embed-model", "--threads"}


def move_global_options_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options first, wherever they stood before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    pending = deque(arguments)
    while pending:
        word = pending.popleft()
        if word == "--":
            rest += [word, *pending]
            break
        flags, word = _split_cluster(word)
        front += flags
        if word in FLAGS or (word.partition("=")[0] in WITH_VALUE and "=" in word):
            front.append(word)
        elif word in WITH_VALUE:
            if not pending:
                return [*front, word]  # without a command, so that its missing value is told
            front += [word, pending.popleft()]
        else:
            rest.append(word)
    return front + rest


def _split_cluster(word: str) -> tuple[list[str], str]:
    """Return the global flags in a word of short options, as in `-lq`, and the word without them."""
    if not CLUSTER.fullmatch(word):
        return [], word
    flags, kept = [], ""
    for at, letter in enumerate(word[1:], start=1):
        if letter in SHORT_WITH_VALUE:
            kept += word[at:]
            break
        if letter in SHORT_FLAGS:
            flags.append(f"-{letter}")
        else:
            kept += letter
    return (flags, f"-{kept}") if kept else (flags[:-1], flags[-1])


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing but the code and the two streams leaves this function."""
    tolerate_narrow_encoding()
    os.umask(0o077)  # LanceDB creates its files readable by all; a store that a group shares: cli/commands/context.py
    context = Context()
    try:
        try:
            code = _invoke(context, arguments)
            if code == ExitCode.INTERRUPTED and context.is_terminated:
                code = ExitCode.TERMINATED
            context.out.flush()
        except BrokenPipeError:
            close_quietly()
            code = ExitCode.CLOSED_PIPE
        except OSError as exc:  # the only one let through: see _is_full_output
            close_quietly()
            context.out.error(StoreError(f"the output cannot be written: {exc.strerror}", hint="free some space"))
            code = ExitCode.IO
    finally:
        context.close()
    return int(code)


def _command_in(arguments: Sequence[str]) -> list[str] | None:
    """Return the words of the command among arguments whose global options stand first; None for one about all."""
    left = iter(arguments)
    for word in left:
        if word in WITH_VALUE:
            next(left, None)
        elif word in {"-h", "--help"}:
            return []
        elif not word.startswith("-"):
            return None if word == "help" else [word, *(one for one in [next(left, "-")] if not one.startswith("-"))]
    return []


def _called(context: Context, arguments: Sequence[str]) -> Any:
    """Run a command; a mistake in its use is told by the whole program, which knows what is near."""
    ordered = move_global_options_first(arguments)
    wanted = _command_in(ordered)
    for one in (wanted, None) if wanted is not None else (None,):
        try:
            return program(one)(ordered, standalone_mode=False, prog_name="openrag", obj=context)
        except TyperException:
            if one is None:
                raise
    return None


def _invoke(context: Context, arguments: Sequence[str]) -> int:
    try:
        outcome = _called(context, arguments)
        if outcome == ExitCode.INTERRUPTED and not isinstance(outcome, ExitCode):  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt  # noqa: TRY301 - to the handler below
        return outcome if isinstance(outcome, int) else ExitCode.OK
    except typer.Exit as exc:
        return exc.exit_code
    except TyperException as exc:
        return _usage_error(context, exc, arguments)
    except OpenRAGError as exc:
        from openrag_cli.cli.suggestions import add_where_it_is

        add_where_it_is(exc, vars(context).get("engine"))
        context.out.error(exc)
        if context.is_debug:
            context.out.traceback(exc)
        return exit_code(type(exc))
    except (KeyboardInterrupt, typer.Abort) as exc:
        return _interrupted(context, exc)
    except SystemExit as exc:  # Typer ends the process itself when a pipe has closed
        if isinstance(exc.__context__, BrokenPipeError):
            raise exc.__context__ from None
        raise
    except Exception as exc:  # noqa: BLE001 - the last resort: a bug must not look like a mistake of the user
        return _bug(context, exc)


def _interrupted(context: Context, exc: BaseException) -> int:
    if isinstance(exc.__cause__, EOFError):  # Typer takes each for a Ctrl-D; at a question it raises none of these
        return _bug(context, exc.__cause__)
    context.out.warn("interrupted")
    return ExitCode.INTERRUPTED


def _cut_compiled_file(exc: Exception) -> str | None:
    """Return the path of the compiled Python file whose end is missing, if that is what an error tells of."""
    if not isinstance(exc, EOFError):
        return None
    places = (frame.f_locals.get("bytecode_path") for frame, _ in traceback.walk_tb(exc.__traceback__))
    return next((place for place in places if isinstance(place, str)), None)


def _bug(context: Context, exc: Exception) -> int:
    if _is_full_output(exc):
        raise exc
    if cut := _cut_compiled_file(exc):
        hint = "a full disk does that: delete the file, and Python makes it anew"
        context.out.error(OpenRAGError(f"{cut} is cut short", hint=hint))
        return ExitCode.BUG
    path = _write_crash_log(context, exc)
    hint = f"please report it, with the end of {path}" if path else "run it again with --debug, and please report it"
    context.out.error(OpenRAGError(f"a bug in openrag: {exc!r}", hint=hint))
    if context.is_debug:
        context.out.traceback(exc)
    return ExitCode.BUG


def _write_crash_log(context: Context, exc: Exception) -> Path | None:
    """Append the traceback to the log file, of two times 1 MiB at most; return its path, if that worked."""
    import platform
    from logging.handlers import RotatingFileHandler

    folder = context.log_folder
    if folder is None:
        return None
    path = folder / "openrag.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = RotatingFileHandler(path, maxBytes=1 << 20, backupCount=1, encoding="utf-8")
        handler.setFormatter(TerminalFormatter("%(asctime)s %(message)s"))
        text = f"openrag {__version__}, Python {platform.python_version()}, {platform.platform()}"
        handler.emit(
            logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, (type(exc), exc, exc.__traceback__))
        )
        handler.close()
    except OSError:  # a full disk: the message is what is left
        return None
    return path


def _is_full_output(exc: Exception) -> bool:
    """Whether stdout cannot be written: nothing else writes without a file's name or a translation to StoreError."""
    full = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
    return isinstance(exc, OSError) and exc.errno in full and exc.filename is None


def _wants_json(arguments: Sequence[str]) -> bool:
    front = move_global_options_first(arguments)
    given = front[: front.index("--")] if "--" in front else front
    return "--json" in given or (prefers_json() and "--no-json" not in given)


def _usage_error(context: Context, exc: TyperException, arguments: Sequence[str]) -> int:
    from openrag_cli.cli.suggestions import plain_message, usage_hint

    context.out.is_json |= _wants_json(arguments)  # the options may not have been read yet
    message = plain_message(exc.format_message())
    if type(exc).__name__ == "NoArgsIsHelpError":  # typer does not export it
        if not context.out.is_json:
            context.out.warn(exc.format_message())
            return ExitCode.USAGE
        message = f"{getattr(getattr(exc, 'ctx', None), 'command_path', 'openrag')} needs a command"
    context.out.error(WrongUsage(message, hint=usage_hint(exc, message, [*FLAGS, *WITH_VALUE])))
    return ExitCode.USAGE
