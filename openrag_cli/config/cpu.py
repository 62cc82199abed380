"""Whether this processor can run LanceDB: its wheels are built for AVX2 and FMA, and without them the process dies.

SIGILL says nothing to anybody, so the flags are looked up before lancedb is imported (0.40: x86-64 only; the arm64
wheels need nothing beyond arm64).
"""

import platform
from pathlib import Path

from openrag_cli.errors import ConfigError

CPUINFO = Path("/proc/cpuinfo")
NEEDED = ("avx2", "fma")


def missing_features() -> tuple[str, ...]:
    """Return the instruction sets that LanceDB needs and this processor lacks, in capitals; () where nobody can tell."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return ()
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux, or no /proc
        return ()
    for line in lines:
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            return tuple(feature.upper() for feature in NEEDED if feature not in flags.split())
    return ()


def require_cpu() -> None:
    """Return when LanceDB can run here. Raises: ConfigError, naming what the processor lacks."""
    missing = missing_features()
    if missing:
        raise ConfigError(
            f"this processor has no {' and no '.join(missing)}, which LanceDB needs",
            hint="use a machine from 2013 or later; in a virtual machine let it see the host's processor (cpu: host)",
        )
