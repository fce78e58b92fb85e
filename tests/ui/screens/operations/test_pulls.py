"""Pulls in the application: asked for, shown, paused, moved, retried; what becomes of them when it is quit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from tests.core.downloads.hubs import MIB, weights
from tests.hub import Hub, Repository
from tests.ui.screens.operations.support import operation, write
from tests.ui.shown import Shown, open_app
from venom_tui.core.errors import ModelNotFound
from venom_tui.core.settings import load_settings
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.dialogs.leave_pulls import LeavePulls
from venom_tui.ui.dialogs.pull import PullDialog
from venom_tui.ui.screens.operations.rows import OperationRows
from venom_tui.ui.screens.operations.screen import OperationsScreen

S = OperationState
SIZE = 6 * MIB
NAME = "a-Q4_0.gguf"
Open = Callable[..., AbstractAsyncContextManager[Shown]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    repositories = [Repository(f"org/{name}", {NAME: weights(SIZE, seed)}) for seed, name in enumerate("abc")]
    with Hub(*repositories, Repository("org/gated", {NAME: b"x"}, gated=True)) as hub:
        yield hub


@pytest.fixture
def opened(data_dir: Path, config_dir: Path, tmp_path: Path, hub: Hub) -> Open:
    """Open the application with the section in front."""

    @asynccontextmanager
    async def run(columns: int = 100, rows: int = 30, **environ: str) -> AsyncIterator[Shown]:
        values = {
            "VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_DISCOVERY": "0",
            "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub"),
        }  # fmt: skip
        async with open_app(load_settings(environ=values | environ), "operations", columns, rows) as shown:
            await shown.until(lambda: "Running" in shown.text or "Nothing was run" in shown.text)
            yield shown

    return run


async def pull(shown: Shown, name: str) -> None:
    """Pull by the dialog."""
    await shown.press("p")
    await shown.until(lambda: isinstance(shown.app.screen, PullDialog))
    shown.app.screen.query_one(Input).value = name
    await shown.press("enter")
    await shown.until_text("pull it")
    await shown.press("enter")
    await shown.until(lambda: not isinstance(shown.app.screen, PullDialog))


async def states(shown: Shown) -> dict[str, OperationState]:
    return {one.target: one.state for one in await shown.core.operations.list()}


async def until_state(shown: Shown, name: str, state: OperationState) -> Operation:
    async with asyncio.timeout(30):
        while True:
            for one in await shown.core.operations.list():
                if one.target == name and one.state is state:
                    return one
            await shown.pilot.pause(0.05)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (160, 50)])
async def test_a_pull_from_its_name_to_its_end(opened: Open, hub: Hub, columns: int, rows: int) -> None:
    hub.faults.rate = 2 * MIB
    async with opened(columns, rows) as shown:
        await shown.press("p")
        await shown.until_text("show what it costs")
        await shown.type("org/a")
        await shown.press("enter")
        await shown.until_text("to fetch 6 MiB")
        assert "model org/a" in shown.squeezed and "free" in shown.squeezed and NAME in shown.text
        assert max(len(line) for line in shown.lines) <= columns
        await shown.press("enter")
        await shown.until_text("1 pull")
        await shown.until_text("of 6 MiB")
        assert "↓ pull" in shown.squeezed and "goes on when this terminal closes" in shown.text
        header = shown.lines[0]
        assert "↓ 1 pull" in header and header.rstrip().endswith("LOCAL")
        await until_state(shown, "org/a", S.SUCCEEDED)
        await shown.until_text("History 1")
        assert "pull" not in shown.lines[0]


async def test_the_dialog_says_what_is_wrong(opened: Open, hub: Hub) -> None:
    async with opened() as shown:
        await shown.press("p", "enter")
        await shown.type("../x")
        await shown.press("enter")
        await shown.until_text("is no name of a model")
        shown.app.screen.query_one(Input).value = "org/gated"
        await shown.press("enter")
        await shown.until_text("accepted its conditions (401)")
        assert "HF_TOKEN" in shown.text
        shown.app.screen.query_one(Input).value = "org/a"
        await shown.press("enter")
        await shown.until_text("pull it")
        await shown.type("x")
        await shown.until(lambda: "pull it" not in shown.text)
        await shown.press("ctrl+t")
        await shown.until_text("may speak plain HTTP")
        await shown.press("escape")
        assert await states(shown) == {}


async def test_what_does_not_fit_cannot_be_pulled(opened: Open, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [MIB]
    monkeypatch.setattr("venom_tui.core.models.pulls.previews.free_bytes", lambda folder: free[0])
    async with opened() as shown:
        await shown.press("p")
        await shown.type("org/a")
        await shown.press("enter")
        await shown.until_text("It does not fit: 5 MiB more are needed.")
        await shown.press("enter", "enter")
        await shown.until_text("It does not fit: 5 MiB more are needed.")
        assert isinstance(shown.app.screen, PullDialog)
        assert await states(shown) == {}
        free[0] = 100 * MIB  # room was made: it is asked again
        await shown.press("enter")
        await shown.until_text("pull it")
        assert "does not fit" not in shown.text


async def test_what_is_to_be_kept_free_is_shown_and_asked(opened: Open, hub: Hub) -> None:
    async with opened(VENOM_KEEP_FREE_DISK="900TiB") as shown:
        await shown.press("p")
        await shown.type("org/a")
        await shown.press("enter")
        await shown.until_text("921600.0 GiB are to be kept (ask)")
        assert "ctrl+y" not in shown.text and "^y" not in shown.text
        await shown.press("ctrl+y")
        assert isinstance(shown.app.screen, PullDialog)
        await shown.press("enter")
        await until_state(shown, "org/a", S.SUCCEEDED)


async def test_what_a_limit_refuses_is_only_forced(opened: Open, hub: Hub) -> None:
    async with opened(VENOM_KEEP_FREE_DISK="900TiB", VENOM_POLICY_DISK="refuse") as shown:
        await shown.press("p")
        await shown.type("org/a")
        await shown.press("enter")
        await shown.until_text("The limit of its disk refuses it. Make room, or force it.")
        assert "^y force" in shown.text and "pull it" not in shown.text
        await shown.press("enter", "enter")
        await shown.until_text("refuses it")
        assert isinstance(shown.app.screen, PullDialog) and await states(shown) == {}
        for _ in range(2):  # at once: the second one chooses nothing where the dialog was
            shown.app.post_message(events.Key("ctrl+y", None))
        await until_state(shown, "org/a", S.SUCCEEDED)
        await shown.pilot.pause()
        assert isinstance(shown.app.screen, OperationsScreen)


async def test_a_name_that_is_edited_while_it_is_asked_for(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as shown:
        answers, asked, preview = asyncio.Event(), 0, shown.core.models.preview_pull

        async def slow(name: str, provider: str | None = None, *, insecure: bool = False) -> object:
            nonlocal asked
            asked += 1
            await answers.wait()
            return await preview(name, provider, insecure=insecure)

        monkeypatch.setattr(shown.core.models, "preview_pull", slow)
        await shown.press("p")
        await shown.type("org/a")
        await shown.press("enter")
        await shown.until_text("asking")
        await shown.type("x")
        await shown.until(lambda: "asking" not in shown.text)
        await shown.press("backspace")
        answers.set()
        await shown.press("enter")
        await shown.until_text("to fetch 6 MiB")
        assert asked == 2


async def test_who_offers_one_model_is_not_asked_for_another(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as shown:
        asked = []

        async def refused(name: str, provider: str | None = None, *, insecure: bool = False) -> object:
            asked.append((name, provider))
            raise ModelNotFound(f"There is no {name}.")

        monkeypatch.setattr(shown.core.models, "preview_pull", refused)
        shown.app.push_screen(PullDialog(shown.core, "tiny", "ollama"))
        await shown.until_text("There is no tiny.")
        shown.app.screen.query_one(Input).value = "org/a"
        await shown.press("enter")
        await shown.until_text("There is no org/a.")
        assert asked == [("tiny", "ollama"), ("org/a", None)]


async def test_plain_http_holds_for_the_question_after_it(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as shown:
        asked = []
        preview = shown.core.models.preview_pull

        async def noted(name: str, provider: str | None = None, *, insecure: bool = False) -> object:
            asked.append((name, insecure))
            return await preview(name, provider, insecure=insecure)

        monkeypatch.setattr(shown.core.models, "preview_pull", noted)
        await shown.press("p")
        await shown.until(lambda: isinstance(shown.app.screen, PullDialog))
        # All in one go, as a terminal brings what was typed ahead.
        await shown.pilot.press("ctrl+t", *"org", "slash", "a", "enter")
        await shown.until_text("to fetch 6 MiB")
        assert asked == [("org/a", True)]
        await shown.press("ctrl+t")
        await shown.until(lambda: len(asked) == 2)
        assert asked[1] == ("org/a", False), "what was asked is asked again, as it is now"


async def test_nothing_is_pulled_read_only(opened: Open) -> None:
    async with opened(VENOM_READ_ONLY="1") as shown:
        await shown.press("p")
        await shown.until(lambda: any("nothing is fetched" in notice for notice in shown.notices))


async def test_paused_moved_cancelled_and_retried(opened: Open, hub: Hub) -> None:
    hub.faults.rate = MIB // 3  # so that none ends before the test is where it wants to be
    async with opened() as shown:
        for name in ("org/a", "org/b", "org/c"):
            await pull(shown, name)
        await shown.until_text("Queued 2")
        await shown.press("g")
        await shown.press("space")
        await until_state(shown, "org/a", S.PAUSED)
        await until_state(shown, "org/b", S.RUNNING)
        await shown.until_text("⏸ pull org/a")
        # What waits: a goes on behind c; it is moved before it.
        await select(shown, "org/a")
        await shown.press("space")
        await until_state(shown, "org/a", S.QUEUED)
        await shown.until_text("Queued 2")
        assert order(shown) == ["org/c", "org/a"]
        await select(shown, "org/a")
        await shown.press("K")
        await shown.until(lambda: order(shown) == ["org/a", "org/c"])
        await shown.press("J")
        await shown.until(lambda: order(shown) == ["org/c", "org/a"])
        await select(shown, "org/b")
        await shown.press("x")
        await until_state(shown, "org/b", S.CANCELLED)
        hub.faults.rate = 0
        await until_state(shown, "org/a", S.SUCCEEDED)
        await shown.until_text("History 3")
        await select(shown, "org/b")
        await shown.press("R")
        await until_state(shown, "org/b", S.SUCCEEDED)
        assert hub.fetched(NAME) < 3 * SIZE + 2 * MIB


async def select(shown: Shown, target: str) -> None:
    """Put the cursor on an operation."""
    rows = shown.app.screen.query_one(OperationRows)
    wanted = next(one.id for one in await shown.core.operations.list() if one.target == target)
    await shown.until(lambda: wanted in rows.keys)
    rows.set_cursor(wanted)
    await shown.pilot.pause()


def order(shown: Shown) -> list[str]:
    """Return what stands under the title of what waits."""
    lines = shown.lines
    begin = next((at for at, line in enumerate(lines) if "── Queued" in line), None)
    if begin is None:
        return []
    found = []
    for line in lines[begin + 1 :]:
        if "──" in line or not line.strip():
            break
        found.append(next(word for word in line.split() if word.startswith("org/")))
    return found


async def test_a_failure_keeps_its_words_and_says_what_is_next(opened: Open, data_dir: Path) -> None:
    failed = operation(
        "bad", S.FAILED, error="The disk is full: 8.2 GiB more are needed. no space left on device",
        server_message="no space left on device", hint="Make room there, then retry.", repeatable=True, share=0.61,
    )  # fmt: skip
    await write(data_dir, [failed])
    async with opened() as shown:
        await shown.until_text("failed at 61 %")
        assert "Next: Make room there, then retry." in shown.text and "8.2 GiB more are needed" in shown.text
        await shown.press("enter")
        await shown.until_text("id bad")


async def test_quitting_asks_what_becomes_of_downloads(opened: Open, hub: Hub) -> None:
    hub.faults.rate = MIB // 2
    async with opened() as shown:
        await pull(shown, "org/a")
        await until_state(shown, "org/a", S.RUNNING)
        await shown.press("ctrl+q")
        await shown.until(lambda: isinstance(shown.app.screen, LeavePulls))
        await shown.until_text("A download is running.")
        assert "org/a" in shown.text and "go on in the background" in shown.text
        await shown.press("escape")
        assert not shown.app.quitting
        await shown.press("ctrl+c", "ctrl+c")
        await shown.until(lambda: isinstance(shown.app.screen, LeavePulls))
        core = shown.core
        await shown.press("n")
        await shown.until(lambda: shown.app.core is None)
        await shown.until(lambda: core.operations.can_go_on() == [])  # it ends behind the screen


async def test_without_downloads_nothing_is_asked(opened: Open) -> None:
    async with opened() as shown:
        await shown.press("ctrl+q")
        await shown.until(lambda: shown.app.quitting)
