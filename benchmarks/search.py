"""Search latency in a warm process: the engine against its floor, the same two index queries without a join.

    python benchmarks/search.py --store DIR [--rounds 200]

The store is one that exists, for example that of benchmarks/quality.py --store. Each round runs one query through
`Engine.search` and the same query straight on the table: embed, dense, full text. Printed: medians and the ratio.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from openrag_cli.config.settings import load
from openrag_cli.engine import Engine
from openrag_cli.index.looks import Ask
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import OnnxEmbedder, default_model_dir
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.search import DEPTH
from openrag_cli.retrieval.tokens import Tokenizer

QUERIES = (
    "how are cells repaired",
    "vitamin intake and bone density",
    "gene expression in mice",
    "risk of infection",
)


def timed(call: Callable[[], Any]) -> float:
    """Return the milliseconds that `call` takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Alternate engine and floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    settings = load({"store": arguments.store}).settings
    embedder = OnnxEmbedder(default_model_dir(), threads=settings.threads)
    index = Index(settings.store / "lance", dimension=embedder.dimension)

    tokenizer = Tokenizer("English")

    def floor(query: str) -> None:
        words = dict.fromkeys(tokenizer.for_search(query).split(), 1.0)
        index.look(Ask(DEPTH, Scope(), embedder.embed_query(query), words))

    times: dict[str, list[float]] = {"engine": [], "floor": []}
    with Engine(settings) as engine:
        engine.search(SearchRequest(QUERIES[0]))
        floor(QUERIES[0])
        for number in range(arguments.rounds):
            query = QUERIES[number % len(QUERIES)]
            times["engine"].append(timed(lambda query=query: engine.search(SearchRequest(query))))
            times["floor"].append(timed(lambda query=query: floor(query)))
    ours, base = (statistics.median(times[key]) for key in ("engine", "floor"))
    worst = sorted(times["engine"])[int(0.95 * len(times["engine"]))]
    print(f"engine p50 {ours:.1f} ms, p95 {worst:.1f} ms; floor p50 {base:.1f} ms; ratio {ours / base:.2f}")


if __name__ == "__main__":
    main()
