"""nginx in front of the server: bursts and pauses for minutes without a 502, and streams that come piece by piece.

    python benchmarks/proxy.py [--minutes 5]

nginx (its `upstream` with `keepalive`, its defaults otherwise) stands before `openrag serve` with a stub in the place
of the LLM. Bursts of requests (searches, HEAD, uploads, chats) come with pauses of 0 to 20 s between: a connection
that nginx keeps and the server has closed is a 502. Then a stream is read through nginx: the time between its first
and its last piece, which one that was held back has not.
"""

import argparse
import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from serve import started

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from stub_llm import stub_llm

CONFIG = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; master_process off;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream openrag {{ server {server}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://openrag; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
        }}
    }}
}}
"""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def bursts(url: str, seconds: float) -> Counter[str]:
    """Send bursts with pauses between for that long; return how many answers had each status, and errors by name."""
    counts: Counter[str] = Counter()
    chosen = random.Random(1)
    chat = {"model": "openrag-all", "messages": [{"role": "user", "content": "How often are keys rotated?"}]}

    async def one(client: httpx.AsyncClient, number: int) -> None:
        ways = (
            lambda: client.get(f"{url}/search", params={"text": "keys"}),
            lambda: client.head(f"{url}/v1/models"),
            lambda: client.get(f"{url}/partition/"),
            lambda: client.post(f"{url}/v1/chat/completions", json=chat),
            lambda: client.put(
                f"{url}/indexer/partition/ops/file/keys.md", files={"file": ("keys.md", b"# Keys\n\nx\n")}
            ),
        )
        try:
            answer = await ways[number % len(ways)]()
            counts[str(answer.status_code)] += 1
        except httpx.TransportError as exc:
            counts[type(exc).__name__] += 1

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        async with httpx.AsyncClient(timeout=60) as client:
            await asyncio.gather(*(one(client, number) for number in range(chosen.choice((1, 8, 24)))))
        await asyncio.sleep(chosen.choice((0, 1, 4.9, 5, 5.1, 10, 20)))
    return counts


async def pieces(url: str) -> tuple[int, float]:
    """Return how many pieces of a slow stream came, and the seconds between the first and the last."""
    body = {
        "model": "openrag-all",
        "messages": [{"role": "user", "content": "stub:slow what is known?"}],
        "stream": True,
    }
    times: list[float] = []
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer,
    ):
        async for block in answer.aiter_raw():
            times += [time.monotonic()] * block.count(b"data: ")
    return len(times), times[-1] - times[0]


def main() -> None:
    """Start both, send, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    nginx = shutil.which("nginx")
    if nginx is None:
        sys.exit("nginx is not installed")
    with tempfile.TemporaryDirectory() as folder, stub_llm() as stub:
        os.environ |= {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "cites"}
        server, url = started(Path(folder) / "store", Path(folder))
        port = free_port()
        config = Path(folder) / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, server=url.removeprefix("http://"), port=port))
        process = subprocess.Popen([nginx, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            files = {"file": ("keys.md", b"# Keys\n\nRotate them every 90 days.\n")}
            httpx.post(f"{url}/indexer/partition/ops/file/keys.md", files=files).raise_for_status()
            counts = asyncio.run(bursts(f"http://127.0.0.1:{port}", arguments.minutes * 60))
            n_pieces, seconds = asyncio.run(pieces(f"http://127.0.0.1:{port}"))
        finally:
            for one in (process, server):
                one.terminate()
                one.wait()
    print(f"{sum(counts.values())} requests in {arguments.minutes:g} minutes: {dict(sorted(counts.items()))}")
    print(f"a stream of {n_pieces} events over {seconds:.1f} s")


main()
