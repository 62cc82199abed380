"""Help that teaches: what a command's docstring says, and Typer's classes with the examples first."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

EPILOG = (
    "The options of `openrag` itself (--store, --json, --quiet and so on: see openrag --help) may stand before or "
    "after the command."
)
MAX_GROUP_EXAMPLES = 8
NARROW = 60  # columns of a screen with less room for what a name means
TERM, NARROW_TERM = 30, 8  # columns of names at most
ORDER = (
    "file",
    "search",
    "ask",
    "chat",
    "grep",
    "open",
    "partition",
    "view",
    "extract",
    "session",
    "task",
    "serve",
    "doctor",
    "config",
    "eval",
    "store",
)
"""What one does first comes first; other commands follow in the order in which they are registered."""


@dataclass(frozen=True, slots=True)
class HelpText:
    """A docstring in parts: its first paragraph, the examples (a line each), and the other paragraphs."""

    summary: str
    examples: tuple[str, ...]
    details: tuple[str, ...]


def read(command: Any) -> HelpText:
    """Return what the help of a command or of a group says; a group shows the first example of each command."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", (command.help or "").strip())]
    at = next((at for at, block in enumerate(blocks) if block in {"Example:", "Examples:"}), len(blocks))
    examples = [line.strip() for block in blocks[at + 1 :] for line in block.splitlines()]
    children = getattr(command, "commands", {}).values()
    if not examples:
        examples = [example for child in children for example in read(child).examples[:1]][:MAX_GROUP_EXAMPLES]
    summary, *details = (" ".join(block.split()) for block in blocks[:at] or [""])
    return HelpText(summary, tuple(examples), tuple(details))


def choices_of(parameter: Any) -> list[str]:
    """Return the words that a parameter takes, if these are all."""
    pending = [parameter.type_descriptor.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return [str(member.value) for member in annotation]
        if get_origin(annotation) in {list, Union, UnionType}:
            pending += get_args(annotation)
    return []


def metavar_of(parameter: Any) -> str:
    """Return what stands for a parameter's value: NAME, [NAME], NAME... or [NAME]... for arguments."""
    text = str(parameter.metavar or "|".join(choices_of(parameter)) or parameter.name.upper())
    if parameter.param_type_name == "option":
        return text
    core = text.removesuffix("...").strip("[]").removesuffix("...")
    repeated = "..." if parameter.nargs == -1 else ""
    return f"{core if parameter.required else f'[{core}]'}{repeated}"


def _arguments(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == "argument"]


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    arguments = [(metavar_of(argument), argument.help or "") for argument in _arguments(command)]
    if arguments:
        with formatter.section("Arguments"):
            _write_terms(arguments, formatter)
    options = []
    for option in command.get_params(ctx):
        record = option.get_help_record(ctx) if option.param_type_name == "option" else None
        if record:
            usage = re.sub(r" <(str|int|float|path)>$", f" {option.name.upper()}", record[0])
            usage = re.sub(r" <list\[(.*)\]>$", r" <\1>", usage)
            options.append((usage, record[1].replace("  [", " [")))
    with formatter.section("Options"):
        _write_terms(options, formatter)


def _write_terms(rows: Sequence[tuple[str, str]], formatter: Any) -> None:
    """Write names and what they mean in two columns; on a narrow screen the meaning below a long name."""
    formatter.write_dl(rows, col_max=NARROW_TERM if formatter.width < NARROW else TERM)


def _fit(formatter: Any) -> None:
    """Let no line be longer than the screen: the formatter by itself takes none for narrower than 50 columns."""
    formatter.width = min(formatter.width, max(20, shutil.get_terminal_size().columns - 1))


def _write(command: Any, formatter: Any) -> None:
    text = read(command)
    _write_paragraph(text.summary, formatter)
    if text.examples:
        with formatter.section("Examples"):
            for example in text.examples:  # whole lines, to be copied
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
    for paragraph in text.details:
        _write_paragraph(paragraph, formatter)


def _write_paragraph(text: str, formatter: Any) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(text)


def _ordered(group: Any) -> list[str]:
    return sorted(group.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


class Command(TyperCommand):
    """A command whose help shows examples before anything long."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name in the usage line."""
        return ["[OPTIONS]", *map(metavar_of, _arguments(self))]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, as wide as the screen."""
        _fit(formatter)
        super().format_help(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write summary, examples and details."""
        _write(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where the other options are."""
        _write_paragraph(EPILOG, formatter)


class Group(TyperGroup):
    """A group of commands whose help shows an example of each."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, as wide as the screen."""
        _fit(formatter)
        super().format_help(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write summary, examples and details."""
        _write(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options and commands."""
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence of its help, whole."""
        rows = [(name, re.split(r"[.;:] ", read(self.commands[name]).summary + " ")[0]) for name in _ordered(self)]
        with formatter.section("Commands"):
            _write_terms(rows, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where the other options are; the outermost group shows them itself."""
        if ctx.parent is not None:
            _write_paragraph(EPILOG, formatter)


def use(app: typer.Typer) -> None:
    """Have an app and all that is below it show such help."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance is not None:
            use(group.typer_instance)
