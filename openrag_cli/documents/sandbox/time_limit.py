"""How long a converter child may take: seconds of CPU, and of wall time for as long as it works.

A machine that is busy gives a child few of its seconds: it then has more wall time, renewed as long as it makes
progress, up to four times what it may take in all. A child that waits for nothing, or has used its CPU, is stopped.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_RENEWAL = 4
"""Wall time in all, as a multiple of the CPU time that is allowed."""

LEAST_PROGRESS = 0.02
"""CPU seconds for each second of wall time since the last look, under which a child does not work but hang."""

_LEAST_RENEWAL_S = 0.25


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long one document may take: `base_s`, and `page_s` for each page or, without pages, 3,000 characters."""

    base_s: float = 30.0
    page_s: float = 0.2


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time that a process has used, in seconds; None where the system does not tell (not on Linux)."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None


class TimeLimit:
    """The time of one document in one child, from now on, by a clock of wall time and one of the child's CPU time."""

    def __init__(
        self,
        pid: int,
        deadline: Deadline,
        *,
        wall_clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[int], float | None] = cpu_seconds,
    ) -> None:
        self._pid = pid
        self._wall_clock, self._cpu_clock = wall_clock, cpu_clock
        self._deadline = deadline
        self._started = self._looked_at = wall_clock()
        self._cpu_at_start = self._cpu_at_look = cpu_clock(pid) or 0.0
        self._n_pages = 0
        self._until = self._started + self._allowed_s

    @property
    def _allowed_s(self) -> float:
        return self._deadline.base_s + self._deadline.page_s * self._n_pages

    def allow_pages(self, n_pages: int) -> None:
        """Take the number of pages into account, once it is known."""
        self._n_pages = max(self._n_pages, n_pages)
        self._until = max(self._until, self._started + self._allowed_s)

    def left_s(self) -> float:
        """Return how many seconds of wall time are left, renewed if they have run out; 0 or less is the end."""
        now = self._wall_clock()
        if now >= self._until:
            self._renew(now)
        return self._until - now

    def _renew(self, now: float) -> None:
        cpu = self._cpu_clock(self._pid)
        if cpu is None:
            return
        worked, elapsed = cpu - self._cpu_at_look, now - self._looked_at
        left = self._allowed_s - (cpu - self._cpu_at_start)
        if left > 0 and worked >= LEAST_PROGRESS * elapsed:
            last = self._started + MAX_RENEWAL * self._allowed_s
            self._until = min(last, now + max(_LEAST_RENEWAL_S, left))
            self._looked_at, self._cpu_at_look = now, cpu
