"""Start-up as a count: how many functions Python calls until a command has ended, here and in another checkout.

    python benchmarks/start_calls.py --before DIR

DIR is a checkout of another version (`git worktree add DIR COMMIT`), run by the same Python and with the same packages.
Each fills a store of its own with the example folder. A count does not depend on what else the machine does, as seconds
do; modules of C, such as those of lancedb, do their own work besides.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
COUNT = """
import os, runpy, sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
printed = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.setprofile(count)
try:
    runpy.run_module("openrag_cli", run_name="__main__", alter_sys=True)
except SystemExit:
    pass
sys.setprofile(None)
os.write(printed, f"{calls} {len(sys.modules)}".encode())
"""
COMMANDS = (
    ["--help"],
    ["file", "list"],
    ["task", "list"],
    ["partition", "list"],
    ["search", "how often do we rotate api keys?"],
    ["__complete", "--line", "openrag file ad"],
    ["__complete", "--line", "openrag search keys -p "],
)


def counted(checkout: Path, store: Path, command: list[str]) -> tuple[int, int]:
    """Return the calls and the modules of one command, once its compiled modules are there."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OPENRAG_STORE": str(store), "LANCE_LOG": "error"}
    environment["OPENRAG_CACHE"] = f"{store}-cache"
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", COUNT, *command],
            env=environment,
            cwd=checkout,
            check=True,
            capture_output=True,
            text=True,
        )
    calls, modules = run.stdout.split()
    return int(calls), int(modules)


def main() -> None:
    """Fill a store with each version, then count each command with both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the version to compare with")
    before = parser.parse_args().before.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        stores = {checkout: Path(scratch, str(number)) for number, checkout in enumerate((before, HERE))}
        for checkout, store in stores.items():
            counted(checkout, store, ["-q", "file", "add", str(HERE / "examples" / "handbook")])
        print("| command | calls before | now | ratio | modules before | now |\n|---|---|---|---|---|---|")
        for command in COMMANDS:
            (calls, modules), (now, modules_now) = (counted(*place, command) for place in stores.items())
            shown = f"`{' '.join(command)}`"
            print(f"| {shown} | {calls:,} | {now:,} | {now / calls:.2f} | {modules} | {modules_now} |", flush=True)


if __name__ == "__main__":
    main()
