"""What a search costs at 10,000, 100,000 and 1,000,000 chunks, and what it finds, as ratios within one run.

    python benchmarks/scale.py FOLDER --like STORE [--like STORE ...] [--chunks N ...] [--queries N] [--only-build]
        [--distinct]

Stores of so many chunks, ten a file, are made in FOLDER where they are not there yet: their texts are the passages of
the stores given by --like, whose vectors are used too and, beyond their number, others near them. Each size is measured
in a process of its own; in it every query goes through all kinds of search in turn, and what is measured is the
processor time of all threads, so that other programs disturb little. With --distinct no passage stands twice: halves of
passages are embedded until there are enough. Questions are those of SciFact and PIAF, from
../shared/data. A line of JSON for each size goes to FOLDER/scale.jsonl, for benchmarks/chart.py.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import open_engine
from synthetic_store import Shape, fill

from openrag_cli.domain import SearchMode
from openrag_cli.engine import Engine
from openrag_cli.index import vectors
from openrag_cli.index.import_shim import import_lancedb, run
from openrag_cli.index.looks import Ask
from openrag_cli.index.opened import TABLE
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.search import DEPTH

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZES = (10_000, 100_000, 1_000_000)
SHARES = {"big": 889, "tenth": 100, "thousandth": 1, **{f"small{n}": 1 for n in range(10)}}
SMALL = tuple(name for name in SHARES if name.startswith("small"))
CHUNKS_PER_FILE, PASSAGE_CHARS, SHORTEST, TOP = 10, 400, 40, 10

SEARCHES: dict[str, dict[str, Any]] = {
    "text": {"mode": SearchMode.TEXT},
    "dense": {"mode": SearchMode.DENSE},
    "hybrid": {},
    "filter of 3%": {"filter": "year = 2003"},
    "filter of 97%": {"filter": "year != 2003"},
    "one hit a file": {"per_file": 1},
    "a partition of 10%": {"partitions": ("tenth",)},
    "a partition of 0.1%": {"partitions": ("thousandth",)},
    "ten partitions": {"partitions": SMALL},
}


def passages_of(stores: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the passages of stores, each once, and their vectors."""
    texts: dict[str, np.ndarray] = {}
    for store in stores:
        table = import_lancedb().connect(Path(store) / "lance").open_table(TABLE)
        rows = table.search().select(["passage", "vector"]).limit(1 << 31).to_arrow()
        flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        for text, vector in zip(rows.column("passage").to_pylist(), flat.reshape(len(rows), -1), strict=True):
            texts.setdefault(text[:PASSAGE_CHARS], vector)
    return list(texts), np.stack(list(texts.values()))


def without_repeats(engine: Engine, texts: list[str], made: np.ndarray, n: int) -> tuple[list[str], np.ndarray]:
    """Return n passages, each once, with their vectors: those that there are, and halves of them."""
    halves = (half.strip() for text in texts for half in (text[: len(text) // 2], text[len(text) // 2 :]))
    more = list({half: None for half in halves if len(half) > SHORTEST}.keys() - set(texts))[: max(0, n - len(texts))]
    batches = [engine.parts.embedder.embed_passages(more[at : at + 256]) for at in range(0, len(more), 256)]
    return [*texts, *more][:n], np.concatenate([made, *batches])[:n]


def build(store: Path, n_chunks: int, like: list[str], *, is_distinct: bool) -> None:
    """Make a store that is not in order."""
    began = time.process_time()
    texts, made = passages_of(like)
    with open_engine(store) as engine:
        if is_distinct:
            texts, made = without_repeats(engine, texts, made, n_chunks)
            print(f"{len(texts):,} passages, none of them twice", flush=True)
        fill(engine, Shape(n_chunks // CHUNKS_PER_FILE, CHUNKS_PER_FILE, SHARES, texts, made))
    print(f"{n_chunks:,} chunks written: {time.process_time() - began:.0f} s of processor time", flush=True)


def order(store: Path) -> None:
    """Put a store in order, and print what of it took how long and how much memory."""
    began = time.process_time()
    with open_engine(store) as engine:
        before = peak_mb()
        engine.maintain()
    print(
        f"put in order: {time.process_time() - began:.0f} s of processor time, {peak_mb():.0f} MB at most, "
        f"{before:.0f} before",
        flush=True,
    )


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) / 1000


def questions(n: int) -> list[str]:
    """Return n questions, half English and half French."""
    found = []
    for name in ("scifact", "piaf-fr"):
        lines = (DATA / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
        step = max(1, len(lines) // (n // 2))
        found += [json.loads(line)["text"] for line in lines[::step][: n // 2]]
    return found


@contextlib.contextmanager
def flat() -> Iterator[None]:
    """Measure every vector in the block, as without the index of vectors."""
    real = vectors.probes
    vectors.probes = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        vectors.probes = real


def measure(store: Path, n_chunks: int, n_queries: int) -> dict[str, Any]:
    """Return what searches cost in a store, in milliseconds of processor time, and the recall of the vectors' index."""
    cpu: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = call()
        cpu[name].append(1000 * (time.process_time() - began))
        return result

    with open_engine(store) as engine:
        index, embedder = engine.parts.index, engine.parts.embedder
        scopes = scopes_of(engine)
        found: dict[str, list[float]] = defaultdict(list)
        for warm in (True, False):
            for text in questions(n_queries)[: 4 if warm else None]:
                vector = embedder.embed_query(text)
                for name, request in SEARCHES.items():
                    timed(name, lambda text=text, request=request: engine.search(SearchRequest(text, **request)))
                timed("dense leg", lambda vector=vector: find(index, vector))
                with flat():
                    timed("flat leg", lambda vector=vector: find(index, vector))
                for name, scope in scopes.items():
                    found[name].append(share_found(index, vector, scope))
            if warm:
                cpu.clear()
                found.clear()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "chunks": n_chunks,
        "queries": n_queries,
        "p50": {name: statistics.median(times) for name, times in cpu.items()},
        "p95": {name: sorted(times)[int(0.95 * len(times))] for name, times in cpu.items()},
        "recall": {name: statistics.mean(shares) for name, shares in found.items()},
        "memory_mb": peak_mb(),
    }


def scopes_of(engine: Engine) -> dict[str, Scope]:
    """Return the scopes in which the recall is measured."""
    narrowed = {"all": {}} | {name: SEARCHES[name] for name in SEARCHES if name.startswith(("a partition", "filter"))}
    return {name: engine.parts.scopes.scope(SearchRequest("-", **request)) for name, request in narrowed.items()}


def find(index: Index, vector: np.ndarray) -> None:
    """Find the rows nearest to a vector, and read none of them."""
    table = index._open()  # noqa: SLF001 - the search alone
    query = next(vectors.looks(table, vectors.lists_of(table), vector, DEPTH, Scope()))
    run(query.select(["_distance"]).with_row_id().limit(DEPTH).to_arrow())


def nearest(index: Index, vector: np.ndarray, limit: int, scope: Scope) -> list[str]:
    """Return the ids of the rows nearest to a vector."""
    return list(index.look(Ask(limit, scope, vector=vector)).legs["dense"])


def share_found(index: Index, vector: np.ndarray, scope: Scope) -> float:
    """Return which share of the nearest rows is among the candidates."""
    with flat():
        truth = nearest(index, vector, TOP, scope)
    candidates = set(nearest(index, vector, DEPTH, scope))
    return sum(key in candidates for key in truth) / len(truth)


def show(results: list[dict[str, Any]]) -> None:
    """Print the figures as a table, and the ratios that are promised."""
    print("| processor ms, p50 (p95) | " + " | ".join(f"{result['chunks']:,}" for result in results) + " |")
    print("| --- |" + " ---: |" * len(results))
    for name in results[0]["p50"]:
        figures = [f"{result['p50'][name]:.0f} ({result['p95'][name]:.0f})" for result in results]
        print(f"| {name} | " + " | ".join(figures) + " |")
    for name in results[0]["recall"]:
        print(f"| recall@10, {name} | " + " | ".join(f"{result['recall'][name]:.3f}" for result in results) + " |")
    print("| memory at most, MB | " + " | ".join(f"{result['memory_mb']:.0f}" for result in results) + " |")
    for result in results:
        p50, p95 = result["p50"], result["p95"]
        print(
            f"{result['chunks']:,}: dense leg / flat {p50['dense leg'] / p50['flat leg']:.2f}, "
            f"hybrid / text {p50['hybrid'] / p50['text']:.2f}, "
            f"filtered / hybrid {max(p50['filter of 3%'], p50['filter of 97%']) / p50['hybrid']:.2f}, "
            f"one a file / hybrid {p50['one hit a file'] / p50['hybrid']:.2f}, "
            f"p95 / p50 {p95['hybrid'] / p50['hybrid']:.2f}"
        )
    if len(results) > 1:
        first, last = results[-2], results[-1]
        ratio = last["p50"]["hybrid"] / first["p50"]["hybrid"]
        print(f"hybrid from {first['chunks']:,} to {last['chunks']:,}: {ratio:.2f} times")


def main() -> None:
    """Build what is missing, measure each size in its own process, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--like", action="append", default=[], help="a store whose passages and vectors are used")
    parser.add_argument("--chunks", type=int, nargs="+", default=SIZES)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--only-build", action="store_true")
    parser.add_argument("--distinct", action="store_true", help="make passages rather than use them again")
    parser.add_argument("--one", action="store_true", help="measure one size here, and print it as JSON")
    parser.add_argument("--order", action="store_true", help="put the store FOLDER in order here")
    arguments = parser.parse_args()
    if arguments.order:
        order(arguments.folder)
        return
    if arguments.one:
        [n_chunks] = arguments.chunks
        print(json.dumps(measure(arguments.folder / f"{n_chunks}", n_chunks, arguments.queries)))
        return
    results = []
    for n_chunks in arguments.chunks:
        store = arguments.folder / f"{n_chunks}"
        if not store.exists():
            making = store.with_name(f"making-{n_chunks}")
            if not making.exists():
                build(making, n_chunks, arguments.like, is_distinct=arguments.distinct)
            # In a process of its own: what it takes is the program's, not that of making texts and vectors up.
            subprocess.run([sys.executable, __file__, str(making), "--order"], check=True)
            making.rename(store)
        if not arguments.only_build:
            command = [sys.executable, __file__, str(arguments.folder), "--one", "--chunks", str(n_chunks)]
            command += ["--queries", str(arguments.queries)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    if results:
        with (arguments.folder / "scale.jsonl").open("a") as out:
            out.writelines(f"{json.dumps(result)}\n" for result in results)
        show(results)


if __name__ == "__main__":
    main()
