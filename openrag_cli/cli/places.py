"""Where a hit is for a person: the path of its file from the working directory, its line, and a link to it."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openrag_cli.domain import DEFAULT_PARTITION, File
from openrag_cli.terminal import percent_decoded

if TYPE_CHECKING:
    from openrag_cli.cli.output import Output

MAX_UP = 2
"""Folders to go up before an absolute path reads better."""

GONE = "its source is gone"


def local_path(file: File) -> Path | None:
    """Return the absolute path of a file of this machine; None when its source is not known, or it is not there now.

    Where its source has another name than its id, a file that is named like the id must have its content.
    """
    source = file.source
    if source is None or not _is_here(file):
        return None
    root = Path(os.fsdecode(source.root))
    if source.path and (path := _below(root, [source.path])):
        return path
    path = _below(root, _names(file.file_id, root))
    return path if path is None or not source.path or _holds(path, file) else None


def _is_here(file: File) -> bool:
    """Whether a file came from a folder of this machine."""
    return file.source is not None and os.path.isabs(file.source.root)  # noqa: PTH117 - bytes


def _below(root: Path, names: Iterable[str]) -> Path | None:
    """Return the first file that one of these names, as ids write them, has below a folder."""
    for rest in names:
        for name in dict.fromkeys((percent_decoded(rest), rest)):
            path = root / name
            if ".." not in Path(name).parts and path.is_file():
                return path
    return None


def _names(file_id: str, root: Path) -> list[str]:
    """Return what a file may be called below its root: its id, or what follows the end of the root's path in it."""
    parts = file_id.split("/")
    ends = range(1, min(len(parts), len(root.parts)))
    return [file_id, *("/".join(parts[n:]) for n in ends if tuple(parts[:n]) == root.parts[-n:])]


def _holds(path: Path, file: File) -> bool:
    from openrag_cli.ingest.stable_read import sha256_of

    try:
        if path.stat().st_size != file.size:
            return False
        with path.open("rb") as stream:
            return sha256_of(stream) == file.sha256
    except OSError:
        return False


def is_gone(file: File, path: Path | None) -> bool:
    """Whether a file came from this machine, and is not where it was; `path` is what `local_path` found."""
    return path is None and _is_here(file)


def was_at(file: File) -> Path | None:
    """Return where a file of this machine came from, whether it is there or not."""
    if file.source is None or not _is_here(file):
        return None
    return Path(os.fsdecode(file.source.root)) / percent_decoded(file.source.path or file.file_id)


def from_here(path: Path) -> str:
    """Return a path as one would type it: from the working directory, or absolute where that is far away."""
    try:
        relative = os.path.relpath(path)
    except FileNotFoundError:  # the current folder was deleted
        return str(path)
    if Path(relative).parts.count(os.pardir) > MAX_UP:
        return str(path)
    return f"./{relative}" if relative.startswith("-") else relative  # a program would take it for an option


def name_of(file: File, path: Path | None) -> str:
    """Return the path of a file from here, or else its id."""
    return file.file_id if path is None else from_here(path)


def url_of(path: Path | None, line: int | None, page: int | None) -> str | None:
    """Return a link to a file at its page, or else at a line, as viewers, kitty and VS Code take it; None without a file."""
    if path is None:
        return None
    place = f"#page={page}" if page else f"#{line}" if line else ""
    return path.as_uri() + place


def paste(option: str, value: str) -> str:
    """Return an option and its value as they may be pasted into a shell."""
    return f"{option} {shlex.quote(value)}"


def text_command(file: File) -> str:
    """Return the command that prints the stored text of a file."""
    partition = [] if file.partition == DEFAULT_PARTITION else ["-p", file.partition]
    if file.file_id.startswith("-"):  # it would be taken for an option
        return shlex.join(["openrag", "file", "get", *partition, "--", file.file_id])
    return shlex.join(["openrag", "file", "get", file.file_id, *partition])


def tell_gone(out: "Output", files: Sequence[File]) -> None:
    """Say of files whose names were printed that nothing is there any more, and how to read what is stored of them."""
    if not files:
        return
    first = files[0]
    others = f", and {len(files) - 1:,} more" if len(files) > 1 else ""
    out.note(
        f"{first.file_id}{others}: {GONE if not others else 'their sources are gone'}; an id stands for the path"
    )
    out.hint(f"the stored text: {text_command(first)}")
