"""`openrag_cli.open`: a library on a store of this machine, or on a server."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openrag_cli.config.secret import Secret
from openrag_cli.config.settings import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openrag_cli.library.library import Library


def open(  # noqa: A001 - openrag_cli.open, as gzip.open
    where: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    token: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Library:
    """Open a store: a folder, or the URL of a server (`http://...`); without one that of the configuration.

    Nothing is read before the first call. With `create` a store that is not there is made; without it the first call
    raises StoreNotFound. `token` is the server's. `settings` go before environment and files: see `openrag config show`.

    Raises:
        ConfigError: a setting is wrong, or the URL is none.
    """
    flags: dict[str, Any] = dict(settings or {})
    is_url = isinstance(where, str) and "://" in where
    if where is not None:
        flags["server" if is_url else "store"] = os.fspath(where)
    found = load(flags).settings
    if where is not None and not is_url:
        found = replace(found, server=None)
    if found.server:
        from openrag_cli.client.remote_engine import RemoteEngine

        return RemoteEngine(replace(found, token=Secret(token)) if token else found)
    from openrag_cli.engine import Engine

    return Engine(found, creates=create)
