"""What a growing store writes and weighs: uploads one by one, and rounds of replacements, at 200,000 chunks.

    python benchmarks/growth.py FOLDER [--uploads 1000] [--rounds 100] [--files 100] [--go-on N]

A store of 100,000 files is made in FOLDER where it is not there yet, and a copy of it grown: files are submitted and
indexed as ever, but for their reading and embedding, which are made up. Then so many files are replaced, round after
round. Printed for both: bytes written for each file (as the kernel counts them), the size of the folder at most, beside
that of one that is written anew, and what a search costs in the grown store, in processor time, beside the fresh one.
"""

import argparse
import io
import os
import shutil
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import open_engine
from synthetic_store import Shape, file_id, fill

from openrag_cli.documents.sandbox.pool import Converted
from openrag_cli.domain import Document, Span, TaskKind
from openrag_cli.engine import Engine
from openrag_cli.ingest.upload import new_upload
from openrag_cli.ingest.worker import Worker
from openrag_cli.retrieval.request import SearchRequest

N_FILES, CHUNKS_PER_FILE = 100_000, 2
CHUNK_CHARS = 300
QUERIES = [f"w{n:05x} w{3 * n + 40:05x} w{7 * n + 500:05x}" for n in range(1, 101)]


class MadeUp:
    """Reads a file as two chunks of its text, and embeds a text as a vector of its own."""

    def __init__(self, engine: Engine) -> None:
        real = engine.parts.embedder
        self.identity, self.tokenizer_path, self.max_tokens = real.identity, real.tokenizer_path, real.max_tokens
        self._dimension = real.dimension

    def convert(self, path: Path, _: str) -> Converted:
        """Return two chunks."""
        text = path.read_text()
        spans = [
            Span(text[begin : begin + CHUNK_CHARS], begin, begin + CHUNK_CHARS, 1, 1, None, ())
            for begin in (0, CHUNK_CHARS)
        ]
        return Converted(Document(text, reader="text@1"), spans, "chunks@1")

    def close(self) -> None:
        """Nothing is under way."""

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return vectors around no centre."""
        made = np.random.default_rng(zlib.crc32(texts[0].encode())).standard_normal((len(texts), self._dimension))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


class Grower:
    """Uploads and replaces files of a store, and counts."""

    def __init__(self, engine: Engine, folder: Path, *, seed: int) -> None:
        self.engine = engine
        self.folder = folder
        made_up = MadeUp(engine)
        self._ingester = engine.parts.ingester(made_up, made_up, 1)
        self._rng = np.random.default_rng(seed)
        self.n_added = self.n_bytes = self.n_added_bytes = self.n_most = 0

    def put(self, names: Sequence[str], kind: TaskKind) -> None:
        """Index files, and put the store in order where it needs it."""
        before = written()
        for name in names:
            text = " ".join(f"w{n:05x}" for n in self._rng.integers(0, 20_000, 100))[: 2 * CHUNK_CHARS].encode()
            self.engine.submit(new_upload("big", name, "note.md", {}), io.BytesIO(text), kind=kind)
            self.n_added_bytes += len(text)
        Worker(self.engine.parts.queue, self._ingester).drain(lambda _: None, lambda: False, self.engine.maintain)
        self.engine.maintain()
        self.n_added += len(names)
        self.n_bytes += written() - before
        self.n_most = max(self.n_most, size(self.folder))

    def report(self, what: str, fresh_size: int, fresh: Engine) -> None:
        """Print a line of the table, if anything was added, and begin to count anew."""
        if self.n_added:
            allowed = 10 * self.n_added_bytes + 2_000_000 * self.n_added
            print(
                f"| {what} | {self.n_bytes / self.n_added / 1000:,.0f} kB | {self.n_bytes / allowed:.3f} | "
                f"{self.n_most / 1e6:,.0f} MB | {self.n_most / fresh_size:.2f} | {compare(fresh, self.engine):.2f} |",
                flush=True,
            )
        self.n_added = self.n_bytes = self.n_added_bytes = self.n_most = 0


def written() -> int:
    """Return how many bytes this process has written."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def size(folder: Path) -> int:
    """Return the size of catalog and index, in bytes."""
    names = (Path(where) / name for where, _, found in os.walk(folder / "lance") for name in found)
    return sum(path.stat().st_size for path in (*names, *folder.glob("openrag.db*")))


def cost(call: Callable[[], object]) -> float:
    """Return the milliseconds of processor time that a call takes."""
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


def compare(fresh: Engine, grown: Engine) -> float:
    """Return what a search costs in the grown store, as a multiple of what it costs in the fresh one, in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for is_warm in (False, True):
        for query in QUERIES if is_warm else QUERIES[:5]:
            for engine, found in zip((fresh, grown), times, strict=True):
                taken = cost(lambda engine=engine, query=query: engine.search(SearchRequest(query)))  # type: ignore[misc]
                if is_warm:
                    found.append(taken)
    return statistics.median(times[1]) / statistics.median(times[0])


def main() -> None:
    """Make, grow, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--files", type=int, default=100, help="files replaced in a round")
    parser.add_argument("--go-on", type=int, default=0, metavar="N", help="grow on what N rounds or uploads left")
    arguments = parser.parse_args()
    fresh, grown = arguments.folder / "fresh", arguments.folder / "grown"
    if not fresh.exists():
        with open_engine(fresh) as engine:
            fill(engine, Shape(N_FILES, CHUNKS_PER_FILE))
            engine.maintain()
    if not arguments.go_on:
        shutil.rmtree(grown, ignore_errors=True)
        shutil.copytree(fresh, grown)
    print(
        "| | written for each file | of what is allowed | folder at most | of a fresh one | a search |\n| --- |"
        + " ---: |" * 5
    )
    with open_engine(fresh) as first, open_engine(grown) as second:
        grower = Grower(second, grown, seed=1 + arguments.go_on)
        for n in range(arguments.uploads):
            grower.put([f"new/{arguments.go_on + n}.md"], TaskKind.ADD)
        grower.report(f"{arguments.uploads:,} uploads", size(fresh), first)
        for n in range(arguments.rounds):
            chosen = np.random.default_rng(arguments.go_on + n).choice(N_FILES, arguments.files, replace=False)
            grower.put([file_id(int(number)) for number in chosen], TaskKind.REPLACE)
        grower.report(f"{arguments.rounds} rounds of {arguments.files} replaced", size(fresh), first)


if __name__ == "__main__":
    main()
