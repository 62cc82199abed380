"""A stored original as an HTTP answer: its length, a validator, and one range of it.

References: RFC 9110, 8.8.3 (ETag), 13.1.2 (If-None-Match), 14 (Range).
"""

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from openrag_cli.domain import File

BLOCK_BYTES = 1 << 18
_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)\s*", re.IGNORECASE)
_MAX_DIGITS = 18


def original(request: Request, file: File, stream: BinaryIO) -> Response:
    """Return the bytes of a file, or the range that is asked for; 304 where the client has them, 416 out of range."""
    etag = f'"{file.sha256}"'
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        stream.close()
        return Response(status_code=304, headers=headers)
    wanted = _wanted(request, file.size, etag)
    if wanted == ():
        stream.close()
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
    begin, end = wanted or (0, file.size)
    headers["Content-Length"] = str(end - begin)
    if wanted:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{file.size}"
    if request.scope.get("is_head"):
        stream.close()
        return Response(status_code=206 if wanted else 200, headers=headers, media_type=file.media_type)
    return StreamingResponse(
        _blocks(stream, begin, end - begin),
        status_code=206 if wanted else 200,
        media_type=file.media_type or "application/octet-stream",
        headers=headers,
    )


def _wanted(request: Request, size: int, etag: str) -> tuple[int, int] | tuple[()] | None:
    """Return (begin, end) of the one range asked for; None for all of it, () for one that is not there.

    A range that ends before it begins is none, and a header that is none is not obeyed (14.1.1, 14.2).
    """
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", etag) != etag or not (found[1] or found[2]):
        return None
    first, last = (_number(text) for text in found.groups())
    if not found[1]:
        return (max(0, size - last), size) if last and size else ()
    if found[2] and last < first:
        return None
    end = min(size, last + 1) if found[2] else size
    return (first, end) if first < end else ()


def _number(digits: str) -> int:
    """Return a number of a header; one beyond any file's size counts as one such."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _blocks(stream: BinaryIO, begin: int, n_left: int) -> Iterator[bytes]:
    with stream:
        stream.seek(begin)
        while n_left > 0 and (block := stream.read(min(BLOCK_BYTES, n_left))):
            n_left -= len(block)
            yield block
