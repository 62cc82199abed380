"""A server in the place of an LLM that answers as a function says, and our client asking it."""

import asyncio
import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openrag_cli.answering.llm.client import HttpChatModel
from openrag_cli.answering.llm.model import Delta, ModelRequest
from openrag_cli.config.settings import load

Reply = tuple[int, dict[str, str], list[bytes]]
Handler = Callable[[dict, int], Reply]
RESET = b"\0reset"
"""In the place of a block of bytes: the connection is reset."""

STREAM = {"Content-Type": "text/event-stream"}


def chunk(delta, reason=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def events(*chunks, end=b"data: [DONE]\n\n", eol="\n"):
    return [f"data: {json.dumps(entry)}{eol}{eol}".encode() for entry in chunks] + [end.replace(b"\n", eol.encode())]


def says(text="Fine.", reason="stop"):
    return 200, STREAM, events(chunk({"content": text}), chunk({}, reason))


def refuses(status, message, **error):
    return (
        status,
        {"Content-Type": "application/json"},
        [json.dumps({"error": {"message": message, **error}}).encode()],
    )


class Server:
    """A server that answers as a function says; `bodies` and `paths` are what it was sent."""

    def __init__(self, handler: Handler, models: Callable[[int], dict] | None = None) -> None:
        self.bodies: list[dict] = []
        self.paths: list[str] = []
        self.handler = handler
        self.models = models or (lambda _: {"data": [{"id": "m"}]})
        self.n_listings = 0


class _Http(BaseHTTPRequestHandler):
    """Lists models and answers chats as its `state` says."""

    state: Server
    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.state.paths.append(self.path)
        if not self.path.partition("?")[0].endswith("/v1/models"):
            self._send(404, {}, [b'{"detail": "Not Found"}'])
            return
        self.state.n_listings += 1
        listed = self.state.models(self.state.n_listings)
        status = 200 if listed is not None else 404
        self._send(status, {"Content-Type": "application/json"}, [json.dumps(listed).encode()])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.paths.append(self.path)
        if not self.path.partition("?")[0].endswith("/v1/chat/completions"):
            self._send(404, {}, [b'{"detail": "Not Found"}'])
            return
        self.state.bodies.append(body)
        self._send(*self.state.handler(body, len(self.state.bodies)))

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _send(self, status, headers, blocks):
        if isinstance(blocks, list) and blocks[:1] == [RESET]:
            self._reset()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for block in blocks:
                if block == RESET:
                    self._reset()
                    return
                self.wfile.write(block)
                self.wfile.flush()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing: connections that break are what is tested."""


@contextlib.contextmanager
def serving(handler: Handler, **options) -> Iterator[tuple[Server, str]]:
    state = Server(handler, **options)
    server = _Quiet(("127.0.0.1", 0), type("Http", (_Http,), {"state": state}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def model(url: str, **settings) -> HttpChatModel:
    flags = {"llm.base_url": url, "llm.model": "m", "llm.retries": 1} | {f"llm.{k}": v for k, v in settings.items()}
    return HttpChatModel(load(flags, {"OPENRAG_CONFIG": os.devnull}).settings)


def ask(
    url: str, messages=None, *, fence=None, waits=True, parameters=None, into=None, times=1, **settings
) -> list[Delta]:
    """Return the pieces of an answer, or of several in a row; `into` has those that came before an error too."""
    found: list[Delta] = [] if into is None else into

    async def collect() -> None:
        llm = model(url, **settings)
        wanted = {"temperature": 0.1, "max_tokens": 50} if parameters is None else parameters
        request = ModelRequest(
            messages or [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}],
            "q",
            parameters=wanted,
            fence=fence,
            waits_when_busy=waits,
        )
        try:
            for _ in range(times):
                async for delta in llm.stream(request):
                    found.append(delta)
        finally:
            await llm.aclose()

    asyncio.run(collect())
    return found


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)
