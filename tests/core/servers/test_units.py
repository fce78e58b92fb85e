"""Units of systemd, with programs in the place of systemctl and journalctl that do what those were seen to do."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from tests.core.servers.support import configure, ended, opened, server_of
from tests.openai import vllm
from tests.real.servers.process import free_port
from tests.servers import Server
from venom_tui.core.errors import OperationRefused
from venom_tui.core.servers.records import read_record
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.server import ServerState

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$HERE/asked"
verb=""; for one in "$@"; do case "$one" in show|start|stop) verb=$one;; esac; done
case "$verb" in
  start) [ -e "$HERE/refuses" ] && { echo "Failed to start box.service: Access denied"; exit 4; }
         echo active > "$HERE/state"; echo "run-$$" > "$HERE/invocation";;
  stop)  echo inactive > "$HERE/state";;
  show)  state=$(cat "$HERE/state" 2>/dev/null || echo inactive)
         printf 'ActiveState=%s\\nSubState=running\\nResult=exit-code\\nMainPID=4321\\n' "$state"
         printf 'InvocationID=%s\\nLoadState=%s\\n' "$(cat "$HERE/invocation" 2>/dev/null)" "$(cat "$HERE/load")";;
esac
"""
SLOW = SYSTEMCTL.replace("echo active >", "echo activating >").replace(
    '/invocation";;', '/invocation"; exec sleep 60;;'
)
JOURNALCTL = """#!/bin/sh
echo "journalctl $@" >> "$HERE/asked"
printf 'INFO first\\ntorch.OutOfMemoryError: CUDA out of memory.\\n'
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that says how the unit is; programs that read it stand before those of the machine."""
    here = tmp_path / "system"
    here.mkdir()
    (here / "load").write_text("loaded\n")
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        (here / name).write_text(text)
        (here / name).chmod(0o755)
    monkeypatch.setenv("HERE", str(here))
    monkeypatch.setenv("PATH", f"{here}:/usr/bin:/bin")
    return here


def with_unit(folder: Path, url: str) -> None:
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "config.toml").write_text(
        f'[runtimes.box]\nurl = "{url}"\nkind = "vllm"\nunit = "box.service"\nuser_unit = true\n'
    )


async def test_a_unit_is_started_and_stopped_by_systemd(tmp_path: Path, system: Path) -> None:
    server = Server(vllm())
    await server.start()
    with_unit(tmp_path, server.url)
    async with opened(tmp_path) as core:
        await core.servers.look()
        seen = server_of(core)
        assert (seen.way, seen.state, seen.unit, seen.detail) == (
            "unit", ServerState.STOPPED, "box.service", "the user's systemd: inactive (running)"
        )  # fmt: skip
        await ended(core, await core.servers.start("box"))
        await core.servers.look()
        runs = server_of(core)
        assert (runs.state, runs.ours, runs.pid) == (ServerState.RUNS, True, 4321)
        assert await core.servers.log("box") == ["INFO first", "torch.OutOfMemoryError: CUDA out of memory."]
        # systemd has started it anew meanwhile: that run is not ours, and the unit is still controlled here.
        (system / "invocation").write_text("another\n")
        await core.servers.look()
        assert not server_of(core).ours
        assert core.servers.refused(server_of(core)) == {"start": "it runs already"}
        await ended(core, await core.servers.stop("box"))
        await core.servers.look()
        assert server_of(core).state is ServerState.STOPPED
        assert read_record(tmp_path / "data" / "servers", "box") is None
    asked = (system / "asked").read_text().splitlines()
    assert "--user --no-ask-password --no-pager start -- box.service" in asked
    assert "--user --no-ask-password --no-pager stop -- box.service" in asked
    await server.close()


async def test_a_unit_that_fails_says_why(tmp_path: Path, system: Path) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "systemctl").write_text(SYSTEMCTL.replace("echo active >", "echo failed >"))
    async with opened(tmp_path) as core:
        failed = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert "box did not start: there is not enough memory; systemd says failed (exit-code)" in failed.error
        await core.servers.look()
        assert server_of(core).state is ServerState.ENDED
        (system / "refuses").touch()
        refused = await ended(core, await core.servers.start("box"), OperationState.FAILED)
        assert refused.error.startswith("systemd did not start box.service.")
        assert "Access denied" in refused.server_message
        assert "user_unit" in refused.hint


async def until_it_activates(system: Path) -> None:
    run = system / "invocation"
    async with asyncio.timeout(30):
        while not run.exists() or not run.read_text():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.02)


async def test_a_start_that_is_cancelled_while_systemd_works_stops_the_unit(tmp_path: Path, system: Path) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "systemctl").write_text(SLOW)
    async with opened(tmp_path) as core:
        operation = await core.servers.start("box")
        await until_it_activates(system)
        assert (await core.operations.cancel(operation.id)).state is OperationState.CANCELLED
        assert (system / "state").read_text() == "inactive\n"
        assert read_record(tmp_path / "data" / "servers", "box") is None


async def test_a_full_disk_holds_up_neither_a_start_nor_its_end(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "systemctl").write_text(SLOW)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("venom_tui.core.servers.performers.write_record", full)
    async with opened(tmp_path) as core:
        operation = await core.servers.start("box")
        await until_it_activates(system)
        assert (await core.operations.cancel(operation.id)).state is OperationState.CANCELLED
        assert (system / "state").read_text() == "inactive\n"
        assert any("cannot be written: No space left" in line for line in await core.operations.log(operation.id))


async def test_a_unit_whose_start_goes_on_without_venom_tui_is_ours(tmp_path: Path, system: Path) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "systemctl").write_text(SLOW)
    async with opened(tmp_path) as core:
        await core.servers.start("box")
        await until_it_activates(system)
    assert (system / "state").read_text() == "activating\n"
    record = read_record(tmp_path / "data" / "servers", "box")
    assert record is not None
    assert record.invocation == (system / "invocation").read_text().strip()


async def test_a_unit_that_is_not_there_and_no_systemd(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "load").write_text("not-found\n")
    async with opened(tmp_path) as core:
        with pytest.raises(OperationRefused, match="systemd knows no unit box"):
            await core.servers.start("box")
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(OperationRefused, match="systemctl cannot be run"):
            await core.servers.start("box")
        assert (await core.servers.log("box"))[0].startswith("journalctl cannot be run")


async def test_a_command_that_is_configured_stays_a_command(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    async with opened(tmp_path) as core:
        assert (server_of(core).way, server_of(core).unit) == ("command", "")


async def test_a_systemd_that_takes_its_time_holds_up_nothing(tmp_path: Path, system: Path) -> None:
    with_unit(tmp_path, f"http://127.0.0.1:{free_port()}")
    (system / "systemctl").write_text("#!/bin/sh\nexec sleep 600\n")
    async with opened(tmp_path) as core:
        assert (server_of(core).unit, server_of(core).detail) == ("box.service", "not asked yet")
