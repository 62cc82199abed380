"""Files and standard input that a question is about, without a store."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from openrag_cli.cli.commands.context import read_at_most, read_stdin, reading_argument
from openrag_cli.errors import InvalidInput, PathNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openrag_cli.answering.pipeline import Chat
    from openrag_cli.cli.commands.context import Context

STDIN = "stdin"


def about(context: Context, names: Sequence[str], *, with_store: bool) -> Chat:
    """Return what answers from files, `-` being standard input, or from them and the store; nothing of them is kept.

    Raises:
        InvalidInput: a server was named. PathNotFound: no such file. UnsupportedFormat, IngestError: it cannot be read.
    """
    from openrag_cli.answering.in_hand import HandFile
    from openrag_cli.engine import Engine
    from openrag_cli.ingest.stable_read import changed_at

    engine = context.engine
    if not isinstance(engine, Engine):
        raise InvalidInput(
            "--with reads files of this machine, and a server does not have them",
            hint="leave --server out, or give the server the file: openrag file add FILE -p NAME",
        )
    with tempfile.TemporaryDirectory(prefix="openrag-in-hand-") as folder:
        files: list[HandFile] = []
        for name in dict.fromkeys(names):
            path = Path(name)
            if name == "-":
                path = Path(folder) / STDIN
                path.write_bytes(read_stdin(engine.settings.max_file_bytes))
            with reading_argument(name):
                found = path.stat()
                if stat.S_ISFIFO(found.st_mode):  # `<(command)`: read once, as standard input
                    path = _kept(path, Path(folder) / str(len(files)), engine.settings.max_file_bytes)
            if stat.S_ISDIR(found.st_mode):
                raise PathNotFound(f"{name} is a folder", hint=f"openrag file add {shlex.quote(name)}")
            moment = None if name == "-" else changed_at(found.st_mtime_ns)
            files.append(HandFile(STDIN if name == "-" else name, path.resolve(), moment))
        return engine.parts.about(files, with_store=with_store)


def _kept(pipe: Path, target: Path, max_bytes: int) -> Path:
    with pipe.open("rb") as stream:
        target.write_bytes(read_at_most(stream, max_bytes, str(pipe)))
    return target


def stdin_is_unread() -> bool:
    """Whether something was piped in that nobody has read."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return os.fstat(descriptor).st_size > os.lseek(descriptor, 0, os.SEEK_CUR)
        return stat.S_ISFIFO(mode) and _n_waiting(descriptor) > 0
    except (OSError, ValueError, AttributeError):  # closed, or no file
        return False


def _n_waiting(descriptor: int) -> int:
    """Return how many bytes wait in a pipe; 0 where the system does not tell."""
    with contextlib.suppress(ImportError, OSError):
        import array
        import fcntl
        import termios

        found = array.array("i", [0])
        fcntl.ioctl(descriptor, termios.FIONREAD, found)
        return found[0]
    return 0
