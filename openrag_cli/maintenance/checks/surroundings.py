"""Checks of what is around a store: settings, machine, sandbox, command, and who may read and write it."""

import platform
import shlex
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from openrag_cli.config import settings as config
from openrag_cli.config.cpu import missing_features
from openrag_cli.config.programs import executables
from openrag_cli.documents.sandbox.walls import missing_walls
from openrag_cli.maintenance.checks.findings import Finding, Status
from openrag_cli.store.access.permissions import access_to, belongs_to_another, me, owner_of, umask_for


def examine_settings(name: str = "settings") -> Iterator[Finding]:
    """Yield what is wrong with the configuration: with it no store can be opened, and nothing else examined."""
    problems = config.problems()
    for problem in problems:
        yield Finding(name, Status.FAILED, problem.message, problem.hint)
    if not problems:
        yield Finding(name, Status.OK, "files and environment are in order")


def examine_platform(name: str) -> Iterator[Finding]:
    """What LanceDB and ONNX Runtime run on: their wheels are for glibc Linux and macOS 14 or later on arm64."""
    here = f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}"
    missing = missing_features()
    if missing:
        text = f"{here}: the processor has no {' and no '.join(missing)}, which LanceDB needs"
        yield Finding(name, Status.FAILED, text, "use another machine, or let a virtual one see the host's processor")
    else:
        yield Finding(name, Status.OK, here)


def examine_sandbox(name: str) -> Iterator[Finding]:
    """What keeps a hostile document inside the process that reads it."""
    missing = missing_walls()
    for text in missing:
        yield Finding(name, Status.WARNING if sys.platform == "linux" else Status.OK, text)
    if not missing:
        yield Finding(name, Status.OK, "documents are read without network, and without sight of other files")


def examine_command(name: str) -> Iterator[Finding]:
    """Another project's script has the same name: tell when it is found first, or at all."""
    found = executables("openrag")
    foreign = [path for path in found if not _is_ours(path)]
    if foreign:
        is_first = found[0] == foreign[0]
        text = f"{foreign[0]} is another program of the same name" + (", and found first" if is_first else "")
        fix = "put this one's folder first in PATH, or call python -m openrag_cli"
        yield Finding(name, Status.WARNING, text, fix)
    else:
        yield Finding(name, Status.OK, f"{found[0]}" if found else "openrag is not on PATH; python -m openrag_cli is")


def _is_ours(path: Path) -> bool:
    try:
        return b"openrag_cli" in path.read_bytes()[:65536]
    except OSError:
        return True  # nobody can run it either


def examine_access(name: str, store: Path) -> Iterator[Finding]:
    """Yield which files of the store this user may not read or write, whose they are, and how they are had back."""
    if belongs_to_another(store):
        owner = owner_of(store)
        text = f"the store belongs to {owner}: root only reads it, so as not to lock its owner out"
        yield Finding(name, Status.WARNING, text, f"sudo -u {shlex.quote(owner)} openrag ...")
        return
    found = access_to(store)
    denied = found.unreadable or found.unwritable
    if not denied:
        yield Finding(name, Status.OK, f"{me()} may read and write the store")
        return
    verb = "read" if found.unreadable else "written"
    owners = " and ".join(sorted(found.owners))
    text = (
        f"{len(denied):,} of {found.n_entries:,} files and folders of the store cannot be {verb} by {me()}, such as "
        f"{denied[0]}; they belong to {owners}"
    )
    status = Status.FAILED if found.unreadable else Status.WARNING
    place = shlex.quote(str(store))
    if found.owners == {me()}:
        fix = f"chmod -R u+rwX {place}"
    elif umask_for(store) & stat.S_IWGRP:
        fix = f"sudo chown -R '{me()}' {place}"
    else:  # a store that a group shares
        group = f"chgrp -R {store.stat().st_gid} {place}; chmod -R g+rwX {place}"
        fix = f"as {owners}: {group}; find {place} -type d -exec chmod g+s {{}} +"
    yield Finding(name, status, text, fix)
