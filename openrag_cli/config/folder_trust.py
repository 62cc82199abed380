"""Which settings of a working folder are obeyed: a folder may be somebody else's checkout.

Keys of `FREE_KEYS` hold without a question, since they choose among what the user has anyway. Every other key, known or
not, holds once the user has trusted the file; the trust is for its content, so a change asks again. What is kept is one
file for each folder in the user's state folder: the hash of the trusted content, and the path.
"""

import hashlib
import stat
from pathlib import Path

from openrag_cli.config import homes
from openrag_cli.config.atomic_file import replace_file
from openrag_cli.errors import ConfigError, os_errors

FREE_KEYS = frozenset({"language", "log_level", "log_format", "partition", "top_k", "filter", "output"})
"""What a folder may set without being trusted."""

_MAX_BYTES = 1 << 20
_MAX_NAMED = 20


def read_folder_file(path: Path) -> bytes | None:
    """Return the content of a folder's file; None when there is none.

    Raises:
        ConfigError: no regular file (a pipe would wait for ever), too large, or not readable.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            hint = "settings are read from regular files alone: move it away, or name another file"
            raise ConfigError(f"{path} cannot be read: it is no regular file", hint=hint)
        if status.st_size > _MAX_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_BYTES:,} bytes: it holds no settings")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc


def is_trusted(path: Path, content: bytes) -> bool:
    """Whether the user has trusted exactly this content of the file at `path`."""
    try:
        return _record(path).read_text(encoding="utf-8", errors="replace").split("\n")[0] == digest(content)
    except (OSError, homes.NoHome):
        return False


def trust(path: Path, content: bytes) -> None:
    """Trust this content of the file at `path`, until it changes. Raises: Forbidden, StoreError, by cause."""
    replace_file(_record(path), f"{digest(content)}\n{path.absolute()}\n")


def distrust(path: Path) -> bool:
    """Trust the file at `path` no longer; return whether it, or an earlier content of it, was trusted."""
    record = _record(path)
    with os_errors(f"removing {record}"):
        existed = record.exists()
        record.unlink(missing_ok=True)
    return existed


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content, in hex."""
    return hashlib.sha256(content).hexdigest()


def ignored_line(path: Path, keys: tuple[str, ...]) -> str:
    """Return the line that names what of the file at `path` is not obeyed."""
    more = f" and {len(keys) - _MAX_NAMED:,} more" if len(keys) > _MAX_NAMED else ""
    return f"{path} of this folder: ignored until `openrag config trust`: {', '.join(keys[:_MAX_NAMED])}{more}"


def _record(path: Path) -> Path:
    folder = homes.user_folder("state") / "trusted-folders"
    return folder / hashlib.sha256(bytes(path.absolute())).hexdigest()
