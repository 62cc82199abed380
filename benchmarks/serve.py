"""The server under load, beside itself when idle, and beside the engine without a server.

    python benchmarks/serve.py ../shared/data/formats/office-and-web/REPAIR-2022-INV-001_multipage.pdf [--uploads 100]

First: p50 and p95 of a task's status, a search and the health check, idle, and again while the PDF is uploaded 100
times back to back and indexed. Then: searches a second of ten clients over HTTP, against ten threads that call the
engine in this process on the same store (the floor); the ratio alternates the two.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from openrag_cli.config.settings import load
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest

QUERIES = ("how much was paid", "date of the repair", "who signed the report", "parts that were replaced")
CLIENTS = 10


def started(store: Path, scratch: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server on any port; return its process and URL once it is ready."""
    log = scratch / "server.log"
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "openrag_cli", "--store", str(store), "serve", "--port", "0"]
        process = subprocess.Popen(
            command, stderr=stream, env={**os.environ, "OPENRAG_CACHE": str(scratch / "cache")}
        )
    while not (found := re.search(r"on (http://\S+)", log.read_text())):
        time.sleep(0.1)
    while httpx.get(f"{found[1]}/readyz").status_code != 200:
        time.sleep(0.1)
    return process, found[1]


def sample(url: str, task: str, is_over: Callable[[], bool]) -> dict[str, list[float]]:
    """Ask for status, a search and health in turn until `is_over`; return milliseconds by kind."""
    times: dict[str, list[float]] = {"status": [], "search": [], "health": []}
    with httpx.Client(base_url=url, timeout=60) as client:
        while not is_over():
            for kind, path in (
                ("status", task),
                ("search", f"/search?text={QUERIES[0]}"),
                ("health", "/health_check"),
            ):
                began = time.perf_counter()
                client.get(path).raise_for_status()
                times[kind].append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
    return times


def show(label: str, times: dict[str, list[float]]) -> None:
    """Print p50 and p95 of each kind."""
    for kind, values in times.items():
        values.sort()
        print(
            f"{label:8} {kind:7} p50 {statistics.median(values):6.1f} ms  p95 {values[int(0.95 * len(values))]:6.1f} ms",
            flush=True,
        )


def upload(url: str, document: bytes, n_uploads: int) -> list[str]:
    """Upload the document `n_uploads` times; return the paths of the tasks."""
    with httpx.Client(base_url=url, timeout=60) as client:
        answers = [
            client.post(f"/indexer/partition/p/file/{n}", files={"file": ("a.pdf", document)})
            for n in range(n_uploads)
        ]
    return [answer.raise_for_status().json()["task_status_url"].removeprefix(url) for answer in answers]


def wait(url: str, tasks: list[str]) -> list[str]:
    """Return the final states of tasks."""
    states = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for task in tasks:
            while (state := client.get(task).json()["task_state"]) not in {"COMPLETED", "FAILED", "CANCELLED"}:
                time.sleep(0.1)
            states.append(state)
    return states


def rate(call: Callable[[str], object], seconds: float) -> float:
    """Return how many times a second ten threads get `call` done."""
    end = time.perf_counter() + seconds

    def work(number: int) -> int:
        n_done = 0
        while time.perf_counter() < end:
            call(QUERIES[(number + n_done) % len(QUERIES)])
            n_done += 1
        return n_done

    with ThreadPoolExecutor(CLIENTS) as threads:
        return sum(threads.map(work, range(CLIENTS))) / seconds


def main() -> None:
    """Measure idle, loaded, and throughput."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    document = arguments.document.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        process, url = started(scratch / "store", scratch)
        try:
            first = upload(url, document, 1)
            wait(url, first)
            stop = time.monotonic() + 5
            show("idle", sample(url, first[0], lambda: time.monotonic() > stop))
            done = threading.Event()
            with ThreadPoolExecutor(1) as threads:
                loaded = threads.submit(sample, url, first[0], done.is_set)
                httpx.delete(f"{url}/indexer/partition/p/file/0")
                states = wait(url, upload(url, document, arguments.uploads))
                done.set()
                show("loaded", loaded.result())
            print(f"{states.count('COMPLETED')} of {len(states)} uploads COMPLETED")
            with (
                Engine(load({"store": str(scratch / "store")}).settings) as engine,
                httpx.Client(base_url=url, timeout=60) as client,
            ):
                engine.warm()
                ratios = []
                for _ in range(arguments.rounds):
                    ours = rate(lambda query: client.get("/search", params={"text": query}).raise_for_status(), 4)
                    floor = rate(lambda query: engine.search(SearchRequest(query)), 4)
                    ratios.append(ours / floor)
                    print(
                        f"10 clients: {ours:.0f} searches/s over HTTP, {floor:.0f} from threads, ratio {ratios[-1]:.2f}",
                        flush=True,
                    )
            print(f"median ratio {statistics.median(ratios):.2f}")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
