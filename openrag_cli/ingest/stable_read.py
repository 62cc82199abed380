"""Reading files that others may be writing: what is read is one state of the file, and its stat is of that state."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from openrag_cli.errors import IngestError, PathNotFound
from openrag_cli.store.blobs import BLOCK_BYTES

MAX_READINGS = 4

GRAIN_S = 0.02
"""A file changed this recently may change again within the same tick of the file system's clock (10 ms at most on
Linux), and its modification time would not tell."""

Result = TypeVar("Result")


def read_steadily(
    path: Path, read: Callable[[BinaryIO], Result], *, discard: Callable[[Result], None] = lambda _: None
) -> tuple[Result, os.stat_result]:
    """Return what `read` makes of the file, and the stat that belongs to it; read again when it changed meanwhile.

    `discard` is given what `read` made of a state that did not last.

    Raises:
        PathNotFound: it is gone. IngestError: it cannot be read, or changed in each of 4 readings.
    """
    with user_file_errors(path), path.open("rb") as stream:
        for _ in range(MAX_READINGS):
            stream.seek(0)
            before = _old_enough(os.fstat(stream.fileno()), stream)
            result = read(stream)
            after = os.fstat(stream.fileno())
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return result, after
            discard(result)
    raise IngestError("it changes while it is read", reason="changing", hint="try again when nothing writes to it")


def _old_enough(stat: os.stat_result, stream: BinaryIO) -> os.stat_result:
    age_s = time.time() - stat.st_mtime_ns / 1e9
    if not 0 <= age_s < GRAIN_S:
        return stat
    time.sleep(GRAIN_S - age_s)
    return os.fstat(stream.fileno())


def sha256_of(stream: BinaryIO) -> str:
    """Return the sha256 of the rest of a stream, in hex."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def user_file_errors(path: Path) -> Iterator[None]:
    """Translate what the file system says about a user's file, as opposed to the store."""
    try:
        yield
    except FileNotFoundError as exc:
        raise PathNotFound("no such file", hint="check the path") from exc
    except PermissionError as exc:
        raise IngestError("permission denied", reason="forbidden", hint=f"check the mode of {path}") from exc
    except OSError as exc:
        raise IngestError(f"it cannot be read: {exc.strerror}", reason="unreadable") from exc
