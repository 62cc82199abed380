"""A client that searches a store again and again until its stdin ends: `python searching.py STORE` (see below).

Its first line of stdin is a JSON list of [words, mode, ids of files that must be found]. After the first round it
prints a line; at the end the number of rounds and every search that missed a file, as JSON.
"""

import json
import select
import sys
from pathlib import Path

from harness import open_engine

from openrag_cli.domain import ALL_PARTITIONS, SearchMode
from openrag_cli.errors import OpenRAGError
from openrag_cli.retrieval.request import SearchRequest


def main(store: str) -> None:
    wanted = json.loads(sys.stdin.readline())
    holes: list[object] = []
    n_rounds = 0
    with open_engine(Path(store)) as engine:
        while not select.select([sys.stdin], [], [], 0)[0]:
            for words, mode, file_ids in wanted:
                request = SearchRequest(words, partitions=(ALL_PARTITIONS,), mode=SearchMode(mode), top_k=100)
                try:
                    found = {hit.file.file_id for hit in engine.search(request)}
                except OpenRAGError as exc:
                    found = {str(exc)}
                if not set(file_ids) <= found:
                    holes.append([n_rounds, words, mode, sorted(set(file_ids) - found)])
            n_rounds += 1
            if n_rounds == 1:
                print(json.dumps({"ready": True}), flush=True)
    print(json.dumps({"rounds": n_rounds, "holes": holes}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
