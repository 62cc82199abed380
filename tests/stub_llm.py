"""A real HTTP server that stands in for an OpenAI-compatible LLM.

What it does is named by the model asked for, or by `stub:...` in the last message."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def said(*pieces: str, reason: str = "stop") -> list[dict[str, Any]]:
    chunks = [chunk({"role": "assistant"}), *(chunk({"content": piece}) for piece in pieces), chunk({}, reason)]
    return [*chunks, chunk({}) | {"choices": [], "usage": USAGE}]


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a"'}}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "cites": said("Every 90 ", "days [", "1", "]. And [99] more."),
    "tools": [
        chunk({"tool_calls": [{"index": 0, **CALL}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        chunk({}, "tool_calls"),
    ],
    "thinks": said("<think>\nThe user asks about", " keys."),
    "long": said(*[f"word{n} " for n in range(2000)]),
}


@dataclass
class StubLlm:
    """The server: `requests` holds every body it was sent, `n_broken` counts answers that nobody read to their end."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    n_broken: int = 0
    n_open: int = 0
    fails: dict[str, int] = field(default_factory=dict)
    rewriting: str = ""
    """What the model `rewrites` makes of a follow-up."""
    released: threading.Event = field(default_factory=threading.Event)

    def last(self, n: int = 1) -> dict[str, Any]:
        return self.requests[-n]


def _behaviour(body: dict[str, Any]) -> str:
    """Return what to do: what the last message names as `stub:...`, or the name of the model."""
    content = body["messages"][-1]["content"]
    named = re.search(r"stub:([\w-]+)", content if isinstance(content, str) else "")
    return named[1] if named else body["model"]


class _Handler(BaseHTTPRequestHandler):
    stub: StubLlm
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": "cites", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.stub.requests.append(body)
        self.stub.headers.append(dict(self.headers))
        name = _behaviour(body)
        self.stub.n_open += 1
        try:
            getattr(self, f"_{name.replace('-', '_')}", self._answers)(name, body)
        except (BrokenPipeError, ConnectionResetError):
            self.stub.n_broken += 1
        finally:
            self.stub.n_open -= 1

    # --- what it can do

    def _answers(self, name: str, body: dict[str, Any]) -> None:
        del body
        self._stream([f"data: {json.dumps(entry)}\n\n" for entry in ANSWERS[name]] + ["data: [DONE]\n\n"])

    def _echo(self, name: str, body: dict[str, Any]) -> None:
        text = body["messages"][-1]["content"]
        events = said(text if isinstance(text, str) else "parts", " [1]")
        self._stream([f"data: {json.dumps(entry)}\n\n" for entry in events] + ["data: [DONE]\n\n"])

    def _rewrites(self, name: str, body: dict[str, Any]) -> None:
        """Rewrite a follow-up as the test says; answer everything else."""
        del name
        if "Last message:" not in str(body["messages"][-1]["content"]):
            self._answers("cites", body)
            return
        self._stream([f"data: {json.dumps(entry)}\n\n" for entry in said(self.stub.rewriting)] + ["data: [DONE]\n\n"])

    def _odd(self, name: str, body: dict[str, Any]) -> None:
        """Comments, CRLF, no space after the colon, null content, no choices, odd types, no [DONE]."""
        parts = [
            ": hello\r\n\r\n",
            "event: message\r\ndata:" + json.dumps(chunk({"content": None})) + "\r\n\r\n",
            "data: " + json.dumps({"choices": []}) + "\n\n",
            "data: " + json.dumps({"choices": None, "usage": None}) + "\n\n",
            "data: " + json.dumps({"choices": [{"delta": None}]}) + "\n\n",
            "data: " + json.dumps(chunk({"content": "Odd é [1]"})) + "\n\n",
            "data: " + json.dumps(chunk({"content": 3, "tool_calls": "x"}, "length")) + "\n\n",
        ]
        self._stream(parts)

    def _whole(self, name: str, body: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": "In one piece [1]."}
        self._json(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE})

    def _breaks(self, name: str, body: dict[str, Any]) -> None:
        self._stream(["data: " + json.dumps(chunk({"content": "Half an "})) + "\n\n"], is_ended=False)

    def _stops_short(self, name: str, body: dict[str, Any]) -> None:
        self._stream(["data: " + json.dumps(chunk({"content": "Half an "})) + "\n\n"])

    def _fails_within(self, name: str, body: dict[str, Any]) -> None:
        error = {"error": {"message": "out of memory", "type": "server_error"}}
        self._stream(
            ["data: " + json.dumps(chunk({"content": "Half "})) + "\n\n", "data: " + json.dumps(error) + "\n\n"]
        )

    def _not_json(self, name: str, body: dict[str, Any]) -> None:
        self._stream(["data: {nonsense\n\n"])

    def _refuses(self, name: str, body: dict[str, Any]) -> None:
        self._json(401, {"error": {"message": "Incorrect key", "type": "invalid_request_error"}})

    def _repeats(self, name: str, body: dict[str, Any]) -> None:
        """Refuse, and repeat what was sent, as careless servers do."""
        del name, body
        self._json(401, {"error": {"message": f"not allowed: {self.headers['Authorization']}"}})

    def _busy(self, name: str, body: dict[str, Any]) -> None:
        self._json(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})

    def _failing(self, name: str, body: dict[str, Any]) -> None:
        self._json(500, {"error": {"message": "boom"}})

    def _recovers(self, name: str, body: dict[str, Any]) -> None:
        self.stub.fails[name] = self.stub.fails.get(name, 0) + 1
        if self.stub.fails[name] < 3:
            self._json(503, {"detail": "loading"}, {"Retry-After": "0"})
        else:
            self._answers("cites", body)

    def _silent(self, name: str, body: dict[str, Any]) -> None:
        """Says nothing until it is released, or the client leaves."""
        self._head()
        while not self.stub.released.wait(0.05):
            self._piece(": still here\n\n" if name == "chatty" else "")
            self.connection.setblocking(False)
            try:
                if self.connection.recv(1) == b"":
                    raise BrokenPipeError
            except BlockingIOError:
                pass
            finally:
                self.connection.setblocking(True)
        self._piece("data: " + json.dumps(chunk({"content": "late"}, "stop")) + "\n\ndata: [DONE]\n\n")
        self._end()

    def _endless(self, name: str, body: dict[str, Any]) -> None:
        self._head()
        number = 0
        while True:
            self._piece("data: " + json.dumps(chunk({"content": f"word{number} "})) + "\n\n")
            number += 1
            time.sleep(0.02)

    def _slow(self, name: str, body: dict[str, Any]) -> None:
        """Say twenty words in two seconds."""
        self._head()
        for number in range(20):
            self._piece("data: " + json.dumps(chunk({"content": f"word{number} "})) + "\n\n")
            time.sleep(0.1)
        self._piece("data: " + json.dumps(chunk({}, "stop")) + "\n\ndata: [DONE]\n\n")
        self._end()

    # --- wire

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for key, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def _head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, text: str) -> None:
        data = text.encode()
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _stream(self, pieces: list[str], *, is_ended: bool = True) -> None:
        self._head()
        for piece in pieces:
            self._piece(piece)
        if is_ended:
            self._end()
        else:
            self.close_connection = True
            self.connection.close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that leave are what is tested."""


@contextlib.contextmanager
def stub_llm() -> Iterator[StubLlm]:
    """Run a stub for the block."""
    stub = StubLlm()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stub
    finally:
        stub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Return as soon as `is_so`. Raises: AssertionError, when it is not after a while."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
