"""The process beside a server that venom-tui started: `python -m venom_tui.core.servers.keeper`, told on its stdin.

It starts the server in a session of its own, keeps its log from growing without end, writes how it ended, and ends what
a dead server leaves behind. As its parent it alone can be sure of that: a dead child keeps its pid until the parent has
asked for its status. It belongs to no terminal and outlives the venom-tui that started it.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and os.fork():
    # Nobody's child from now on. Before anything is imported.
    os._exit(0)

import json
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from venom_tui.core.owner import Owner, start_time
from venom_tui.core.servers.records import Record, read_record, write_record

LARGEST_LOG = 2 * 1024 * 1024
"""Bytes of a log file; the one before it is kept as well."""
_LEFT_BEHIND_S = 3.0
"""So long the processes that a dead server left may take to end by themselves."""
_TURN_S = 0.25
_PIECE = 64 * 1024


class Log:
    """A log that is begun anew when it is full; the full one is kept beside it."""

    def __init__(self, path: Path, largest: int) -> None:
        self._path = path
        self._largest = largest
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._turn()

    def _turn(self) -> None:
        if self._path.exists():
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write what came; a full disk costs the log, not the server."""
        try:
            if self._size + len(data) > self._largest:
                os.close(self._file)
                self._turn()
            self._size += os.write(self._file, data)
        except OSError:
            pass


class Keeper:
    """Starts one server and stays with it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._folder = Path(told["folder"])
        self._told = told
        self._log = Log(Path(told["log"]), int(told.get("largest_log") or LARGEST_LOG))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Record:
        """Start the server and write which process it is.

        Raises:
            OSError: it cannot be run.
        """
        told = self._told
        self._process = process = subprocess.Popen(
            told["command"],
            env=told["environment"],
            cwd=told["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # SIGPIPE stays ignored: when this process is killed, the server loses its log and nothing else.
            restore_signals=False,
        )
        here = Owner.current()
        server = replace(here, pid=process.pid, start_time=start_time(process.pid) or 0)
        record = Record(
            name=told["name"],
            url=told["url"],
            command=tuple(told["shown"]),
            server=server,
            keeper=here,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            write_record(self._folder, record)
        except OSError:
            process.kill()
            raise
        return record

    def stay(self, record: Record) -> None:
        """Keep the log until the server has ended, write how, and end what it leaves."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, pid = self._process.stdout, self._process.pid
        os.set_blocking(pipe.fileno(), False)
        while (ended := _ended(pid)) is None:
            self._read(pipe, _TURN_S)
        self._read(pipe, 0)
        newest = read_record(self._folder, record.name)
        if newest is not None and newest.server == record.server:
            record = newest
        over = replace(record, status=ended, ended_at=datetime.now(UTC).isoformat(timespec="seconds"))
        if newest is None or newest.server == record.server:
            with suppress(OSError):  # a full disk: what the server leaves is ended all the same
                write_record(self._folder, over)
        self._end_the_rest(pid, pipe)
        self._process.wait()

    def _read(self, pipe: IO[bytes], wait_s: float) -> None:
        """Take what the server has written, waiting so long for the first of it."""
        while select.select([pipe], [], [], wait_s)[0]:
            try:
                data = os.read(pipe.fileno(), _PIECE)
            except BlockingIOError:
                return
            if not data:
                time.sleep(wait_s)  # it closed its output and lives on
                return
            self._log.write(data)
            wait_s = 0

    def _end_the_rest(self, pid: int, pipe: IO[bytes]) -> None:
        """End the processes of the server's group; its pid is still held by the status that nobody asked for."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not _group(pid):
                return
            try:
                os.killpg(pid, number)
            except OSError:
                return
            until = time.monotonic() + _LEFT_BEHIND_S
            while _group(pid) and time.monotonic() < until:
                self._read(pipe, _TURN_S / 2)
                time.sleep(0.02)


def _ended(pid: int) -> int | None:
    """Return how our child ended (negative: by which signal), None while it lives; it stays a zombie."""
    result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _group(leader: int) -> list[int]:
    """Return the pids of a process group that live, without its leader."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == leader and fields[0] not in ("Z", "X") and int(folder.name) != leader:
                found.append(int(folder.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Do it; the first line on stdout says which process it is, or why it is none."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told = json.loads(sys.stdin.read())
    keeper = Keeper(told)
    try:
        record = keeper.start()
    except OSError as error:
        _say({"error": error.strerror or str(error)})
        return 1
    assert record.server is not None
    _say({"pid": record.server.pid})
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    keeper.stay(record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
