"""The programs that the environment names: a person's editor, and what is on PATH."""

import os
from pathlib import Path


def editor() -> str:
    """Return the command of the editor: VISUAL, else EDITOR, else nothing."""
    return (os.environ.get("VISUAL") or os.environ.get("EDITOR") or "").strip()


def executables(name: str) -> list[Path]:
    """Return every program of that name on PATH, in order, each once."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    found = [folder / name for folder in dict.fromkeys(folders)]
    return [path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)]  # noqa: PTH113 - another's folder
