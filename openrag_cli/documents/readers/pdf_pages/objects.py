"""The objects of a PDF by a plain scan of its bytes (ISO 32000-1, 7.3.10 and 7.5.7), for files that PDFium does not open.

It finds objects where they stand, also after a cross-reference table that is wrong or cut off, and those within object
streams. Nothing is decrypted.
"""

import re
import zlib
from collections.abc import Iterator

MAX_OBJECTS = 500_000
_MAX_STREAM_BYTES = 64 * 1024 * 1024
_OBJECT = re.compile(rb"(?<![0-9])(\d{1,8})[ \t\r\n\x00]+(\d{1,5})[ \t\r\n\x00]+obj(?![a-zA-Z])")
_END = re.compile(rb"endobj")
_STREAM = re.compile(rb"stream\r?\n")
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_KIDS = re.compile(rb"/Kids\s*\[([^\]]*)\]")
_REFERENCE = re.compile(rb"(\d{1,8})\s+\d{1,5}\s+R\b")
_NOT_SHOWN = re.compile(rb"/(?:OFF\b(?!\s*\[\s*\])|AllOff\b|AnyOff\b|VE\b)")


def objects(content: bytes) -> dict[int, bytes]:
    """Return number -> body of every object; the last of a number counts. A stream that is cut off is closed."""
    starts = list(_OBJECT.finditer(content))[:MAX_OBJECTS]
    found: dict[int, bytes] = {}
    for at, start in enumerate(starts):
        limit = starts[at + 1].start() if at + 1 < len(starts) else len(content)
        end = content.find(b"endobj", start.end(), limit)
        body = content[start.end() : end if end >= 0 else limit]
        if end < 0:
            body = _closed(body)
        if body:
            found[int(start[1])] = body
    for body in list(found.values()):
        if b"/ObjStm" in body[:400]:
            for number, inner in _packed(body).items():
                found.setdefault(number, inner)
    return found


def _closed(body: bytes) -> bytes:
    """Return an object that has no end: with the end of its stream, or nothing where its dictionary is cut off."""
    if _STREAM.search(body):
        return body if b"endstream" in body else body + b"\nendstream\n"
    return body if body.count(b"<<") == body.count(b">>") else b""


def _packed(body: bytes) -> dict[int, bytes]:
    """Return the objects of an object stream, as many as can be unpacked."""
    start = _STREAM.search(body)
    first, count = re.search(rb"/First\s+(\d+)", body), re.search(rb"/N\s+(\d+)", body)
    if not start or not first or not count:
        return {}
    text = _unpacked(body, start.end(), body.rfind(b"endstream"))
    numbers = [int(number) for number in re.findall(rb"\d+", text[: int(first[1])])]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))[: int(count[1])]
    ends = [offset for _, offset in pairs[1:]] + [len(text)]
    base = int(first[1])
    return {
        number: text[base + offset : base + end]
        for (number, offset), end in zip(pairs, ends, strict=True)
        if base + offset < len(text)
    }


def _unpacked(body: bytes, start: int, end: int) -> bytes:
    """Return what a stream of a dictionary holds, nothing where it is damaged."""
    if b"/FlateDecode" not in body[:start]:
        return body[start:end]
    try:
        return zlib.decompressobj().decompress(body[start:end], _MAX_STREAM_BYTES)
    except zlib.error:
        return b""


def _object_streams(content: bytes) -> Iterator[bytes]:
    """Yield what each object stream of a file holds; quicker than a scan for all objects."""
    at = content.find(b"/ObjStm")
    while at >= 0:
        start = _STREAM.search(content, at)
        if start is None:
            return
        begin = content.rfind(b"obj", 0, at)
        end = content.find(b"endstream", start.end())
        yield _unpacked(content[begin:end], start.end() - begin, end - begin)
        at = content.find(b"/ObjStm", end) if end >= 0 else -1


def rebuilt(content: bytes) -> bytes | None:
    """Return a PDF of the pages whose objects are there, with a page list and references of its own; None for none.

    Encrypted files cannot be put together again.
    """
    if b"/Encrypt" in content:
        return None
    bodies = {number: body for number, body in objects(content).items() if b"/XRef" not in body[:400]}
    pages = _pages_in_order(bodies)
    if not pages:
        return None
    root, tree = max(bodies) + 1, max(bodies) + 2
    kids = b" ".join(b"%d 0 R" % number for number in pages)
    catalog = b"<</Type/Catalog/Pages %d 0 R>>" % tree
    listed = {**bodies, root: catalog, tree: b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)}
    out = bytearray(b"%PDF-1.7\n")
    offsets: dict[int, int] = {}
    for number, body in listed.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in offsets.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    out += b"trailer\n<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (tree + 1, root, at)
    return bytes(out)


def _pages_in_order(bodies: dict[int, bytes]) -> list[int]:
    """Return the numbers of the pages: as the page tree lists them, then those that it does not reach."""
    pages = [number for number, body in bodies.items() if _PAGE.search(body[:4000])]
    known, order, seen = set(pages), [], set()
    waiting = [number for number, body in bodies.items() if b"/Kids" in body and b"/Parent" not in body][::-1]
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        if number in known:
            order.append(number)
        elif kids := _KIDS.search(bodies.get(number, b"")):
            waiting += [int(kid) for kid in _REFERENCE.findall(kids[1])][::-1]
    return order + [number for number in pages if number not in seen]


def may_hide_layers(content: bytes) -> bool:
    """Whether a file has layers (optional content) and says of some that they are not shown."""
    parts = [content, *_object_streams(content)]
    return any(b"/OCG" in part for part in parts) and any(_NOT_SHOWN.search(part) for part in parts)
