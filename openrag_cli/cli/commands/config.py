"""`openrag config`: what is set, from where, and setting it."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.config import folder_trust
from openrag_cli.config import settings as config
from openrag_cli.config.secret import MASK
from openrag_cli.contract import to_json as render
from openrag_cli.errors import InvalidInput, PathNotFound

app = typer.Typer(no_args_is_help=True, help="Show, check and change settings.")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Name of the setting, such as llm.model.")]
ProjectOption = Annotated[
    bool, typer.Option("--project", help="Change openrag.toml of this folder. Default: the user's file.")
]


def _shown(value: Any) -> Any:
    """Return a value as JSON; secrets mask themselves."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _given(setting: config.Setting, value: Any) -> Any:
    """Return a value as it stands in a file, as JSON: masked where it holds a secret, whether or not it can be read."""
    try:
        return _shown(setting.parse(value))
    except ValueError:
        return MASK if setting.is_private else _shown(value)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


def _entry(found: config.Config, setting: config.Setting) -> render.Json:
    return {
        "key": setting.key,
        "value": _shown(getattr(found.settings, setting.attribute)),
        "origin": found.origins[setting.key],
        "env": list(setting.env),
        "help": setting.help,
    }


@app.command("show")
def show(
    context: Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from. Default: off.")] = False,
) -> None:
    """Show every setting with its value; secrets are masked.

    Examples:

        openrag config show --origin

        openrag config show --json | jq -r '.settings[] | select(.origin != "default") | .key'
    """
    entries = [_entry(context.resolved, setting) for setting in config.SETTINGS]
    if context.out.is_json:
        context.out.json(render.listing("settings", entries))
        return
    columns = [Column("SETTING"), Column("VALUE", may_shrink=True)]
    rows = [[entry["key"], _as_text(entry["value"])] for entry in entries]
    if origin:
        columns.append(Column("FROM"))
        rows = [[*row, entry["origin"]] for row, entry in zip(rows, entries, strict=True)]
    context.out.table(columns, rows, empty="")


@app.command("get")
def get(context: Context, key: KeyArgument) -> int:
    """Print the value of one setting; exit 1 when it has none. Secrets are masked.

    Example:

        openrag config get store
    """
    entry = _entry(context.resolved, config.setting_of(key))
    if context.out.is_json:
        context.out.json(render.document("setting", entry))
    elif entry["value"] is not None:
        context.out.verbatim(_as_text(entry["value"]))
    return ExitCode.NO if entry["value"] is None else ExitCode.OK


@app.command("set")
def set_setting(
    context: Context,
    key: KeyArgument,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="New value; - reads it from standard input, as secrets want.")
    ],
    project: ProjectOption = False,
) -> None:
    """Set a value in the user's file, or in openrag.toml of this folder; the rest of the file stays as it is.

    Examples:

        openrag config set llm.base_url http://127.0.0.1:11434/v1

        pass show openai | openrag config set llm.api_key -
    """
    from openrag_cli.cli.commands.context import read_stdin
    from openrag_cli.config.edit import set_value

    text = read_stdin().decode("utf-8-sig", "surrogateescape").strip() if value == "-" else value
    if value == "-" and not text:
        raise InvalidInput(
            "standard input was empty: nothing was set", hint=f"to remove the value: openrag config unset {key}"
        )
    path = config.project_config_path() if project else config.user_config_path()
    with _trust_kept(is_wanted=project):
        parsed = set_value(path, key, text)
    shown = _shown(parsed)
    context.out.outcome(
        render.document("change", {"key": key, "value": shown, "path": str(path)}),
        f"{key} = {_as_text(shown)} in {path}",
    )


@app.command("unset")
def unset(context: Context, key: KeyArgument, project: ProjectOption = False) -> int:
    """Remove a value from the file, so that what comes after it in rank holds; exit 1 when it was not there.

    Example:

        openrag config unset llm.model
    """
    from openrag_cli.config.edit import unset_value

    path = config.project_config_path() if project else config.user_config_path()
    with _trust_kept(is_wanted=project):
        was_there = unset_value(path, key)
    context.out.outcome(
        render.document("change", {"key": key, "value": None, "path": str(path)}),
        f"removed {key} from {path}" if was_there else f"{key} is not set in {path}",
    )
    return ExitCode.OK if was_there else ExitCode.NO


@contextlib.contextmanager
def _trust_kept(*, is_wanted: bool) -> Iterator[None]:
    """Trust what the block writes into the folder's file, if all that stood in it was obeyed before."""
    path = config.project_config_path()
    is_wanted = is_wanted and not config.load().ignored
    yield
    content = folder_trust.read_folder_file(path) if is_wanted else None
    if content is not None:
        folder_trust.trust(path, content)


@app.command("trust")
def trust(context: Context) -> None:
    """Obey every setting of openrag.toml in this folder, until the file changes.

    Without this only language, log_level, log_format, partition, top_k, filter and output are taken from it: a folder
    may be somebody else's, and a setting such as llm.base_url says where passages and keys are sent.

    Example:

        cat openrag.toml && openrag config trust
    """
    path = config.project_config_path()
    content, given = config.read_project_file()
    if content is None:
        raise PathNotFound(f"there is no {path} in this folder", hint="openrag config set --project makes one")
    folder_trust.trust(path, content)
    if context.out.is_json:
        body = {"path": str(path.absolute()), "sha256": folder_trust.digest(content)}
        context.out.json(render.document("trust", body | {"is_trusted": True, "keys": list(given)}))
        return
    for key, value in given.items():
        context.out.note(f"{key} = {_as_text(_given(config.setting_of(key), value))}")
    context.out.note(f"{path.absolute()} is trusted as it is now; a change asks again")


@app.command("untrust")
def untrust(context: Context) -> int:
    """Obey openrag.toml of this folder no longer, but for what any folder may set; exit 1 when it was not trusted.

    Example:

        openrag config untrust
    """
    path = config.project_config_path()
    was_trusted = folder_trust.distrust(path)
    if context.out.is_json:
        body: render.Json = {"path": str(path.absolute()), "sha256": None, "is_trusted": False, "keys": []}
        context.out.json(render.document("trust", body))
    else:
        context.out.note(f"{path.absolute()} is {'not trusted any more' if was_trusted else 'not trusted'}")
    return ExitCode.OK if was_trusted else ExitCode.NO


@app.command("path")
def path(context: Context) -> None:
    """Print the paths of the configuration files, the one that wins first.

    Example:

        $EDITOR "$(openrag config path | tail -1)"
    """
    paths = [config.project_config_path().absolute(), config.user_config_path().absolute()]
    if context.out.is_json:
        context.out.json(render.listing("paths", [{"path": str(p), "exists": p.exists()} for p in paths]))
        return
    for found in paths:
        context.out.verbatim(str(found))


@app.command("validate")
def validate(context: Context) -> int:
    """Check both files and the environment; exit 78 when something is wrong.

    Example:

        openrag config validate && openrag serve
    """
    problems = config.problems()
    if context.out.is_json:
        body = {"problems": [{"message": exc.message, "hint": exc.hint} for exc in problems]}
        context.out.json(render.document("validation", body))
        return ExitCode.CONFIG if problems else ExitCode.OK
    for exc in problems:
        context.out.error(exc)
    if not problems:
        context.out.note("the configuration is in order")
    return ExitCode.CONFIG if problems else ExitCode.OK
