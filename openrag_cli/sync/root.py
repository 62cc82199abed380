"""The folder that a sync follows: one of this machine, or a client's, of whose place the store knows an opaque id alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrag_cli.domain import FileSource
from openrag_cli.ingest.naming import folder_source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CLIENT = b"client:"
"""What the key of a client's folder begins with; that of a folder of this machine is its path, and begins with a slash."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder as the store knows it. `key` tells it from others; `gone` are keys of a client's folders that are no more."""

    key: bytes
    source: FileSource
    gone: frozenset[bytes] = frozenset()

    def is_there(self, key: bytes) -> bool:
        """Whether another folder still exists, as far as can be known here."""
        if key.startswith(_CLIENT):
            return key not in self.gone
        return os.path.isdir(key)  # noqa: PTH112 - bytes

    def device(self) -> int | None:
        """Return the number of the disk that a folder of this machine is on."""
        return None if self.key.startswith(_CLIENT) else _device_of(self.key)


def _device_of(path: bytes) -> int | None:
    try:
        device = os.stat(path).st_dev  # noqa: PTH116 - bytes
    except OSError:
        return None
    return device if device < 1 << 63 else None


def local_root(folder: Path) -> Root:
    """Return a folder of this machine, whatever path leads to it."""
    source = folder_source(folder)
    return Root(source.root, source)


def client_root(identity: str, label: str, gone: Iterable[str] = ()) -> Root:
    """Return the folder that a client knows by this id and shows by this name; `gone` are its folders that are no more."""
    key = client_key(identity)
    return Root(key, FileSource("folder", label, key), frozenset(map(client_key, gone)))


def client_key(identity: str) -> bytes:
    """Return the key of a client's folder."""
    return _CLIENT + identity.encode()
