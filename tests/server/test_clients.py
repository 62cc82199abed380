"""Slow and lying clients: each is answered or cut off, and the server goes on."""

import asyncio
import contextlib
import socket
import time

import numpy as np
import pytest
from starlette.requests import Request

from openrag_cli.server.openai_schemas import EmbeddingBody
from openrag_cli.server.routes import openai

from .conftest import start, wait_for

BOUNDARY = "bound"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that waits for heads and bodies for half a second only."""
    server = start(
        tmp_path_factory.mktemp("impatient") / "store",
        env={"OPENRAG_HEAD_TIMEOUT_S": "0.5", "OPENRAG_BODY_TIMEOUT_S": "0.5"},
    )
    yield server
    assert server.stop() == 0


def _talk(server, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send raw bytes and return all that comes back until the server closes or resets, within 20 seconds."""
    host, port = server.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(65536):
                answer += block
    return answer


def _head(
    length: str, path: str = "/indexer/partition/p/file/a", kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", length, "Connection: close", "", ""]
    return "\r\n".join(lines).encode()


def _part(disposition: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"


def _alive(server) -> bool:
    with server.client() as client:
        return client.get("/livez").status_code == 200


def test_a_head_that_never_ends_is_cut_off(impatient):
    assert _talk(impatient, b"GET /livez HTTP/1.1\r\nHost: 127.") == b""
    assert _talk(impatient) == b""
    assert _alive(impatient)


def test_a_second_head_on_a_kept_connection_is_cut_off_too(impatient):
    answer = _talk(impatient, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /liv", pause_s=0.2)
    assert answer.count(b"HTTP/1.1 200") == 1


def test_a_body_that_stalls_is_answered_with_408(impatient):
    answer = _talk(impatient, _head("Content-Length: 100000"), b"--bound\r\n")
    assert b" 408 " in answer.splitlines()[0]
    assert _alive(impatient)


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), ("s3cret-s3cret", 400)])
def test_a_body_that_comes_steadily_outlives_the_deadline_for_heads(tmp_path, token, status):
    server = start(tmp_path / "store", env={"OPENRAG_HEAD_TIMEOUT_S": "0.5", "AUTH_TOKEN": "s3cret-s3cret"})
    head = _head("Content-Length: 1000").replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    try:
        answer = _talk(server, head, *[b"x" * 100] * 10, pause_s=0.2)
    finally:
        assert server.stop() == 0
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer


class CountingEngine:
    """An engine that counts the batches which it is given to embed, each of which takes a moment."""

    embedding_model = "model"

    def __init__(self):
        self.n_batches = 0

    def embed(self, texts):
        self.n_batches += 1
        time.sleep(0.05)
        return np.zeros((len(texts), 4), dtype=np.float32), len(texts)


@pytest.mark.parametrize(("leaves_after_s", "n_texts"), [(0.0, 400), (0.12, 400), (None, 40)])
def test_embeddings_end_when_their_client_leaves(monkeypatch, leaves_after_s, n_texts):
    engine = CountingEngine()
    monkeypatch.setattr(openai, "engine_of", lambda _: engine)

    async def receive():
        await asyncio.sleep(60 if leaves_after_s is None else leaves_after_s)
        return {"type": "http.disconnect"}

    async def ask():
        request = Request({"type": "http", "method": "POST", "headers": [], "path": "/v1/embeddings"}, receive)
        body = EmbeddingBody(model="model", input=[f"text {number}" for number in range(n_texts)])
        answer = await openai.embeddings(request, body)
        n_then = engine.n_batches
        await asyncio.sleep(0.3)
        return answer, n_then

    answer, n_then = asyncio.run(ask())
    if leaves_after_s is None:
        assert (len(answer.data), engine.n_batches) == (40, 3)
    else:
        assert answer.status_code == 499
        assert engine.n_batches <= n_then + 1 <= 5  # of 25; what is under way ends


def test_a_chunked_body_over_the_limit_is_413(tmp_path):
    server = start(tmp_path / "store", env={"OPENRAG_MAX_FILE_BYTES": "1000"})
    try:
        block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        opening = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
        first = b"%x\r\n%s\r\n" % (len(opening), opening)
        answer = _talk(server, _head("Transfer-Encoding: chunked"), first, block * 40, b"0\r\n\r\n")
        assert b" 413 " in answer.splitlines()[0]
        assert _alive(server)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no multipart at all",
        b"--bound\r\n\r\n",
        b"--bound\r\nContent-Disposition: form-data\r\n\r\nx\r\n--bound--\r\n",
    ],
    ids=["empty", "none", "headless", "nameless"],
)
def test_broken_multipart_is_a_4xx(server, body):
    answer = _talk(server, _head(f"Content-Length: {len(body)}"), body)
    assert answer.splitlines()[0].split()[1] in {b"400", b"422"}


def test_a_body_shorter_than_it_says_harms_nobody(impatient):
    host, port = impatient.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(_head("Content-Length: 5000") + b"--bound\r\n")
    assert _alive(impatient)


def test_a_file_name_is_only_ever_data(server, client, partition):
    tasks = []
    for number, name in enumerate(
        ["../../etc/passwd", "a\\..\\b.md", "x\x01y.md", "n" * 3000 + ".md", "'; DROP TABLE file;--"]
    ):
        body = _part(f'name="file"; filename="{name}"', b"# Name\n\nJust a note.\n") + f"--{BOUNDARY}--\r\n".encode()
        path = f"/indexer/partition/{partition}/file/{number}"
        answer = client.post(
            path, content=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        )
        assert answer.status_code in {201, 400}, answer.text
        if answer.status_code == 201:
            tasks.append(answer.json()["task_status_url"])
    assert len(tasks) > 2
    for url in tasks:
        assert wait_for(client, url)["task_state"] == "COMPLETED"


def test_a_bomb_of_headers_is_refused(impatient):
    """Of our own server only: under Ray it is Ray's proxy that reads heads."""
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(1000))
    answer = _talk(impatient, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n")
    assert answer == b"" or answer.splitlines()[0].split()[1] in {b"400", b"431"}
    assert _alive(impatient)


def test_a_bomb_of_fields_is_refused(server, client, partition):
    body = b"".join(_part(f'name="f{n}"', b"x") for n in range(3000)) + f"--{BOUNDARY}--\r\n".encode()
    path = f"/indexer/partition/{partition}/file/a"
    many = client.post(path, content=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    assert many.status_code in {400, 413, 422}
    assert _alive(server)
