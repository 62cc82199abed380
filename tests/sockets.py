"""The INET sockets of processes, as Linux lists them in /proc."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

STATES = {"01": "ESTABLISHED", "02": "SYN_SENT", "06": "TIME_WAIT", "07": "CLOSE", "0A": "LISTEN"}
Address = tuple[str, int]


def processes_of(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def foreign_sockets(pid: int, port: int) -> set[str]:
    """Return the INET sockets of a process and its descendants but those of the port that it serves."""
    sockets = inet_sockets(processes_of(pid))
    return {f"{local} -> {remote} {state}" for local, remote, state in sockets if local[1] != port}


def inet_sockets(pids: Iterable[int]) -> Iterator[tuple[Address, Address, str]]:
    """Yield (local, remote, state) of every TCP and UDP socket that one of the processes holds."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{entry}")
                    if target.startswith("socket:["):
                        inodes.add(target[8:-1])
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    yield _address(fields[1]), _address(fields[2]), f"{table} {STATES.get(fields[3], fields[3])}"


def _address(text: str) -> Address:
    host, _, port = text.partition(":")
    return host, int(port, 16)
