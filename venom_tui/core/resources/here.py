"""Whether an address is one of this machine."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit


def is_here(endpoint: str) -> bool:
    """Return whether the host of an address is this machine; a name is only when it is localhost or our own."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    if host in ("localhost", "localhost.localdomain") or (host and host == socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or str(address) in _addresses()


@lru_cache(maxsize=1)
def _addresses() -> frozenset[str]:
    """Return the addresses of this machine's interfaces, as they were when they were first asked for."""
    import psutil

    try:
        listed = psutil.net_if_addrs()
    except (psutil.Error, OSError):
        return frozenset()
    return frozenset(one.address.partition("%")[0] for each in listed.values() for one in each)
