"""Who may talk to the server: by the Host that a request names, by the page that sent it, and by its token.

Without a token the danger is the user's own browser: any page can send requests to this machine, under a name of its
own that it points here (DNS rebinding) or across origins. A Host that is not ours, a write that a foreign page sent,
and a read that it sent without showing its answer as a page are refused: it cannot read the answer, but we would work
for it. Programs that are no browsers send neither Origin nor Sec-Fetch-Site and pass.
Reference: Fetch standard; Fetch Metadata Request Headers; RFC 6454 for origins.
"""

import hmac
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

from openrag_cli.access.principal import ADMIN, NOBODY, Principal
from openrag_cli.config.secret import Secret

OPEN_PATHS = frozenset({"/livez", "/readyz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMED = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that lower-case name."""
    return next((value for key, value in scope["headers"] if key == name), None)


def host_name(authority: str) -> str:
    """Return the host of `host:port` in lower case: without port, brackets and the dot of a full name."""
    text = authority.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name = text.partition(":")[0] if text.count(":") == 1 else text
    return name.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether an address or name is of this machine alone."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def names_of_this_machine() -> tuple[str, ...]:
    """Return the names by which a network may know this machine; nothing is looked up."""
    name = host_name(socket.gethostname())
    return (name, f"{name}.local") if name else ()


@dataclass(frozen=True, slots=True)
class Access:
    """Who may pass. `hosts` are names besides loopback and the address that a request came in on.

    `any_host` lets every Host pass; `origins` are those whose pages may write without a token.
    """

    token: Secret | None = None
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    any_host: bool = False

    def refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Return (status, message, code) when the request is not allowed."""
        return self._wrong_host(scope) or self._wrong_origin(scope) or self._wrong_token(scope)

    def _wrong_host(self, scope: Scope) -> tuple[int, str, str] | None:
        given = header(scope, b"host")
        if self.any_host or (given is None and scope.get("http_version") == "1.0"):
            return None
        authority = (given or b"").decode("latin-1")
        host = host_name(authority)
        own = (scope.get("server") or ("",))[0]
        if host and (is_loopback(host) or host in self.hosts or host == host_name(own)):
            return None
        shown = host if _NAMED.fullmatch(host) else "NAME"
        message = (
            f"the Host header names another server: start this one with --allowed-host {shown}, if it is meant "
            "(OPENRAG_ALLOWED_HOSTS; containers call this machine host.docker.internal)"
        )
        return 400, message, "wrong_host"

    def _wrong_origin(self, scope: Scope) -> tuple[int, str, str] | None:
        if self.token is not None or scope["method"] == "OPTIONS" or scope["path"] in OPEN_PATHS:
            return None
        origin = (header(scope, b"origin") or b"").decode("latin-1").lower()
        if origin and origin in self.origins:
            return None
        is_own = not origin or _authority(origin) == (header(scope, b"host") or b"").decode("latin-1").strip().lower()
        site = (header(scope, b"sec-fetch-site") or b"none").decode("latin-1").strip().lower()
        if site in {"none", "same-origin"} and (is_own or scope["method"] in SAFE_METHODS):
            return None
        if scope["method"] in SAFE_METHODS and _is_link(scope):
            return None
        message = "a page of another origin may not ask here: set OPENRAG_CORS_ORIGINS to its origin, or AUTH_TOKEN"
        return 403, message, "wrong_origin"

    def _wrong_token(self, scope: Scope) -> tuple[int, str, str] | None:
        if self.token is None or scope["path"] in OPEN_PATHS or scope["method"] == "OPTIONS":
            return None
        return None if self._has_token(scope) else (401, "the token is missing or wrong", "not_authenticated")

    def principal(self, scope: Scope) -> Principal:
        """Return who sent a request that was not refused: nobody, where it has no token and needs none."""
        return ADMIN if self.token is None or self._has_token(scope) else NOBODY

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, given = (header(scope, b"authorization") or b"").partition(b" ")
        # As bytes: compare_digest refuses text that is not ASCII.
        return (
            self.token is not None
            and hmac.compare_digest(given.strip(), self.token.reveal().encode())
            and scheme.lower() == b"bearer"
        )


def _is_link(scope: Scope) -> bool:
    """Whether a browser leaves a page for this one: its user followed a link, to a source of an answer or to /docs."""
    return header(scope, b"sec-fetch-mode") == b"navigate" and header(scope, b"sec-fetch-dest") == b"document"


def _authority(origin: str) -> str | None:
    """Return `host:port` of an origin as its Host header has it; None for `null` and what is no origin."""
    scheme, mark, authority = origin.partition("://")
    return authority if mark and scheme in {"http", "https"} else None


def origin_of(url: str) -> str:
    """Return the origin of a URL."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}"
