"""`openrag open`: a hit or a file in the program that shows it, at its line or page."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from openrag_cli.cli import last_search
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.options import PartitionOption
from openrag_cli.cli.last_search import Found
from openrag_cli.cli.places import local_path, text_command, was_at
from openrag_cli.config.programs import editor
from openrag_cli.contract import to_json as render
from openrag_cli.domain import File
from openrag_cli.errors import InvalidInput, PathNotFound
from openrag_cli.ingest.naming import readable

_AT_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro", "less", "view", "ne", "joe", "mg"}
_WITH_COLON = {"subl", "hx", "helix", "zed"}
_WITH_GOTO = {"code", "codium", "cursor"}
_IN_BACKGROUND = {"xdg-open", "open", "evince", "okular", "zathura", "xreader"}


def open_hit(
    context: Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="N|FILE_ID",
            help="Number of a hit of the last search, or of a source of the last answer; or the id of a file.",
        ),
    ],
    partition: PartitionOption = "default",
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the path, and open nothing. Default: off.")
    ] = False,
) -> int:
    """Open a hit of the last search, or a source of the last answer, at its line or page.

    The program is VISUAL, EDITOR, or what the desktop has for its kind.

    Examples:

        openrag open 2

        openrag open ops/keys.md -p handbook
    """
    found = (
        last_search.recall(context.settings.cache, int(what))
        if what.isascii() and what.isdigit()
        else Found(0, partition, what, 1, None)
    )
    file = context.engine.file(found.partition, found.file_id)
    path = local_path(file)
    if path is None:
        raise _not_here(file)
    if context.out.is_json:
        body = {"path": str(path), "line": found.line, "page": found.page}
        context.out.json(render.document("place", {"partition": file.partition, "file_id": file.file_id, **body}))
        return 0
    if print_only:
        context.out.verbatim(str(path))
        return 0
    return _run(_command(path, found))


def _not_here(file: File) -> PathNotFound:
    place = was_at(file)
    why = f"its source is gone: {readable(str(place))}" if place else "it did not come from a file of this machine"
    return PathNotFound(f"'{file.file_id}' cannot be opened: {why}", hint=f"its stored text: {text_command(file)}")


def _command(path: Path, found: Found) -> list[str]:
    """Return the command that shows a file. Raises: InvalidInput, when there is none."""
    words = shlex.split(editor())
    if found.page is not None or not words:
        return _viewer(path, found) or _not_known()
    name = Path(words[0]).name
    if name in _AT_LINE:
        return [*words, f"+{found.line}", str(path)]
    if name in _WITH_GOTO:
        return [*words, "--goto", f"{path}:{found.line}"]
    return [*words, f"{path}:{found.line}" if name in _WITH_COLON else str(path)]


def _viewer(path: Path, found: Found) -> list[str]:
    """Return the desktop's command: a viewer that takes a page where one is installed and the file is a PDF."""
    if found.page is not None and path.suffix.lower() == ".pdf":
        pages = {"evince": ["-i"], "okular": ["-p"], "zathura": ["-P"], "xreader": ["-i"]}
        for program, option in pages.items():
            if shutil.which(program):
                return [program, *option, str(found.page), str(path)]
    for program in ("open",) if sys.platform == "darwin" else ("xdg-open",):
        if shutil.which(program):
            return [program, str(path)]
    return []


def _not_known() -> list[str]:
    raise InvalidInput("no program to open it with", hint="set EDITOR, or print its path: openrag open N --print")


def _run(command: list[str]) -> int:
    try:
        if Path(command[0]).name in _IN_BACKGROUND:
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - the null device
                subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
            return 0
        return subprocess.run(command, check=False).returncode
    except OSError as exc:
        raise InvalidInput(f"{command[0]}: it cannot be started", hint="set VISUAL or EDITOR to an editor") from exc
