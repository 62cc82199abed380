"""What a converter child may still do once its walls are up: read Python, our package and the documents; write scratch.

Raised in the child before it reads the first document. Where the system has no such wall, the child works without it,
and `missing_walls` says why.
"""

import contextlib
import mimetypes
import sys
from pathlib import Path

from openrag_cli.documents.sandbox import landlock, no_network

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store")
_FACTS = (
    "/dev/urandom", "/dev/random", "/dev/zero", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone",
    "/etc/ssl/openssl.cnf", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu",
    "/usr/share/zoneinfo", "/usr/share/locale", "/usr/share/mime", "/usr/share/i18n",
)  # fmt: skip
"""What the system's libraries read about this machine: nothing of its users."""

_PROBE = "tokenizers"
"""A library that we need: a folder of the import path that holds it is one of libraries."""


def raise_walls(*, documents: Path, tokenizer: Path, scratch: Path) -> None:
    """Shut this process in: no socket, no file but those of Python, this package, `documents` (to read) and `scratch`.

    To be called before any thread is started.
    """
    with contextlib.suppress(OSError):  # doctor says where it cannot be
        no_network.forbid_network(is_total=True)
    package = Path(__file__).resolve().parents[2]
    entries = [Path(entry) for entry in sys.path if entry]
    prefixes = {
        Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    }
    known = [path for path in entries if path.is_file() or (path / _PROBE).is_dir() or _is_below(path, prefixes)]
    system = [Path(path) for path in (*_LIBRARIES, *_FACTS, *mimetypes.knownfiles)]
    with contextlib.suppress(OSError):
        landlock.confine(
            readable=[*prefixes, *known, package, *system, documents, tokenizer],
            listable=[package.parent],
            writable=[scratch, Path("/dev/null")],
        )


def _is_below(path: Path, folders: set[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def missing_walls() -> list[str]:
    """Return, in sentences, what converter children lack on this machine, and why."""
    if sys.platform != "linux":
        return [
            f"{sys.platform} has neither seccomp nor Landlock: converters are bound by limits of memory and time alone"
        ]
    return [text for text in (no_network.missing(), landlock.missing()) if text]
