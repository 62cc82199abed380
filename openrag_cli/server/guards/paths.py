"""One spelling of each target: absolute form, a proxy's prefix, double and trailing slashes.

References: RFC 9112, 3.2.2 (a server must take a target in absolute form); ASGI's `path` and `root_path`.
"""

import re

from starlette.types import Scope

_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_SLASHES = re.compile(r"/{2,}")
_BEFORE_ID = re.compile(r"/(?:file|content|text)/")
"""What follows is a file's id, whose slashes are its own."""


def normalise(scope: Scope, root_path: str) -> None:
    """Give a request's scope the path that the routes know: without the prefix under which a proxy serves us.

    A proxy may keep the prefix or take it off; both come to the same path, and links are made with it.
    """
    path = scope["path"]
    absolute = _ABSOLUTE.match(path)
    if absolute:
        host, path = absolute[1].rpartition("@")[2], absolute[2] or "/"
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"].append((b"host", host.encode("latin-1", "replace")))
    path = f"/{path.lstrip('/')}"
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        path = path[len(root_path) :] or "/"
    if root_path:
        scope["root_path"] = root_path
    at = _BEFORE_ID.search(path)
    end = at.end() if at else len(path)
    path = _SLASHES.sub("/", path[:end]) + path[end:]
    scope["path"] = path.rstrip("/") or "/"


def answers_head(scope: Scope) -> bool:
    """Turn a HEAD into the GET whose head it asks for; return whether it was one. The body is for the caller to drop."""
    if scope["method"] != "HEAD":
        return False
    scope["method"] = "GET"
    scope["is_head"] = True
    return True
