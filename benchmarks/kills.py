"""Kill processes that write to a store, again and again, and count what was lost, doubled or turned back: all must be 0.

A kill that finds the process idle, all its operations done, is counted apart: it proves nothing, and not one of the kills
asked for.

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
    moments = tuple(kill_rounds.Moment)
    print(f"{'kills':12} " + " ".join(f"{moment:>12}" for moment in moments))
    for kind in kill_rounds.KINDS:
        print(f"{kind:12} " + " ".join(f"{tally.kills[kind, moment]:12}" for moment in moments))
    sums = [sum(tally.kills[kind, moment] for kind in kill_rounds.KINDS) for moment in moments]
    print(f"{'all':12} " + " ".join(f"{n:12}" for n in sums))
    print("failpoints   " + ", ".join(f"{name} {n}" for name, n in sorted(tally.failpoints.items())))
    for name in ("lost", "twice", "turned_back"):
        found = getattr(tally, name)
        print(f"{name.replace('_', ' '):12} {len(found):6}")
        for line in found[:20]:
            print(f"    {line}")
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
