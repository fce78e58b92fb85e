"""A server that takes long to start, in the real program: everything else goes on, and the server outlives it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, configure
from tests.real.servers.process import free_port
from tests.terminal.venom import Venom
from venom_tui.core.owner import start_time
from venom_tui.core.servers.records import read_record


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with cleaned(tmp_path):
        yield tmp_path


def pid_of(venom: Venom) -> int:
    record = read_record(venom.data / "servers", "box")
    assert record is not None
    assert record.server is not None
    return record.server.pid


def to_box(venom: Venom) -> None:
    venom.send("f6")
    venom.wait_for("how it is")
    venom.wait_for("box")
    venom.send("down")
    venom.wait_for("── box ─")


def test_everything_goes_on_while_a_server_starts(home: Path) -> None:
    configure(home, free_port(), "--after", "300")
    with Venom(home) as venom:
        venom.ready()
        to_box(venom)
        venom.type("s")
        venom.wait_for("loads weights")
        pid = pid_of(venom)
        venom.send("f2")
        venom.type("a draft")
        venom.wait_for("> a draft")
        for key, words in (("f3", "Models ─"), ("f4", "box loads weights"), ("f5", "Host ·"), ("f6", "loads weights")):
            venom.send(key)
            venom.wait_for(words)
        venom.send("ctrl+q")
        assert venom.wait_exit() == 0
        assert venom.restored
    assert start_time(pid) is not None
    with Venom(home) as venom:
        venom.ready()
        to_box(venom)
        venom.wait_for(f"started by venom-tui as process {pid}")
        venom.wait_for("box loads weights")  # in the background it is waited for
        venom.wait_for("state +starting: loads weights")
        venom.type("x")
        venom.wait_for("It is still starting")
        venom.type("y")
        venom.wait_until(lambda: start_time(pid) is None, 30, "the end of the server")
        venom.wait_for("box +.*was stopped")
        venom.quit()


def test_nothing_is_written_while_nothing_changes(home: Path) -> None:
    configure(home, free_port(), more='[runtimes.far]\nurl = "http://127.0.0.1:9"\nkind = "llamacpp"')
    with Venom(home) as venom:
        venom.ready()
        to_box(venom)
        venom.wait_for("no answer")
        time.sleep(2.5)  # each has been asked once more
        seen = len(venom.output)
        time.sleep(3.0)
        written = {int(row) for row in re.findall(rb"\x1b\[(\d+);\d+H", venom.output[seen:])}
        assert written <= {1}, "below the header, which tells of the host"
        venom.quit()
