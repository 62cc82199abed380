"""The folders of this machine that are synced to servers: each has an id, by which alone a server knows it.

The ids are in a file of the user's state folder; without it a server takes a folder for another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openrag_cli.config.atomic_file import replace_file
from openrag_cli.config.file_lock import locked
from openrag_cli.config.homes import user_folder
from openrag_cli.errors import ConfigError, os_errors
from openrag_cli.sync.state import is_syncing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Roots:
    """What this machine knows of its synced folders."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or user_folder("state")
        self._path = self._folder / "synced-folders.json"

    def all(self) -> dict[str, str]:
        """Return the ids by the real paths of their folders. Raises: ConfigError, when the file is damaged."""
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{self._path} cannot be read: {exc}", hint="mend it or delete it") from exc
        return {str(path): str(identity) for path, identity in found.items()}

    def identify(self, folder: Path, *, is_kept: bool) -> str:
        """Return the id of a folder, whatever path leads to it; a new one is written down where `is_kept`."""
        path = os.path.realpath(folder)
        known = self.all()
        if path not in known and is_kept:
            self._ensure()
            with locked(self._folder / "synced-folders.lock", 10.0, is_syncing("any")):
                known = self.all()
                if path not in known:
                    known[path] = secrets.token_hex(16)
                    replace_file(self._path, json.dumps(known, indent=1))
        return known.get(path) or secrets.token_hex(16)

    def gone(self) -> list[str]:
        """Return the ids of folders that are no more."""
        return [identity for path, identity in self.all().items() if not os.path.isdir(path)]  # noqa: PTH112

    @contextmanager
    def lock(self, folder: Path, server: str, partition: str, timeout_s: float) -> Iterator[None]:
        """Let one sync of a folder into a partition of a server run at a time. Raises: StoreBusy."""
        self._ensure()
        names = (server, partition, os.path.realpath(folder))
        key = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        with locked(self._folder / "locks" / key, timeout_s, is_syncing(partition)):
            yield

    def _ensure(self) -> None:
        with os_errors(f"making {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
