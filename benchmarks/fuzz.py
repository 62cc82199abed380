"""Fuzzing for as long as it is given: every target of tests/fuzzing.py in turn, and what broke.

    python benchmarks/fuzz.py [--seconds 3600] [--seed 0]

Printed: for each target its examples and its failures, each with the smallest input that hypothesis found.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fuzzing import TARGETS, World
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

Target = Callable[[World, Callable[[Any], Any]], None]
ROUND = 50
"""Examples of a target before the next one has its turn."""


def main() -> None:
    """Fuzz until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each next one has one more")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    n_examples: Counter[str] = Counter()
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "OPENRAG_CACHE": f"{folder}/cache",
            "OPENRAG_CONFIG": os.devnull,
            "XDG_STATE_HOME": f"{folder}/state",
        }
        os.chdir(folder)
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - what commands say
        world = World(Path(folder))
        for number in count(options.seed):
            target = TARGETS[number % len(TARGETS)]
            if time.monotonic() > until:
                break
            if problem := _run(target, world, number, n_examples):
                failures.setdefault(f"{target.__name__}: {problem.splitlines()[-1][:200]}", problem)
        world.close()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for target in TARGETS:
        found = sum(name.startswith(f"{target.__name__}:") for name in failures)
        print(f"{target.__name__:12} {n_examples[target.__name__]:8,} examples  {found} failures")
    print(*failures.values(), sep="\n\n")
    sys.exit(bool(failures))


def _run(target: Target, world: World, number: int, n_examples: Counter[str]) -> str | None:
    """Run one round; return the traceback of what broke."""

    @seed(number)
    @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def attack(data: Any) -> None:
        n_examples[target.__name__] += 1
        target(world, data.draw)

    try:
        attack()
    except BaseException:  # noqa: BLE001 - whatever it is, it is what we look for
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    main()
