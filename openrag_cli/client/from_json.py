"""What travels between a client and the HTTP API, as domain objects; the six nouns are read in contract/nouns/."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from openrag_cli import errors
from openrag_cli.contract.error_codes import remade
from openrag_cli.maintenance.checks.findings import Finding
from openrag_cli.store.files.filtered_files import KeyFacts

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
BLOCK_BYTES = 1 << 20


def path_of(*segments: str) -> str:
    """Return a path of percent-encoded segments."""
    return "/" + "/".join(quote(s, safe="") if s.strip(".") else "%2E" * len(s) for s in segments)


def error_of(response: "httpx.Response", filtered: Callable[[str], str]) -> errors.OpenRAGError:
    """Return the error that an answer carries, of the class that the server's engine raised where its code names one."""
    try:
        body = response.json()
        message, code = filtered(str(body["detail"])), str(body.get("code"))
        hint = filtered(str(body["hint"])) if body.get("hint") else None
    except (ValueError, KeyError, TypeError):
        message, code, hint = f"the server answered {response.status_code}", "", None
    hint = "set OPENRAG_TOKEN to the server's token" if response.status_code == 401 else hint
    return remade(code, message, hint=hint, status=response.status_code)


class _Answer(dict[str, Any]):
    """An object of a server's answer: no openrag server leaves out a key that is asked for."""

    def __missing__(self, key: str) -> Any:
        raise errors.UpstreamError(
            f"the server's answer has no '{key}': it is no openrag server, or of another version",
            hint="check the URL given with --server",
        )


def body_of(response: "httpx.Response") -> Json:
    """Return the JSON object of an answer. Raises: UpstreamError: it is none, or (later) lacks a key."""
    try:
        body = response.json(object_hook=_Answer)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.UpstreamError(
            f"what answers at {response.url} is no openrag server", hint="check the URL given with --server"
        )
    return body


def sha256_of(stream: BinaryIO) -> str:
    """Return the sha256 of the rest of a stream, in hex."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def to_key(entry: Json) -> KeyFacts:
    """Return a key of metadata."""
    values = tuple((one["value"], one["files"]) for one in entry["values"])
    return KeyFacts(entry["key"], entry["files"], dict(entry["types"]), values)


def to_finding(entry: Json) -> Finding:
    """Return what a doctor's check found; what can be mended is mended on the server's machine."""
    mend = _mend_there if entry["can_mend"] else None
    return Finding(entry["name"], entry["status"], entry["text"], entry["fix"], mend)


def _mend_there() -> str:
    raise errors.InvalidInput("a store is mended on the server's machine", hint="ssh HOST openrag doctor --fix")
