"""Who may read and write a store: its owner, the group that its folder is open to, and root only where it is root's."""

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from openrag_cli.errors import Forbidden, os_errors

CATALOG = "openrag.db"


def has_catalog(folder: Path) -> bool:
    """Whether a store is there. Raises: Forbidden: its folder cannot be looked into."""
    with os_errors(f"opening the store {folder}"):
        return (folder / CATALOG).exists()


def not_writable(folder: Path) -> Forbidden:
    """Return the error of whatever writes to a store that can only be read."""
    if belongs_to_another(folder):
        name = owner_of(folder)
        return Forbidden(
            f"the store {folder} belongs to {name}, and what root wrote there would lock its owner out",
            hint=f"as its owner: sudo -u {shlex.quote(name)} openrag ...",
        )
    return Forbidden(
        f"the store {folder} can only be read here, and this command writes to it",
        hint="check its owner and mode, and whether its disk is mounted read-only",
    )


def belongs_to_another(folder: Path) -> bool:
    """Whether this is root and the store another user's: the files that root makes are closed to that user."""
    return os.geteuid() == 0 and folder.is_dir() and folder.stat().st_uid != 0


def owner_of(path: Path) -> str:
    """Return the name of the user who owns a path, or #UID where the system knows no name."""
    return _name_of(path.stat().st_uid)


def umask_for(folder: Path) -> int:
    """Return the umask under which a store's files are made: its owner's alone, and of its group where the folder is
    open to the group's writing (two users of one store) or hands its group on (setgid)."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return 0o077
    is_shared = mode & (stat.S_IWGRP | stat.S_ISGID)
    return 0o077 & ~(mode & 0o070) if is_shared else 0o077


def file_mode(folder: Path) -> int:
    """Return the mode of a file in the store `folder`."""
    return 0o660 & ~umask_for(folder)


def folder_mode(folder: Path) -> int:
    """Return the mode of a folder in the store `folder`."""
    return 0o770 & ~umask_for(folder)


def me() -> str:
    """Return the name of the user who runs this, or #UID where the system knows no name."""
    return _name_of(os.geteuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


@dataclass(slots=True)
class Access:
    """What this user may not do with the files and folders of a store, and who owns those."""

    n_entries: int = 0
    unreadable: list[str] = field(default_factory=list)
    unwritable: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)


def access_to(folder: Path) -> Access:
    """Return what this user may not do with a store; nothing where there is none."""
    found = Access()
    for path, is_folder in _entries(folder):
        if not os.path.lexists(path):  # no store yet, or gone meanwhile
            continue
        found.n_entries += 1
        enter = os.X_OK if is_folder else 0
        may_read, may_write = os.access(path, os.R_OK | enter), os.access(path, os.W_OK | enter)
        if may_read and may_write:
            continue
        (found.unwritable if may_read else found.unreadable).append(path)
        try:
            found.owners.add(_name_of(os.lstat(path).st_uid))
        except OSError:  # below a folder that cannot be entered, or gone meanwhile
            found.owners.add("another user")
    return found


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    yield str(folder), True
    for parent, folders, files in os.walk(folder):
        yield from ((f"{parent}/{name}", True) for name in folders)
        yield from ((f"{parent}/{name}", False) for name in files)
