"""How often the gold answer stands in the sentences that the extractive answerer cites.

    python benchmarks/answers.py ../shared/data/piaf-fr --language French [--store DIR] [--questions N] [--top-k 5]
    python benchmarks/answers.py ../shared/data/docs/peps --ask benchmarks/questions-en.jsonl

The first form reads a BEIR-layout folder whose queries carry `metadata.answers`; the second indexes a folder and reads
questions with `question` and `answers`. Printed: the share of questions with a gold answer inside the top-k chunks
(the floor: what is not there cannot be quoted), inside the cited sentences, the ratio of the two, the mean length of
an answer, and the share answered with "nothing".
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from beir import index, read_collection

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Finished
from openrag_cli.answering.extractive import NOTHING
from openrag_cli.answering.pipeline import ChatRequest
from openrag_cli.config.settings import load
from openrag_cli.domain import new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.retrieval.request import SearchRequest


def plain(text: str) -> str:
    return " ".join(text.casefold().split())


def holds(texts: list[str], answers: list[str]) -> bool:
    return any(plain(answer) in plain(text) for text in texts for answer in answers)


async def ask_all(engine: Engine, questions: list[tuple[str, list[str]]], top_k: int) -> None:
    """Ask every question and print the shares."""
    n_found = n_cited = n_nothing = n_chars = 0
    for text, answers in questions:
        request = SearchRequest(text, top_k=top_k)
        hits = engine.search(request)
        found = holds([hit.chunk.span.text for hit in hits], answers)
        chat = ChatRequest([Message("user", text)], search=request, is_extractive=True)
        events = [event async for event in engine.parts.chat.answer(chat)]
        done = events[-1]
        assert isinstance(done, Finished)
        cited = holds([passage.text for passage in done.citations], answers)
        n_found += found
        n_cited += cited
        n_nothing += done.text == NOTHING
        n_chars += len(done.text)
    n = len(questions)
    print(
        f"{n} questions: gold answer in the top {top_k} chunks {n_found / n:.3f}, in the cited sentences {n_cited / n:.3f}"
    )
    print(f"floor (chunks) {n_found / n:.3f}; cited / floor = {n_cited / max(1, n_found):.3f}")
    print(f"mean answer {n_chars / n:.0f} characters; nothing found {n_nothing / n:.3f}")


def add_folder(engine: Engine, folder: Path) -> None:
    report = engine.add(collect([folder]).sources, AddOptions("collection", new_task_id(), if_exists=IfExists.SKIP))
    print(f"indexed {report.added:,} documents ({report.unchanged:,} were there)")


def main() -> None:
    """Index, ask, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--ask", type=Path, help="JSON Lines of questions with their answers; default: the folder's own"
    )
    parser.add_argument("--store", help="folder of a store to keep; default: a temporary one")
    parser.add_argument("--language", default="English", help="language that the text index stems; default: English")
    parser.add_argument("--questions", type=int, default=0, help="questions to ask; default: all")
    parser.add_argument("--top-k", type=int, default=5, help="chunks behind an answer; default: 5")
    arguments = parser.parse_args()
    source = arguments.ask or arguments.folder / "queries.jsonl"
    entries = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines() if line]
    questions = [
        (entry["question"], entry["answers"]) if arguments.ask else (entry["text"], entry["metadata"]["answers"])
        for entry in entries
    ]
    if arguments.questions:
        questions = questions[:: max(1, len(questions) // arguments.questions)][: arguments.questions]
    with tempfile.TemporaryDirectory() as scratch:
        settings = load({"store": arguments.store or scratch, "language": arguments.language}).settings
        with Engine(settings) as engine:
            if arguments.ask:
                add_folder(engine, arguments.folder)
            else:
                index(engine, read_collection(arguments.folder)[0])
            asyncio.run(ask_all(engine, questions, arguments.top_k))


if __name__ == "__main__":
    main()
