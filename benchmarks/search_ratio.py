"""What a hybrid search costs now against an older release, in CPU milliseconds of a warm process.

    python benchmarks/search_ratio.py OLD_TREE ../shared/data/scifact [--language French] [--rounds 3]

OLD_TREE is a checkout of the release, the folder is in the layout of BEIR. Each program indexes the documents, a text
file each, into a store of its own; then the two, one process each with one thread, are asked the same questions by
turns, and each tells the CPU time of all of its threads. Printed: the median of both, and of the ratios by question.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

MAX_QUESTIONS, N_WARM = 60, 20

_PROGRAM = """
import importlib, json, sys, time

def first_of(name, *modules):
    for module in modules:
        try:
            return getattr(importlib.import_module("openrag_cli." + module), name)
        except (ImportError, AttributeError):
            pass
    raise SystemExit(f"this release has no {name}")

load = first_of("load", "config.settings", "config")
Engine = first_of("Engine", "engine")
SearchRequest = first_of("SearchRequest", "retrieval.request", "retrieve")
with Engine(load({"store": sys.argv[1], "language": sys.argv[2]}).settings) as engine:
    for line in sys.stdin:
        request = SearchRequest(json.loads(line))
        began = time.process_time()
        engine.search(request)
        print(time.process_time() - began, flush=True)
"""


def questions_of(folder: Path) -> list[str]:
    """Return questions of a collection, evenly chosen."""
    asked = [json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    return asked[:: max(1, len(asked) // MAX_QUESTIONS)][:MAX_QUESTIONS]


def write_texts(folder: Path, target: Path) -> None:
    """Write each document of a collection as a text file."""
    for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        text = f"{entry.get('title', '')}\n\n{entry['text']}".strip()
        (target / f"{entry['_id']}.txt").write_text(text, encoding="utf-8")


class Program:
    """A release with its store, being asked."""

    def __init__(self, tree: Path, texts: Path, scratch: Path, language: str) -> None:
        store = scratch / f"store-{tree.name}"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(scratch), "PYTHONPATH": str(tree), "OPENRAG_THREADS": "1",
            "OPENRAG_STORE": str(store), "OPENRAG_LANGUAGE": language,
        }  # fmt: skip
        add = [sys.executable, "-m", "openrag_cli", "file", "add", str(texts), "-p", "p"]
        subprocess.run(add, env=environment, cwd=scratch, capture_output=True, check=True)
        asking = [sys.executable, "-c", _PROGRAM, str(store), language]
        self._process = subprocess.Popen(
            asking, env=environment, cwd=scratch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cost(self, question: str) -> float:
        """Search once; return the CPU seconds."""
        self._stream(self._process.stdin).write(json.dumps(question) + "\n")
        self._stream(self._process.stdin).flush()
        return float(self._stream(self._process.stdout).readline())

    def close(self) -> None:
        """End the process."""
        self._stream(self._process.stdin).close()
        self._process.wait()

    @staticmethod
    def _stream(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="English", help="language that the text index stems; default: English")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    questions = questions_of(arguments.folder)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        texts = scratch / "texts"
        texts.mkdir()
        write_texts(arguments.folder, texts)
        trees = (arguments.old.resolve(), Path(__file__).resolve().parents[1])
        programs = [Program(tree, texts, scratch, arguments.language) for tree in trees]
        for question in questions[:N_WARM]:
            for program in programs:
                program.cost(question)
        costs = [
            [program.cost(question) for program in programs]
            for _ in range(arguments.rounds)
            for question in questions
        ]
        for program in programs:
            program.close()
    before, now = (1000 * statistics.median(times) for times in zip(*costs, strict=True))
    ratio = statistics.median(new / old for old, new in costs)
    print(f"{arguments.folder.name}: before {before:.1f} ms, now {now:.1f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
