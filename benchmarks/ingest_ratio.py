"""What indexing costs now against an older release, in seconds of CPU, format by format.

    python benchmarks/ingest_ratio.py OLD_TREE DATA_FOLDER [--rounds 3] [--only FORMAT...]

OLD_TREE is a checkout of the release, DATA_FOLDER that of README's data. The two programs alternate over the same
files, each round in fresh stores, with one thread each; what counts is the CPU time of the process and its children,
since wall time says what else the machine did. Printed for each format: seconds of both and the median of the ratios,
of the whole command and of what `file add` of an empty note costs less.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS: dict[str, tuple[str, ...]] = {
    "start": (),
    "markdown": ("docs/haystack-docs-mdx/**/*.mdx",),
    "pdf": ("formats/pdf/**/*.pdf", "formats/office-and-web/*.pdf", "filings/**/*.pdf"),
    "docx": ("formats/office-and-web/*.docx",),
    "pptx": ("formats/office-and-web/*.pptx",),
    "xlsx": ("formats/office-and-web/*.xlsx",),
    "xls": ("formats/office-and-web/*.xls",),
    "html": ("formats/office-and-web/*.html",),
    "epub": ("formats/office-and-web/*.epub",),
    "msg": ("formats/office-and-web/*.msg",),
    "rss": ("formats/office-and-web/*.xml",),
    "ipynb": ("formats/office-and-web/*.ipynb",),
    "text": ("docs/peps/**/*.rst",),
}
"""Format -> its files; of each at most MAX_FILES, the smallest ones."""

MAX_FILES = 40


def files_of(data: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the files of a format, the smallest first."""
    found = {path for pattern in patterns for path in data.glob(pattern) if path.is_file()}
    return sorted(found, key=lambda path: (path.stat().st_size, path))[:MAX_FILES]


def cpu_of_add(tree: Path, files: list[Path]) -> float:
    """Return the CPU seconds of `file add` of the files into a new store, by the program of a tree."""
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "note.txt"
        note.write_text("A note.\n", encoding="utf-8")
        environment = {
            "PATH": os.environ["PATH"], "HOME": folder, "PYTHONPATH": str(tree), "OPENRAG_THREADS": "1",
            "OPENRAG_STORE": f"{folder}/store", "PYTHONDONTWRITEBYTECODE": "",
        }  # fmt: skip
        command = [sys.executable, "-m", "openrag_cli", "file", "add", *map(str, files or [note]), "-p", "p"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{tree}: {done.stderr.decode()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a row for each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(FORMATS))
    arguments = parser.parse_args()
    trees = (arguments.old.resolve(), Path(__file__).resolve().parents[1])
    start = [0.0, 0.0]
    print("| format | files | before, s | now, s | ratio | without start |\n| --- | --- | --- | --- | --- | --- |")
    for name in dict.fromkeys(["start", *arguments.only]):
        files = files_of(arguments.data.resolve(), FORMATS[name])
        for tree in trees:
            cpu_of_add(tree, files[:1])  # compiled files and the system's cache
        rounds = [[cpu_of_add(tree, files) for tree in trees] for _ in range(arguments.rounds)]
        before, now = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(new / old for old, new in rounds)
        start = [before, now] if name == "start" else start
        net = f"{(now - start[1]) / (before - start[0]):.2f}" if name != "start" else ""
        print(f"| {name} | {len(files)} | {before:.1f} | {now:.1f} | {ratio:.2f} | {net} |", flush=True)


if __name__ == "__main__":
    main()
