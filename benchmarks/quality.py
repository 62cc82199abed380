"""Retrieval quality over real collections, through the product's own indexing and search, with the naive way beside it.

    python benchmarks/quality.py ../shared [--only filings exact ...] [--keep DIR] [--leave-one-out]

Collections, where they are there: `filings` (questions with their evidence pages), `exact` (strings that somebody types,
among every third PEP and every fourth tldr page), `scifact`, `piaf` (French), `peps` (40 questions), `tldr` (40 known
items). For each and each mode: nDCG@10, page@5 (the right page, or file, among the first five hits), first (the right
file is the first hit), and the 95% interval of hybrid over the better leg by a paired bootstrap.

The naive way, from the same run: the text that the product read, in windows of 1,000 characters that share 200, the same
model, cosine alone; `filings` reads the pages with PDFium.

With `--leave-one-out`, in place of that, each weight of the score is chosen on all collections but one and measured on
that one, with the interval of the difference from the value that is built in; the other weights stay as they are.
`--keep` keeps the stores, so that a second run only searches.
"""

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from openrag_cli.config.settings import load
from openrag_cli.domain import ALL_PARTITIONS, SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.evaluation.metrics import ndcg
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions, IfExists
from openrag_cli.retrieval import query, scoring
from openrag_cli.retrieval.request import SearchRequest

WINDOW, OVERLAP = 1000, 200
Places = list[tuple[str, int | None]]
"""Files, each with a page where there are pages."""


@dataclass(frozen=True)
class Question:
    """What is asked, and what is right: files by grade, and the pages of the first of them (none: any)."""

    text: str
    relevance: dict[str, int]
    pages: tuple[int, ...] = ()


@dataclass
class Collection:
    """Questions, and the paths that answer them; `names` turns a file id into the id that questions use."""

    name: str
    questions: list[Question]
    sources: list[Path] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    language: str = "English"


# --- the collections


def filings(shared: Path) -> Collection:
    """Company filings: the evidence page of each question is known."""
    folder = shared / "data" / "filings"
    entries = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    questions = [Question(e["question"], {e["document"]: 1}, tuple(e["pages"])) for e in entries]
    return Collection("filings", questions, sorted((folder / "pdfs").glob("*.pdf")))


def exact(shared: Path) -> Collection:
    """Strings that somebody types; the file that holds each must be first."""
    folder = shared / "cases" / "shell" / "exact"
    with (folder / "queries.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    wanted = {row["file"] for row in rows}
    docs = shared / "data" / "docs"
    peps, pages = sorted((docs / "peps").rglob("*.rst")), sorted((docs / "tldr").rglob("*.md"))
    own = sorted((folder / "files").iterdir())
    beside = [*peps[::3], *pages[::4], *(path for path in (*peps, *pages) if path.name in wanted)]
    named = {path.name: path for path in (*beside, *own)}  # of equal names that of the collection itself
    sources = list(named.values())
    return Collection("exact", [Question(row["query"], {row["file"]: 1}) for row in rows], sources)


def beir(shared: Path, name: str, folder: str, language: str = "English") -> Collection:
    """A collection in the layout of BEIR; each document is a text file."""
    root = shared / "data" / folder

    def lines(path: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (root / path).read_text(encoding="utf-8").splitlines() if line]

    texts = {f"{e['_id']}.txt": f"{e.get('title', '')}\n\n{e['text']}".strip() for e in lines("corpus.jsonl")}
    asked = {entry["_id"]: entry["text"] for entry in lines("queries.jsonl")}
    source = root / "qrels" / "test.tsv"
    judged: dict[str, dict[str, int]] = {}
    for line in (source if source.exists() else min((root / "qrels").glob("*.tsv"))).read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[f"{document}.txt"] = int(grade)
    questions = [Question(asked[key], relevance) for key, relevance in judged.items()]
    return Collection(name, questions, texts=texts, language=language)


def peps(shared: Path) -> Collection:
    """Forty questions on PEPs: what each asks for in its title, said as a question."""
    sources = sorted((shared / "data" / "docs" / "peps").rglob("*.rst"))
    titled = [(path, title) for path in sources if (title := _field(path, "Title:"))]
    chosen = random.Random(7).sample([entry for entry in titled if len(entry[1].split()) > 2], 40)
    forms = ("Which PEP is about {}?", "What was proposed on {}?", "why {}", "{} rationale")
    questions = [
        Question(forms[n % 4].format(title.lower()), {path.name: 1}) for n, (path, title) in enumerate(chosen)
    ]
    return Collection("peps", questions, sources)


def _field(path: Path, name: str) -> str:
    for line in path.read_text(encoding="utf-8").splitlines()[:12]:
        if line.startswith(name):
            return line.removeprefix(name).strip()
    return ""


def tldr(shared: Path) -> Collection:
    """Forty known items: the first sentence of a page, without the name of its command."""
    sources = sorted((shared / "data" / "docs" / "tldr").rglob("*.md"))[::2]
    chosen = random.Random(7).sample(sources, 120)
    questions = []
    for path in chosen:
        said = next(
            (line[2:].rstrip(".") for line in path.read_text(encoding="utf-8").splitlines() if line[:2] == "> "), ""
        )
        if len(said.split()) > 3 and path.stem.lower() not in said.lower() and len(questions) < 40:
            questions.append(Question(said, {path.name: 1}))
    return Collection("tldr", questions, sources)


COLLECTIONS: dict[str, Callable[[Path], Collection]] = {
    "filings": filings,
    "exact": exact,
    "scifact": lambda shared: beir(shared, "scifact", "scifact"),
    "piaf": lambda shared: beir(shared, "piaf", "piaf-fr", "French"),
    "peps": peps,
    "tldr": tldr,
}


# --- measuring


def is_right(question: Question, place: tuple[str, int | None]) -> bool:
    """Whether a place is what the question wants."""
    return question.relevance.get(place[0], 0) > 0 and (not question.pages or place[1] in question.pages)


def figures(question: Question, places: Places) -> dict[str, float]:
    """Return the metrics of one ranking."""
    files = list(dict.fromkeys(file for file, _ in places))
    return {
        "nDCG@10": ndcg(files, question.relevance),
        "page@5": float(any(is_right(question, place) for place in places[:5])),
        "first": float(bool(places) and question.relevance.get(places[0][0], 0) > 0),
    }


def own_places(engine: Engine, question: Question, mode: SearchMode) -> Places:
    """Return where the product's hits are."""
    has_pages = bool(question.pages)
    request = SearchRequest(question.text, top_k=10, mode=mode, per_file=None if has_pages else 1, collapse=has_pages)
    return [(hit.file.file_id.rpartition("/")[2], hit.chunk.span.page) for hit in engine.search(request)]


class Naive:
    """Windows of characters over the same texts, one cosine for each."""

    def __init__(self, engine: Engine, cache: Path) -> None:
        self._engine = engine
        self._places: Places = []
        windows: list[str] = []
        for file in engine.files(ALL_PARTITIONS):
            document = engine.document(file.partition, file.file_id)
            name = file.file_id.rpartition("/")[2]
            pages = [(page.number, page.start, page.end) for page in document.pages] or [
                (None, 0, len(document.markdown))
            ]
            for number, start, end in pages:
                for at in range(start, max(start + 1, end - OVERLAP), WINDOW - OVERLAP):
                    windows.append(document.markdown[at : min(at + WINDOW, end)] or " ")
                    self._places.append((name, number))
        if cache.exists():
            self._vectors = np.load(cache)
        else:
            self._vectors = engine.parts.embedder.embed_passages(windows)
            np.save(cache, self._vectors)

    def places(self, question: Question) -> Places:
        """Return the best windows, one of a page."""
        order = np.argsort(-(self._vectors @ self._engine.parts.embedder.embed_query(question.text)))[:200]
        return list(dict.fromkeys(self._places[at] for at in order))[:10]


def interval(differences: Sequence[float], n_samples: int = 2000) -> tuple[float, float]:
    """Return the 95% interval of the mean by a bootstrap over questions."""
    values = np.asarray(differences)
    picks = np.random.default_rng(1).integers(0, len(values), (n_samples, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


@contextmanager
def indexed(collection: Collection, store: Path) -> Iterator[Engine]:
    """Give an engine whose store holds the collection."""
    with Engine(load({"store": str(store), "language": collection.language}).settings) as engine:
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in collection.texts.items():
                Path(scratch, name).write_text(text, encoding="utf-8")
            sources = collection.sources or [Path(scratch)]
            options = AddOptions("collection", new_task_id(), if_exists=IfExists.SKIP)
            report = engine.add_sources(collect(sources).sources, options)
        print(f"{collection.name}: {report.added:,} files added, {report.failed} failed, {report.seconds:.0f} s")
        yield engine


def means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def key_figure(collection: Collection) -> str:
    """Return the figure that a collection is judged by."""
    return {"filings": "page@5", "exact": "first"}.get(collection.name, "nDCG@10")


def measure(collection: Collection, store: Path) -> None:
    """Print the table of one collection."""
    with indexed(collection, store) as engine:
        rows = {
            str(mode): [figures(q, own_places(engine, q, mode)) for q in collection.questions] for mode in SearchMode
        }
        naive = Naive(engine, store / "naive.npy")
        rows["naive"] = [figures(q, naive.places(q)) for q in collection.questions]
    key = key_figure(collection)
    for name, own in rows.items():
        print(f"| {collection.name} {len(own):,} | {name} |" + "".join(f" {v:.3f} |" for v in means(own).values()))
    better = max(("dense", "text"), key=lambda mode: means(rows[mode])[key])
    gain = [one[key] - other[key] for one, other in zip(rows["hybrid"], rows[better], strict=True)]
    low, high = interval(gain)
    print(f"  hybrid over {better}, {key}: {sum(gain) / len(gain):+.3f} [{low:+.3f}, {high:+.3f}]")
    _tell_changes(collection, rows["naive"], rows["hybrid"])


def _tell_changes(collection: Collection, naive: list[dict[str, float]], own: list[dict[str, float]]) -> None:
    if collection.name != "filings":
        return
    for verb, sign in (("gained", 1), ("lost", -1)):
        for question, before, after in zip(collection.questions, naive, own, strict=True):
            if after["page@5"] - before["page@5"] == sign:
                print(f"  {verb} over the naive way: {question.text[:110]}")


@dataclass(frozen=True)
class Weight:
    """A weight of the score: where it stands, and the values that are tried."""

    name: str
    module: ModuleType
    values: tuple[float, ...]

    @property
    def built_in(self) -> float:
        """The value that the program has."""
        return float(getattr(self.module, self.name))

    @contextmanager
    def set_to(self, value: float) -> Iterator[None]:
        """Search with another value."""
        kept = self.built_in
        setattr(self.module, self.name, value)
        try:
            yield
        finally:
            setattr(self.module, self.name, kept)


WEIGHTS = (
    Weight("DENSE", scoring, (0.4, 0.45, 0.5, 0.55, 0.6)),
    Weight("LONG", scoring, (0.0, 0.15, 0.3)),
    Weight("TITLE", scoring, (0.0, 0.2, 0.4, 0.6)),
    Weight("FLOOR", scoring, (0.3, 0.5, 0.7)),
    Weight("WHOLE", scoring, (0.2, 0.3, 0.4)),
    Weight("TITLED", scoring, (1.3, 1.6, 2.2)),
    Weight("HEADED", scoring, (0.0, 1.3, 1.6, 2.2)),
    Weight("ASIDE", scoring, (0.0, 0.25, 1.0)),
    Weight("IDF_POWER", query, (0.0, 0.25, 0.5)),
)
Figures = dict[tuple[str, float], list[float]]
"""For a weight and a value the figure of each question."""


def leave_one_out(collections: Sequence[Collection], stores: Callable[[Collection], Path]) -> None:
    """Choose each weight on all collections but one, by the mean gain over its worst value; measure on that one."""
    found = {collection.name: _tried(collection, stores(collection)) for collection in collections}
    print("| weight | left out | chosen | figure | built in | figure | chosen - built in, 95% |")
    for weight in WEIGHTS:
        for name, own in found.items():
            others = [table for other, table in found.items() if other != name]
            values = sorted(weight.values, key=lambda value: value != weight.built_in)  # which wins a tie
            chosen = max(values, key=lambda value: sum(_gain(table, weight, value) for table in others))
            before, after = own[weight.name, weight.built_in], own[weight.name, chosen]
            low, high = interval([new - old for old, new in zip(before, after, strict=True)])
            print(
                f"| {weight.name} | {name} | {chosen} | {np.mean(after):.3f} | {weight.built_in} | {np.mean(before):.3f} "
                f"| {np.mean(after) - np.mean(before):+.3f} [{low:+.3f}, {high:+.3f}] |"
            )


def _tried(collection: Collection, store: Path) -> Figures:
    """Return the figures of a collection with each value of each weight, the others as they are built in."""
    found: Figures = {}
    with indexed(collection, store) as engine:

        def measured() -> list[float]:
            key = key_figure(collection)
            return [figures(q, own_places(engine, q, SearchMode.HYBRID))[key] for q in collection.questions]

        as_built = measured()
        for weight in WEIGHTS:
            found[weight.name, weight.built_in] = as_built
            for value in {*weight.values} - {weight.built_in}:
                with weight.set_to(value):
                    found[weight.name, value] = measured()
    return found


def _gain(table: Figures, weight: Weight, value: float) -> float:
    """Return where a value stands between the worst, 0, and the best, 1; 0 where it makes no difference."""
    means_of = {other: float(np.mean(table[weight.name, other])) for other in weight.values}
    low, high = min(means_of.values()), max(means_of.values())
    return (means_of[value] - low) / (high - low) if high > low else 0.0


def main() -> None:
    """Measure the collections that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, help="folder with data/ and cases/")
    parser.add_argument("--only", nargs="*", choices=list(COLLECTIONS), default=list(COLLECTIONS))
    parser.add_argument("--keep", type=Path, help="folder for the stores; default: a temporary one")
    parser.add_argument(
        "--leave-one-out", action="store_true", help="choose each weight on the other collections too"
    )
    parser.add_argument("--questions", type=int, default=0, help="questions of a collection at most; default: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.keep or Path(scratch)
        found = [COLLECTIONS[name](arguments.shared) for name in arguments.only]
        for collection in found:
            collection.questions = collection.questions[: arguments.questions or None]
        if arguments.leave_one_out:
            leave_one_out(found, lambda collection: root / collection.name)
            return
        print("| collection | way | nDCG@10 | page@5 | first |")
        for collection in found:
            measure(collection, root / collection.name)


if __name__ == "__main__":
    main()
