"""SIGKILL over everything that writes, refreshes and renames too: `benchmarks/kills.py` in short."""

import random
from pathlib import Path

import kill_rounds
import pytest
from harness import IS_LONG


@pytest.mark.timeout(0 if IS_LONG else 300)
def test_kills_anywhere_lose_nothing_double_nothing_and_turn_nothing_back(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    tally = kill_rounds.run(tmp_path, n_kills=1000 if IS_LONG else 10, seed=seed)
    assert tally.n_kills >= 10
    assert (tally.lost, tally.twice, tally.turned_back) == ([], [], [])
