"""Kill processes that write to a store, again and again, and count what was lost, doubled or turned back: all must be 0.

python benchmarks/kills.py --kills 1000 [--minutes M] [--seed N]
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import kill_rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=None)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    until = None if options.minutes is None else time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="openrag-kills-") as folder:
        tally = kill_rounds.run(Path(folder), n_kills=options.kills, seed=options.seed, until=until)
    print(f"seed {options.seed}")
    for kind, n_kills in sorted(tally.kills.items()):
        print(f"{kind:12} {n_kills:6} kills")
    print(f"{'all':12} {tally.n_kills:6} kills")
    for name in ("lost", "twice", "turned_back"):
        found = getattr(tally, name)
        print(f"{name.replace('_', ' '):12} {len(found):6}")
        for line in found[:20]:
            print(f"    {line}")
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
