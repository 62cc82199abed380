"""Minutes of everything at once on a server: do descriptors, threads, memory and disk stay flat?

    python benchmarks/soak.py [--minutes 10] [--files 400] [--store FOLDER]

In turn, for so long: uploads, replacements and deletions of small files (their number stays the same), searches, asks,
lists, and bursts of 40 searches at once with pauses of 11 s, after which a server's idle threads have died. Prints a row
each half minute, and fails when what the server and its worker hold at the end is more than after two minutes, by a tenth
and a few. --store is a store to begin with, such as one of benchmarks/scale.py: it is changed.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

BURST, PAUSE_S = 40, 11.0
ROW_S, SETTLED_S = 30.0, 120.0
PARTITION = "soak"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server and its workers hold: `memory_mb` is resident; `disk_mb` the store's."""

    second: int
    requests: int
    descriptors: int
    threads: int
    memory_mb: int
    disk_mb: int


def processes(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes(int(child))


def sample(pid: int, store: Path, second: float, n_requests: int) -> Sample:
    """Measure a server with its workers; the children that convert documents come and go, and are left out."""
    descriptors = threads = memory = 0
    for one in processes(pid):
        command = Path(f"/proc/{one}/cmdline").read_bytes()
        if b"sandbox" in command:
            continue
        status = Path(f"/proc/{one}/status").read_text()
        found = {key: int(value) for key, value in re.findall(r"^(Threads|VmRSS):\s+(\d+)", status, re.MULTILINE)}
        descriptors += sum(1 for _ in Path(f"/proc/{one}/fd").iterdir())
        threads += found["Threads"]
        memory += found["VmRSS"] // 1000
    disk = 0
    for folder, _, names in os.walk(store):
        for name in names:
            try:
                disk += os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 - of many files
            except FileNotFoundError:
                continue
    return Sample(round(second), n_requests, descriptors, threads, memory, disk // 1_000_000)


class Client:
    """Sends what users send, and counts it."""

    def __init__(self, url: str, n_files: int) -> None:
        self.http = httpx.Client(base_url=url, timeout=120)
        self.n_requests = 0
        self._files = dict.fromkeys(range(n_files), 0)
        self._next = n_files
        self._random = random.Random(7)

    def text(self, n: int, version: int) -> bytes:
        """Return the text of a file: some words of its own, many that others have too."""
        words = " ".join(f"word{self._random.randrange(5000)}" for _ in range(120))
        return f"# Pump {n}\n\nVersion {version} of the manual. {words}\n".encode()

    def send(self, method: str, path: str, **arguments: object) -> httpx.Response:
        """Send a request, which must be answered with what it asks for."""
        answer = self.http.request(method, path, **arguments)  # type: ignore[arg-type]
        self.n_requests += 1
        if answer.status_code >= 400 and answer.status_code not in {404, 409}:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def put(self, n: int, method: str) -> None:
        """Upload a version of a file."""
        path = f"/indexer/partition/{PARTITION}/file/f{n}.md"
        self.send(method, path, files={"file": (f"f{n}.md", self.text(n, self._files[n]))})

    def fill(self) -> None:
        """Upload all files."""
        self.send("POST", f"/partition/{PARTITION}")
        for n in self._files:
            self.put(n, "POST")

    def round(self) -> None:
        """Add a file, delete one, replace two, search, ask and list."""
        self._files[self._next] = 0
        self.put(self._next, "POST")
        self._next += 1
        gone = self._random.choice(list(self._files)[:-1])
        del self._files[gone]
        self.send("DELETE", f"/indexer/partition/{PARTITION}/file/f{gone}.md")
        for n in self._random.sample(list(self._files), 2):
            self._files[n] += 1
            self.put(n, "PUT")
        for _ in range(3):
            self.search()
        question = {"role": "user", "content": f"what does the manual of pump {self._random.randrange(99)} say?"}
        self.send("POST", "/v1/chat/completions", json={"model": f"openrag-{PARTITION}", "messages": [question]})
        self.send("GET", f"/partition/{PARTITION}", params={"limit": 20})
        self.send("GET", "/queue/tasks", params={"limit": 20})

    def search(self) -> None:
        """Search for some words."""
        text = f"manual of pump {self._random.randrange(99)} word{self._random.randrange(5000)}"
        self.send("GET", "/search", params={"text": text})

    def burst(self) -> None:
        """Search from many connections at once."""
        with ThreadPoolExecutor(BURST) as pool:
            list(pool.map(lambda _: self.search(), range(BURST)))


def started(store: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server; return it with its address."""
    command = [sys.executable, "-m", "openrag_cli", "--store", str(store), "serve", "--port", "0"]
    log = (store.parent / "soak.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        found = re.search(rb"http://[\d.:]+", (store.parent / "soak.log").read_bytes())
        if found:
            url = found[0].decode()
            try:
                if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                    return process, url
            except httpx.TransportError:
                pass
        time.sleep(0.2)
    raise SystemExit((store.parent / "soak.log").read_text())


def run(client: Client, process: subprocess.Popen[bytes], store: Path, seconds: float) -> list[Sample]:
    """Keep a server busy for so long; return what it held all the while, beginning when it has settled."""
    began = time.monotonic()
    samples: list[Sample] = []
    print("| second | requests | descriptors | threads | memory, MB | disk, MB |\n|" + " ---: |" * 6, flush=True)
    next_row = ROW_S
    while (now := time.monotonic() - began) < seconds:
        client.round()
        if client.n_requests % 100 < 12:
            client.burst()
            time.sleep(PAUSE_S)
        if now >= next_row:
            samples.append(sample(process.pid, store, now, client.n_requests))
            print("| " + " | ".join(str(value) for value in asdict(samples[-1]).values()) + " |", flush=True)
            next_row = now + ROW_S
    return [one for one in samples if one.second >= SETTLED_S]


def grown(samples: list[Sample]) -> list[str]:
    """Return what is more at the end than when the server had settled."""
    third = max(1, len(samples) // 3)
    found = []
    for what, share, more in (
        ("descriptors", 1.1, 8),
        ("threads", 1.1, 8),
        ("memory_mb", 1.1, 50),
        ("disk_mb", 1.1, 5),
    ):
        first = max(getattr(one, what) for one in samples[:third])
        last = min(getattr(one, what) for one in samples[-third:])
        if last > share * first + more:
            found.append(f"{what} grew from {first} to {last}")
    return found


def main() -> int:
    """Soak a server, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path, help="where the samples go as JSON, for benchmarks/chart.py")
    arguments = parser.parse_args()
    if arguments.minutes < 4:
        parser.error("it takes two minutes until a server has settled: give at least 4")
    with tempfile.TemporaryDirectory(prefix="openrag-soak-") as folder:
        store = arguments.store or Path(folder) / "store"
        process, url = started(store)
        try:
            client = Client(url, arguments.files)
            client.fill()
            samples = run(client, process, store, 60 * arguments.minutes)
        finally:
            process.terminate()
            process.wait(60)
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(one) for one in samples]))
    problems = grown(samples)
    print("\n".join(problems) or "all flat")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
