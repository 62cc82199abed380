"""Bodies of requests: how large one may be, by route, and how it is read so that a small one cannot cost much.

JSON is counted before it is parsed, and as plain JSON before a model is built from it: three megabytes of `{}` would
be a million objects. What is large is read in a thread, block by block, so that the event loop goes on. Uploads are
written once, into the store's own spool.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Coroutine
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Scope

from openrag_cli import limits
from openrag_cli.errors import InvalidInput, os_errors
from openrag_cli.server.guards.access import header
from openrag_cli.store.blobs import incoming

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SLACK_BYTES = 1 << 20
"""What a request with a file may hold beside it: its other fields and what stands between the parts."""

NO_BODY_BYTES = 64 * 1024
LARGE_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
MAX_FILES = 8
MAX_FIELDS = 32
MAX_PART_HEADERS = 16
_ESCAPE = re.compile(rb"\\.", re.DOTALL)


def most_bytes(scope: Scope, max_file_bytes: int) -> tuple[str, int, int]:
    """Return what a request may send, by its route: what it is called, its limit in bytes, and how much goes beyond."""
    path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
    if path.startswith(("/v1/", "/sessions")) or path in {"/answers", "/grep"}:
        return "the body", limits.most("chat_bytes"), 0
    if path.startswith("/indexer/") and method in {"POST", "PUT", "PATCH"}:
        kind = (header(scope, b"content-type") or b"").lstrip().lower()
        if method != "PATCH" and kind.startswith(b"multipart/form-data"):
            return "the file", max_file_bytes, SLACK_BYTES
        return "the body", 2 * SLACK_BYTES, 0
    return "the body", NO_BODY_BYTES, 0


# --- JSON


def count_values(body: bytes) -> int:
    """Return about how many values a JSON text has (never fewer, at most twice as many), without making them.

    Raises:
        TooLarge: more than `json_values`; the rest is not looked at.
    """
    n_values, is_inside, carried = 1, 0, b""
    for begin in range(0, len(body), BLOCK_BYTES):
        block = _ESCAPE.sub(b"", carried + body[begin : begin + BLOCK_BYTES])
        carried = b"\\" if block.endswith(b"\\") else b""
        parts = block.split(b'"')
        outside = b"".join(parts[is_inside::2])
        n_values += sum(outside.count(mark) for mark in (b",", b"[", b"{"))
        limits.check("json_values", n_values)
        is_inside = (is_inside + len(parts) - 1) % 2
    return n_values


def n_chars(value: Any) -> int:
    """Return how many characters of text a JSON value holds; images, which are URLs, are not text."""
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += [inner for key, inner in one.items() if key != "image_url"]
    return total


def parse(body: bytes) -> Any:
    """Return the JSON value of a request's body.

    Raises:
        JSONDecodeError: it is not JSON. InvalidInput: not UTF-8, too deep, a number that is none; TooLarge: a limit.
    """
    count_values(body)
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError as exc:
        raise InvalidInput("the body is not UTF-8", hint="send JSON as UTF-8") from exc
    except RecursionError as exc:
        raise InvalidInput("the body is nested too deeply", hint="see: openrag help limits") from exc
    except json.JSONDecodeError:
        raise
    except ValueError as exc:  # a number of thousands of digits
        raise InvalidInput("the body has a number that is too long", hint="send it as a text") from exc
    limits.check("json_depth", limits.depth(value))
    messages = value.get("messages") if isinstance(value, dict) else None
    if isinstance(messages, list):
        limits.check("chat_messages", len(messages))
    limits.check("chat_chars", n_chars(value))
    return value


def _no_number(name: str) -> float:
    raise InvalidInput(f"the body has {name}, which JSON does not know", hint="leave it out, or send null")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidInput("the body has a number that is too large", hint="send a smaller one")
    return number


class _JsonRequest(Request):
    async def json(self) -> Any:
        """Return the body as JSON, within its limits. Raises: TooLarge, InvalidInput."""
        body = await self.body()
        return await asyncio.to_thread(parse, body) if len(body) > LARGE_BYTES else parse(body)


class JsonRoute(APIRoute):
    """A route whose body is JSON and nothing else: a page can send any other type without asking the server first."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            """Answer, or refuse a body that is not JSON where JSON is taken."""
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self.body_field is not None and kind != "application/json" and not kind.endswith("+json"):
                raise HTTPException(415, "the body must be JSON: send Content-Type: application/json")
            return await handle(_JsonRequest(request.scope, request.receive))

        return checked


# --- forms


class _UploadParser(MultiPartParser):
    """Reads a form; its files grow beside the store's, and the headers of a part are counted."""

    def __init__(self, request: Request, spool: Path) -> None:
        super().__init__(request.headers, request.stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS)
        self._spool = spool

    def on_header_end(self) -> None:
        """Count one header of a part."""
        super().on_header_end()
        if len(self._current_part.item_headers) > MAX_PART_HEADERS:
            raise MultiPartException("a part of the form has too many headers")

    def on_headers_finished(self) -> None:
        """Begin a part: a file is spooled where the store is, not below TMPDIR.

        Its name is that of `filename*` where there is one (RFC 5987), whatever else stands beside it.
        """
        _take_extended_name(self._current_part)
        super().on_headers_finished()
        part = self._current_part.file
        if part is not None:
            part.file.close()
            spooled = incoming(self._spool)
            self._current_part.file = UploadFile(
                file=spooled,
                size=0,
                filename=part.filename,
                headers=part.headers,
            )
            self._files_to_close_on_error[-1] = cast("Any", spooled)


_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?(utf-8|iso-8859-1)'[^';]*'([^;\"\s]*)\"?", re.IGNORECASE)
_PLAIN_NAME = re.compile(rb';\s*filename\s*=\s*(?:"(?:\\.|[^"\\])*"|[^;\s]*)', re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?[\w-]+\?[bq]\?[^?]*\?=", re.IGNORECASE)


def _take_extended_name(part: Any) -> None:
    """Put a part's `filename*`, or a name written as a MIME word, in the place of its `filename`."""
    disposition = part.content_disposition
    if not disposition:
        return
    extended = _EXTENDED.search(disposition)
    plain = _PLAIN_NAME.search(disposition)
    word = _ENCODED_WORD.search(plain[0].decode("latin-1")) if plain else None
    if extended:
        name = unquote(extended[2].decode("ascii", "replace"), encoding=extended[1].decode("ascii"), errors="replace")
    elif word:
        name = str(make_header(decode_header(word[0])))
    else:
        return
    rest = _PLAIN_NAME.sub(b"", _EXTENDED.sub(b"", disposition))
    quoted = name.replace("\\", "_").replace('"', "%22").replace("\r", " ").replace("\n", " ")
    part.content_disposition = rest + b'; filename="' + quoted.encode() + b'"'


class _UploadRequest(Request):
    async def form(self, **_: Any) -> FormData:  # type: ignore[override] # the limits are ours
        """Return the parts of the form. Raises: StoreFull and kin, by what the disk of the store says."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            return await super().form(max_files=0, max_fields=MAX_FIELDS)
        spool: Path = self.app.state.engine.settings.store / "spool"
        with os_errors(f"receiving an upload into {spool}"):
            await asyncio.to_thread(spool.mkdir, mode=0o770, parents=True, exist_ok=True)
            try:
                return await _UploadParser(self, spool).parse()
            except MultiPartException as exc:
                raise HTTPException(400, exc.message) from exc


class UploadRoute(APIRoute):
    """A route whose body is a form with a file."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def spooled(request: Request) -> Response:
            """Answer, with the files of a form in the spool."""
            return await handle(_UploadRequest(request.scope, request.receive))

        return spooled
