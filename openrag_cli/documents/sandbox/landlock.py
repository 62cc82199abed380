"""A process that sees only the files it was given: Landlock, set through ctypes, which needs no privilege (landlock(7)).

The rules are inherited by children and can never be taken off. Later kernels also forbid TCP, signals to others and
abstract sockets.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls: their numbers are those of every architecture."""

_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_ALL_OF_FIRST = (1 << 13) - 1
_RIGHTS = ((1, _ALL_OF_FIRST), (2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL))
"""The version of the interface that brought each right, from executing a file to device commands."""

_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE


_WITH_TRUNCATE = 3
"""The first version that can keep a process from emptying the files that it may read."""


def version() -> int:
    """Return the version of the kernel's interface; 0 where there is none, or where it is switched off."""
    return max(0, _asked()[0])


def missing() -> str | None:
    """Return what the kernel's Landlock lacks of what is needed here, and why; None where it has all of it."""
    level, code = _asked()
    if level >= _WITH_TRUNCATE:
        return None
    if level > 0:
        return (
            "converters could empty the stored originals, though not change or read others: the kernel's Landlock is "
            f"version {level}, and truncating is forbidden from version {_WITH_TRUNCATE} on (Linux 6.2)"
        )
    reasons = {
        errno.ENOSYS: "the kernel has no Landlock (Linux 5.13)",
        errno.EOPNOTSUPP: "Landlock is switched off in this kernel (the boot parameter lsm=)",
    }
    reason = reasons.get(code, f"Landlock is refused here: {os.strerror(code)}")
    return f"converters could open the files of this user: {reason}"


def _asked() -> tuple[int, int]:
    """Return what the kernel says when it is asked for its version, and the error if that is negative."""
    if sys.platform != "linux":
        return -1, errno.ENOSYS
    return _syscall(_CREATE, None, 0, 1)


def _syscall(number: int, *arguments: Any) -> tuple[int, int]:
    """Make a system call; return its result, and the error if that is negative."""
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *wide))
    return result, ctypes.get_errno() if result < 0 else 0


def confine(*, readable: Iterable[Path], listable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Let this process and its children open what is below these paths alone: to read, to list, to write.

    Paths that do not exist are left out. Only the calling thread and what it starts are bound.

    Raises:
        OSError: the kernel refuses, or has no Landlock.
    """
    level = version()
    handled = sum(right for since, right in _RIGHTS if level >= since)
    ruleset = _ruleset(level, handled)
    try:
        for paths, rights in (
            (readable, _READ_FILE | _READ_DIR),
            (listable, _READ_DIR),
            (writable, handled & ~1 & ~_IOCTL),  # all but executing
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        _check(*_syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _ruleset(level: int, handled: int) -> int:
    fields = [handled]
    if level >= 4:
        fields.append(3)  # binding and connecting of TCP
    if level >= 6:
        fields.append(3)  # abstract sockets and signals, beyond what this process starts
    attributes = ctypes.create_string_buffer(struct.pack(f"{len(fields)}Q", *fields), 8 * len(fields))
    return _check(*_syscall(_CREATE, attributes, 8 * len(fields), 0))


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rule = ctypes.create_string_buffer(
                struct.pack("=Qi", rights if is_folder else rights & _OF_FILES, descriptor), 12
            )
            _check(*_syscall(_ADD, ruleset, 1, rule, 0))
        finally:
            os.close(descriptor)


def _check(result: int, code: int) -> int:
    if result < 0:
        raise OSError(code, os.strerror(code))
    return result
