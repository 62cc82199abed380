"""Where a hit is for a person: the path of its file from the working directory, its line, and a link to it."""

import os
import shlex
from pathlib import Path

from openrag_cli.domain import File
from openrag_cli.terminal import percent_decoded

MAX_UP = 2
"""Folders to go up before an absolute path reads better."""


def local_path(file: File) -> Path | None:
    """Return the absolute path of a file of this machine; None when its source is not known, or it is not there now."""
    if file.source is None or not file.source.root:
        return None
    root = Path(os.fsdecode(file.source.root))
    for rest in _below(file.file_id, root):
        for name in dict.fromkeys((percent_decoded(rest), rest)):
            path = root / name
            if ".." not in Path(name).parts and path.is_file():
                return path
    return None


def _below(file_id: str, root: Path) -> list[str]:
    """Return what a file may be called below its root: its id, or what follows the end of the root's path in it."""
    parts = file_id.split("/")
    ends = range(1, min(len(parts), len(root.parts)))
    return [file_id, *("/".join(parts[n:]) for n in ends if tuple(parts[:n]) == root.parts[-n:])]


def from_here(path: Path) -> str:
    """Return a path as one would type it: from the working directory, or absolute where that is far away."""
    try:
        relative = os.path.relpath(path)
    except FileNotFoundError:  # the current folder was deleted
        return str(path)
    return str(path) if Path(relative).parts.count(os.pardir) > MAX_UP else relative


def name_of(file: File, path: Path | None) -> str:
    """Return the path of a file from here, or else its id."""
    return file.file_id if path is None else from_here(path)


def paste(option: str, value: str) -> str:
    """Return an option and its value as they may be pasted into a shell."""
    return f"{option} {shlex.quote(value)}"
