"""Everything that is made from the command tree: `completions/`, `man/`, and the tree that completion reads.

    python scripts/build_docs.py       # write them, beside the package

Man pages are mdoc (mdoc(7)); nothing here knows a single command: help texts, examples and tables are those that the
program itself works with.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main

from openrag_cli.cli import help_formatter as helptext
from openrag_cli.cli import help_topics as topics
from openrag_cli.cli.completion import TREE
from openrag_cli.cli.completion_scripts import PATHS, SCRIPTS
from openrag_cli.cli.help_formatter import choices_of, metavar_of
from openrag_cli.cli.main import program
from openrag_cli.config import folder_trust
from openrag_cli.config.settings import SETTINGS
from openrag_cli.contract import schemas as contract

DATE = "November 23, 2026"
"""The date of the pages: of the last change of their form."""

VALUE_KINDS = {"--partition": "partition", "--file": "file", "--session": "session", "--filter": "filter"}
SEARCHES = {"search", "ask", "chat"}
"""Commands whose `-p` takes the name of a view too."""

PATH_METAVARS = {"DIR", "FILE", "PATH", "FILE|-", "F|-", "[PATH|DIR|-]...", "PATH|-"}
ARGUMENT_KINDS = {
    ("partition", "NAME"): "partition", ("session", "NAME"): "session", ("view", "NAME"): "view", ("file", "ID"): "file",
    ("file", "ID..."): "file", ("task", "ID"): "task", ("task", "ID..."): "task", ("task", "[ID]..."): "task",
    ("config", "KEY"): "setting", ("open", "N|FILE_ID"): "file",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A command: its path (`file add`), help in paragraphs, examples, parameters and subcommands."""

    path: str
    summary: str
    paragraphs: tuple[str, ...]
    examples: tuple[str, ...]
    options: tuple[Any, ...]
    arguments: tuple[Any, ...]
    children: tuple["Page", ...]


def tree() -> Page:
    """Return the whole command tree."""
    return _page(typer.main.get_command(program()), "")


def _page(command: Any, path: str) -> Page:
    text = helptext.read(command)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    children = getattr(command, "commands", {})
    return Page(
        path=path,
        summary=text.summary,
        paragraphs=text.details,
        examples=text.examples,
        options=tuple(parameter for parameter in shown if parameter.param_type_name == "option"),
        arguments=tuple(parameter for parameter in shown if parameter.param_type_name == "argument"),
        children=tuple(_page(child, f"{path} {name}".strip()) for name, child in sorted(children.items())),
    )


def pages(page: Page) -> Iterator[Page]:
    """Yield a page and all below it."""
    yield page
    for child in page.children:
        yield from pages(child)


# --- parameters


def _takes_value(option: Any) -> bool:
    return not option.is_flag and not option.count


def _default(option: Any) -> str | None:
    """Return the default as text where the help does not tell it."""
    value = option.default.value if isinstance(option.default, Enum) else option.default
    is_told = "Default:" in (option.help or "") or not _takes_value(option)
    return None if is_told or value in (None, [], "") else str(value)


def _kind(page: Page, parameter: Any) -> str:
    if parameter.param_type_name == "option":
        known = next((VALUE_KINDS[name] for name in parameter.opts if name in VALUE_KINDS), None)
        is_path = parameter.metavar in PATH_METAVARS or parameter.name == "store"
        if known == "partition" and page.path in SEARCHES:
            return "scope"
        return known or ("path" if is_path else "text")
    group = page.path.split(" ")[0]
    metavar = str(parameter.metavar or "")
    return ARGUMENT_KINDS.get((group, metavar)) or ("path" if metavar in PATH_METAVARS else "text")


# --- completion


def completion_tree(page: Page) -> dict[str, Any]:
    """Return what `complete.py` reads: commands, their options and the kinds of their values."""
    node: dict[str, Any] = {"help": page.summary, "options": {}}
    for option in page.options:
        entry = {
            "name": option.name,
            "help": (option.help or "").split(". ")[0].rstrip("."),
            "takes_value": _takes_value(option),
            **_values(page, option),
        }
        node["options"] |= dict.fromkeys([*option.opts, *option.secondary_opts], entry)
    if page.arguments:
        node["arguments"] = [_values(page, argument) for argument in page.arguments]
    if page.children:
        node["commands"] = {child.path.rpartition(" ")[2]: completion_tree(child) for child in page.children}
    return node


def _values(page: Page, parameter: Any) -> dict[str, Any]:
    choices = choices_of(parameter)
    return {"kind": _kind(page, parameter), **({"choices": choices} if choices else {})}


# --- man pages


def escaped(text: str) -> str:
    """Return text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("…", "...")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def _macro(text: str) -> str:
    """Return one argument of a macro: in quotes where it holds blanks, and never taken for a macro itself."""
    if " " in text or not text:
        return '"' + escaped(text).replace('"', '""') + '"'
    return f"\\&{escaped(text)}"


def _prose(text: str) -> list[str]:
    """Return sentences, each on lines of its own, as mdoc wants them."""
    sentences = re.split(r"(?<=[.;:!?])\s+(?=[A-Z`\"(])", text)
    wrapped = [line for sentence in sentences for line in textwrap.wrap(sentence, 78, break_on_hyphens=False)]
    return [escaped(line) for line in wrapped]


def _page_name(page: Page) -> str:
    return "-".join(["openrag", *page.path.split()])


def man_page(page: Page, root: Page) -> str:
    """Return the man page of a command."""
    name = _page_name(page)
    lines = [f".Dd {DATE}", f".Dt {name.upper()} 1", ".Os", ".Sh NAME", f".Nm {name}"]
    lines += [
        f".Nd {escaped(re.split(r'[.;] ', page.summary)[0].rstrip('.'))}",
        ".Sh SYNOPSIS",
        *_synopsis(page),
        ".Sh DESCRIPTION",
    ]
    lines += _prose(page.summary)
    for paragraph in page.paragraphs:
        lines += [".Pp", *_prose(paragraph)]
    if page.children:
        lines += [".Sh COMMANDS", ".Bl -tag -width Ds"]
        for child in page.children:
            lines += [f".It {_macro('openrag ' + child.path)}", *_prose(child.summary)]
        lines.append(".El")
    lines += _options(page, "OPTIONS" if page.path else "GLOBAL OPTIONS")
    if page.path:
        lines += [".Pp"] if page.options else [".Sh OPTIONS"]
        lines += ["The options of", ".Xr openrag 1", "may stand before or after the command."]
    lines += _exit_status(page)
    if page.examples:
        lines += [".Sh EXAMPLES", *(f".Dl {_macro(example)}" for example in page.examples)]
    lines += _see_also(page, root)
    return "\n".join(lines) + "\n"


def _synopsis(page: Page) -> list[str]:
    lines = [".Nm openrag"]
    lines += [f".Cm {word}" for word in page.path.split()]
    for option in page.options:
        value = f" Ar {_macro(metavar_of(option))}" if _takes_value(option) else ""
        flag = max(option.opts, key=len).removeprefix("-")
        lines.append(f".Op Fl {_dashed(flag)}{value}")
    for argument in page.arguments:
        lines.append(f".Ar {_macro(metavar_of(argument))}")
    if page.children:
        lines += [".Ar command", ".Op Ar arguments"]
    return lines


def _dashed(flag: str) -> str:
    return flag.replace("-", "\\-")


def _options(page: Page, title: str) -> list[str]:
    if not (page.options or page.arguments):
        return []
    lines = [f".Sh {title}", ".Bl -tag -width Ds"]
    for argument in page.arguments:
        lines += [f".It Ar {_macro(metavar_of(argument))}", *_prose(argument.help or "")]
    for option in page.options:
        value = f" Ar {_macro(metavar_of(option))}" if _takes_value(option) else ""
        flags = " , ".join(f"Fl {_dashed(flag.removeprefix('-'))}" for flag in option.opts)
        lines += [f".It {flags}{value}", *_prose(option.help or "")]
        choices, default = choices_of(option), _default(option)
        if choices:
            lines += _prose(f"One of {', '.join(choices)}.")
        if default is not None:
            lines += _prose(f"Default: {default}.")
        if option.envvar:
            lines.append(f"Environment: {escaped(str(option.envvar))}.")
    return [*lines, ".El"]


def _exit_status(page: Page) -> list[str]:
    if page.path:
        return [".Sh EXIT STATUS", "See", ".Xr openrag 1 ."]
    lines = [".Sh EXIT STATUS", ".Bl -tag -width Ds"]
    for code, meaning in topics.MEANINGS.items():
        lines += [f".It {code.value}", *_prose(f"{meaning[0].upper()}{meaning[1:]}.")]
    return [*lines, ".El"]


def _see_also(page: Page, root: Page) -> list[str]:
    near = [other for other in pages(root) if other.path != page.path and _are_near(page.path, other.path)]
    names = sorted({_page_name(other) for other in near} | ({"openrag"} if page.path else set()))
    refs = [f"{name} 1" for name in names] + ["openrag-config 5", "openrag-json 7"]
    return [".Sh SEE ALSO", *(f".Xr {ref} ," if at < len(refs) - 1 else f".Xr {ref}" for at, ref in enumerate(refs))]


def _are_near(one: str, other: str) -> bool:
    """Whether two pages refer to each other: parent and child, or commands of one group."""
    parents = one.rpartition(" ")[0], other.rpartition(" ")[0]
    return other == parents[0] or one == parents[1] or (bool(parents[0]) and parents[0] == parents[1])


def config_page() -> str:
    """Return openrag-config(5)."""
    lines = [f".Dd {DATE}", ".Dt OPENRAG-CONFIG 5", ".Os", ".Sh NAME", ".Nm openrag-config"]
    lines += [".Nd settings of openrag", ".Sh DESCRIPTION"]
    lines += _prose(
        "Settings are TOML, in openrag.toml of the current folder and in config.toml of the user's configuration folder. "
        "A flag wins over the environment, that over openrag.toml, that over the user's file, that over the default. "
        "A dot in a name is a table: llm.model is model in [llm]. Unknown keys are errors."
    )
    lines += [".Sh TRUST"]
    lines += _prose(
        "A folder may be somebody else's, and a setting such as llm.base_url says where passages and keys are sent. "
        f"From its openrag.toml only {', '.join(sorted(folder_trust.FREE_KEYS))} are taken without a question; "
        "every other key is ignored, with one line on standard error that names it, until `openrag config trust` was given "
        "in that folder. Trust is for the content of the file: a change asks again. `openrag config untrust` ends it. "
        "`openrag config set --project` keeps the trust of a file that it makes, or whose keys were all obeyed. What is kept "
        "is the hash of the trusted content, in trusted-folders of the user's state folder. The user's own file needs no trust."
    )
    lines += [".Sh SETTINGS", ".Bl -tag -width Ds"]
    for setting in SETTINGS:
        lines += [f".It Va {_macro(setting.key)}", *_prose(f"{setting.help[0].upper()}{setting.help[1:]}.")]
        if not callable(setting.default) and setting.default not in {None, "", ()} and "default" not in setting.help:
            lines += _prose(f"Default: {setting.default}.")
        files = (
            f"; with {' or '.join(f'{name}_FILE' for name in setting.env)} a file that holds it"
            if setting.is_secret
            else ""
        )
        lines += _prose(f"Environment: {', '.join(setting.env)}{files}.")
    lines += [".El", ".Sh ENVIRONMENT", ".Bl -tag -width Ds"]
    for name, what in topics.VARIABLES.items():
        lines += [f".It Ev {name}", *_prose(f"{what[0].upper()}{what[1:]}.")]
    lines += [".El", ".Sh FILES", ".Bl -tag -width Ds", ".It Pa openrag.toml", "Settings of a folder."]
    lines += [".It Pa ~/.config/openrag/config.toml", "Settings of a user (on Linux).", ".El"]
    return "\n".join([*lines, ".Sh SEE ALSO", ".Xr openrag 1 ,", ".Xr openrag-config 1"]) + "\n"


def json_page() -> str:
    """Return openrag-json(7)."""
    lines = [f".Dd {DATE}", ".Dt OPENRAG-JSON 7", ".Os", ".Sh NAME", ".Nm openrag-json"]
    lines += [".Nd what openrag prints for programs", ".Sh DESCRIPTION"]
    for paragraph in topics.OUTPUT.split("\n\n"):
        lines += [*_prose(" ".join(paragraph.split())), ".Pp"]
    lines[-1:] = [".Sh SCHEMAS", ".Bl -tag -width Ds"]
    for name in contract.SHAPES:
        uses = [(command, option, one) for command, of in contract.COMMANDS.items() for option, one in of.items()]
        users = [f"{command or 'openrag'} {option}" for command, option, one in uses if one == name]
        keys = ", ".join(contract.SHAPES[name]["properties"])
        lines += [f".It {_macro(f'openrag.{name}/1')}", *_prose(f"Keys: {keys}.")]
        if users:
            lines += _prose(f"Printed by {', '.join(users)}.")
    return "\n".join([*lines, ".El", ".Sh SEE ALSO", ".Xr openrag 1 ,", ".Xr openrag-schema 1"]) + "\n"


def made() -> dict[str, str]:
    """Return every file that is made, by its path from the project's root."""
    root = tree()
    files = {PATHS[shell]: script for shell, script in SCRIPTS.items()}
    files |= {f"man/man1/{_page_name(page)}.1": man_page(page, root) for page in pages(root)}
    files |= {"man/man5/openrag-config.5": config_page(), "man/man7/openrag-json.7": json_page()}
    text = json.dumps(completion_tree(root), indent=1, ensure_ascii=False) + "\n"
    return files | {f"openrag_cli/cli/{TREE.name}": text}


def main() -> None:
    """Write the files, and remove man pages of commands that are gone."""
    project = Path(__file__).parent.parent
    files = made()
    for stale in project.glob("man/*/*"):
        if stale.relative_to(project).as_posix() not in files:
            stale.unlink()
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(files)} files\n")


if __name__ == "__main__":
    main()
