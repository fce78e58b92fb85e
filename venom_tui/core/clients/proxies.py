"""Which proxy stands before an address: none before this machine and private networks."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit
from urllib.request import getproxies

_OWN = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_USUAL_PORTS = {"http": 80, "https": 443}


def is_local(url: str) -> bool:
    """Return whether an address is this machine or a private network, which no proxy stands before."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # no address at all, which is told when it is used
        return False
    if host == "localhost" or host.endswith(_OWN):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host  # a name of the own network, or of a container beside this one
    # Also what carriers and mesh networks (Tailscale) give out: 100.64.0.0/10.
    return not address.is_global


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address, None where it is asked directly.

    Known are HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, in either case. NO_PROXY is a list of names (with what is below
    them, a dot or `*.` before them or not), addresses, networks (10.0.0.0/8), each with a port or without, and `*`.
    """
    if is_local(url):
        return None
    proxies = getproxies()
    try:
        parts = urlsplit(url)
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or any(
        _names(entry, parts.scheme, (parts.hostname or "").rstrip("."), port)
        for entry in re.split(r"[\s,]+", proxies.get("no", ""))
    ):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _names(entry: str, scheme: str, host: str, port: int | None) -> bool:
    """Return whether an entry of NO_PROXY names a host."""
    entry = entry.lower()
    if "://" in entry:
        wanted, _, entry = entry.partition("://")
        if wanted not in ("all", scheme):
            return False
    name, wanted_port = _split(entry.rstrip("/"))
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    if name == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = name.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _split(entry: str) -> tuple[str, str]:
    """Return name and port of an entry; IPv6 may stand in brackets."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""
