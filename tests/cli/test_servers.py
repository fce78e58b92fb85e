"""`venom-tui runtimes start|stop|restart|logs|profiles`, each command a process of its own."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, configure, profile
from tests.real.servers.process import free_port
from venom_tui.cli.runtimes import _added
from venom_tui.core.owner import start_time
from venom_tui.core.servers.records import read_record

from .conftest import Cli, Command, wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _cleaned(venom: Command) -> Iterator[None]:
    with cleaned(venom.data.parent):
        yield


def pid_of(venom: Command) -> int | None:
    record = read_record(venom.data / "servers", "box")
    return None if record is None or record.server is None else record.server.pid


def test_two_commands_that_start_the_same_at_once_start_one(venom: Command) -> None:
    profile(venom.data.parent, "--after", "1")
    both = [venom.start("runtimes", "start", "box", "--json") for _ in range(2)]
    outputs = [one.communicate(timeout=100) for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    ends = [json.loads(out.splitlines()[-1]) for out, _ in outputs]
    assert ends[0]["id"] == ends[1]["id"]
    assert {one["state"] for one in ends} == {"succeeded"}
    log = venom.json("operations", "show", ends[0]["id"])["log"]
    assert sum("started: process" in line for line in log) == 1
    pid = pid_of(venom)
    assert pid is not None
    assert start_time(pid) is not None, "it goes on without either command"

    found = {one["id"]: one for one in venom.json("runtimes", "list")}
    assert (found["box"]["state"], found["box"]["version"], found["box"]["loaded"]) == ("ready", "0.32.0", ["fake"])
    assert (found["box"]["server"]["state"], found["box"]["server"]["ours"]) == ("runs", True)
    assert found["box"]["load"]["running"] == 0
    assert found["embedded"]["server"] is None
    again = venom("runtimes", "start", "box", "--json")
    assert (again.returncode, json.loads(again.stdout)["error"]["code"]) == (1, "operation_refused")
    assert "Application startup complete." in venom("runtimes", "logs", "box").stdout
    assert venom.json("runtimes", "logs", "box", "--lines", "1") == ["INFO: Application startup complete."]
    (shown,) = venom.json("runtimes", "profiles")
    assert (shown["way"], shown["command"][3:5]) == ("profile", ["--served-model-name", "fake"])
    assert venom("runtimes", "stop", "box").returncode == 0
    assert start_time(pid) is None


def test_what_answers_somebody_is_not_stopped_without_a_yes(venom: Command) -> None:
    configure(venom.data.parent, free_port(), "--busy")
    assert venom("runtimes", "start", "box").returncode == 0
    refused = venom("runtimes", "stop", "box", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "declined")
    assert "box answers 2 requests, 3 wait; they will fail." in refused.stderr
    pid = pid_of(venom)
    assert venom("runtimes", "restart", "box", "--yes").returncode == 0
    other = pid_of(venom)
    assert other != pid
    assert venom("runtimes", "stop", "box", "--yes").returncode == 0
    assert other is not None
    assert start_time(other) is None


def test_a_start_that_fails_is_the_failure_of_the_command(venom: Command) -> None:
    configure(venom.data.parent, free_port(), "--fail", "OSError: [Errno 98] Address already in use")
    failed = venom("runtimes", "start", "box", "--json")
    error = json.loads(failed.stdout.splitlines()[-1])["error"]
    assert (failed.returncode, error["code"]) == (1, "start_failed")
    assert error["message"] == "box did not start: somebody else answers at its port; it ended with status 1."
    assert error["server_message"] == "OSError: [Errno 98] Address already in use"


def test_what_is_not_controlled_here(cli: Cli, config_dir: Path) -> None:
    configure(config_dir.parent, free_port())
    for verb in ("start", "stop", "restart", "logs"):
        for name in ("embedded", "none"):
            found = cli("runtimes", verb, name, "--json")
            assert (found.status, found.json["error"]["code"]) == (2, "usage"), (verb, name)
    refused = cli("--read-only", "runtimes", "start", "box", "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "read_only")
    stopped = cli("runtimes", "stop", "box", "--json")
    assert stopped.json["error"]["message"] == "box is not stopped: it does not run."
    assert cli("runtimes", "logs", "box", "--json").json == []


def test_ctrl_c_ends_what_it_started_and_detached_it_goes_on(venom: Command) -> None:
    configure(venom.data.parent, free_port(), "--after", "2")
    started = venom.start("runtimes", "start", "box")
    wait_until(lambda: pid_of(venom) is not None, "a start")
    pid = pid_of(venom)
    assert pid is not None
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "The start of box was cancelled." in said
    assert start_time(pid) is None

    detached = venom("runtimes", "start", "box", "--detach")
    assert detached.returncode == 0, detached.stderr
    operation = re.fullmatch(r"([0-9a-f]{16})\n", detached.stdout)
    assert operation is not None
    watched = venom("operations", "watch", operation[1])
    assert (watched.returncode, "succeeded" in watched.stdout) == (0, True), watched.stdout + watched.stderr
    assert venom("runtimes", "stop", "box").returncode == 0


def test_a_start_in_the_background_that_fails_for_want_of_memory_tells_who_held_it(venom: Command) -> None:
    configure(venom.data.parent, free_port(), "--fail", "CUDA out of memory")
    detached = venom("runtimes", "start", "box", "--detach")
    assert detached.returncode == 0, detached.stderr
    assert venom("operations", "watch", detached.stdout.strip()).returncode == 1
    shown = venom.json("operations", "show", detached.stdout.strip())
    assert "`venom-tui operations show` tells who held what." in shown["hint"]
    assert any(re.search(r"RAM: .* GiB available", line) for line in shown["log"])


def test_limits_act_on_a_start_from_the_shell(venom: Command) -> None:
    configure(venom.data.parent, free_port())
    limit = {"VENOM_KEEP_FREE_RAM": "9TiB"}
    refuses = {**limit, "VENOM_POLICY_RAM": "refuse"}
    for arguments in ((), ("--yes",), ("--detach",), ("--detach", "--yes")):
        refused = venom("runtimes", "start", "box", *arguments, "--json", **refuses)
        assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "guard_refused"), arguments
        assert "9216.0 GiB are to be kept" in refused.stderr
    asked = venom("runtimes", "start", "box", "--json", **limit)
    assert (asked.returncode, json.loads(asked.stdout)["error"]["code"]) == (1, "declined")
    assert pid_of(venom) is None
    warned = venom("runtimes", "start", "box", **limit, VENOM_POLICY_RAM="warn")
    assert (warned.returncode, "9216.0 GiB are to be kept" in warned.stderr) == (0, True)
    pid = pid_of(venom)
    assert venom("runtimes", "restart", "box", "--yes", **refuses).returncode == 1
    assert pid_of(venom) == pid
    assert venom("runtimes", "restart", "box", "--force", **refuses).returncode == 0
    assert pid_of(venom) != pid
    assert venom("runtimes", "stop", "box").returncode == 0
    assert venom("runtimes", "start", "box", "--detach", "--yes", **limit).returncode == 0
    assert venom("runtimes", "stop", "box").returncode == 0


def test_what_is_new_of_a_log() -> None:
    assert _added([], ["a", "b"]) == ["a", "b"]
    assert _added(["a", "b"], ["a", "b", "c"]) == ["c"]
    assert _added(["a", "b"], ["a", "b"]) == []
    assert _added(["x", "a", "a"], ["a", "a", "a", "b"]) == ["b"]
    assert _added(["old"], ["new", "newer"]) == ["new", "newer"], "it was begun anew"


def test_a_log_is_followed(venom: Command) -> None:
    configure(venom.data.parent, free_port(), "--after", "2")
    assert venom("runtimes", "start", "box", "--detach").returncode == 0
    following = venom.start("runtimes", "logs", "box", "--follow")
    assert following.stdout is not None
    seen = ""
    while "Application startup complete." not in seen:
        line = following.stdout.readline()
        assert line, seen
        seen += line
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=60)
    assert following.returncode == 130
    assert venom("runtimes", "stop", "box").returncode == 0
