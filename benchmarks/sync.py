"""A sync with nothing to do against find and stat on the same tree; what it leaves behind; and a renamed folder.

    python benchmarks/sync.py ../shared/data/docs [--rounds 7] [--runs 20] [--renamed 400]

The folder is copied and synced once into a fresh store. Then whole processes alternate: `find DIR -type f -exec stat`,
and `openrag -q file sync DIR`. Printed: median seconds of each, their difference and ratio; the bytes of the store
before and after `--runs` such syncs; and, with a folder of `--renamed` files renamed, how many files moved, how many
tasks were queued and how many versions the index gained (none: nothing is embedded).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return how long a whole process takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def answer(command: list[str], environment: dict[str, str]) -> dict:
    """Return the JSON that a command prints."""
    done = subprocess.run([*command, "--json"], env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def contents(store: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and the time of change of every file of a store."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in store.rglob("*") if path.is_file()}


def versions(store: Path) -> int:
    """Return how many versions the index has on disk."""
    return len(list((store / "lance").glob("*/_versions/*.manifest")))


def compare_idle(sync: list[str], folder: Path, environment: dict[str, str], rounds: int) -> None:
    """Alternate a sync with nothing to do and its floor."""
    floor = ["find", str(folder), "-type", "f", "-exec", "stat", "-c", "%s %Y", "{}", "+"]
    times: dict[str, list[float]] = {"ours": [], "floor": []}
    for _ in range(rounds):
        times["ours"].append(seconds([*sync, "--quiet"], environment))
        times["floor"].append(seconds(floor, environment))
    ours, base = (statistics.median(times[key]) for key in ("ours", "floor"))
    print(
        f"nothing to do: {ours:.3f} s, find and stat {base:.3f} s: {ours - base:.3f} s more, ratio {ours / base:.1f}"
    )


def rename_some(folder: Path, n_renamed: int) -> int:
    """Move `n_renamed` files into a folder of their own, under other names; return how many."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:n_renamed]
    (folder / "renamed").mkdir()
    for number, path in enumerate(files):
        path.rename(folder / "renamed" / f"{number}-{path.name}")
    return len(files)


def main() -> None:
    """Sync once, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--renamed", type=int, default=400)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch, "documents"), Path(scratch, "store")
        shutil.copytree(arguments.folder, folder)
        environment = {**os.environ, "OPENRAG_STORE": str(store), "OPENRAG_CACHE": f"{scratch}/cache"}
        openrag = [sys.executable, "-m", "openrag_cli"]
        sync = [*openrag, "file", "sync", str(folder), "-p", "bench"]
        first = answer(sync, environment)
        print(
            f"first sync: {first['added']:,} files, {first['chunks']:,} chunks in {first['seconds']:.0f} s",
            flush=True,
        )
        compare_idle(sync, folder, environment, arguments.rounds)
        before = contents(store)
        for _ in range(arguments.runs):
            seconds([*sync, "--quiet", "--delete"], environment)
        after = contents(store)
        print(
            f"store after {arguments.runs} such syncs: {sum(size for size, _ in after.values()):,} bytes, before "
            f"{sum(size for size, _ in before.values()):,}; files that differ: {len(before.items() ^ after.items())}"
        )
        n_files, n_versions = rename_some(folder, arguments.renamed), versions(store)
        moved = answer(sync, environment)
        print(
            f"{n_files} files renamed: {moved['moved']} moved, {moved['added'] + moved['replaced']} indexed, "
            f"{moved['chunks']} chunks embedded, {versions(store) - n_versions} new versions of the index, "
            f"{moved['seconds']:.2f} s"
        )


if __name__ == "__main__":
    main()
