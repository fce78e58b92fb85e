"""Who a process is and how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.core.hostile import FORBIDDEN
from venom_tui.core.resources import processes as module
from venom_tui.core.resources.processes import MemoryMeter, ProcessNames, process_memory

GONE = 2**22 + 1


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-c", "input()", "evil\x1b[31m\u202e\nname"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE) as process:
        while not psutil.Process(process.pid).cmdline():  # the kernel gives it a moment after the start
            time.sleep(0.01)
        yield process
        process.kill()


def test_user_and_command(other: subprocess.Popen[bytes]) -> None:
    user, command = ProcessNames().of(other.pid)
    assert user == psutil.Process().username()
    assert command is not None
    assert command.startswith(sys.executable)
    assert command.endswith("evil name")
    assert not FORBIDDEN.search(command)


def test_a_process_that_is_gone(other: subprocess.Popen[bytes]) -> None:
    names = ProcessNames()
    assert names.of(GONE) == (None, None)
    assert names.of(other.pid)[1]
    other.kill()
    other.wait()
    assert names.of(other.pid) == (None, None)


def test_a_process_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(process: psutil.Process) -> tuple[str, str]:
        asked.append(process.pid)
        return "user", "command"

    monkeypatch.setattr(ProcessNames, "_read", staticmethod(read))
    names = ProcessNames()
    for _ in range(3):
        assert names.of(os.getpid()) == ("user", "command")
    assert len(asked) == 1
    names.forget_others([])
    names.of(os.getpid())
    assert len(asked) == 2
    # A pid that is given to another process is another one.
    monkeypatch.setattr("venom_tui.core.resources.processes._born", lambda _pid: 1.0)
    names.of(os.getpid())
    assert len(asked) == 3


def test_who_is_listed_all_the_time_is_asked_for_now_and_then(other: subprocess.Popen[bytes]) -> None:
    now = 0.0
    names = ProcessNames(5.0, lambda: now)
    said = names.of(other.pid)
    other.kill()
    other.wait()
    now = 4.9
    assert names.of(other.pid) == said
    now = 5.0
    assert names.of(other.pid) == (None, None)
    # Who was gone meanwhile is asked for at once.
    names.forget_others([])
    assert names.of(os.getpid())[1]
    names.forget_others([])
    assert not names._due and not names._known


def test_what_may_not_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "cmdline", refuse)
    user, command = ProcessNames().of(os.getpid())
    assert user is not None
    assert command is None
    monkeypatch.setattr(psutil.Process, "username", refuse)
    assert ProcessNames().of(os.getpid()) == (None, None)


def test_memory_is_the_share_of_what_is_shared() -> None:
    measured = process_memory(os.getpid())
    assert measured is not None
    assert 5_000_000 < measured <= psutil.Process().memory_info().rss + 10_000_000
    assert process_memory(GONE) is None


def test_memory_is_measured_no_more_often_than_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, measured = [100.0], []

    def measure(pid: int) -> int:
        measured.append(pid)
        clock[0] += 0.1  # it takes a tenth of a second
        return pid * 1000

    monkeypatch.setattr(module, "process_memory", measure)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    meter = MemoryMeter()
    assert meter.measure([1], 2.0) == {1: 1000}
    assert meter.measure([1], 2.0) == {1: 1000}
    assert measured == [1]
    clock[0] = 119.0
    meter.measure([1], 2.0)
    assert measured == [1], "0.5 % of a CPU, that is once in 20 s"
    clock[0] = 121.0
    assert meter.measure([1, 2], 2.0) == {1: 1000, 2: 2000}
    assert measured == [1, 1, 2]
    assert meter.measure([2], 2.0) == {2: 2000}
    assert meter.measure([], 2.0) == {}
