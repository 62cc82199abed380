"""Numbers that processes hold on to, so that what they name is not taken away: those of a process that dies are free.

A number is held by locking the byte of a file that it counts off, for reading; who would take away what numbers below
some other name locks all of their bytes for writing. These are locks of open files (open file description locks, Linux):
two of one process keep each other out as well, and a file that can only be read can be locked for reading.
"""

import contextlib
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_LOCK = "hhqqi4x"
"""The C structure of a lock, on Linux with 64 bits: kind, from where, beginning, length, process."""


class Pin:
    """A number that is held until this is let go, or nobody has it any more."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the number go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


class Pins:
    """Who holds which numbers, by the locks of the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self, number: int) -> Pin | None:
        """Hold a number; None where what it names is being taken away.

        Where the file is not there, or the file system has no such locks, nothing is held: see `free_below`.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return Pin(None)
        pin = Pin(descriptor)
        try:
            _lock(descriptor, fcntl.F_RDLCK, number, 1)
        except OSError as exc:
            return None if _is_held(exc) else Pin(None)
        return pin

    def oldest(self, number: int) -> int | None:
        """Return the least number up to this one that is held, or this one; None where nobody can know."""
        with self._opened(os.O_RDONLY) as descriptor:
            return None if descriptor is None else _oldest(descriptor, number)

    @contextlib.contextmanager
    def free_below(self, number: int) -> Iterator[int | None]:
        """Give the block the same; no number below it can be had meanwhile."""
        with self._opened(os.O_RDWR) as descriptor:
            yield None if descriptor is None else _freed(descriptor, number)

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[int | None]:
        try:
            descriptor = os.open(self._path, flags | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _freed(descriptor: int, number: int) -> int | None:
    oldest = _oldest(descriptor, number)
    while oldest:
        try:
            _lock(descriptor, fcntl.F_WRLCK, 0, oldest)
        except OSError as exc:
            if not _is_held(exc):
                return None
            oldest = _oldest(descriptor, oldest)  # one was taken meanwhile
        else:
            break
    return oldest


def _oldest(descriptor: int, number: int) -> int | None:
    while number:
        asked = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, number, 0)
        try:
            kind, _, at, _, _ = struct.unpack(_LOCK, _control(descriptor, "F_OFD_GETLK", asked))
        except OSError:
            return None
        if kind == fcntl.F_UNLCK:
            break
        number = int(at)
    return number


def _lock(descriptor: int, kind: int, beginning: int, length: int) -> None:
    _control(descriptor, "F_OFD_SETLK", struct.pack(_LOCK, kind, os.SEEK_SET, beginning, length, 0))


def _control(descriptor: int, command: str, lock: bytes) -> bytes:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return fcntl.fcntl(descriptor, getattr(fcntl, command), lock)


def _is_held(exc: OSError) -> bool:
    return exc.errno in {errno.EAGAIN, errno.EACCES}
