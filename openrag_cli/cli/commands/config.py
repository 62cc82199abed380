"""`openrag config`: what is set, from where, and setting it."""

from typing import Annotated, Any

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.config import settings as config
from openrag_cli.contract import to_json as render

app = typer.Typer(no_args_is_help=True, help="Show, check and change settings.")

MASK = "********"

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Name of the setting, such as llm.model.")]
ProjectOption = Annotated[
    bool, typer.Option("--project", help="Change openrag.toml of this folder. Default: the user's file.")
]


def _shown(setting: config.Setting, value: Any) -> Any:
    """Return a value as JSON; of a secret only whether there is one."""
    if setting.is_secret and value is not None:
        return MASK
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


def _entry(found: config.Config, setting: config.Setting) -> render.Json:
    return {
        "key": setting.key,
        "value": _shown(setting, getattr(found.settings, setting.attribute)),
        "origin": found.origins[setting.key],
        "env": list(setting.env),
        "help": setting.help,
    }


@app.command("show")
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from. Default: off.")] = False,
) -> None:
    """Show every setting with its value; secrets are masked.

    Examples:

        openrag config show --origin

        openrag config show --json | jq -r '.settings[] | select(.origin != "default") | .key'
    """
    context: Context = ctx.obj
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
def get(ctx: typer.Context, key: KeyArgument) -> int:
    """Print the value of one setting; exit 1 when it has none. Secrets are masked.

    Example:

        openrag config get store
    """
    context: Context = ctx.obj
    entry = _entry(context.resolved, config.setting_of(key))
    if context.out.is_json:
        context.out.json(render.document("setting", entry))
    elif entry["value"] is not None:
        context.out.line(_as_text(entry["value"]))
    return ExitCode.NO if entry["value"] is None else ExitCode.OK


@app.command("set")
def set_setting(
    ctx: typer.Context,
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

    context: Context = ctx.obj
    text = read_stdin().decode("utf-8", "replace").strip() if value == "-" else value
    path = config.project_config_path() if project else config.user_config_path()
    parsed = set_value(path, key, text)
    shown = _shown(config.setting_of(key), parsed)
    if context.out.is_json:
        context.out.json(render.document("change", {"key": key, "value": shown, "path": str(path)}))
    else:
        context.out.note(f"{key} = {_as_text(shown)} in {path}")


@app.command("unset")
def unset(ctx: typer.Context, key: KeyArgument, project: ProjectOption = False) -> int:
    """Remove a value from the file, so that what comes after it in rank holds; exit 1 when it was not there.

    Example:

        openrag config unset llm.model
    """
    from openrag_cli.config.edit import unset_value

    context: Context = ctx.obj
    path = config.project_config_path() if project else config.user_config_path()
    was_there = unset_value(path, key)
    if context.out.is_json:
        context.out.json(render.document("change", {"key": key, "value": None, "path": str(path)}))
    else:
        context.out.note(f"removed {key} from {path}" if was_there else f"{key} is not set in {path}")
    return ExitCode.OK if was_there else ExitCode.NO


@app.command("path")
def path(ctx: typer.Context) -> None:
    """Print the paths of the configuration files, the one that wins first.

    Example:

        $EDITOR "$(openrag config path | tail -1)"
    """
    context: Context = ctx.obj
    paths = [config.project_config_path().absolute(), config.user_config_path().absolute()]
    if context.out.is_json:
        context.out.json(render.listing("paths", [{"path": str(p), "exists": p.exists()} for p in paths]))
        return
    for found in paths:
        context.out.line(str(found))


@app.command("validate")
def validate(ctx: typer.Context) -> int:
    """Check both files and the environment; exit 78 when something is wrong.

    Example:

        openrag config validate && openrag serve
    """
    context: Context = ctx.obj
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
