"""Collections in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/), and a store made of one; for the other benchmarks."""

import json
import tempfile
from collections import defaultdict
from pathlib import Path

from openrag_cli.domain import new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions, IfExists


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
        report = engine.add_sources(collect([Path(scratch)]).sources, options)
    print(f"indexed {report.added:,} documents ({report.unchanged:,} were there) in {report.seconds:.0f} s")
    for failure in report.failures:
        print(f"failed: {failure.file_id}: {failure.message}")
