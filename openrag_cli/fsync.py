"""Making files outlive a power cut, by fsync of them and of the folders that name them; and undoing what was half done."""

import contextlib
import errno
import functools
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_NOT_OF_FOLDERS = frozenset({errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems say that know no fsync of folders: some network and FUSE ones."""


@functools.cache
def _warn_of(what: str) -> None:
    logger.warning(
        "%s cannot put names of files on the disk (fsync of a folder): after a power cut the last files may be missing",
        what,
    )


def _tell_once(path: Path) -> None:
    _warn_of(file_system_of(path))


def file_system_of(path: Path) -> str:
    """Return a name for the file system that a path is on: `the file system of /mnt/share (nfs4)`."""
    place, kind = "/", ""
    try:
        here = str(path.resolve())
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = before.split(" ")[4]
            if (here == point or here.startswith(f"{point.rstrip('/')}/")) and len(point) >= len(place):
                place, kind = point, after.split(" ")[0]
    except (OSError, IndexError):  # not Linux
        return f"the file system of {path}"
    return f"the file system of {place} ({kind})" if kind else f"the file system of {path}"


def fsync(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk; one that is gone is no error."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # taken away since, as by the clean-up of old versions
        return
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _NOT_OF_FOLDERS or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise
        _tell_once(path)
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


@contextlib.contextmanager
def undoing(undo: Callable[..., object], *arguments: Any, **options: Any) -> Iterator[None]:
    """Call `undo` if the block does not come to its end, whatever ends it."""
    with contextlib.ExitStack() as stack:
        stack.callback(undo, *arguments, **options)
        yield
        stack.pop_all()
