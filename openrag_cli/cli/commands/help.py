"""`openrag help`, `schema` and `completion`: what the program says of itself."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from openrag_cli.cli import help_topics as topics
from openrag_cli.cli.commands.context import Context
from openrag_cli.contract import schemas as contract
from openrag_cli.contract import to_json as render
from openrag_cli.errors import NotFound

MAX_WIDTH = 100


class Shell(StrEnum):
    """Shells whose lines can be completed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


class TopicNotFound(NotFound, code="topic_not_found"):
    """No help topic and no command of that name."""


WordsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[TOPIC|COMMAND...]", help="A topic or a command. Default: list topics.")
]


def show_help(ctx: typer.Context, words: WordsArgument = None) -> None:
    """Show a topic (exit-codes, environment, output, filters, limits, trust), or the help of a command.

    Examples:

        openrag help filters

        openrag help file add
    """
    context: Context = ctx.obj
    if not words:
        names = " | ".join(topics.TOPICS)
        text = f"Topics: openrag help {names}\nCommands: openrag --help, openrag COMMAND --help"
    elif len(words) == 1 and words[0] in topics.TOPICS:
        text = topics.TOPICS[words[0]](min(context.out.width, MAX_WIDTH))
    else:
        text = _command_help(ctx, words)
    context.out.record(render.document("help", {"topic": " ".join(words or []) or None, "text": text}), text)


def _command_help(ctx: typer.Context, words: list[str]) -> str:
    here: Any = ctx.find_root()
    for word in words:
        command = getattr(here.command, "commands", {}).get(word)
        if command is None:
            hint = f"topics are {', '.join(topics.TOPICS)}; commands: openrag --help"
            raise TopicNotFound(f"there is no topic and no command '{' '.join(words)}'", hint=hint)
        here = typer.Context(command, info_name=word, parent=here)
    return str(here.command.get_help(here))


def schema(
    context: Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND...]", help="A command, or the name of a schema. Default: list them."),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="The schema of a line of --jsonl. Default: that of --json.")
    ] = False,
) -> None:
    """Print the JSON Schema of what a command prints with --json.

    Examples:

        openrag schema

        openrag schema file list --jsonl

        openrag schema error
    """
    if not command:
        _list_schemas(context)
        return
    words = " ".join(command)
    option = "--jsonl" if jsonl else "--json"
    name = contract.COMMANDS.get(words, {}).get(option) or words.removeprefix("openrag.").removesuffix("/1")
    if name not in contract.SHAPES:
        known = ", ".join(filter(None, contract.COMMANDS))
        raise TopicNotFound(f"there is no command '{words}' that obeys {option}", hint=f"commands are {known}")
    context.out.line(json.dumps(contract.schema_of(name), indent=2))


def _list_schemas(context: Context) -> None:
    entries = [
        {"command": f"openrag {command}".rstrip(), "option": option, "name": f"openrag.{name}/1"}
        for command, names in contract.COMMANDS.items()
        for option, name in names.items()
    ]
    context.out.record(
        render.listing("schemas", entries),
        *(f"{entry['command'] + ' ' + entry['option']:34}{entry['name']}" for entry in entries),
    )


def completion(
    context: Context, shell: Annotated[Shell, typer.Argument(help="The shell: bash, zsh, fish or powershell.")]
) -> None:
    """Print the script that completes commands, options, partitions, files, tasks and sessions in a shell.

    Examples:

        openrag completion bash > ~/.local/share/bash-completion/completions/openrag

        openrag completion zsh > "${fpath[1]}/_openrag"

        openrag completion fish > ~/.config/fish/completions/openrag.fish
    """
    from openrag_cli.cli.completion_scripts import SCRIPTS

    script = SCRIPTS[shell]
    context.out.record(render.document("completion", {"shell": shell, "script": script}), script.rstrip("\n"))
