"""What a chat over HTTP costs beside the retrieval and the LLM behind it, and how many streams run at once.

    python benchmarks/chat.py ../shared/data/scifact [--store DIR] [--rounds 40] [--streams 100]

The corpus of a BEIR-layout folder is indexed (SciFact: over 10,000 chunks) and served, with a stub in the place of
the LLM. First, alternating: milliseconds to the first byte of a streamed answer, and the floor: a search of the same
question over HTTP and the first byte of the stub. Printed is what is added, and the ratio. Then: that many streams at
once, how many finish, and the server's threads before and in the middle of them.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from beir import index, read_collection
from serve import started

from openrag_cli.answering.pipeline import TOP_K
from openrag_cli.config.settings import load
from openrag_cli.engine import Engine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from stub_llm import stub_llm


def first_byte_ms(client: httpx.Client, url: str, body: dict[str, object]) -> float:
    """Return the milliseconds until the first piece of text of a stream."""
    began = time.perf_counter()
    with client.stream("POST", url, json=body) as response:
        for line in response.iter_lines():
            if '"content": "' in line and '"content": ""' not in line:
                taken = (time.perf_counter() - began) * 1000
                break
    return taken


def search_ms(client: httpx.Client, url: str, text: str) -> float:
    """Return the milliseconds of a search that finds what the answer is made from."""
    began = time.perf_counter()
    client.get(f"{url}/search", params={"text": text, "top_k": TOP_K}).raise_for_status()
    return (time.perf_counter() - began) * 1000


def overhead(url: str, upstream: str, questions: list[str]) -> None:
    """Print what a streamed answer adds to its search and its LLM."""
    whole, floor = [], []
    with httpx.Client(timeout=60) as client:
        for question in questions:
            messages = [{"role": "user", "content": question}]
            body = {"model": "openrag-all", "messages": messages, "stream": True}
            whole.append(first_byte_ms(client, f"{url}/v1/chat/completions", body))
            stub = first_byte_ms(client, f"{upstream}/chat/completions", {**body, "model": "cites"})
            floor.append(search_ms(client, url, question) + stub)
    added = [one - other for one, other in zip(whole, floor, strict=True)][5:]
    first, least = statistics.median(whole[5:]), statistics.median(floor[5:])
    print(f"first byte {first:.1f} ms; floor (search and LLM) {least:.1f} ms; ratio {first / least:.2f}")
    print(f"added p50 {statistics.median(added):.1f} ms, p95 {sorted(added)[int(len(added) * 0.95)]:.1f} ms")


def n_threads(process_id: int) -> int:
    """Return how many threads a process of this machine has (Linux)."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))


async def crowd(url: str, process_id: int, n_streams: int) -> None:
    """Hold many streams at once and print what became of them."""
    before = n_threads(process_id)
    seen: list[int] = []
    body = {
        "model": "openrag-all",
        "messages": [{"role": "user", "content": "stub:slow what is known?"}],
        "stream": True,
    }

    async def one(client: httpx.AsyncClient) -> bool:
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            lines = [line async for line in response.aiter_lines()]
        return lines[-2:-1] == ["data: [DONE]"]

    async def watch(done: asyncio.Event) -> None:
        while not done.is_set():
            seen.append(n_threads(process_id))
            await asyncio.sleep(0.05)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        done = asyncio.Event()
        watcher = asyncio.create_task(watch(done))
        began = time.perf_counter()
        finished = await asyncio.gather(*(one(client) for _ in range(n_streams)))
        taken = time.perf_counter() - began
        done.set()
        await watcher
    print(
        f"{sum(finished)} of {n_streams} streams finished in {taken:.1f} s; threads {before} before, {max(seen)} at most"
    )


def main() -> None:
    """Index, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", type=Path, help="folder of a store to keep; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--streams", type=int, default=100)
    arguments = parser.parse_args()
    documents, queries, _ = read_collection(arguments.folder)
    with tempfile.TemporaryDirectory() as folder, stub_llm() as stub:
        store = arguments.store or Path(folder) / "store"
        with Engine(load({"store": str(store)}).settings) as engine:
            index(engine, documents)
            print(f"{sum(partition.chunk_count for partition in engine.partitions()):,} chunks")
        os.environ |= {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "cites", "OPENRAG_WORKERS": "0"}
        process, url = started(store, Path(folder))
        try:
            overhead(url, stub.url, list(queries.values())[: arguments.rounds])
            asyncio.run(crowd(url, process.pid, arguments.streams))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
