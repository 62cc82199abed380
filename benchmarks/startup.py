"""Start-up: whole processes against minimal ones, alternating.

    python benchmarks/startup.py [--rounds 7] [--chunks 2000]

`openrag --help` and the commands that read only the catalog are compared with `python -c "import typer"`; a cold
`openrag search` on a store of about 2,000 chunks with a minimal script that imports the same libraries plainly, opens
the table, embeds the query and asks both indexes. Printed: median seconds and the ratio of medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MINIMAL = """
import sys, datetime
import lancedb, numpy, onnxruntime, tokenizers
from pathlib import Path
store, model = sys.argv[1], Path(sys.argv[2])
table = lancedb.connect(store + "/lance", read_consistency_interval=datetime.timedelta(0)).open_table("chunks")
tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
tokenizer.no_padding(); tokenizer.enable_truncation(256)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(str(model / "model.onnx"), options, providers=["CPUExecutionProvider"])
ids = numpy.array([tokenizer.encode("how does a pipeline retrieve documents").ids])
fed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
vector = session.run(None, fed)[0][0].mean(axis=0)
vector /= numpy.linalg.norm(vector)
columns = ["id", "passage"]
for query in (table.search(vector).distance_type("cosine").select(columns + ["_distance"]),
              table.search("how does a pipeline retrieve documents", query_type="fts", fts_columns="passage")
                   .select(columns + ["_score"])):
    print(len(query.limit(100).to_list()))
"""
WORDS = ("pipeline", "document", "store", "retriever", "embedder", "ranker", "query", "index", "component", "socket")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return how long a whole process takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def fill(folder: Path, n_chunks: int) -> None:
    """Write files of one chunk each."""
    for number in range(n_chunks):
        words = [WORDS[(number * 7 + k * (number % 11 + 1)) % len(WORDS)] for k in range(60)]
        (folder / f"{number}.txt").write_text(f"note {number}\n\n{' '.join(words)}\n", encoding="utf-8")


def main() -> None:
    """Make a store, then alternate each command with its floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--chunks", type=int, default=2000)
    arguments = parser.parse_args()
    from openrag_cli.inference.onnx_embedder import default_model_dir

    openrag = [sys.executable, "-m", "openrag_cli"]
    with tempfile.TemporaryDirectory() as scratch:
        documents, store = Path(scratch, "documents"), str(Path(scratch, "store"))
        documents.mkdir()
        fill(documents, arguments.chunks)
        environment = {
            **os.environ,
            "OPENRAG_STORE": store,
            "OPENRAG_CACHE": f"{scratch}/cache",
            "LANCE_LOG": "error",
        }
        seconds([*openrag, "-q", "file", "add", str(documents)], environment)
        typer_only = [sys.executable, "-c", "import typer"]
        minimal = [sys.executable, "-c", MINIMAL, store, str(default_model_dir())]
        pairs = {
            "--help": ([*openrag, "--help"], typer_only),
            "partition list": ([*openrag, "partition", "list"], typer_only),
            "task list": ([*openrag, "task", "list"], typer_only),
            "search": ([*openrag, "search", "how does a pipeline retrieve documents"], minimal),
        }
        for name, (command, floor) in pairs.items():
            times: dict[str, list[float]] = {"ours": [], "floor": []}
            for _ in range(arguments.rounds):
                times["ours"].append(seconds(command, environment))
                times["floor"].append(seconds(floor, environment))
            ours, base = (statistics.median(times[key]) for key in ("ours", "floor"))
            print(f"{name:15} {ours:.3f} s, floor {base:.3f} s, ratio {ours / base:.2f}", flush=True)


if __name__ == "__main__":
    main()
