"""Making files outlive a power cut: fsync of files and of the folders that name them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def fsync(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk; one that is gone is no error."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # taken away since, as by the clean-up of old versions
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_below(root: Path, paths: Iterable[str]) -> None:
    """Put files below `root` on the disk, with every folder from theirs up to the one that holds `root`."""
    folders: set[Path] = set()
    for path in map(Path, paths):
        fsync(path)
        folders |= {folder for folder in path.parents if folder.is_relative_to(root)}
    for folder in sorted(folders, reverse=True):
        fsync(folder)
    if folders:
        fsync(root.parent)


def files_below(root: Path) -> Iterator[str]:
    """Yield the path of every file below `root`; as text, for there may be ten thousand at each commit."""
    for folder, _, names in os.walk(root):
        for name in names:
            yield f"{folder}/{name}"
