"""What stands before every route: request ids and the log, who may pass, and limits on bodies. Plain ASGI."""

import asyncio
import contextlib
import contextvars
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openrag_cli.server.error_handlers import answer
from openrag_cli.server.guards.access import Access, header
from openrag_cli.server.guards.paths import answers_head, normalise

logger = logging.getLogger("openrag_cli.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


_HARDENING = [
    (b"cross-origin-resource-policy", b"same-origin"),  # no page of another origin may load an original as a script
    (b"x-frame-options", b"DENY"),
]


class Guard:
    """Gives each request an id, logs one line for it, and lets it pass if it may."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        root_path: str = "",
        tags_answers: bool = True,
        on_refusal: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._app = app
        self._on_refusal = on_refusal
        self._tags_answers = tags_answers
        self._access = access
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        normalise(scope, self._root_path)
        is_head = answers_head(scope)
        given = (header(scope, b"x-request-id") or b"").decode("latin-1")
        identity = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        request_id.set(identity)
        began = time.perf_counter()
        status = 0

        async def tagged(message: Message) -> None:
            """Send a message with the id of its request."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HARDENING]
                if self._tags_answers:
                    message["headers"].append((b"x-request-id", identity.encode()))
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            refusal = self._access.refusal(scope) or _compressed(scope)
            if refusal:
                code, text, name = refusal
                self._on_refusal(name)
                headers = {"WWW-Authenticate": "Bearer"} if code == 401 else None
                await answer(scope["path"], code, text, name, headers)(scope, receive, tagged)
            else:
                scope["principal"] = self._access.principal(scope)
                await self._app(scope, receive, tagged)
        finally:
            self._log(scope, status, time.perf_counter() - began, identity)

    def _log(self, scope: Scope, status: int, seconds: float, identity: str) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        client = (scope.get("client") or ("-",))[0]
        fields: dict[str, Any] = {
            "client": client,
            "method": "HEAD" if scope.get("is_head") else scope["method"],
            "path": (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            "status": status,
            "ms": round(seconds * 1000, 1),
            "request_id": identity,
        }
        logger.info("%s", " ".join(str(value) for value in fields.values()), extra={"fields": fields})


def _compressed(scope: Scope) -> tuple[int, str, str] | None:
    """Return why a compressed body is refused: what it unpacks to has no bound before it is unpacked."""
    coding = (header(scope, b"content-encoding") or b"identity").strip().lower()
    if coding in {b"", b"identity"}:
        return None
    return 415, "send the body as it is: Content-Encoding is not read", "unsupported_encoding"


LINGER_S = 2.0
LINGER_BYTES = 16 << 20


class _TooLarge(Exception):
    pass


class _TooSlow(Exception):
    pass


class BodyLimit:
    """Refuses a body that is larger than its route allows with 413, and one that stalls for `stall_s` seconds with 408.

    What is over the limit is never read: the connection is closed instead. `limit_of` returns what a request's body
    is called, how many bytes of it are allowed, and how many more it may bring beside it.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[Scope], tuple[str, int, int]], stall_s: float) -> None:
        self._app = app
        self._limit_of = limit_of
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = header(scope, b"content-length")
        _, most, slack = self._limit_of(scope)
        if length is not None and length.isdigit() and (len(length) > 18 or int(length) > most + slack):
            await self._refuse(scope, receive, send, _TooLarge())
            return
        await self._limited(scope, receive, send, most + slack)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        n_bytes = 0
        is_read = is_started = False
        trouble: Exception | None = None

        async def counted() -> Message:
            """Receive a part of the body, and count its bytes."""
            nonlocal n_bytes, trouble, is_read
            if is_read:  # what comes now is only the client's leaving
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._stall_s)
            except TimeoutError:
                trouble = _TooSlow()
                raise trouble from None
            n_bytes += len(message.get("body", b""))
            if n_bytes > max_bytes:
                trouble = _TooLarge()
                raise trouble
            is_read = not message.get("more_body", False)
            return message

        async def watched(message: Message) -> None:
            """Send a message, unless an answer of ours takes its place."""
            nonlocal is_started
            if trouble is None or is_started:  # else the framework's own answer to our exception: ours follows
                is_started = True
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except (_TooLarge, _TooSlow) as exc:
            trouble = exc
        if trouble is not None and not is_started:
            await self._refuse(scope, receive, send, trouble)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, trouble: Exception) -> None:
        headers = {"Connection": "close"}
        if isinstance(trouble, _TooSlow):
            response = answer(scope["path"], 408, "the body came too slowly", "too_slow", headers)
        else:
            what, most, _ = self._limit_of(scope)
            response = answer(scope["path"], 413, f"{what} is larger than {most:,} bytes", "too_large", headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
        await self._linger(receive)
        await send({"type": "http.response.body", "body": b""})

    async def _linger(self, receive: Receive) -> None:
        """Read on a little after a refusal: a connection closed over unread bytes takes the answer with it."""
        n_bytes = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while n_bytes < LINGER_BYTES:
                    message = await receive()
                    n_bytes += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
