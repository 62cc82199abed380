"""Questions with their answers, and the stores that they are asked of; for the benchmarks of answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beir import index, read_collection

from openrag_cli.config.settings import load
from openrag_cli.domain import ALL_PARTITIONS, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions, IfExists

QUESTIONS = Path(__file__).parent / "questions"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ASKED_OF_PIAF = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the texts of which one must stand in its answer; none where nothing in the documents answers.

    It is asked of one partition, or of all.
    """

    question: str
    answers: tuple[str, ...] = ()
    partition: str = ALL_PARTITIONS


def open_store(root: Path, name: str) -> Engine:
    """Open the store of a collection ("docs", "piaf", "filings") in `root`, filled."""
    language = "French" if name == "piaf" else "English"
    engine = Engine(load({"store": str(root / name), "language": language}).settings)
    if name == "piaf":
        index(engine, read_collection(SHARED / "piaf-fr")[0])
        return engine
    folders = [SHARED / "filings" / "pdfs"] if name == "filings" else sorted((SHARED / name).iterdir())
    for folder in folders:
        partition = name if name == "filings" else folder.name.partition("-")[0]
        report = engine.add_sources(
            collect([folder]).sources, AddOptions(partition, new_task_id(), if_exists=IfExists.SKIP)
        )
        print(f"{partition}: indexed {report.added:,} documents ({report.unchanged:,} were there)")
    return engine


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def written(name: str, part: str | None = None) -> list[Asked]:
    """Return the questions of a file of ours; of one `part` ("tune", "check") where that is given."""
    return [
        Asked(entry["question"], tuple(entry.get("answers", ())), entry.get("folder", ALL_PARTITIONS))
        for entry in _lines(QUESTIONS / f"{name}.jsonl")
        if part in {None, entry.get("set")}
    ]


def of_piaf() -> tuple[list[Asked], list[Asked]]:
    """Return the questions of PIAF that are asked (every ninth or so), and the others."""
    entries = _lines(SHARED / "piaf-fr" / "queries.jsonl")
    every = [Asked(str(entry["text"]), tuple(entry["metadata"]["answers"])) for entry in entries]  # type: ignore[index]
    step = len(every) // ASKED_OF_PIAF
    asked = set(range(0, step * ASKED_OF_PIAF, step))
    return [every[at] for at in sorted(asked)], [one for at, one in enumerate(every) if at not in asked]


def plain(text: str) -> str:
    """Return a text for a comparison: no case, no marks of code and emphasis, single blanks."""
    return " ".join(text.casefold().replace("`", "").replace("*", "").split())


def holds(text: str, answers: tuple[str, ...]) -> bool:
    """Whether one of the answers stands in a text."""
    return any(plain(answer) in plain(text) for answer in answers)
