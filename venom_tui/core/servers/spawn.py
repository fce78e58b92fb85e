"""Begins a server: one at a time for each name, over all processes, in a session of its own. All of it blocks."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from venom_tui.core.errors import OperationRefused, StartFailed
from venom_tui.core.owner import Owner
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers.arguments import shown_command
from venom_tui.core.servers.records import Record, read_record

_STARTS_WITHIN_S = 20.0
_CONNECT_S = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server that is to be started."""

    name: str
    url: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """All of its variables."""
    folder: Path
    """Where its record lies."""
    log: Path


class PortTaken(StartFailed):
    """Somebody else answers where the server is to answer."""


def spawn(wanted: Wanted) -> tuple[Record, bool]:
    """Start a server, and return its record and whether it was started now: ours that runs already is left as it is.

    Raises:
        PortTaken: somebody else answers at its address.
        StartFailed: its program cannot be run.
        OperationRefused: it runs on another machine.
    """
    with _alone(wanted.folder, wanted.name):
        here = Owner.current()
        record = read_record(wanted.folder, wanted.name)
        if record is not None and record.server is not None:
            lives = record.alive(here)
            if lives:
                return record, False
            if lives is None and not record.ended_at:
                raise OperationRefused(
                    f"{wanted.name} runs on {sanitize_line(record.server.host, 80) or 'another machine'}.",
                    hint="What another machine does is left alone.",
                )
        _check_port(wanted)
        return _run(wanted), True


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold what no two who start the same server may hold at once."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartFailed(f"{name} cannot be started: {folder} cannot be written ({error.strerror}).") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _check_port(wanted: Wanted) -> None:
    address = urlsplit(wanted.url)
    port = address.port
    if port is None:
        return
    try:
        socket.create_connection((address.hostname or "127.0.0.1", port), _CONNECT_S).close()
    except OSError:
        return
    raise PortTaken(
        f"{wanted.name} cannot be started: {_holder(port)} answers at port {port} already.",
        hint="venom-tui did not start that one and leaves it alone; config.toml gives this one another port.",
    )


def _holder(port: int) -> str:
    """Return who listens at a port, as far as this user may know."""
    import psutil  # only for the sentence

    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f"process {one.pid} ({sanitize_line(psutil.Process(one.pid).name(), 40)})"
    except (psutil.Error, OSError):
        pass
    return "somebody else"


def _run(wanted: Wanted) -> Record:
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    told = {
        "name": wanted.name,
        "url": wanted.url,
        "command": list(wanted.command),
        "shown": shown_command(wanted.command),
        "environment": dict(wanted.environment),
        "cwd": str(Path.home()) if Path.home().is_dir() else "/",
        "folder": str(wanted.folder),
        "log": str(wanted.log),
    }
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "venom_tui.core.servers.keeper"],
            env={**os.environ, "PYTHONPATH": paths},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        ) as process:
            said, _ = process.communicate(json.dumps(told), _STARTS_WITHIN_S)
        answer = json.loads(said.partition("\n")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise StartFailed(f"{wanted.name} could not be started.", server_message=str(error)[:200]) from error
    if "error" in answer:
        program = sanitize_line(wanted.command[0], 200)
        raise StartFailed(
            f"{wanted.name} could not be started: {program}: {sanitize_line(str(answer['error']), 200)}.",
            hint="config.toml says what is run; write the whole path of a program that is not in PATH.",
        )
    record = read_record(wanted.folder, wanted.name)
    if record is None:
        raise StartFailed(f"{wanted.name} was started as process {answer['pid']}, but that could not be written down.")
    return record
