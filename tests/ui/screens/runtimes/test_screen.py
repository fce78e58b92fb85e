"""The runtimes section, over servers that the screen starts itself and scripted ones."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.servers.support import cleaned, configure, server_of
from tests.core.support import settings_for
from tests.fake_runtime import METRICS
from tests.openai import vllm
from tests.real.servers.process import free_port
from tests.servers import head, sends, serving
from tests.ui.dialogs.test_slow_answers import EVERY_S, ticks
from tests.ui.shown import Shown, open_app
from venom_tui.core.owner import start_time
from venom_tui.core.types.server import ServerState
from venom_tui.ui.screens.runtimes.screen import RuntimesScreen

FAR = '[runtimes.far]\nurl = "http://127.0.0.1:9"\nkind = "llamacpp"\n'


@pytest.fixture(autouse=True)
def _cleaned(tmp_path: Path) -> Iterator[None]:
    with cleaned(tmp_path):
        yield


@asynccontextmanager
async def runtimes(folder: Path, columns: int = 100, rows: int = 30, **values: object) -> AsyncIterator[Shown]:
    async with open_app(settings_for(folder, **values), "runtimes", columns, rows) as shown:
        await shown.until_text("embedded")
        yield shown


async def to_row(shown: Shown, name: str) -> None:
    """Put the cursor on a runtime."""
    await shown.press("home")
    for _ in range(10):
        if any(line.startswith(f"── {name} ") for line in shown.lines):
            return
        await shown.press("down")
    raise AssertionError(f"there is no row {name}:\n{shown.text}")


async def test_a_server_is_started_looked_at_and_stopped(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "1", "--busy", more=FAR)
    async with runtimes(tmp_path) as shown:
        await shown.until_text("box")
        await to_row(shown, "box")
        assert "stopped" in shown.line(" box ")
        await shown.press("x")
        await shown.until(lambda: shown.notices)
        assert "box cannot be stopped: it does not run." in shown.notices[-1]
        await shown.press("s")
        await shown.until_text("loads weights")
        await shown.until(lambda: "serves fake" in shown.line(" box "))
        await shown.until(lambda: "2 3 25 % command (ours)" in shown.line(" box "))
        await shown.until_text("queue 2 running, 3 waiting · 1,200 tokens read, 345 written")
        assert "25 % in use" in shown.text
        assert "started by venom-tui as process" in shown.text
        await shown.until_text("INFO: Application startup complete.")
        pid = server_of(shown.core).pid
        assert pid is not None

        await shown.press("l")
        await shown.until_text("Log of box")
        assert "Application startup complete." in shown.text
        await shown.press("escape")
        await shown.press("enter")
        await shown.until_text("N/A: it runs already")
        await shown.press("escape")

        await shown.press("x")
        await shown.until_text("It answers 2 requests, 3 wait; they fail.")
        assert "fake leaves memory." in shown.text
        await shown.press("n")
        assert start_time(pid) is not None
        await shown.press("x", "y")
        await shown.until(lambda: start_time(pid) is None)
        await shown.until(lambda: "was stopped" in shown.line(" box "))


async def test_a_start_is_cancelled_and_a_failed_one_says_why(tmp_path: Path) -> None:
    configure(tmp_path, free_port(), "--after", "300")
    async with runtimes(tmp_path) as shown:
        await shown.until_text("box")
        await to_row(shown, "box")
        await shown.press("s")
        await shown.until_text("loads weights")
        await shown.press("x")
        await shown.until_text("It is still starting")
        await shown.press("y")
        await shown.until(lambda: server_of(shown.core).state is ServerState.STOPPED)
    configure(tmp_path, free_port(), "--fail", "torch.OutOfMemoryError: CUDA out of memory.")
    async with runtimes(tmp_path) as shown:
        await shown.until_text("box")
        await to_row(shown, "box")
        await shown.press("s")
        await shown.until_text("did not start: there is not enough memory")
        assert "failed torch.OutOfMemoryError: CUDA out of memory." in shown.squeezed
        assert "Free memory (F5, the guard" in shown.text


async def test_limits_act_on_a_start_and_a_restart(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    async with runtimes(tmp_path, VENOM_KEEP_FREE_RAM="9TiB") as shown:
        await shown.until_text("box")
        await to_row(shown, "box")
        await shown.press("s")
        await shown.until_text("9216.0 GiB are to be kept")
        await shown.press("n")
        assert server_of(shown.core).state is ServerState.STOPPED
        await shown.press("s")
        await shown.until_text("9216.0 GiB are to be kept")
        await shown.press("y")
        await shown.until(lambda: "serves fake" in shown.line(" box "))
        pid = server_of(shown.core).pid
        assert pid is not None
        await shown.core.save_setting("VENOM_POLICY_RAM", "refuse")
        await shown.press("R")
        await shown.until_text("It answers nobody now.")
        await shown.press("y")
        await shown.until_text("box is not started.")
        await shown.press("y", "n")
        assert start_time(pid) is not None
        await shown.press("R")
        await shown.until_text("It answers nobody now.")
        await shown.press("y")
        await shown.until_text("or force it")
        await shown.press("F")
        await shown.until(lambda: start_time(pid) is None)
        await shown.until(lambda: server_of(shown.core).pid not in (None, pid))
        await shown.core.save_setting("VENOM_POLICY_RAM", "warn")
        await shown.until(lambda: "serves fake" in shown.line(" box "))
        await shown.press("x", "y")
        await shown.until(lambda: "was stopped" in shown.line(" box "))
        await shown.press("s")
        await shown.until(lambda: any("9216.0 GiB are to be kept" in one for one in shown.notices))
        await shown.until(lambda: "serves fake" in shown.line(" box "))


async def test_the_embedded_one_is_emptied_and_filled_again(tmp_path: Path) -> None:
    async with runtimes(tmp_path) as shown:
        core = shown.core
        active = await core.models.active()
        assert active is not None and active.runtime == "embedded"
        await to_row(shown, "embedded")
        await shown.press("x")
        await shown.until(lambda: any("embedded cannot be stopped: it holds no model." in one for one in shown.notices))
        await core.models.load(active.name, "embedded")
        await core.models.pin(active.name, "embedded")
        (before,) = core.runtimes.loaded()
        await shown.until(lambda: f"holds {active.name}" in shown.line(" embedded "))
        await shown.press("R")
        await shown.until_text(f"{active.name} is loaded again.")
        await shown.press("y")
        await shown.until(lambda: [one.pid for one in core.runtimes.loaded() if one.pinned] not in ([], [before.pid]))
        (after,) = core.runtimes.loaded()
        assert (after.name, after.pid != before.pid) == (active.name, True)
        kinds = [one.kind for one in await core.operations.list()]
        assert kinds[:3].count("load") == 1 and "unload" in kinds[:3]
        await shown.until(lambda: f"holds {active.name}" in shown.line(" embedded "))
        await shown.press("x")
        await shown.until_text(f"{active.name} leaves memory, once it answers nobody.")
        await shown.press("n")
        assert [one.pid for one in core.runtimes.loaded()] == [after.pid]
        await shown.press("x", "y")
        await shown.until(lambda: not core.runtimes.loaded())
        await shown.press("R")
        await shown.until_text(f"{active.name} is loaded.")
        await shown.press("y")
        await shown.until(lambda: bool(core.runtimes.loaded()))


async def test_the_log_of_an_embedded_process_that_died_stays(tmp_path: Path) -> None:
    async with runtimes(tmp_path) as shown:
        core = shown.core
        active = await core.models.active()
        assert active is not None
        await core.models.load(active.name, "embedded")
        (held,) = core.runtimes.loaded()
        last = core.runtimes.log(active.name)[-1]
        assert held.pid is not None
        os.kill(held.pid, signal.SIGKILL)
        await shown.until(lambda: not core.runtimes.loaded())
        assert core.runtimes.log(active.name)[-1] == last
        assert core.runtimes.log("")[-1] == last
        assert core.runtimes.log("another") == []
        await to_row(shown, "embedded")
        await shown.press("l")
        await shown.until_text("Log of embedded")
        await shown.until_text(last[:40])


async def test_what_is_not_known_says_why(tmp_path: Path) -> None:
    fake = vllm()
    fake.paths["GET /metrics"] = sends(head(kind="text/plain") + METRICS.encode())
    async with serving(fake) as server:
        config = tmp_path / "config"
        config.mkdir()
        (config / "config.toml").write_text(f'[runtimes.box]\nurl = "{server.url}"\nkind = "vllm"\n{FAR}')
        async with runtimes(tmp_path, 80, 24) as shown:
            await shown.until(lambda: "2 3 25 % serves tiny" in shown.line("box"))
            await to_row(shown, "far")
            assert "? it does not answer: connection refused" in shown.squeezed
            for key, done in (("s", "started"), ("x", "stopped"), ("R", "restarted")):
                await shown.press(key)
                sentence = f"far cannot be {done}"
                await shown.until(lambda sentence=sentence: sentence in " ".join(shown.notices))  # type: ignore[misc]
            assert "config.toml names no unit, command or profile" in shown.notices[-1]
            await shown.press("l")
            await shown.until(lambda: any("The log of far is not known here" in one for one in shown.notices))
            await to_row(shown, "embedded")
            await shown.press("s")
            await shown.until(lambda: any("starts with the first prompt and ends" in one for one in shown.notices))
            assert all(len(line) <= 80 for line in shown.lines)


async def test_a_log_that_is_read_slowly_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.ui.screens.runtimes.screen._TICK_S", EVERY_S)
    configure(tmp_path, free_port())
    async with runtimes(tmp_path) as shown:
        await shown.until_text("box")
        answers, begun = asyncio.Event(), 0

        async def no_mark(name: str) -> None:
            return None

        async def log(name: str, count: int = 0) -> list[str]:
            nonlocal begun
            begun += 1
            await answers.wait()
            return ["the end of its journal"]

        monkeypatch.setattr(shown.core.servers, "log_mark", no_mark)
        monkeypatch.setattr(shown.core.servers, "log", log)
        await to_row(shown, "box")
        await shown.until(lambda: begun)
        before = begun
        await ticks(shown.app)
        assert begun == before
        answers.set()
        await shown.until_text("the end of its journal")


async def test_keys_without_a_runtime_say_why_they_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asyncio.Event()

    async def looks(self: RuntimesScreen) -> None:
        await answers.wait()

    monkeypatch.setattr(RuntimesScreen, "_look", looks)
    async with open_app(settings_for(tmp_path), "runtimes") as shown:
        await shown.until_text("The runtimes are looked at for the first time.")
        for key in "sxRlr":
            shown.app.clear_notifications()
            await shown.press(key)
            await shown.until(lambda: shown.notices)
            said = "No runtime is under the cursor. The runtimes are looked at for the first time."
            assert shown.notices == [said]


async def test_read_only_starts_nothing(tmp_path: Path) -> None:
    configure(tmp_path, free_port())
    async with runtimes(tmp_path, VENOM_READ_ONLY="1") as shown:
        await shown.until_text("box")
        await to_row(shown, "box")
        await shown.press("s")
        await shown.until(lambda: any("read-only" in one for one in shown.notices))
        assert server_of(shown.core).state is ServerState.STOPPED


async def test_the_section_has_its_keys(tmp_path: Path) -> None:
    async with open_app(settings_for(tmp_path), "guard") as shown:
        await shown.press("5")
        await shown.until_text("how it is")
        await shown.press("4")
        await shown.press("f6")
        await shown.until_text("how it is")
