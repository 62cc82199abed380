"""Retrieval quality on a BEIR-layout folder, per mode, through the product's own indexing and retrieval.

    python benchmarks/quality.py ../shared/data/scifact [--store DIR] [--language French] [--queries N]

Each document (title and text) is one file. A query's ranking is the files of its best chunks. Printed: nDCG@10,
recall@100 and MRR@100 for dense, text and hybrid, and as the floor the better of the two single modes: the ratio of
hybrid to it is the worth of fusion. A store given with --store is kept and used again.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from openrag_cli.config.settings import load
from openrag_cli.domain import SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.evaluation.metrics import ndcg, recall, reciprocal_rank
from openrag_cli.ingest.add_files import AddOptions, IfExists
from openrag_cli.ingest.discovery import collect
from openrag_cli.retrieval.request import SearchRequest

DEPTH = 100


def read_collection(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Return documents and queries by id, and the judgements of each query."""

    def lines(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines() if line]

    documents = {
        entry["_id"]: f"{entry.get('title', '')}\n\n{entry['text']}".strip() for entry in lines("corpus.jsonl")
    }
    queries = {entry["_id"]: entry["text"] for entry in lines("queries.jsonl")}
    judgements: dict[str, dict[str, int]] = defaultdict(dict)
    source = folder / "qrels" / "test.tsv"
    if not source.exists():
        source = min((folder / "qrels").glob("*.tsv"))
    for line in source.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judgements[query][document] = int(grade)
    return documents, queries, dict(judgements)


def index(engine: Engine, documents: dict[str, str]) -> None:
    """Add every document that the store does not hold yet."""
    with tempfile.TemporaryDirectory() as scratch:
        for key, text in documents.items():
            Path(scratch, f"{key}.txt").write_text(text, encoding="utf-8")
        options = AddOptions("collection", new_task_id(), if_exists=IfExists.SKIP)
        report = engine.add(collect([Path(scratch)]).sources, options)
    print(f"indexed {report.added:,} documents ({report.unchanged:,} were there) in {report.seconds:.0f} s")
    for failure in report.failures:
        print(f"failed: {failure.file_id}: {failure.message}")


def measure(
    engine: Engine, mode: SearchMode, queries: dict[str, str], judged: dict[str, dict[str, int]]
) -> dict[str, float]:
    """Return the mean of each metric over the judged queries."""
    sums = dict.fromkeys(("nDCG@10", "recall@100", "MRR@100"), 0.0)
    for key, relevance in judged.items():
        hits = engine.search(SearchRequest(queries[key], top_k=DEPTH, mode=mode, per_file=1))
        ranking = [hit.file.file_id.removesuffix(".txt") for hit in hits]
        sums["nDCG@10"] += ndcg(ranking, relevance)
        sums["recall@100"] += recall(ranking, relevance)
        sums["MRR@100"] += reciprocal_rank(ranking, relevance)
    return {name: total / len(judged) for name, total in sums.items()}


def main() -> None:
    """Index the collection, then measure each mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", help="folder of a store to keep; default: a temporary one")
    parser.add_argument("--language", default="English", help="language that the text index stems; default: English")
    parser.add_argument("--queries", type=int, default=0, help="judged queries to use; default: all")
    arguments = parser.parse_args()
    documents, queries, judged = read_collection(arguments.folder)
    if arguments.queries:
        judged = dict(list(judged.items())[: arguments.queries])
    with tempfile.TemporaryDirectory() as scratch:
        settings = load({"store": arguments.store or scratch, "language": arguments.language}).settings
        with Engine(settings) as engine:
            index(engine, documents)
            results = {mode: measure(engine, mode, queries, judged) for mode in SearchMode}
    for mode, metrics in results.items():
        print(f"{mode:8}" + "".join(f"  {name} {value:.4f}" for name, value in metrics.items()))
    floor = max(results[SearchMode.DENSE]["nDCG@10"], results[SearchMode.TEXT]["nDCG@10"])
    ratio = results[SearchMode.HYBRID]["nDCG@10"] / floor
    print(f"floor (better single mode) {floor:.4f}; hybrid / floor = {ratio:.3f}")


if __name__ == "__main__":
    main()
