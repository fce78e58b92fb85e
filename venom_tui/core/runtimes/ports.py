"""The address of a server whose table names none: a free port of the loopback address, the same at every start."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

_HOST = "127.0.0.1"


def folder_of(data_dir: Path) -> Path:
    """Return where it is kept what is known of the servers that venom-tui starts."""
    return data_dir / "servers"


def chosen_url(data_dir: Path, name: str, *, read_only: bool = False) -> str:
    """Return the address of a server (small synchronous reads and writes); the first who asks chooses the port."""
    path = _path(data_dir, name)
    port = _read(path)
    if port is None and not read_only:
        port = _keep(path, free_port())
    return f"http://{_HOST}:{port or free_port()}"


def choose_again(data_dir: Path, name: str) -> str:
    """Choose another port, where somebody else took the one that was chosen; return the address."""
    path = _path(data_dir, name)
    path.unlink(missing_ok=True)
    return chosen_url(data_dir, name)


def free_port() -> int:
    """Return a port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _path(data_dir: Path, name: str) -> Path:
    return folder_of(data_dir) / f"{name}.port"


def _read(path: Path) -> int | None:
    try:
        port = int(path.read_text(encoding="ascii")[:6])
    except (OSError, ValueError):
        return None
    return port if 1024 <= port <= 65_535 else None


def _keep(path: Path, port: int) -> int:
    """Write the port where none is written yet, by one at a time; return the one that counts."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path.with_name("ports.lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = _read(path)
            if known is not None:
                return known
            new = path.with_name(f"{path.name}.new")
            new.write_text(f"{port}\n", encoding="ascii")
            new.replace(path)
    except OSError:
        pass  # then it is chosen anew each time
    return port
