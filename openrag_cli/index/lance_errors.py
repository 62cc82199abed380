"""What Lance says went wrong, as our errors. It tells its own apart by text alone (lancedb 0.40).

No word of somebody else's message means damage: only what `examine` finds, the index's own look at itself, does.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator

from openrag_cli.errors import Forbidden, StoreDamaged, StoreError, StoreFull, os_errors

REMAKE = "openrag doctor --fix makes the index again from the store's own texts and originals"
EXAMINE = "openrag doctor looks the store over"

_FULL_SIGNS = ("No space left", "File too large", "Quota exceeded")
_OS_ERROR = re.compile(r"\(?os error (\d+)\)?")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def lance_errors(what: str, *, examine: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Translate errors of the block; `what` names the thing being done, `examine` tells what is damaged, if anything.

    Raises:
        StoreFull, StoreDamaged, Forbidden, StoreError: by cause.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno is not None:
            with os_errors(what):
                raise
        raise _translated(what, str(exc), examine) from exc
    except Exception as exc:
        # A panic inside Lance, as damaged files cause, has a class that nobody can import (pyo3_async_runtimes).
        if not isinstance(exc, RuntimeError | ValueError) and type(exc).__name__ != "RustPanic":
            raise
        raise _translated(what, str(exc), examine) from exc


def _translated(what: str, text: str, examine: Callable[[], str | None]) -> StoreError | Forbidden:
    number = _OS_ERROR.search(text)
    code = int(number[1]) if number else None
    if code in _FULL or any(sign in text for sign in _FULL_SIGNS):
        return StoreFull(f"{what}: no space left for the store", hint="free some space, then try again")
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Forbidden(f"{what}: {os.strerror(code)}", hint="check who owns the store and its mode")
    if (
        code is not None and code != errno.ENOENT
    ):  # the machine's trouble (descriptors, memory, disk), not the store's
        return StoreError(f"{what}: {os.strerror(code)}", hint="check the machine and its disk, then try again")
    problem = examine()
    if problem:
        return StoreDamaged(f"{what}: the index is damaged: {problem}", hint=REMAKE)
    first_line = text.splitlines()[0][:300] if text else "no reason given"
    return StoreError(f"{what}: {first_line}", hint=EXAMINE)
