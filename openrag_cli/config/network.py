"""The way to an address: proxies that the environment names, which addresses need none, and why a connection failed."""

import ipaddress
import os
import socket
import ssl
from urllib.parse import urlsplit

from openrag_cli.config.secret import Url
from openrag_cli.errors import ConfigError


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(url: str) -> tuple[str, str] | None:
    """Return (variable, proxy) of the proxy that the environment names for a URL; None where there is none."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    known = getproxies()
    for scheme in (parts.scheme, "all"):
        if known.get(scheme):
            return f"{scheme.upper()}_PROXY", known[scheme]
    return None


def socks_proxy() -> tuple[str, str] | None:
    """Return (variable, proxy) of a SOCKS proxy that the environment names, whatever it is for; None without one."""
    from urllib.request import getproxies

    found = [
        (f"{scheme.upper()}_PROXY", proxy) for scheme, proxy in getproxies().items() if proxy.startswith("socks")
    ]
    return found[0] if found else None


def unusable_proxy(url: str, what: str) -> ConfigError:
    """Return the error for a client of `url`, which is called `what`, that the proxies of the environment prevent."""
    name, proxy = socks_proxy() or proxy_for(url) or ("ALL_PROXY", "")
    text = f"{name} names {Url(proxy)}, which cannot be used" if proxy else f"{what} cannot be asked"
    if proxy.startswith("socks"):
        return ConfigError(f"{text}: SOCKS needs a package more", hint="pip install 'httpx[socks]', or set NO_PROXY")
    return ConfigError(text, hint=f"correct {name}, or set NO_PROXY")


def network_reason(error: BaseException) -> str:
    """Return why a connection failed, in words of our own: a library's may repeat a header or a URL with its secrets."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
            continue
        if isinstance(found, ssl.SSLError):
            return getattr(found, "verify_message", None) or f"TLS failed ({found.reason or 'no reason given'})"
        if isinstance(found, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(found, OSError) and found.errno:
            return os.strerror(found.errno)
        found = found.__cause__ or found.__context__
    return type(error).__name__
