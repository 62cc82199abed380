"""What the environment says of the way to an address: proxies, and which addresses need none."""

import ipaddress
from urllib.parse import urlsplit


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
