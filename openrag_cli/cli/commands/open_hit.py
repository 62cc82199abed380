"""`openrag open`: a hit or a file in the program that shows it, at its line or page."""

import codecs
import contextlib
import os
import re
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

_FAILS_WITHIN_S = 1.0
"""A program of the desktop that cannot show a file says so by its exit code within this time."""

_HEAD_BYTES = 8192
_WORD = re.compile(r"\w+")
_PDF_MARK_WITHIN = 1024
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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

    The program is VISUAL or EDITOR for text, and what the desktop has for other kinds.

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
    words = _editor_words()
    if words and _is_text(path):
        text = context.engine.document(found.partition, found.file_id).markdown
        return _run(_at_line(words, path, source_line(path, text, found.line)))
    return _shown(path, found, words)


def _not_here(file: File) -> PathNotFound:
    place = was_at(file)
    why = f"its source is gone: {readable(str(place))}" if place else "it did not come from a file of this machine"
    return PathNotFound(f"'{file.file_id}' cannot be opened: {why}", hint=f"its stored text: {text_command(file)}")


def _editor_words() -> list[str]:
    try:
        return shlex.split(editor())
    except ValueError as exc:
        raise InvalidInput(f"VISUAL or EDITOR is no command: {exc}", hint="close its quotes") from exc


def _shown(path: Path, found: Found, words: list[str]) -> int:
    """Show a file with the desktop's program, or with the editor where there is no desktop; return the exit code.

    Raises: InvalidInput: no program can show it.
    """
    viewer = _viewer(path, found)
    code = _run(viewer) if viewer else None
    if code == 0:
        return 0
    if words:
        return _run([*words, str(path)])
    why = f"{viewer[0]} could not show it (exit {code})" if viewer else "no program to open it with"
    raise InvalidInput(why, hint="set EDITOR; openrag open N --print prints its path, openrag file get ID its text")


def source_line(path: Path, text: str, line: int) -> int:
    """Return which line of a file holds most words of a line of its stored text, the nearest of several.

    It is another one where the text was read out of markup, or the file has changed since.
    """
    stored = text.split("\n")
    wanted = _words(stored[line - 1]) if line <= len(stored) else set()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return line
    if not wanted or (line <= len(lines) and wanted <= _words(lines[line - 1])):
        return line
    found = max((len(wanted & _words(one)), -abs(at - line), at) for at, one in enumerate(lines, 1))
    return found[2] if found[0] else line


def _words(line: str) -> set[str]:
    return set(_WORD.findall(line.casefold()))


def _at_line(words: list[str], path: Path, line: int) -> list[str]:
    """Return the command of an editor with a file, at a line where its options for that are known."""
    name = Path(words[0]).name
    if name in _AT_LINE:
        return [*words, f"+{line}", str(path)]
    if name in _WITH_GOTO:
        return [*words, "--goto", f"{path}:{line}"]
    return [*words, f"{path}:{line}" if name in _WITH_COLON else str(path)]


def _is_text(path: Path) -> bool:
    """Whether an editor shows a file as one reads it: not a PDF, an archive or an office document."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        is_document = b"%PDF-" in head[:_PDF_MARK_WITHIN] or head.startswith(b"{\\rtf")
        return not is_document and (b"\0" not in head or head.startswith(_UTF_16))
    return True


def _viewer(path: Path, found: Found) -> list[str]:
    """Return the desktop's command: a viewer that takes a page where one is installed and the file is a PDF."""
    if path.suffix.lower() == ".pdf":
        pages = {"evince": ["-i"], "okular": ["-p"], "zathura": ["-P"], "xreader": ["-i"]}
        for program, option in pages.items():
            if shutil.which(program):
                return [program, *option, str(found.page or 1), str(path)]
    for program in ("open",) if sys.platform == "darwin" else ("xdg-open",):
        if shutil.which(program):
            return [program, str(path)]
    return []


def _run(command: list[str]) -> int:
    try:
        if Path(command[0]).name in _IN_BACKGROUND:
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - the null device
                shown = subprocess.Popen(
                    command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
                )
            return _code_at_once(shown)
        return subprocess.run(command, check=False).returncode
    except OSError as exc:
        raise InvalidInput(f"{command[0]}: it cannot be started", hint="set VISUAL or EDITOR to an editor") from exc


def _code_at_once(shown: "subprocess.Popen[bytes]") -> int:
    """Return the exit code of a program of the desktop; 0 once it has run for long enough to show the file."""
    try:
        return shown.wait(_FAILS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return 0
