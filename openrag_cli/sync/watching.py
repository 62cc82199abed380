"""Folders that are watched: which of them changed, as the system tells it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SETTLE_MS = 1_600
"""Changes within so many milliseconds are told together: an editor writes a file in several steps."""

ASK_MS = 500
"""How often is asked whether to stop."""


def changed_folders(folders: Sequence[str], should_stop: Callable[[], bool]) -> Iterator[list[str]]:
    """Yield all folders as soon as they are watched, and then, whenever something in them has changed, those in which it
    was; end when `should_stop`. What changes while one is dealt with is told next.
    """
    from watchfiles import watch

    real = {folder: os.path.realpath(folder) for folder in folders}
    stop = threading.Event()
    changes = watch(
        *real.values(),
        watch_filter=None,
        debounce=SETTLE_MS,
        rust_timeout=ASK_MS,
        yield_on_timeout=True,
        stop_event=stop,
        raise_interrupt=False,
    )
    is_first = True
    for some in changes:
        if should_stop():
            stop.set()
            return
        found = list(folders) if is_first else _holding([path for _, path in some], real)
        is_first = False
        if found:
            yield found


def _holding(paths: Sequence[str], real: Mapping[str, str]) -> list[str]:
    """Return the folders in which one of the paths lies."""
    return [
        folder
        for folder, root in real.items()
        if any(path == root or path.startswith(root.rstrip("/") + "/") for path in paths)
    ]
