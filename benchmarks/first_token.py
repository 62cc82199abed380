"""Where the time goes that openrag adds before an LLM's first token, in CPU time, which a busy machine does not change.

    python benchmarks/first_token.py ../shared/data/scifact [--store DIR] [--questions 30]

The corpus of a BEIR-layout folder is indexed and its questions are asked of a stub in the place of the LLM, in one
process. Printed: the median CPU milliseconds of each step up to the first piece of text, and how many texts are embedded
to find out whether there is evidence. The first three questions warm up and do not count.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beir import index, read_collection

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import TextDelta
from openrag_cli.answering.pipeline import Chat, ChatRequest
from openrag_cli.config.settings import load
from openrag_cli.engine import Engine
from openrag_cli.inference.onnx_embedder import OnnxEmbedder

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from stub_llm import stub_llm

WARM_UP = 3
STEPS = {
    "search": (Chat, "_retrieve", "searching, and passages of what is found"),
    "floor": (Chat, "_shown", "whether there is evidence"),
    "prompt": (Chat, "_messages", "the prompt"),
}


class Spent:
    """CPU milliseconds by step."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = defaultdict(list)
        self.texts: list[int] = []

    def watch(self, owner: type, name: str, step: str) -> None:
        """Count what a method takes."""
        method: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return method(*args, **more)
            finally:
                self.ms[step].append((time.process_time() - began) * 1000)

        setattr(owner, name, counted)

    def watch_texts(self, embedder: type) -> None:
        """Count the texts that are embedded."""
        embed = embedder.embed_passages

        def embedding(self_: Any, texts: list[str]) -> Any:
            self.texts.append(len(texts))
            return embed(self_, texts)

        embedder.embed_passages = embedding


async def ask(engine: Engine, questions: list[str], spent: Spent) -> None:
    """Ask until the first piece of text of each answer."""
    for question in questions:
        began = time.process_time()
        stream = engine.answer(ChatRequest([Message("user", question)]))
        async for event in stream:
            if isinstance(event, TextDelta):
                spent.ms["all"].append((time.process_time() - began) * 1000)
                break
        await stream.aclose()


def main() -> None:
    """Index, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", type=Path, help="folder of a store to keep; default: a temporary one")
    parser.add_argument("--questions", type=int, default=30)
    arguments = parser.parse_args()
    documents, queries, _ = read_collection(arguments.folder)
    spent = Spent()
    with tempfile.TemporaryDirectory() as folder, stub_llm() as stub:
        os.environ |= {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "cites"}
        with Engine(load({"store": str(arguments.store or Path(folder) / "store")}).settings) as engine:
            index(engine, documents)
            for step, (owner, name, _) in STEPS.items():
                spent.watch(owner, name, step)
            spent.watch_texts(OnnxEmbedder)
            asyncio.run(ask(engine, list(queries.values())[: arguments.questions], spent))
    print("| step | CPU ms, median |\n| --- | --- |")
    for step, (_, _, shown) in STEPS.items():
        print(f"| {shown} | {statistics.median(spent.ms[step][WARM_UP:]):.1f} |")
    print(f"| all, to the first piece of text | {statistics.median(spent.ms['all'][WARM_UP:]):.1f} |")
    print(f"| texts embedded for it, per question | {sum(spent.texts) / arguments.questions:.1f} |")


if __name__ == "__main__":
    main()
