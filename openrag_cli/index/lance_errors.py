"""What Lance says went wrong, as our errors. It tells its own apart by text alone (lancedb 0.40)."""

import contextlib
from collections.abc import Iterator

from openrag_cli.errors import StoreDamaged, StoreError, StoreFull, os_errors

RESTORE = "restore the store from a backup"

_FULL_SIGNS = ("No space left", "os error 28", "File too large", "os error 27", "Quota exceeded", "os error 122")
_DAMAGE_SIGNS = (
    "not found", "Not found", "corrupt", "Corrupt", "invalid magic", "manifest", "Invalid range", "decode",
    "decompress", "Invalid input", "Invalid argument", "panicked", "failed to fill", "expected ident",
)  # fmt: skip


@contextlib.contextmanager
def lance_errors(what: str) -> Iterator[None]:
    """Translate errors of the block; `what` names the thing being done.

    Raises:
        StoreFull, StoreDamaged, Forbidden, StoreError: by cause.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno is not None:
            with os_errors(what):
                raise
        raise _translated(what, str(exc)) from exc
    except Exception as exc:
        # A panic inside Lance, as damaged files cause, has a class that nobody can import (pyo3_async_runtimes).
        if not isinstance(exc, RuntimeError | ValueError) and type(exc).__name__ != "RustPanic":
            raise
        raise _translated(what, str(exc)) from exc


def _translated(what: str, text: str) -> StoreError:
    if any(sign in text for sign in _FULL_SIGNS):
        return StoreFull(f"{what}: no space left for the store", hint="free some space, then try again")
    first_line = text.splitlines()[0][:300] if text else "no reason given"
    if any(sign in text for sign in _DAMAGE_SIGNS):
        return StoreDamaged(f"{what}: the index is damaged: {first_line}", hint=RESTORE)
    return StoreError(f"{what}: {first_line}")
