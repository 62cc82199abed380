"""A process that sees only the files it was given: Landlock, set through ctypes, which needs no privilege (landlock(7)).

The rules are inherited by children and can never be taken off. Later kernels also forbid TCP, signals to others and
abstract sockets.
"""

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls: their numbers are those of every architecture."""

_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_ALL_OF_FIRST = (1 << 13) - 1
_RIGHTS = ((1, _ALL_OF_FIRST), (2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL))
"""The version of the interface that brought each right, from executing a file to device commands."""

_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE


def version() -> int:
    """Return the version of the kernel's interface; 0 where there is none, or where it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE, None, 0, 1)))


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
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _check(libc.syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _ruleset(level: int, handled: int) -> int:
    fields = [handled]
    if level >= 4:
        fields.append(3)  # binding and connecting of TCP
    if level >= 6:
        fields.append(3)  # abstract sockets and signals, beyond what this process starts
    attributes = ctypes.create_string_buffer(struct.pack(f"{len(fields)}Q", *fields), 8 * len(fields))
    return _check(ctypes.CDLL(None, use_errno=True).syscall(_CREATE, attributes, ctypes.c_size_t(8 * len(fields)), 0))


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rule = ctypes.create_string_buffer(
                struct.pack("=Qi", rights if is_folder else rights & _OF_FILES, descriptor), 12
            )
            _check(ctypes.CDLL(None, use_errno=True).syscall(_ADD, ruleset, 1, rule, 0))
        finally:
            os.close(descriptor)


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
