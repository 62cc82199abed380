"""A lock on a file that one process has at a time; the kernel frees it when that process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from openrag_cli.errors import StoreBusy, StoreError, os_errors
from openrag_cli.fsync import file_system_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, timeout_s: float, busy: StoreBusy, *, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock at `path`, of that mode, whose folder is made, for the same users, if it alone is not there.

    Raises:
        StoreBusy: `busy`, when it is not had in `timeout_s` seconds. StoreError: the file system has no locks.
    """
    with os_errors("locking the store"):
        path.parent.mkdir(exist_ok=True, mode=mode | (mode & 0o444) >> 2)  # who reads a folder enters it
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        try:
            _lock(descriptor, timeout_s, busy)
        except OSError as exc:
            raise StoreError(
                f"{file_system_of(path)} has no file locks (flock: {exc.strerror}), which a store needs",
                hint="put the store on a local disk with --store",
            ) from exc
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, timeout_s: float, busy: StoreBusy) -> None:
    deadline = time.monotonic() + timeout_s
    pause_s = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise busy from None
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.05)
        else:
            return
