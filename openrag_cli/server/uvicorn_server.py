"""Serving with uvicorn: sockets, deadlines, the start-up line and the graceful end."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from openrag_cli.config.settings import Settings
from openrag_cli.engine import Engine
from openrag_cli.errors import ConfigError, StoreBusy
from openrag_cli.server import log_format as logs
from openrag_cli.server.app import Options, create_app
from openrag_cli.server.guards.access import Access, host_name, is_loopback, names_of_this_machine, origin_of
from openrag_cli.server.supervisor import Supervisor, worker_command

MAX_HEAD_BYTES = 256 * 1024
STOP_S = 30
STREAMS_S = 5.0
"""How long an answer may still go on when the server is told to end."""

MIN_TOKEN_CHARS = 8


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 with a deadline for the head of a request, which uvicorn 0.54 lacks: a slow one is cut off."""

    head_timeout_s = 15.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._wind(transport)

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a head is complete; start it when one has begun."""
        super().data_received(data)
        is_body = self.conn.their_state is h11.SEND_BODY  # of a request that was refused already: it has no deadline
        is_waiting_for_head = not is_body and (self.cycle is None or self.cycle.response_complete)
        if not is_waiting_for_head:
            self._unwind()
        elif self._deadline is None and not self.transport.is_closing():
            self._wind(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._unwind()
        super().connection_lost(exc)

    def _wind(self, transport: Any) -> None:
        self._deadline = self.loop.call_later(self.head_timeout_s, transport.abort)

    def _unwind(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """A server whose streams are told when it ends, in time to say so."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, give answers under way a moment, then end the streams that go on."""
        asyncio.get_running_loop().call_later(STREAMS_S, self._stopping.set)
        await super().shutdown(sockets)


def check_exposure(host: str, settings: Settings, *, is_insecure: bool, warn: Callable[[str], None]) -> None:
    """Refuse to open an unguarded store to the network; `warn` of a token that is soon guessed.

    Raises:
        ConfigError: the host is not loopback, there is no token, and `--insecure` was not given.
    """
    if is_loopback(host):
        return
    token = settings.auth_token
    if token is not None and len(token.reveal()) < MIN_TOKEN_CHARS:
        warn(f"AUTH_TOKEN has fewer than {MIN_TOKEN_CHARS} characters, and {host} is open to the network")
    if token is None and not is_insecure:
        raise ConfigError(
            f"binding to {host} would let everybody on the network read and change the store",
            hint="set AUTH_TOKEN, or bind to 127.0.0.1; --insecure if another program guards the port",
        )


def options_of(settings: Settings) -> Options:
    """Return how the application is to be served."""
    public = settings.public_url
    origins = (*settings.cors_origins, *([public] if public else []))
    named = (settings.host, *settings.allowed_hosts, *([urlsplit(public).netloc] if public else []))
    is_listed = is_loopback(settings.host) or settings.auth_token is None or bool(settings.allowed_hosts)
    access = Access(
        token=settings.auth_token,
        hosts=tuple(map(host_name, named)) + names_of_this_machine(),
        origins=tuple(map(origin_of, origins)),
        any_host=not is_listed,
    )
    return Options(
        access=access,
        root_path=settings.root_path.rstrip("/"),
        public_url=public,
        cors_origins=settings.cors_origins,
        stall_s=settings.body_timeout_s,
    )


def make_supervisor(settings: Settings) -> Supervisor:
    """Return the supervisor of a store's workers."""
    command = worker_command(
        settings.store,
        cache=settings.cache,
        embed_model=settings.embed_model,
        threads=settings.threads,
        log_format=settings.log_format,
    )
    return Supervisor(settings.store, command=command, n_workers=settings.workers)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        StoreBusy: the port is taken. ConfigError: the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as exc:
        listener.close()
        if exc.errno is not None and "in use" in str(exc):
            raise StoreBusy(
                f"port {port} of {host} is taken", hint="choose another with --port, or 0 for any"
            ) from exc
        raise ConfigError(f"cannot listen on {host} port {port}: {exc.strerror or exc}", hint="check --host") from exc
    listener.listen(2048)
    return listener


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Announce the URL and serve until SIGTERM or Ctrl-C.

    Then accept no more, finish what is under way, and let workers give back theirs.
    """
    logs.configure(settings.log_format)
    engine = Engine(settings)
    engine.check_chat()
    listener = listen(settings.host, settings.port)
    options = options_of(settings)
    app = create_app(engine, options, make_supervisor(settings))
    config = uvicorn.Config(
        app,
        http=type("Protocol", (DeadlineProtocol,), {"head_timeout_s": settings.head_timeout_s}),
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=settings.idle_timeout_s,
        server_header=False,
        limit_concurrency=1000,
    )
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    announce(f"http://{host}:{port}{settings.root_path}")
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has ended: the end is clean
        signal.signal(number, lambda *_: None)
    server = _Server(config, options.stopping)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)
