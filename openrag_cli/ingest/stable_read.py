"""Reading files that others may be writing: what is read is one state of the file, and its stat is of that state."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from openrag_cli.errors import IngestError, PathNotFound
from openrag_cli.store.blobs import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_READINGS = 4

GRAIN_S = 0.02
"""A file changed this recently may change again within the same tick of the file system's clock (10 ms at most on
Linux), and its times would not tell."""

Result = TypeVar("Result")


class FileState(NamedTuple):
    """What a file was when it was read, in the words of `os.stat_result`. `is_cut`: it grew meanwhile, and only so much
    of it was read."""

    st_size: int
    st_mtime_ns: int
    st_ino: int
    st_ctime_ns: int
    is_cut: bool = False


def read_steadily(
    path: Path,
    read: Callable[[BinaryIO], Result],
    *,
    discard: Callable[[Result], None] = lambda _: None,
    is_copy: bool = False,
) -> tuple[Result, FileState]:
    """Return what `read` makes of the file, and the state that it was in; read again when it changed meanwhile.

    `discard` is given what `read` made of a state that did not last. A file that only grows, as a log does, is read up
    to the size that it had. A copy of ours (`is_copy`) may be new, and nobody else writes to it.

    Raises:
        PathNotFound: it is gone. IngestError: it cannot be read, or changed in each of 4 readings.
    """
    with user_file_errors(path), path.open("rb", buffering=0) as stream:
        for _ in range(MAX_READINGS):
            stream.seek(0)
            seen = os.fstat(stream.fileno())
            before = seen if is_copy else _old_enough(seen, stream)
            result = read(stream)
            after = os.fstat(stream.fileno())
            if state_of(before) == (state := state_of(after)) or is_copy:  # which is linked meanwhile
                return result, state
            discard(result)
            if after.st_size > before.st_size > 0 and (grown := _read_grown(stream, before, read, discard)):
                return grown
    raise IngestError("it changes while it is read", reason="changing", hint="try again when nothing writes to it")


def _read_grown(
    stream: BinaryIO, seen: os.stat_result, read: Callable[[BinaryIO], Result], discard: Callable[[Result], None]
) -> tuple[Result, FileState] | None:
    """Return what `read` makes of the bytes that the file had when it was `seen`; None when those have changed."""
    n_bytes = seen.st_size
    before = sha256_of(_beginning(stream, n_bytes))
    result = read(_beginning(stream, n_bytes))
    if sha256_of(_beginning(stream, n_bytes)) == before and os.fstat(stream.fileno()).st_size >= n_bytes:
        return result, state_of(seen)._replace(is_cut=True)
    discard(result)
    return None


class _Beginning(io.RawIOBase):
    """The first bytes of a file, and no more."""

    def __init__(self, stream: BinaryIO, n_bytes: int) -> None:
        self._stream = stream
        self._n_bytes = n_bytes
        self._stream.seek(0)

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("only from the beginning")
        return self._stream.seek(offset)

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        block = self._stream.read(max(0, min(len(buffer), self._n_bytes - self._stream.tell())))
        buffer[: len(block)] = block
        return len(block)


def _beginning(stream: BinaryIO, n_bytes: int) -> BinaryIO:
    return io.BufferedReader(_Beginning(stream, n_bytes), BLOCK_BYTES)


def state_of(stat: os.stat_result) -> FileState:
    """Return the state that a file is in."""
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)


def changed_at(mtime_ns: int) -> datetime | None:
    """Return when a file was last changed; None where its file system tells what is no time."""
    try:
        return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        return None


def _old_enough(stat: os.stat_result, stream: BinaryIO) -> os.stat_result:
    age_s = time.time() - max(stat.st_mtime_ns, stat.st_ctime_ns) / 1e9
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
