"""How often an answer without an LLM is right, brief and fit to be read, and how often it refuses rightly.

    python benchmarks/answers.py [docs] [piaf] [filings] [--store DIR] [--show] [--questions N]

Asks the questions in benchmarks/questions of ../shared/data/docs (each of its own documentation, the held-out ones once
more of all three), 400 of ../shared/data/piaf-fr, and those of ../shared/data/filings. Right is an answer in whose text a
gold string stands; at most 80 words of it count, but a single block of code, list or table counts whole. Printed: the
share of right answers, the same for the first passage whole and for its first 80 words; where the others were lost (not
in the first eight passages, in them but not picked, refused); the median length in words; how many break a rule of
../shared/tools/readable.py; and the share of the questions without an answer that is refused. For the filings: how often
the figure that is asked for stands in a table with columns, or in a line of a statement under those that head it.
`--show` prints the answers that are wrong.
"""

import argparse
import asyncio
import importlib.util
import json
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asking import SHARED, Asked, holds, of_piaf, open_store, written

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.events import Finished, Retrieved
from openrag_cli.answering.pipeline import TOP_K, ChatRequest
from openrag_cli.answering.quoting.units import n_words
from openrag_cli.domain import ALL_PARTITIONS, Passage
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest

MAX_WORDS = 80
_MARK = re.compile(r"[ \t]*\[\d+\]")
_REFUSALS = ("Nothing in the documents", "No document names")


@dataclass(slots=True)
class Tally:
    """What was counted of some questions."""

    n: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    words: list[int] = field(default_factory=list)

    def share(self, name: str) -> float:
        return self.counts[name] / max(1, self.n)


def counted(text: str, n_quotes: int) -> str:
    """Return the part of an answer that counts."""
    body = _MARK.sub("", text).strip()
    if n_quotes == 1 and "\n" in body:
        return body
    n_left = MAX_WORDS
    for found in re.finditer(r"\S+", body):
        n_left -= n_words(found[0])
        if n_left < 0:
            return body[: found.start()]
    return body


async def answered(engine: Engine, asked: Asked) -> tuple[Finished, Sequence[Passage]]:
    """Return the answer to a question, and the passages behind it."""
    search = SearchRequest("", partitions=(asked.partition,), top_k=TOP_K)
    request = ChatRequest([Message("user", asked.question)], search=search, is_extractive=True)
    passages: Sequence[Passage] = ()
    async for event in engine.parts.chat.answer(request):
        if isinstance(event, Retrieved):
            passages = event.passages
        last = event
    assert isinstance(last, Finished)
    return last, passages


def readable_rules() -> Callable[[str], list[str]]:
    """Return the check of ../shared/tools/readable.py; one that finds nothing where it is absent."""
    path = SHARED.parent / "tools" / "readable.py"
    if not path.exists():
        print(f"{path} is absent: nothing is said about readability")
        return lambda _: []
    spec = importlib.util.spec_from_file_location("readable", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.readable  # type: ignore[no-any-return]


async def ask(engine: Engine, asked: Sequence[Asked], *, shows: bool) -> Tally:
    """Ask questions and count what came of them."""
    tally = Tally(len(asked))
    readable = readable_rules()
    for one in asked:
        finished, passages = await answered(engine, one)
        is_refused = finished.text.startswith(_REFUSALS)
        is_right = holds(counted(finished.text, len(finished.marks)), one.answers)
        is_there = any(holds(passage.text, one.answers) for passage in passages)
        first = passages[0].text if passages else ""
        faults = readable(finished.text)
        tally.counts["refused"] += is_refused
        tally.counts["right"] += is_right
        tally.counts["first whole"] += holds(first, one.answers)
        tally.counts["first 80"] += holds(counted(first, 0), one.answers)
        tally.counts["not found"] += not is_there
        tally.counts["lost by refusal"] += is_there and is_refused
        tally.counts["not picked"] += is_there and not is_refused and not is_right
        tally.counts["unreadable"] += bool(faults)
        tally.words.append(n_words(_MARK.sub("", finished.text)))
        if shows and (faults or not (is_right if one.answers else is_refused)):
            print(f"\n--- {one.question} {list(one.answers)} {'found' if is_there else 'not found'} {faults or ''}")
            print(finished.text)
    return tally


def print_answerable(label: str, tally: Tally) -> None:
    share = tally.share
    print(
        f"{label}: {tally.n} questions, right {share('right'):.3f}; first passage whole {share('first whole'):.3f}, its "
        f"first {MAX_WORDS} words {share('first 80'):.3f}\n"
        f"  not in the passages {share('not found'):.3f}, there but not picked {share('not picked'):.3f}, "
        f"there but refused {share('lost by refusal'):.3f}; refused {share('refused'):.3f}\n"
        f"  median {statistics.median(tally.words):.0f} words; not readable {tally.counts['unreadable']}"
    )


def print_others(label: str, tally: Tally) -> None:
    print(f"{label}: {tally.n} questions without an answer, refused {tally.share('refused'):.3f}")


async def ask_docs(engine: Engine, *, shows: bool, most: int) -> None:
    for part in ("tune", "check"):
        found = await ask(engine, written("docs", part)[: most or None], shows=shows)
        print_answerable(f"docs, {'weights chosen on them' if part == 'tune' else 'held out'}", found)
    everywhere = [replace(one, partition=ALL_PARTITIONS) for one in written("docs", "check")]
    print_answerable(
        "docs, held out, asked of all three at once", await ask(engine, everywhere[: most or None], shows=False)
    )
    print_others("docs", await ask(engine, written("docs-none")[: most or None], shows=shows))


async def ask_piaf(engine: Engine, *, shows: bool, most: int) -> None:
    print_answerable("PIAF, held out", await ask(engine, of_piaf()[0][: most or None], shows=shows))
    print_others("PIAF", await ask(engine, written("piaf-none")[: most or None], shows=shows))


# --- figures


def figures_of(answer: str) -> list[str]:
    """Return the figures of an answer, as digits: "$11,588.00" is 11588."""
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", answer)
    return [re.sub(r"\.0+$", "", one.replace(",", "")) for one in found]


def is_figure_shown(text: str, gold: str) -> bool:
    """Whether a figure of the answer stands in a table with columns, or in a statement with the lines that head it."""
    bare = re.sub(r"(?<=\d),(?=\d)", "", text)
    wanted = [one for one in figures_of(gold)[:1] if len(one) > 1]
    in_block = "|" in bare or "```" in bare
    return in_block and any(re.search(rf"(?<![\d.]){re.escape(one)}(?![\d.])", bare) for one in wanted)


async def ask_filings(engine: Engine, *, shows: bool, most: int) -> None:
    lines = (SHARED / "filings" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line][: most or None]
    n_figures = n_shown = n_computed = n_rows = 0
    for entry in entries:
        finished, _ = await answered(engine, Asked(entry["question"]))
        is_figure = bool(re.fullmatch(r"[$\d.,%\s-]+", entry["answer"]))
        is_computed = "compute" in finished.text
        is_shown = is_figure and is_figure_shown(finished.text, entry["answer"])
        n_figures += is_figure
        n_shown += is_shown
        n_computed += is_computed
        n_rows += is_computed and ("|" in finished.text or "```" in finished.text)
        if shows and not is_shown:
            print(
                f"\n--- {entry['question']} [{entry['answer']}] {entry['document']} {entry['pages']}\n{finished.text}"
            )
            print([f"{passage.file.filename} {passage.page}" for passage in finished.citations])
    print(
        f"filings: the figure asked for printed in its row: {n_shown} of {n_figures}; {n_computed} said to be computed"
    )
    print_others("filings, companies that no document names", await ask(engine, written("filings-none"), shows=shows))
    print_others("filings, companies named in passing", await ask(engine, written("filings-passing"), shows=shows))


COLLECTIONS = {"docs": ask_docs, "piaf": ask_piaf, "filings": ask_filings}


def main() -> None:
    """Index, ask, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", choices=[*COLLECTIONS, []], default=list(COLLECTIONS))
    parser.add_argument("--store", type=Path, help="folder of the stores to keep; default: a temporary one")
    parser.add_argument("--questions", type=int, default=0, help="questions to ask of each list; default: all")
    parser.add_argument("--show", action="store_true", help="print the answers that are wrong")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.collections:
            with open_store(arguments.store or Path(scratch), name) as engine:
                asyncio.run(COLLECTIONS[name](engine, shows=arguments.show, most=arguments.questions))


if __name__ == "__main__":
    main()
