"""`models pull` and the verbs of `operations`, as processes, against a hub on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import Command, wait_until
from tests.core.downloads.hubs import MIB, weights
from tests.hub import Hub, Repository
from tests.terminal.harness import Terminal

SIZE = 6 * MIB
NAME = "a-Q4_0.gguf"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(Repository("org/a", {NAME: weights(SIZE)}), Repository("org/b", {NAME: weights(SIZE, 9)})) as hub:
        yield hub


class Pulling:
    """The command with a hub."""

    def __init__(self, venom: Command, hub: Hub, home: Path) -> None:
        self.venom = venom
        self.environ = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(home / "hub"), "VENOM_DISCOVERY": "0"}

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        done = self.venom(*arguments, **self.environ)
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments: str) -> Any:
        return self.venom.json(*arguments, **self.environ)

    def start(self, *arguments: str) -> Any:
        return self.venom.start(*arguments, stdin=subprocess.DEVNULL, **self.environ)

    def operations(self) -> list[dict[str, Any]]:
        found = self.json("operations", "list")
        assert isinstance(found, list)
        return found

    def background(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                named = "venom_tui.core.operations.worker" in (process.info["cmdline"] or [])
                if named and process.environ().get("VENOM_DATA_DIR") == str(self.venom.data):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def pulling(venom: Command, hub: Hub, tmp_path: Path) -> Iterator[Pulling]:
    pulling = Pulling(venom, hub, tmp_path)
    yield pulling
    for process in pulling.background():
        process.kill()


def test_a_pull_in_lines(pulling: Pulling) -> None:
    status, out, err = pulling("models", "pull", "org/a")
    assert status == 0, err
    lines = out.splitlines()
    assert lines[-1] == "pull org/a  succeeded  6.0 MiB" and "\x1b" not in out
    assert err.startswith("org/a from 127.0.0.1") and "6.0 MiB; " in err and "free in" in err
    (operation,) = pulling.operations()
    assert {key: operation[key] for key in ("kind", "target", "runtime", "provider", "state", "bytes_done")} == {
        "kind": "pull", "target": "org/a", "runtime": "embedded", "provider": "huggingface", "state": "succeeded",
        "bytes_done": SIZE,
    }  # fmt: skip
    shown = pulling.json("operations", "show", operation["id"][:5])
    assert shown["log"][-1].endswith("succeeded") and shown["finished_at"] >= shown["started_at"]


def test_a_pull_in_json(pulling: Pulling, hub: Hub) -> None:
    hub.faults.rate = 6 * MIB
    status, out, err = pulling("models", "pull", "org/a", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [one["state"] for one in events if one["state"] != "running"][-1] == "succeeded"
    assert len({one["id"] for one in events}) == 1 and 3 <= len(events) < 20
    done = [one["bytes_done"] or 0 for one in events]
    assert done == sorted(done) and done[-1] == SIZE


def test_the_disk_space_that_is_kept_free(pulling: Pulling) -> None:
    pulling.environ["VENOM_KEEP_FREE_DISK"] = "900TiB"
    status, _, err = pulling("models", "pull", "org/a")
    assert status == 1 and "921600.0 GiB are to be kept" in err and "--yes" in err
    assert pulling.operations() == []
    pulling.environ["VENOM_POLICY_DISK"] = "refuse"
    status, _, err = pulling("models", "pull", "org/a", "--yes")
    assert status == 1 and "--force" in err
    assert pulling("models", "pull", "org/a", "--force")[0] == 0
    pulling.environ["VENOM_POLICY_DISK"] = "ask"
    assert pulling("models", "pull", "org/a")[0] == 0, "what is here takes nothing"
    assert pulling("models", "pull", "org/b", "--yes")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("org/nothing",), 1, "runtime_refused"),
        (("../x",), 2, "usage"),
        (("org/a:Q9",), 2, "usage"),
        (("llama3.2",), 1, "runtime_unavailable"),
        (("org/a", "--provider", "local"), 2, "usage"),
    ],
)
def test_what_cannot_be_pulled(pulling: Pulling, arguments: tuple[str, ...], status: int, code: str) -> None:
    found, out, err = pulling("models", "pull", *arguments, "--json")
    assert (found, json.loads(out)["error"]["code"]) == (status, code)
    assert err.startswith("venom-tui: ")
    assert pulling.operations() == []


def test_what_fails_is_said_and_retried(pulling: Pulling, hub: Hub) -> None:
    hub.faults.damaged = 1000
    status, out, err = pulling("models", "pull", "org/a", "--json")
    *_, event, failure = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and event["state"] == "failed"
    assert failure["error"]["code"] == event["error_code"] == "download_failed"
    assert "was thrown away" in failure["error"]["message"] and "came instead of" in failure["error"]["server_message"]
    assert "A retry fetches it anew." in err
    hub.faults.damaged = 0
    status, out, err = pulling("operations", "retry", event["id"])
    assert status == 0, err
    newest, oldest = pulling.operations()
    assert (newest["state"], newest["cause"], oldest["state"]) == ("succeeded", f"retry of {event['id']}", "failed")


def begun(pulling: Pulling, hub: Hub, *arguments: str) -> Any:
    """Start a command and wait until it has fetched something."""
    hub.faults.rate = MIB // 2
    process = pulling.start(*arguments)
    wait_until(lambda: any((one["bytes_done"] or 0) > MIB for one in pulling.operations()), "a megabyte")
    hub.faults.rate = MIB // 16  # so that it does not end before the test is where it wants to be
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_and_keeps_what_came(pulling: Pulling, hub: Hub, number: signal.Signals) -> None:
    process = begun(pulling, hub, "models", "pull", "org/a")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "was cancelled; what came is kept" in err
    (operation,) = pulling.operations()
    assert operation["state"] == "cancelled"
    wait_until(lambda: hub.serving == 0, "the end of the connections")
    hub.faults.rate = 0
    hub.served.clear()
    assert pulling("models", "pull", "org/a")[0] == 0
    assert hub.fetched(NAME) <= SIZE - MIB
    assert [one["state"] for one in pulling.operations()] == ["succeeded", "cancelled"]


def test_a_command_whose_terminal_is_gone_goes_on(pulling: Pulling, hub: Hub) -> None:
    process = begun(pulling, hub, "models", "pull", "org/a")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "goes on in the background" in err
    assert pulling.background()
    hub.faults.rate = 0
    wait_until(lambda: pulling.operations()[0]["state"] == "succeeded", "the end of the pull")
    wait_until(lambda: not pulling.background(), "the end of the background")


def test_a_second_command_joins_and_leaves_it_running(pulling: Pulling, hub: Hub) -> None:
    first = begun(pulling, hub, "models", "pull", "org/a")
    second = pulling.start("models", "pull", "org/a")
    line = second.stdout.readline()
    assert line.startswith("pull org/a")
    second.send_signal(signal.SIGINT)
    _, err = second.communicate(timeout=30)
    assert second.returncode == 130 and "goes on where it runs" in err
    third = pulling.start("operations", "watch", pulling.operations()[0]["id"], "--json")
    hub.faults.rate = 0
    out, _ = third.communicate(timeout=30)
    assert json.loads(out.splitlines()[-1])["state"] == "succeeded"
    assert (first.wait(30), third.returncode) == (0, 0)
    assert len(pulling.operations()) == 1


def test_who_joined_goes_on_when_the_first_is_killed(pulling: Pulling, hub: Hub) -> None:
    first = begun(pulling, hub, "models", "pull", "org/a")
    second = pulling.start("models", "pull", "org/a")
    assert second.stdout.readline()
    first.kill()
    hub.faults.rate = 0
    assert second.wait(60) == 0
    (operation,) = pulling.operations()
    assert operation["state"] == "succeeded"


def test_in_the_background(pulling: Pulling, hub: Hub) -> None:
    hub.faults.rate = MIB // 4
    status, out, err = pulling("models", "pull", "org/a", "--detach")
    assert status == 0, err
    first = out.strip()
    assert pulling.json("models", "pull", "org/a", "--detach")["id"] == first, "the same is joined"
    second = pulling.json("models", "pull", "org/b", "--detach")["id"]
    wait_until(lambda: pulling.json("operations", "show", first)["state"] == "running", "the first")
    assert pulling.json("operations", "show", second)["state"] == "queued"
    assert pulling.json("operations", "cancel", second)["state"] == "cancelled"
    assert pulling.json("operations", "pause", first)["state"] == "paused"
    wait_until(lambda: not pulling.background(), "the end of the background")
    assert pulling.json("operations", "show", first)["state"] == "paused"
    hub.faults.rate = 0
    assert pulling.json("operations", "resume", first, "--detach")["id"] == first
    wait_until(lambda: pulling.json("operations", "show", first)["state"] == "succeeded", "the end of the pull")
    status, out, err = pulling("operations", "cancel", first)
    assert status == 1 and "has ended (succeeded)" in err
    status, out, err = pulling("operations", "resume", first, "--json")
    assert status == 1 and json.loads(out)["error"]["code"] == "operation_refused"
    assert pulling.json("operations", "clear", "--yes") == {"removed": 2}


def test_stop_ends_the_background(pulling: Pulling, hub: Hub) -> None:
    hub.faults.rate = MIB // 4
    first = pulling.json("models", "pull", "org/a", "--detach")["id"]
    status, out, err = pulling("stop")
    assert status == 0 and "The pull of org/a was stopped; `operations resume" in out, out + err
    wait_until(lambda: not pulling.background(), "the end of the background")
    assert pulling.json("operations", "show", first)["state"] == "interrupted"
    hub.faults.rate = 0
    assert pulling("operations", "resume", first)[0] == 0


def test_a_bar_on_a_terminal(pulling: Pulling, hub: Hub, venom: Command) -> None:
    hub.faults.rate = 3 * MIB
    environ: dict[str, str | None] = {
        **pulling.environ, "VENOM_DATA_DIR": str(venom.data), "VENOM_CONFIG_DIR": str(venom.config),
    }  # fmt: skip
    command = [sys.executable, "-m", "venom_tui", "models", "pull", "org/a"]
    with Terminal(command, columns=100, rows=10, env=environ) as terminal:
        terminal.wait_for(r"pull org/a  [█▏▎▍▌▋▊▉░]+ +\d+ %  \d\.\d MiB of 6\.0 MiB")
        terminal.wait_for(r"MB/s")
        assert terminal.wait_exit(30) == 0
        assert "pull org/a  succeeded  6.0 MiB" in terminal.text
        assert not [line for line in terminal.lines if "█" in line], "the bar is gone"


@pytest.mark.parametrize(("answer", "status"), [(b"y\r", 0), (b"\r", 1)])
def test_somebody_is_asked_where_less_would_be_left_than_is_kept(
    pulling: Pulling, venom: Command, answer: bytes, status: int
) -> None:
    environ: dict[str, str | None] = {
        **pulling.environ, "VENOM_DATA_DIR": str(venom.data), "VENOM_CONFIG_DIR": str(venom.config),
        "VENOM_KEEP_FREE_DISK": "900TiB",
    }  # fmt: skip
    command = [sys.executable, "-m", "venom_tui", "models", "pull", "org/a"]
    with Terminal(command, columns=100, rows=20, env=environ) as terminal:
        terminal.wait_for(r"Go on\? \[y/N\]")
        terminal.write(answer)
        assert terminal.wait_exit(30) == status
        assert ("Nothing was changed." in terminal.text) is bool(status)
    assert [one["state"] for one in pulling.operations()] == ["succeeded"] * (not status)
