"""A server beside clients that cost and give nothing: are descriptors, threads and memory flat?

    python benchmarks/idle_clients.py [--searches 5000] [--uploads 500] [--idle 200] [--slow 200]

Idle connections ask once and then say nothing; slow ones send the head of a request a byte at a time. Each that the
server closes is opened again. Beside them eight clients search and upload. Prints a row every tenth of the way.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

CLIENTS = 8
ROWS = 10
HEAD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Padding: "


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server holds at one moment: `memory` is its resident set in bytes."""

    done: int
    descriptors: int
    threads: int
    memory: int


def sample(pid: int, done: int) -> Sample:
    """Measure the server's process."""
    status = Path(f"/proc/{pid}/status").read_text()
    counts = {key: int(value) for key, value in re.findall(r"^(Threads|VmRSS):\s+(\d+)", status, re.MULTILINE)}
    return Sample(done, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), counts["Threads"], counts["VmRSS"] * 1024)


@contextmanager
def held_open(address: tuple[str, int], *, n_idle: int, n_slow: int) -> Iterator[None]:
    """Hold connections open while the block runs."""
    stopped = threading.Event()

    def hold(number: int) -> None:
        is_slow = number >= n_idle
        while not stopped.is_set():
            with suppress(OSError), socket.create_connection(address, timeout=5) as connection:
                if not is_slow:
                    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    connection.recv(4096)
                for at in range(1000):
                    if is_slow:
                        connection.sendall(HEAD[at : at + 1] or b"x")
                    connection.settimeout(0.5)
                    with suppress(TimeoutError):
                        if not connection.recv(4096):
                            break
                    if stopped.is_set():
                        return
            stopped.wait(0.1)

    threads = [threading.Thread(target=hold, args=(number,), daemon=True) for number in range(n_idle + n_slow)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def measure(url: str, pid: int, *, n_searches: int, n_uploads: int, n_idle: int, n_slow: int) -> list[Sample]:
    """Search and upload beside the others; return a sample for each tenth of the way, the first after a warm-up."""
    host, port = url.removeprefix("http://").split(":")
    n_all = n_searches + n_uploads

    def work(number: int) -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            for at in range(number, n_all, CLIENTS):
                if at * n_uploads // n_all != (at + 1) * n_uploads // n_all:
                    path = f"/indexer/partition/p/file/{at}.md"
                    sent = client.post(path, files={"file": ("note.md", f"# Note {at}\n\nThe pump weighs {at} kg.")})
                    assert sent.status_code == 201, sent.text
                else:
                    found = client.get("/search", params={"text": f"how much does pump {at} weigh"})
                    assert found.status_code == 200, found.text
                done.append(at)
                if len(done) % max(1, n_all // ROWS) == 0:
                    samples.append(sample(pid, len(done)))

    done: list[int] = []
    samples: list[Sample] = []
    with held_open((host, int(port)), n_idle=n_idle, n_slow=n_slow), ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in [pool.submit(work, number) for number in range(CLIENTS)]:
            outcome.result()
    return samples


def main() -> None:
    """Start a server, measure it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("searches", 5000), ("uploads", 500), ("idle", 200), ("slow", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "OPENRAG_CACHE": f"{scratch}/cache", "OPENRAG_STORE": f"{scratch}/store"}
        command = [sys.executable, "-m", "openrag_cli", "serve", "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            url = line.split(" on ")[1].split()[0]
            while httpx.get(f"{url}/readyz").status_code != 200:
                threading.Event().wait(0.1)
            samples = measure(
                url,
                process.pid,
                n_searches=chosen.searches,
                n_uploads=chosen.uploads,
                n_idle=chosen.idle,
                n_slow=chosen.slow,
            )
            process.terminate()
    print(f"{'requests':>9} {'descriptors':>12} {'threads':>8} {'memory (MB)':>12}")
    for row in samples:
        print(f"{row.done:9,} {row.descriptors:12,} {row.threads:8,} {row.memory / 1e6:12.0f}")


if __name__ == "__main__":
    main()
