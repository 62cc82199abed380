"""Ingest throughput: the whole pipeline against the bare embedding loop on the same chunks with the same threads.

    python benchmarks/ingest.py ../shared/data/docs/haystack-docs-mdx [--rounds 3] [--threads 2]

The two alternate, each round with a fresh store, in this one process. Printed for each round: chunks/s of the
pipeline (store, queue, convert, chunk, embed, commit, tidy), of the loop (the floor), and the ratio; then the median
ratio, files per index version, and the peak resident memory of this process and of its largest converter.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from openrag_cli.config.settings import load
from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.domain import new_task_id
from openrag_cli.engine import Engine
from openrag_cli.inference.onnx_embedder import OnnxEmbedder, default_model_dir
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def pipeline(folder: Path, store: str, threads: int) -> tuple[float, list[str], float]:
    """Index `folder` into a fresh store; return seconds, the passages embedded, and files per index version."""
    with Engine(load({"store": store, "threads": threads}).settings) as engine:
        report = engine.add_sources(collect([folder]).sources, AddOptions("bench", new_task_id()))
        chunker = Chunker(default_model_dir() / "tokenizer.json", 256)
        passages = [
            chunker.passage(chunk.span)
            for file in engine.files("bench")
            for chunk in engine.chunks("bench", file.file_id)
        ]
        n_versions = engine.parts.index.version()
    return report.seconds, passages, report.added / n_versions


def embedding_loop(passages: list[str], threads: int) -> float:
    """Return the seconds that embedding alone takes, with a loaded model."""
    embedder = OnnxEmbedder(default_model_dir(), threads=threads)
    embedder.load()
    began = time.perf_counter()
    embedder.embed_passages(passages)
    return time.perf_counter() - began


def main() -> None:
    """Alternate pipeline and loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    ratios = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as store:
            seconds, passages, per_version = pipeline(arguments.folder, store, arguments.threads)
        floor = embedding_loop(passages, arguments.threads)
        ratios.append(floor / seconds)
        rates = f"pipeline {len(passages) / seconds:7.1f} chunks/s, loop {len(passages) / floor:7.1f} chunks/s"
        print(
            f"{len(passages):,} chunks: {rates}, ratio {ratios[-1]:.3f}; {per_version:.0f} files a version",
            flush=True,
        )
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / 2**20
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * RSS_UNIT / 2**20
    print(f"median ratio {statistics.median(ratios):.3f}; peak resident {own:.0f} MiB, a converter {child:.0f} MiB")


if __name__ == "__main__":
    main()
