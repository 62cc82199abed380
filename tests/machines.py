"""Machines unlike this one, made of this one: users without a name, file systems that lack something."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

NAMELESS = 12345
"""A user id without an entry in passwd."""


@functools.cache
def nameless() -> tuple[str, ...]:
    """Return the words before a command that make it run as the nameless user; skips, saying so, where none do."""
    ways = (
        ("unshare", "--user", f"--map-user={NAMELESS}"),
        ("setpriv", "--reuid", str(NAMELESS), "--regid", str(NAMELESS), "--clear-groups"),
    )
    for way in ways:
        if shutil.which(way[0]) is None:
            continue
        command = [*way, sys.executable, "-c", "import os; print(os.getuid())"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        if done.stdout.strip() == str(NAMELESS).encode():
            return way
    pytest.skip("neither unshare nor setpriv gives a process another user id here")


@functools.cache
def namespaces() -> tuple[str, ...]:
    """Return the words before a command that may mount; skips, saying so, where no mount namespace can be made."""
    for way in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        if shutil.which("unshare") is None:
            break
        probe = [*way, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
        if subprocess.run(probe, capture_output=True, timeout=60, check=False).returncode == 0:
            return way
    pytest.skip("no mount namespace can be made here")


@functools.cache
def as_user() -> tuple[str, ...]:
    """Return the words between `setpriv --reuid N` and a command; skips, saying so, where nobody else can be played.

    Where the interpreter lies in a closed folder the user may read everything, and write what a user of that id may.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root, with setpriv, can play other users")
    for words in ((), ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")):
        user = ["setpriv", "--reuid", str(NAMELESS), "--regid", str(NAMELESS), "--clear-groups", *words]
        again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(os.getuid())'])"
        command = [*user, sys.executable, "-c", again]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        if done.stdout.strip() == str(NAMELESS).encode():
            return words
    pytest.skip("setpriv gives no process another user id here")


def run_as(uid: int, *arguments: object, group: int, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program as the user `uid`, who is in `group` too."""
    environment = {"PATH": os.environ["PATH"], **env}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    user = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", str(group), *as_user()]
    command = [*user, sys.executable, "-m", "openrag_cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def run_nameless(*arguments: object, env: dict[str, str], stdin: bytes = b"", before: Sequence[str] = ()):
    """Run the program as a user without name, home and environment but `env`."""
    environment = {"PATH": os.environ["PATH"], **env}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    command = [*nameless(), *before, sys.executable, "-m", "openrag_cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, timeout=120, check=False)
