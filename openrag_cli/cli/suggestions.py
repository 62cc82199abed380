"""What to do about a mistyped command or option: the nearest one that there is."""

import contextlib
import difflib
import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from openrag_cli.errors import DocumentNotFound, OpenRAGError, PartitionNotFound

PROGRAM = "openrag"


_OF_PYDANTIC = re.compile(r"Input should be (a valid \w+), unable to parse string as an? \w+")

_OTHER_NAMES = {"index": "file add", "ingest": "file add", "query": "search", "find": "search", "rm": "delete",
                "remove": "delete", "ls": "list", "cat": "get", "mv": "rename", "info": "show"}  # fmt: skip
"""What other tools call a command."""

_NAMES_HERE = {"list": "show"}
"""What a group calls a command that others have and it does not."""

_OTHER_OPTIONS = {"-n": "-k", "--limit": "--top-k", "--max-count": "--top-k", "--num": "--top-k"}
"""What other tools call an option."""


def plain_message(message: str) -> str:
    """Return the message of a wrong command line on one line, without the words of the libraries that read it."""
    said = message.replace("\n", " ").replace("Value error, ", "").partition(" (Possible options")[0]
    return _OF_PYDANTIC.sub(r"it is not \1", said)


def usage_hint(error: Any, message: str, global_options: Sequence[str]) -> str:
    """Return the nearest command or option if one is near, the command that has such an option, or where the help is.

    `error` is one of Typer's, which knows the context; `global_options` may stand anywhere.
    """
    here = getattr(error, "ctx", None)
    path = getattr(here, "command_path", PROGRAM)
    typo = re.match(r"No such (command|option)[^'-]*'?(--?[\w-]+|[^']*)'?", message)
    if typo and here is not None:
        is_option, word = typo[1] == "option", typo[2]
        near = _option(word, here, global_options) if is_option else _command(word, here)
        if near:
            return near
    return f"{path} --help"


def _option(word: str, here: Any, global_options: Sequence[str]) -> str | None:
    if getattr(here.command, "commands", None):
        owners = [path for path, command in _leaves(here.command, here.command_path) if word in _spellings(command)]
        if owners:
            return f"it is an option of '{owners[0]}': write it after that"
    own = _spellings(here.command)
    other = _OTHER_OPTIONS.get(word)
    near = other if other in own else _nearest(word, [*own, "--help", *global_options])
    return f"did you mean '{near}'?" if near else None


def _command(word: str, here: Any) -> str | None:
    group = getattr(here.command, "commands", {})
    meant = _OTHER_NAMES.get(word, word)
    if here.parent is not None and meant not in group and (here_called := _NAMES_HERE.get(meant)) in group:
        return f"did you mean '{here.command_path} {here_called}'?"
    known = [path for path, _ in _leaves(here.find_root().command, PROGRAM) if path.rpartition(" ")[2] == word]
    if not known and (other := _OTHER_NAMES.get(word)):
        known = [path for path, _ in _leaves(here.command, here.command_path) if path.endswith(f" {other}")]
        known = [path for path in known if path == f"{here.command_path} {other}"] or known[: len(known) == 1]
    if not known:
        near = _nearest(word, list(getattr(here.command, "commands", {})))
        known = [f"{here.command_path} {near}"] if near else []
    return f"did you mean {' or '.join(repr(path) for path in known)}?" if known else None


def _nearest(word: str, known: Sequence[str]) -> str | None:
    starting = [name for name in known if name.startswith(word)]
    return next(iter([*starting, *difflib.get_close_matches(word, known, n=1)]), None)


def _spellings(command: Any) -> list[str]:
    return [flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)]


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from _leaves(child, f"{path} {name}")


def add_where_it_is(error: OpenRAGError, engine: Any) -> None:
    """Let the hint of an error say in which other partition a file is, or what has the name of a partition, or nearly."""
    if isinstance(error, PartitionNotFound) and engine is not None and error.partition:
        with contextlib.suppress(OpenRAGError):
            _say_what_is_meant(error, engine)
        return
    if not isinstance(error, DocumentNotFound) or not error.file_id or engine is None:
        return
    found: list[str] = []
    with contextlib.suppress(OpenRAGError):
        for partition in engine.partitions():
            with contextlib.suppress(DocumentNotFound):
                engine.file(partition.name, error.file_id)
                found.append(partition.name)
    if found:
        options = ", or ".join(f"-p {shlex.quote(name)}" for name in found[:3])
        more = f", and {len(found) - 3:,} more" if len(found) > 3 else ""
        error.hint = f"it is in another partition: {options}{more}"


def _say_what_is_meant(error: PartitionNotFound, engine: Any) -> None:
    views = {view.name: view for view in engine.views.all()}
    view = views.get(unicodedata.normalize("NFC", error.partition))
    if view is not None:
        of = ", or ".join(f"-p {shlex.quote(name)}" for name in view.partitions)
        error.message = f"'{view.name}' is a view, and no partition: views are for searching"
        error.hint = f"openrag search -p {shlex.quote(view.name)}; what it shows is in: {of}"
        return
    near = _nearest(error.partition, [*(partition.name for partition in engine.partitions()), *views])
    if near:
        error.hint = f"did you mean -p {shlex.quote(near)}?"
