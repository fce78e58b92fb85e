"""`venom-tui guard`: in JSON for programs, in lines for people, once or again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from venom_tui.cli.guard import _lines
from venom_tui.core.types.device import Disk, Gpu, GpuProcess, GuardSnapshot, HostInfo, LoadedModel

from .conftest import Cli, Command

GIB = 1024**3


def test_the_object(cli: Cli) -> None:
    found = cli("guard", "--json")
    assert (found.status, found.err) == (0, "")
    snapshot = found.json
    assert {"gpus", "host", "loaded", "limits", "unavailable"} <= set(snapshot)
    assert snapshot["host"]["ram_total_bytes"] > 0
    assert 0 <= snapshot["host"]["cpu_percent"] <= 100
    assert [disk["label"] for disk in snapshot["host"]["disks"]] == ["data", "models"]
    assert isinstance(snapshot["gpus"], list)
    assert snapshot["gpus"] or snapshot["unavailable"]["gpus"]


def test_it_makes_nothing(cli: Cli, data_dir: object) -> None:
    text = cli("guard").out
    assert "RAM" in text
    assert "GPU" in text
    assert "\x1b" not in text
    assert not os.path.exists(str(data_dir))


def test_a_runtime_that_does_not_answer_is_named(venom: Command) -> None:
    done = venom("guard", OLLAMA_HOST="127.0.0.1:9")
    assert done.returncode == 0 and "RAM" in done.stdout
    assert done.stderr == "venom-tui: ollama at http://127.0.0.1:9 is left out: connection refused.\n"


def test_limits_are_set_and_taken_back(cli: Cli) -> None:
    assert all(one["source"] == "default" for one in cli("guard", "--limits", "--json").json)
    done = cli("guard", "--set", "VENOM_KEEP_FREE_RAM=4GiB", "--set", "venom_policy_ram=refuse")
    assert done.status == 0 and "RAM kept free" in done.out and "4.0 GiB" in done.out and "refuse" in done.out
    found = {one["name"]: one for one in cli("guard", "--limits", "--json").json}
    ram = found["VENOM_KEEP_FREE_RAM"]
    assert (ram["value"], ram["policy"], ram["source"], ram["policy_source"]) == (4 * GIB, "refuse", "store", "store")
    taken = cli("guard", "--unset", "VENOM_KEEP_FREE_RAM", "--unset", "VENOM_POLICY_RAM", "--json").json
    assert all(one["source"] == "default" for one in taken)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "VENOM_KEEP_FREE_RAM"), "--set takes NAME=VALUE"),
        (("--set", "VENOM_KEEP_FREE_RAM=much"), "must be a size such as 4GiB"),
        (
            ("--set", "VENOM_KEEP_FREE_RAM=4GiB", "--set", "VENOM_POLICY_RAM=maybe"),
            "must be ask, warn, refuse or evict",
        ),
        (("--set", "VENOM_THEME=ansi"), "is no limit"),
        (("--unset", "nothing"), "is no limit"),
        (("--limits", "--watch"), "go with nothing but --json"),
    ],
)
def test_what_is_no_limit_changes_nothing(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    done = cli("guard", *arguments)
    assert done.status == 2 and words in done.err
    assert all(one["source"] == "default" for one in cli("guard", "--limits", "--json").json)


def test_a_limit_that_the_environment_sets_wins(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_KEEP_FREE_RAM", "1GiB")
    done = cli("guard", "--set", "VENOM_KEEP_FREE_RAM=4GiB")
    assert done.status == 0 and "1.0 GiB" in done.out
    assert "VENOM_KEEP_FREE_RAM is set in the environment, which wins" in done.err


def test_all_that_there_may_be() -> None:
    host = HostInfo(
        "box\x1b[31m", 8, None, 64 * GIB, None, 2 * GIB, GIB, 1.5, (Disk("/data", "data", None, None),),
        {"cpu_percent": "known from the second look on", "disks.data": "the file system does not answer"},
        ("RAM is limited to 64.0 GiB here",),
    )  # fmt: skip
    process = GpuProcess(7, None, "evil\x1b]0;x\x07name", None, "embedded", "tiny")
    gpus = (
        Gpu(
            index=0,
            name="Card",
            memory_total_bytes=80 * GIB,
            memory_used_bytes=20 * GIB,
            memory_free_bytes=60 * GIB,
            utilization_percent=0,
            mig_mode=True,
            processes=(process,),
            unavailable=dict.fromkeys(("power_w", "temperature_c"), "this user may not read it"),
        ),
        Gpu(1, memory_kind="unified"),
    )
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    loaded = (LoadedModel("tiny", "embedded", measured_bytes=GIB, context_length=8192),)
    text = "\n".join(_lines(GuardSnapshot(now, host, gpus, loaded, ("at most 1 model",))))
    assert "\x1b" not in text
    for expected in (
        *("box, ", "8, ? % busy, load 1.5 (known from the second look on)", "? of 64.0 GiB free", "1.0 GiB of 2.0 GiB"),
        *("? of ? free, /data (the file system does not answer)", "RAM is limited to 64.0 GiB here"),
        *("20.0 GiB", "80.0 GiB", "0 %", "on", "? (host's RAM)", "evilname", "tiny", "8,192", "limit: at most 1 model"),
        "GPU 0 does not tell power_w, temperature_c  this user may not read it",
    ):
        assert expected in text, expected


def test_watching_prints_one_object_a_line(venom: Command) -> None:
    process = venom.start("guard", "--watch", "--interval", "0.2", "--json")
    assert process.stdout is not None
    snapshots = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert snapshots[0]["taken_at"] < snapshots[1]["taken_at"] < snapshots[2]["taken_at"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["error"]["code"] == "interrupted"
    assert err == "venom-tui: Interrupted.\n"


def test_watching_ends_with_its_reader(venom: Command) -> None:
    process = venom.start("guard", "--watch", "--interval", "0.2")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == ""


def test_a_reader_that_stands_still_does_not_keep_it_from_ending(venom: Command) -> None:
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "venom_tui", "guard", "--watch", "--interval", "0.2"],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env=venom.environment(),
        )
        venom.processes.append(process)
        while b"\n" not in os.read(reading, 4096):
            pass
        os.set_blocking(writing, False)
        fill(writing)
        os.set_blocking(writing, True)
        process.terminate()
        assert process.wait(30) == 130
    finally:
        os.close(reading)
        os.close(writing)


def fill(descriptor: int) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b" " * 4096)


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "never"])
def test_odd_intervals(cli: Cli, interval: str) -> None:
    found = cli("guard", "--watch", "--interval", interval, "--json")
    assert (found.status, found.json["error"]["code"]) == (2, "usage")
