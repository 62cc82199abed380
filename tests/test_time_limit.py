"""The time of one document: CPU seconds count, wall time is renewed by progress, and a hanging child ends."""

import subprocess
import sys

import pytest

from openrag_cli.documents.sandbox.time_limit import MAX_RENEWAL, Deadline, TimeLimit, cpu_seconds


class _Clock:
    wall = 0.0
    cpu: float | None = 0.0

    def move(self, wall_s: float, cpu_s: float) -> None:
        self.wall += wall_s
        self.cpu = (self.cpu or 0.0) + cpu_s


def limit_of(clock: "_Clock") -> TimeLimit:
    """Return the limit of ten seconds, and one a page, by a clock that the test moves."""
    deadline = Deadline(base_s=10, page_s=1)
    return TimeLimit(1, deadline, wall_clock=lambda: clock.wall, cpu_clock=lambda _: clock.cpu)


def seconds_until_the_end(clock: "_Clock", limit: TimeLimit, *, share: float) -> float:
    """Return the wall time after which a child that gets a share of one CPU is stopped."""
    while limit.left_s() > 0:
        clock.move(0.1, 0.1 * share)
        assert clock.wall < 1000
    return clock.wall


@pytest.mark.parametrize(
    ("share", "least", "most"),
    [(1.0, 9.9, 10.6), (0.5, 19, 21), (0.25, 38, 40.6), (0.1, 39.5, 40.6), (0.0, 9.9, 10.6), (0.001, 9.9, 10.6)],
)
def test_a_busy_machine_gives_more_wall_time_and_a_hanging_child_none(
    share: float, least: float, most: float
) -> None:
    clock = _Clock()
    limit = limit_of(clock)
    assert least <= seconds_until_the_end(clock, limit, share=share) <= most


def test_pages_give_more_time_and_four_times_all_of_it_is_the_end() -> None:
    clock = _Clock()
    limit = limit_of(clock)
    limit.allow_pages(5)
    assert seconds_until_the_end(clock, limit, share=0.05) == pytest.approx(MAX_RENEWAL * 15, abs=0.5)


def test_where_the_system_tells_no_cpu_time_the_wall_counts_alone() -> None:
    clock = _Clock()
    clock.cpu = None
    limit = limit_of(clock)
    clock.wall = 9.0
    assert limit.left_s() > 0
    clock.wall = 10.0
    assert limit.left_s() <= 0


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU time of another process is read from /proc")
def test_the_cpu_time_of_a_process_is_what_it_has_used() -> None:
    code = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    used = cpu_seconds(child.pid)
    child.communicate()
    assert used is not None
    assert 0.25 <= used < 5
    assert cpu_seconds(child.pid) is None
