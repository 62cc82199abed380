"""A real server in a real process, and a client for it."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

START_S = 60.0
TASK_S = 120.0


@dataclass
class Server:
    """A running `openrag serve`."""

    process: subprocess.Popen
    url: str
    store: Path

    def client(self, **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, **options)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start(store: Path, *arguments: str, env: dict[str, str] | None = None) -> Server:
    """Start a server on any free port and wait until it is ready."""
    base = {
        name: value for name, value in os.environ.items() if not name.startswith("OPENRAG_") and name != "AUTH_TOKEN"
    }
    base |= {"OPENRAG_STORE": str(store), "OPENRAG_CACHE": str(store.parent / "cache"), "OPENRAG_THREADS": "2"}
    log = (store.parent / "server.log").open("ab")
    command = [sys.executable, "-m", "openrag_cli", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=log, stdout=log, env=base | (env or {}), cwd=store.parent)
    n_seen = (store.parent / "server.log").stat().st_size if (store.parent / "server.log").exists() else 0
    deadline = time.monotonic() + START_S
    url = None
    while time.monotonic() < deadline and process.poll() is None:
        text = (store.parent / "server.log").read_bytes()[n_seen:].decode()
        found = re.search(r"on (http://\S+)", text)
        if found:
            url = found[1]
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    log.close()
                    return Server(process, url, store)
            except httpx.TransportError:
                pass
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the server did not start: {(store.parent / 'server.log').read_text()[-2000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", params=["uvicorn", pytest.param("ray", marks=pytest.mark.ray)])
def server(request, tmp_path_factory) -> Iterator[Server]:
    """One server for all tests that do no harm to it; each uses its own partition. With ray: two replicas."""
    store = tmp_path_factory.mktemp(request.param) / "store"
    environment = {}
    if request.param == "ray":
        if importlib.util.find_spec("ray") is None:
            pytest.skip("ray is not installed: pip install 'openrag-cli[ray]'")
        environment = {
            "ENABLE_RAY_SERVE": "true",
            "RAY_SERVE_NUM_REPLICAS": "2",
            "RAY_SERVE_HOST": "127.0.0.1",
            "RAY_SERVE_PORT": str(free_port()),
        }
    running = start(store, env=environment)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    """A client of the common server."""
    with server.client() as made:
        yield made


@pytest.fixture
def partition(request) -> str:
    """A partition of the test's own."""
    return re.sub(r"\W+", "-", request.node.name)[:100].strip("-")


def wait_for(client: httpx.Client, url: str) -> dict:
    """Return a task's status once it has finished."""
    deadline = time.monotonic() + TASK_S
    while time.monotonic() < deadline:
        status = client.get(url).json()
        if status["task_state"] in {"COMPLETED", "FAILED", "CANCELLED"}:
            return status
        time.sleep(0.05)
    raise AssertionError(f"not finished after {TASK_S} s: {status}")


def add(client: httpx.Client, path: str, content: bytes | str, name: str = "note.md", **form: str) -> httpx.Response:
    """POST a file."""
    data = content.encode() if isinstance(content, str) else content
    return client.post(path, files={"file": (name, data)}, data=form)


def added(client: httpx.Client, path: str, content: bytes | str, name: str = "note.md", **form: str) -> dict:
    """POST a file and return its finished task."""
    answer = add(client, path, content, name, **form)
    assert answer.status_code == 201, answer.text
    return wait_for(client, answer.json()["task_status_url"])


# --- servers of the tests at the door

TOKEN = {"AUTH_TOKEN": "s3cret-s3cret"}
AUTH = {"Authorization": "Bearer s3cret-s3cret"}
PAGE = {"Origin": "http://app.example"}
KEYS = "# Keys\n\nRotate every API key every 90 days with `kms rotate --all`.\n"
BOILER = "# Boiler\n\nThe boiler is descaled every 14 months by Brandauer, who keeps the keys.\n"


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> Iterator[Server]:
    """A server without a token, with two files in `ops`."""
    running = start(tmp_path_factory.mktemp("door") / "store")
    with running.client() as client:
        added(client, "/indexer/partition/ops/file/keys.md", KEYS, "keys.md", metadata='{"year": 2026}')
        added(client, "/indexer/partition/ops/file/boiler.md", BOILER, "boiler.md", metadata='{"year": 2020}')
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def prefixed(tmp_path_factory) -> Iterator[Server]:
    """A server with a token, below a path, for pages of one origin."""
    env = TOKEN | {"OPENRAG_ROOT_PATH": "/rag", "OPENRAG_CORS_ORIGINS": "http://app.example"}
    running = start(tmp_path_factory.mktemp("prefixed") / "store", "--workers", "0", env=env)
    yield running
    assert running.stop() == 0


def raw(server: Server, data: bytes) -> str:
    """Send bytes and return the beginning of what comes back."""
    host, port = server.url.removeprefix("http://").split("/")[0].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(4096).decode("latin-1")
