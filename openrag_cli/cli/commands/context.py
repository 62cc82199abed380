"""What every command is given: output, settings and the engine; and how commands stop and ask."""

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import typer

from openrag_cli import limits
from openrag_cli.cli.output import Output
from openrag_cli.config import homes
from openrag_cli.config import settings as config
from openrag_cli.config.folder_trust import ignored_line
from openrag_cli.domain import File, Metadata
from openrag_cli.errors import (
    Forbidden,
    InvalidInput,
    InvalidMetadata,
    PartitionNotFound,
    PathNotFound,
    TooLarge,
    os_errors,
)
from openrag_cli.store.access.permissions import CATALOG, has_catalog, umask_for
from openrag_cli.store.metadata import check_metadata

if TYPE_CHECKING:
    from openrag_cli.library.library import Library, LocalStore

_THRESHOLDS = (700, 10, 10)
"""When garbage is looked for, as Python has it."""


class Context:
    """One run of the program. `engine` opens the store when it is first used. `is_terminated`: SIGTERM asked to stop;
    `is_idle`: the command waits, and has nothing in hand."""

    def __init__(self) -> None:
        self.out = Output()
        self.is_debug = False
        self._flags: Mapping[str, Any] = {}
        self._has_named_ignored = False
        self._creates = False
        self.is_terminated = self.is_idle = False

    def configure(self, out: Output, flags: Mapping[str, Any], *, is_debug: bool) -> None:
        """Take over the global options."""
        self.out = out
        self._flags = flags
        self.is_debug = is_debug
        out.log(flags.get("log_level") or logging.WARNING)

    def allow_creating(self) -> None:
        """Let this command make the store if it is not there, before the first use of `engine`; others only read one."""
        self._creates = True

    def override(self, flags: Mapping[str, Any]) -> None:
        """Add a command's own settings, before it opens the engine."""
        self._flags = {**self._flags, **flags}
        self.__dict__.pop("resolved", None)

    @cached_property
    def resolved(self) -> config.Config:
        """The settings and where they come from; a wrong one is a ConfigError here, when a command needs it."""
        found = config.load(self._flags)
        if found.ignored and not self._has_named_ignored:
            self._has_named_ignored = True
            self.out.warn(ignored_line(config.project_config_path(), found.ignored))
        logging.getLogger().setLevel(found.settings.log_level)
        return found

    @property
    def settings(self) -> config.Settings:
        """The settings. Raises: ConfigError, also when there is no home for a store and none was named."""
        found = self.resolved
        if found.origins["store"] == homes.NO_HOME and not found.settings.server:
            raise homes.no_home()
        return found.settings

    @property
    def log_folder(self) -> Path | None:
        """Where to tell of a bug; None, as long as no settings were read."""
        found: config.Config | None = self.__dict__.get("resolved")
        return None if found is None or found.settings.cache.is_relative_to(homes.NOWHERE) else found.settings.cache

    @cached_property
    def engine(self) -> "Library":
        """The library on the store of the settings, or on the server that they name."""
        if self.settings.server:
            from openrag_cli.client.remote_engine import RemoteEngine

            return RemoteEngine(self.settings)
        from openrag_cli.engine import Engine

        store = self.settings.store
        os.umask(umask_for(store))
        if self._creates or os.access(store / CATALOG, os.F_OK):
            with os_errors("making a folder for temporary files"):
                homes.ensure_scratch(store / "cache" / "tmp")
        return Engine(self.settings, creates=self._creates)

    def here(self, line: str) -> "LocalStore":
        """Return the library on a store of this machine, for what is done there alone; `line` is the command to type there.

        Raises:
            InvalidInput: --server names a server instead.
        """
        from openrag_cli.engine import Engine

        self.require_store(line)
        engine = self.engine
        assert isinstance(engine, Engine), "without --server"
        return engine

    def require_store(self, line: str) -> None:
        """Check that no server is named. Raises: InvalidInput, with the line to type on the server's machine."""
        server = self.settings.server
        if server:
            host = urlsplit(server.address).hostname or "HOST"
            raise InvalidInput(
                "this is done where the store is, not through a server",
                hint=f"on the server's machine: ssh {host} openrag {line}",
            )

    def files_by_id(self, partition: str) -> dict[str, File]:
        """Return what a partition holds, by id; nothing, when it or the store is not there (and neither is made)."""
        if not self.settings.server and not has_catalog(self.settings.store):
            return {}
        try:
            return {file.file_id: file for file in self.engine.files(partition)}
        except PartitionNotFound:
            return {}

    def close(self) -> None:
        """Close the engine, if it was opened."""
        if "engine" in self.__dict__:
            self.engine.close()

    def goes_on(self) -> None:
        """Look for garbage as often as Python does, not as seldom as a short command (`__main__`): what a program that
        goes on leaves holds files of old versions of the index open."""
        gc.set_threshold(*_THRESHOLDS)

    @contextlib.contextmanager
    def stopping(self) -> Iterator[Callable[[], bool]]:
        """Give the block a function that tells whether to stop: true after the first Ctrl-C or SIGTERM.

        The second one ends the program at once.
        """
        asked = threading.Event()

        def ask(number: int, _frame: FrameType | None) -> None:
            """Ask the command to stop; asked again, it ends at once."""
            self.is_terminated |= number == signal.SIGTERM
            if asked.is_set():
                raise KeyboardInterrupt
            asked.set()
            self.out.warn(
                "\nstopping"
                if self.is_idle
                else "\nstopping after the document in hand; press Ctrl-C again to stop now"
            )

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield asked.is_set
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def confirm(self, question: str, *, is_agreed: bool) -> None:
        """Ask before something is destroyed.

        Raises:
            typer.Abort: the answer was no.
            InvalidInput: there is no terminal to ask on, and --yes was not given.
        """
        if is_agreed:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise InvalidInput(
                f"{question} Nobody can be asked here.", hint="give --yes to go on without being asked"
            )
        if not self.out.confirm(question):
            raise typer.Abort


def parse_metadata(pairs: Sequence[str]) -> Metadata:
    """Return `key=value` pairs as metadata: a value that is JSON is taken as such, any other as text.

    Raises:
        InvalidInput: a pair without `=` or without a key. InvalidMetadata: see `check_metadata`.
    """
    metadata: Metadata = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise InvalidInput(f"metadata {pair!r} is not key=value", hint="for example -m year=2024 -m tag=finance")
        try:
            metadata[key.strip()] = json.loads(value)
        except ValueError:
            metadata[key.strip()] = value
        except RecursionError as exc:
            most = limits.most("metadata_depth")
            raise InvalidMetadata(
                f"metadata {key.strip()!r} is nested too deeply; at most {most} levels are taken",
                hint="see: openrag help limits",
            ) from exc
    return check_metadata(metadata)


@contextlib.contextmanager
def reading_argument(path: str) -> Iterator[None]:
    """Translate what the file system says about a file that an option names. Raises: PathNotFound, Forbidden."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise PathNotFound(f"{path}: no such file", hint="check the path") from exc
    except PermissionError as exc:
        raise Forbidden(f"{path}: permission denied", hint="check its owner and mode") from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        why = getattr(exc, "strerror", None) or str(exc)
        raise InvalidInput(f"{path}: it cannot be read: {why.lower()}", hint="name a file, or - for stdin") from exc


def read_stdin(max_bytes: int = limits.most("file_bytes")) -> bytes:
    """Return all of stdin. Raises: InvalidInput, when it is a terminal that nobody has typed into; TooLarge."""
    if sys.stdin.isatty():
        raise InvalidInput(
            "'-' reads standard input, and that is a terminal",
            hint="pipe something in: command | openrag …; a file of this name is ./-",
        )
    return read_at_most(sys.stdin.buffer, max_bytes, "standard input")


def read_at_most(stream: BinaryIO, max_bytes: int, name: str) -> bytes:
    """Return the rest of a stream that may have no end. Raises: TooLarge."""
    content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLarge(f"{name} has more than {max_bytes:,} bytes", hint="raise max_file_bytes in the configuration")
    return content
