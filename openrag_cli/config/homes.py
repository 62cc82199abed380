"""The user's folders, and what to do without any: a container, a service, a user id without a name."""

import logging
import os
import tempfile
from pathlib import Path

from openrag_cli.errors import ConfigError, StoreError, os_errors

APP = "openrag"
NO_HOME = "no home"
"""Where the value of a setting comes from whose default lies in a home that nobody has."""

NOWHERE = Path("/nonexistent") / APP
"""The store without a home: nothing is read or made there."""

logger = logging.getLogger(__name__)


class NoHome(ConfigError):
    """A folder of the user's is to be found, and there is no home: HOME is not absolute, and the user id has no name."""


def user_folder(kind: str) -> Path:
    """Return the user's folder for `data`, `config`, `cache` or `state`. Raises: NoHome."""
    from platformdirs import PlatformDirs

    try:
        found = Path(getattr(PlatformDirs(APP, appauthor=False), f"user_{kind}_dir"))
    except (RuntimeError, KeyError):
        raise no_home() from None
    if not found.is_absolute():
        raise no_home()
    return found


def state_folder(store: Path) -> Path:
    """Return where to keep what this user does with a store: in the store, where the user has no folder for it."""
    try:
        return usable_folder("state")
    except NoHome:
        return store / "state"


def usable_folder(kind: str) -> Path:
    """Return a folder of the user's that can be made, or written to. Raises: NoHome, as in a container with HOME=/ ."""
    folder = user_folder(kind)
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - never raises
    if not os.access(there, os.W_OK | os.X_OK):
        raise no_home()
    return folder


def no_home() -> NoHome:
    """Return the error of whatever needs a folder of the user's."""
    given = os.environ.get("HOME")
    home = "is not set" if given is None else f"is {given!r}, which is no absolute path"
    return NoHome(
        f"there is no home folder: HOME {home}, and user {os.getuid()} has none of its own",
        hint="name the store with --store DIR or OPENRAG_STORE, or set HOME",
    )


def ensure_scratch(fallback: Path) -> None:
    """See to it that there is a folder for temporary files, for the libraries too: TMPDIR, a usual one, or `fallback`."""
    wanted = os.environ.get("TMPDIR")
    usual = wanted or "/tmp"  # noqa: S108 - where libraries look
    if _takes_files(usual):
        return
    try:
        root = Path(tempfile.gettempdir())
    except FileNotFoundError:
        fallback.mkdir(parents=True, exist_ok=True, mode=0o700)
        root = fallback
        tempfile.tempdir = None
    if wanted:
        why = "cannot be written" if os.path.lexists(wanted) else "does not exist"
        logger.warning("TMPDIR is %s, which %s: %s is used instead", wanted, why, root)
    os.environ["TMPDIR"] = str(root)


def _takes_files(folder: str) -> bool:
    """Whether files can be made there, which a mode does not say: /proc, a device, a read-only mount."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def scratch_folder(prefix: str) -> Path:
    """Make a folder for what is needed for a moment, and return it; the caller removes it.

    Raises:
        StoreError, StoreFull, Forbidden: by cause, with the name of the folder that was tried.
    """
    try:
        root = Path(tempfile.gettempdir())
    except FileNotFoundError as exc:
        tried = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a name in a sentence
        raise StoreError(
            f"no folder for temporary files can be written: not {tried}, nor any of the usual ones",
            hint="set TMPDIR to a folder that exists and has room",
        ) from exc
    with os_errors(f"making a temporary folder in {root}"):
        return Path(tempfile.mkdtemp(prefix=prefix, dir=root))
