"""What a follow-up finds: by rules, by a model's rewriting, and by both, where the rewriting is good and where it is not.

    python benchmarks/followups.py ../shared/data/piaf-fr --language French [--pairs 80] [--store DIR]

Of a collection in BEIR layout whose passages have several questions each: the first question of a passage, then
another without its names and numbers, as people ask on ("et quelle stratégie ..."). The rewriting is the whole
question (good), what was asked without its "and" (tidied), the question before once more (stuck), or what was asked
with names of another passage (wrong names): the mistakes that small models make. Printed is the share of pairs whose
passage is among the first eight, and its mean reciprocal rank.
"""

import argparse
import random
import re
import tempfile
from collections import defaultdict
from pathlib import Path

from beir import index, read_collection

from openrag_cli.answering import conversation
from openrag_cli.answering.followups import merged
from openrag_cli.answering.pipeline import TOP_K
from openrag_cli.config.settings import load
from openrag_cli.domain import Hit
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest


def asked_on(question: str) -> str:
    """Return a question without its names and numbers, as one that goes on."""
    words = question.rstrip(" ?").split()
    kept = [
        word for at, word in enumerate(words) if not at or not re.match(r"(?:\w['\u2019])?[A-Z\d\u00c0-\u00dd]", word)
    ]
    return "et " + " ".join(kept).lower()


def names_of(question: str) -> str:
    """Return the names in a question, or its last word."""
    words = question.rstrip(" ?").split()
    return " ".join([word for word in words[1:] if word[:1].isupper()] or words[-1:])


def rank_of(hits: list[Hit], wanted: set[str]) -> int | None:
    """Return the place of the first hit on a wanted passage, from 0; None when it is not among them."""
    ids = list(dict.fromkeys(hit.file.file_id.rsplit(".", 1)[0] for hit in hits))
    return next((rank for rank, name in enumerate(ids) if name in wanted), None)


def main() -> None:
    """Index, search, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="English")
    parser.add_argument("--pairs", type=int, default=80)
    parser.add_argument("--store", type=Path, help="folder of a store to keep; default: a temporary one")
    arguments = parser.parse_args()
    documents, queries, qrels = read_collection(arguments.folder)
    of_passage: dict[str, list[str]] = defaultdict(list)
    for query, found in qrels.items():
        for name in found:
            of_passage[name].append(queries[query])
    passages = [name for name in sorted(of_passage) if len(of_passage[name]) > 1]
    random.Random(3).shuffle(passages)
    ranks: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "store"
        with Engine(load({"store": str(store), "language": arguments.language}).settings) as engine:
            index(engine, documents)
            for at, name in enumerate(passages[: arguments.pairs]):
                first, second = of_passage[name][:2]
                follow_up = asked_on(second)
                if not conversation.is_follow_up(follow_up, [first]):
                    continue
                other = of_passage[passages[(at + 1) % len(passages)]][0]
                tidied = follow_up.removeprefix("et ")
                rewritings = {"good": second, "tidied": tidied, "stuck": first}
                for kind, rewriting in (rewritings | {"wrong names": f"{tidied} {names_of(other)}"}).items():
                    accepted = conversation.accepted_query(rewriting, follow_up, [first])
                    texts = [conversation.standalone(follow_up, [first]), accepted]
                    searches = [SearchRequest(text, top_k=TOP_K) for text in texts if text]
                    lists = [engine.search(search) for search in searches]
                    for way, hits in (
                        ("rules", lists[0]),
                        ("rewriting", lists[-1]),
                        ("both", merged(lists, searches[0])),
                    ):
                        ranks[kind, way].append(rank_of(hits, {name}))
    print("| rewriting | pairs | rules | rewriting | both |\n|---|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _ in ranks):
        cells = []
        for way in ("rules", "rewriting", "both"):
            found = ranks[kind, way]
            share = sum(rank is not None for rank in found) / len(found)
            mean = sum(1 / (rank + 1) for rank in found if rank is not None) / len(found)
            cells.append(f"{share:.2f} ({mean:.2f})")
        print(f"| {kind} | {len(ranks[kind, 'rules'])} | {' | '.join(cells)} |")


main()
