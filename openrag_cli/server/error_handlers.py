"""Errors as HTTP answers, in the shapes that clients read; their statuses are in contract/error_codes.py."""

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from openrag_cli import errors
from openrag_cli.contract.error_codes import status_of
from openrag_cli.documents.media_types import SUPPORTED
from openrag_cli.terminal import for_json

logger = logging.getLogger(__name__)

MAX_PROBLEMS = 10
MAX_PROBLEM_CHARS = 300
"""Of what is wrong with a request no more is told, or a small one has a large answer."""

_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    400: "invalid_request",
    413: "too_large",
    415: "unsupported_media_type",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


class PlainJSON(JSONResponse):
    """JSON whose bytes do nothing to the terminal of who looks at them; what they say is the same."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return for_json(text).encode()


def body(path: str, status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """Return an error as JSON: OpenAI's shape under `/v1`, ours elsewhere."""
    if path.startswith("/v1/") or path == "/v1":
        kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return {"detail": message, "code": code}


def body_of(path: str, error: errors.OpenRAGError) -> dict[str, Any]:
    """Return one of our errors as JSON."""
    status = status_of(type(error))
    message = f"{error.message}; supported are {', '.join(extensions())}" if status == 415 else error.message
    code = getattr(error, "upstream_code", None) or error.code
    made = body(path, status, message, code, getattr(error, "param", None))
    if isinstance(error, errors.UpstreamError) and error.extra:
        made["extra"] = error.extra
    return made | {"hint": error.hint} if error.hint and "detail" in made else made


def answer(path: str, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as a response."""
    return PlainJSON(body(path, status, message, code), status, headers=headers)


def extensions() -> list[str]:
    """Return the extensions of what can be indexed, each with its dot."""
    return sorted(f".{name.lstrip('.')}" for name in SUPPORTED)


def allowed(app: FastAPI, scope: Scope) -> set[str]:
    """Return the methods of every route on a path; the framework names those of the first alone."""
    methods: set[str] = set()
    for route in _routes(app.routes):
        if route.matches({**scope, "type": "http"})[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return methods | ({"HEAD", "OPTIONS"} if "GET" in methods else {"OPTIONS"}) if methods else set()


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield the routes themselves, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _routes(inner.routes)


def install(app: FastAPI) -> None:
    """Let the application answer every error in our shapes."""

    @app.exception_handler(errors.OpenRAGError)
    def _ours(request: Request, exc: errors.OpenRAGError) -> JSONResponse:
        status = status_of(type(exc))
        if status >= 500:
            logger.error("%s %s: %s", request.method, request.url.path, exc.message)
        told = getattr(exc, "retry_after", None)
        headers = {"Retry-After": told or "1"} if told or status in {423, 429, 503} else None
        return PlainJSON(body_of(request.url.path, exc), status, headers=headers)

    @app.exception_handler(HTTPException)
    def _http(request: Request, exc: HTTPException) -> Response:
        if isinstance(exc.__cause__, errors.OpenRAGError):  # the framework's 400 around what reading the body came to
            return _ours(request, exc.__cause__)
        headers = dict(exc.headers or {})
        if exc.status_code == 405:
            methods = allowed(request.app, request.scope)
            headers["Allow"] = ", ".join(sorted(methods))
            if methods and request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
        return answer(
            request.url.path, exc.status_code, str(exc.detail), _CODES.get(exc.status_code, "error"), headers
        )

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, exc: RequestValidationError) -> JSONResponse:
        found = exc.errors()
        problems = [
            f"{'.'.join(str(part) for part in error['loc'][1:])}: {error['msg']}"[:MAX_PROBLEM_CHARS]
            for error in found[:MAX_PROBLEMS]
        ]
        problems += [f"and {len(found) - MAX_PROBLEMS:,} more"] if len(found) > MAX_PROBLEMS else []
        is_openai = request.url.path.startswith("/v1/")  # whose clients know 400 for what a caller got wrong
        status = 400 if is_openai else 422
        param = ".".join(str(part) for part in found[0]["loc"][1:]) if found else ""
        made = body(
            request.url.path, status, "; ".join(problems) or "invalid request", "invalid_request", param or None
        )
        return PlainJSON(made, status)

    @app.exception_handler(Exception)
    def _bug(request: Request, _: Exception) -> JSONResponse:
        return answer(request.url.path, 500, "a bug in openrag; see the server's log", "bug")
