"""Addresses of servers in all the forms that people write them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_LABEL = r"\w(?:[\w-]{0,61}\w)?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_NUMBERS = re.compile(r"\d+(?:\.\d+){3}", re.ASCII)
_PRINTED = re.compile(r"[!-~]*")
_CREDENTIALS = re.compile(r"[^/\s]*@")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1", "*": "127.0.0.1"}
"""What a server listens on -> what a client on the same machine connects to."""


def base_url(text: str, *, default_port: int, strip: tuple[str, ...] = ("/v1",)) -> str:
    """Return the base URL of a server: scheme, host, port and path, without a slash at its end.

    Known are addresses without a scheme (HTTP), without a port (`default_port`; that of the scheme where one is
    written, as Ollama reads `OLLAMA_HOST`), `:PORT`, a slash at the end, `0.0.0.0` and `::` (this machine), and IPv6
    with or without brackets. A path of `strip` at the end is taken off.

    Raises:
        UsageError: it is no address of an HTTP server, or holds credentials.
    """
    given = text.strip().strip("'\"").strip()
    found = _SCHEME.match(given)
    scheme = found[1].lower() if found else "http"
    rest = given[found.end() :] if found else given
    authority, slash, path = rest.partition("/")
    path = slash + path.partition("?")[0].partition("#")[0]
    if "@" in authority:
        raise UsageError(
            "An address with a user name and a password in it is not taken.",
            hint="Give a key by the environment or a file of mode 0600.",
        )
    if scheme not in ("http", "https"):
        raise UsageError(f"{_shown(text)} is no address: only http and https are known.")
    if (path and not authority) or authority.lower() in ("http:", "https:") or not _PRINTED.fullmatch(given):
        raise _no_address(text)
    host, port = _split(authority, text)
    if port is None:
        port = {"http": 80, "https": 443}[scheme] if found else default_port
    path = path.rstrip("/")
    for ending in strip:
        path = path.removesuffix(ending)
    netloc = f"[{host}]" if ":" in host else host
    return f"{scheme}://{netloc}:{port}{path.rstrip('/')}"


def _split(authority: str, text: str) -> tuple[str, int | None]:
    """Return host and port of an authority."""
    host, port = authority, ""
    if authority.startswith("["):
        host, closed, port = authority[1:].partition("]")
        if not closed or not _is_ipv6(host) or (port and not port.startswith(":")):
            raise _no_address(text)
        host, port = host.replace("%25", "%"), port.removeprefix(":")
    elif authority.count(":") == 1:
        host, _, port = authority.partition(":")
    elif ":" in authority and not _is_ipv6(authority):
        raise UsageError(f"{_shown(text)} is no address of a server.", hint="Write IPv6 as [::1]:PORT.")
    host = _ANY.get(host, host).lower()
    if not _is_host(host):
        raise _no_address(text)
    if not port:
        return host, None
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65_536:
        raise UsageError(f"{_shown(text)}: {_shown(port)} is no port.", hint="Ports are from 1 to 65535.")
    return host, int(port)


def _is_host(host: str) -> bool:
    if ":" in host or _NUMBERS.fullmatch(host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    return _NAME.fullmatch(host) is not None


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _no_address(text: str) -> UsageError:
    return UsageError(f"{_shown(text)} is no address of a server.", hint="Write HOST:PORT or http://HOST:PORT.")


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def shown_address(url: str) -> str:
    """Return an address as it is shown: host and port, and the path where there is one."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def _shown(text: str) -> str:
    return repr(sanitize_line(_CREDENTIALS.sub("…@", text), 80))
