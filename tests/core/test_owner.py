from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from venom_tui.core import owner as module
from venom_tui.core.owner import Owner, start_time


@pytest.fixture
def here() -> Owner:
    return Owner.current()


def test_we_live(here: Owner) -> None:
    assert here.alive(Owner.current()) is True
    assert here == Owner.current()
    assert here.pid == os.getpid()
    assert here.machine_id
    assert here.boot_id


def test_stored_and_read_back(here: Owner) -> None:
    assert Owner.from_text(here.as_text()) == here


@pytest.mark.parametrize("text", ["", "x", "{}", "[]", "null", '{"pid": 3}', '{"a": 1}'])
def test_something_else_is_nobody(text: str) -> None:
    assert Owner.from_text(text) is None


def test_a_process_that_ended(here: Owner) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = replace(here, pid=process.pid, start_time=start_time(process.pid) or 0)
    assert theirs.alive(here) is True
    process.kill()
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now: its pid is still there
    assert theirs.alive(here) is False
    process.wait()
    assert theirs.alive(here) is False


def test_a_pid_that_is_used_again(here: Owner) -> None:
    assert replace(here, start_time=here.start_time - 1).alive(here) is False


def test_after_a_reboot(here: Owner) -> None:
    assert replace(here, boot_id="an earlier boot").alive(here) is False


def test_another_machine_is_not_judged(here: Owner) -> None:
    assert replace(here, machine_id="other").alive(here) is None
    # Two machines made from one image have one machine id.
    assert replace(here, boot_id="another boot", host="other-host").alive(here) is None


def test_a_new_host_name_is_still_this_machine(here: Owner) -> None:
    assert replace(here, host="renamed").alive(here) is True
    assert replace(here, host="renamed", start_time=1).alive(here) is False


def test_another_pid_namespace(here: Owner) -> None:
    boot, _, namespace = here.boot_id.partition("/")
    gone = replace(here, boot_id=f"{boot}/pid:[1]")
    assert gone.alive(here) is False
    assert replace(gone, host="another-container").alive(here) is None
    # Seen from a namespace around it, in which one of its processes can be looked at.
    outside = replace(here, boot_id=f"{boot}/pid:[1]")
    assert replace(here, boot_id=f"{boot}/{namespace}").alive(outside) is None


def test_a_name_with_blanks_and_parentheses(tmp_path: Path) -> None:
    link = tmp_path / "a) b (c"
    link.symlink_to(sys.executable)
    process = subprocess.Popen([str(link), "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert (start_time(process.pid) or 0) >= (start_time(os.getpid()) or 0) > 0
    finally:
        process.communicate(b"\n")


def test_no_such_process() -> None:
    assert start_time(2**22 + 1) is None


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (module._start_time_elsewhere(os.getpid()) or 0) > 0
    assert module._start_time_elsewhere(2**22 + 1) is None
