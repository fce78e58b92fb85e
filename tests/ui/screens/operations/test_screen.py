"""The section in the application: real operations, the store's, those of another process; its keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.core.store.support import elsewhere
from tests.ui.screens.operations.support import GIB, ago, operation, write, write_many
from tests.ui.shown import Shown, open_app
from venom_tui.core.errors import Interrupted
from venom_tui.core.operations.runner import Progress
from venom_tui.core.settings import load_settings
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.screens.operations.rows import OperationRows

S = OperationState
Open = Callable[..., AbstractAsyncContextManager[Shown]]


@pytest.fixture
def opened(data_dir: Path, config_dir: Path) -> Open:
    """Open the application with the section in front: `async with opened(columns=80) as shown`."""

    @asynccontextmanager
    async def run(columns: int = 100, rows: int = 30, **environ: str) -> AsyncIterator[Shown]:
        folders = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir), "VENOM_THREADS": "1"}
        async with open_app(load_settings(environ=folders | environ), "operations", columns, rows) as shown:
            await shown.until(lambda: "Running" in shown.text or "Nothing was run" in shown.text)
            yield shown

    return run


def rows_of(shown: Shown) -> OperationRows:
    return shown.app.screen_stack[0].query_one(OperationRows)


def chosen(shown: Shown) -> str:
    return rows_of(shown).cursor_key or ""


def watch(rows: OperationRows) -> list[int]:
    """Return a list into which the rows come that are painted one by one from now on."""
    painted: list[int] = []
    real = rows._refresh_rows

    def refresh_rows(indices: Sequence[int]) -> None:
        painted.extend(indices)
        real(indices)

    rows._refresh_rows = refresh_rows  # type: ignore[method-assign]
    return painted


def some() -> list[Operation]:
    return [
        operation("run", S.RUNNING, hours=0.01, bytes_done=5 * GIB, bytes_total=10 * GIB, message="layer 1 of 5"),
        operation("wait", S.QUEUED, hours=0.005, kind="load", runtime="ollama"),
        operation("bad", S.FAILED, hours=1, error="no space left on device"),
        operation("good", S.SUCCEEDED, hours=2, kind="load"),
        operation("cut", S.INTERRUPTED, hours=30),
        operation("no", S.CANCELLED, hours=60),
    ]


async def test_nothing_was_run_yet(opened: Open) -> None:
    async with opened() as shown:
        assert "Nothing was run yet." in shown.text and "p fetches a model, ^o picks one to load." in shown.text
        await shown.press("j", "enter", "x")
        assert shown.notices == ["Only what runs or waits can be cancelled."]
        await shown.press("C")
        await shown.until(lambda: "The history is empty already." in shown.notices)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (160, 50)])
async def test_groups_in_every_size(opened: Open, data_dir: Path, columns: int, rows: int) -> None:
    await write(data_dir, some())
    async with opened(columns, rows) as shown:
        await shown.until_text("History 4")
        lines = shown.lines
        assert len(lines) == rows and max(len(line) for line in lines) <= columns
        assert "1 Chat 2 Catalog 3 Operations 4 Guard" in " ".join(lines[1].split())
        assert lines[2].startswith("── Running 1 ──") and "enter details  x cancel" in lines[-1]
        assert "50 % 5.0 of 10.0 GiB" in shown.line("model-run")
        assert "layer 1 of 5" in shown.text and "── Queued 1 ──" in shown.text
        assert "failed no space" in shown.line("model-bad")
        assert "interrupted after 4.1 s" in shown.line("model-cut")


async def test_the_cursor_passes_over_titles_and_second_lines(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        seen = [chosen(shown)]
        for _ in range(6):
            await shown.press("j")
            seen.append(chosen(shown))
        assert seen == ["run", "wait", "bad", "good", "cut", "no", "no"]
        for _ in range(6):
            await shown.press("k")
        assert chosen(shown) == "run"
        await shown.press("G")
        assert chosen(shown) == "no"
        await shown.press("g")
        assert chosen(shown) == "run"


async def test_details_follow_and_enter_shows_all(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        await shown.press("j", "j")
        await shown.until_text("pull model-bad ─")
        assert "no space left on device" in "\n".join(shown.lines[-8:])
        await shown.press("enter")
        await shown.until_text("id bad")
        await shown.press("escape")
        await shown.until(lambda: "id         bad" not in shown.text)
        assert chosen(shown) == "bad"


async def test_a_real_load_from_its_beginning_to_its_end(opened: Open, demonstration_model: Path) -> None:
    async with opened() as shown:
        assert "Nothing was run yet." in shown.text
        activation = asyncio.create_task(shown.core.models.activate("smollm2-135m"))
        await shown.until_text("── Running 2 ──")
        assert "◐ load smollm2-135m" in shown.squeezed and "◐ switch smollm2-135m" in shown.squeezed
        await activation
        await shown.until_text("── History 2 ──")
        assert "○ load smollm2-135m" in shown.squeezed and "< 1 m" in shown.text
        assert rows_of(shown).has_focus
        await shown.core.models.unload("smollm2-135m")
        await shown.until_text("○ unload smollm2-135m")


async def test_progress_is_painted_within_a_second_and_only_where_it_is(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some()[2:])
    async with opened() as shown:
        go, end = asyncio.Event(), asyncio.Event()

        async def work(progress: Progress) -> None:
            progress.update(bytes_done=GIB, bytes_total=10 * GIB, message="layer 1 of 5")
            await go.wait()
            progress.update(bytes_done=7 * GIB)
            await end.wait()

        task = asyncio.create_task(shown.core.operations.run("pull", "qwen3:14b", work, runtime="ollama"))
        await shown.until_text("10 % 1.0 of 10.0 GiB")
        painted = watch(rows_of(shown))
        go.set()
        await shown.until_text("70 % 7.0 of 10.0 GiB", seconds=1.5)
        assert set(painted) == {1}
        end.set()
        await task
        await shown.until_text("── History 5 ──")


async def test_cancel(opened: Open) -> None:
    async with opened() as shown:
        begun = asyncio.Event()

        async def work(progress: Progress) -> None:
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(shown.core.operations.run("pull", "qwen3:14b", work))
        await begun.wait()
        await shown.until_text("↓ pull qwen3:14b")
        await shown.press("x")
        await shown.until_text("cancelled after")
        with pytest.raises(Interrupted):
            await task
        await shown.press("x")
        assert "Only what runs or waits can be cancelled." in shown.notices


async def test_what_cannot_be_done_again_or_moved_says_so(opened: Open, data_dir: Path) -> None:
    await write(data_dir, [operation("load", S.FAILED, kind="load"), operation("wait", S.QUEUED, kind="load")])
    async with opened() as shown:
        await shown.until_text("Queued 1")
        await shown.press("g", "K")
        await shown.until(lambda: any("nothing that could change places" in notice for notice in shown.notices))
        await shown.press("J")
        await shown.until(lambda: any("waits behind it" in notice for notice in shown.notices))
        await shown.press("G", "R")
        await shown.until(lambda: any("It cannot be done again from here" in notice for notice in shown.notices))
        assert len(await shown.core.operations.list()) == 2


async def test_what_another_venom_tui_runs_is_shown_and_left_alone(opened: Open, data_dir: Path) -> None:
    running = operation("run", S.RUNNING, hours=0.01, bytes_done=GIB, bytes_total=10 * GIB)
    await write(data_dir, [running], elsewhere())
    async with opened() as shown:
        await shown.until_text("10 % 1.0 of 10.0 GiB")
        await shown.press("x")
        await shown.until(lambda: any("runs on other-host. What another" in notice for notice in shown.notices))
        # It goes on in the store; the watch of the store tells within a second or two.
        await write(data_dir, [operation("run", S.SUCCEEDED, hours=0.01)], elsewhere())
        await shown.until_text("── History 1 ──", seconds=5)


async def test_clear_asks_with_the_number_and_keeps_what_runs(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        await shown.press("C")
        await shown.until_text("4 operations that have ended are removed for good")
        await shown.press("n")
        await shown.press("C")
        await shown.until_text("removed for good")
        assert await shown.core.operations.count_ended() == 4
        await shown.press("y")
        await shown.until(lambda: "4 removed." in shown.notices)
        assert [one.id for one in await shown.core.operations.list()] == ["wait", "run"]
        await shown.until(lambda: "History" not in shown.text)


async def test_a_read_that_began_before_the_clear_does_not_bring_the_history_back(
    opened: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        gate, began, may_clear = asyncio.Event(), asyncio.Event(), asyncio.Event()
        read, remove = shown.core.operations.count_ended, shown.core.operations.clear

        async def late() -> int:
            ended = await read()
            began.set()
            await gate.wait()
            return ended

        async def clear() -> int:
            await may_clear.wait()
            return await remove()

        await shown.press("C")
        await shown.until_text("removed for good")
        monkeypatch.setattr(shown.core.operations, "count_ended", late)
        monkeypatch.setattr(shown.core.operations, "clear", clear)
        await shown.press("y")  # what is shown again behind the question is read again
        await asyncio.wait_for(began.wait(), 20)
        monkeypatch.setattr(shown.core.operations, "count_ended", read)
        may_clear.set()
        await shown.until(lambda: "4 removed." in shown.notices)
        gate.set()
        await shown.pilot.pause(0.3)
        assert "History" not in shown.text


async def test_a_question_that_comes_late_does_not_open_elsewhere(
    opened: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        count, may_count = shown.core.operations.count_ended, asyncio.Event()

        async def late() -> int:
            await may_count.wait()
            return await count()

        monkeypatch.setattr(shown.core.operations, "count_ended", late)
        await shown.press("C", "f2")
        may_count.set()
        await shown.until(
            lambda: shown.notices == ["The history stays without a yes. C in Operations asks again."],
        )
        await shown.press("y")
        assert "removed for good" not in shown.text and await count() == 4


async def test_nothing_is_cleared_read_only(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some())
    async with opened(VENOM_READ_ONLY="true") as shown:
        await shown.until_text("History 4")
        await shown.press("C")
        assert any("read-only" in notice for notice in shown.notices)
        assert await shown.core.operations.count_ended() == 4


async def test_filter(opened: Open, data_dir: Path) -> None:
    await write(data_dir, some())
    async with opened() as shown:
        await shown.until_text("History 4")
        await shown.press("slash", *"space", "space")
        await shown.until_text("── History 1 of 4 ──")
        assert chosen(shown) == "bad" and "nothing that matches" in shown.text
        field = shown.app.screen.query_one("#filter", Input)
        assert field.value == "space "
        await shown.press("slash")
        assert field.value == "space /"
        await shown.until_text("No operation holds all of: space /")
        await shown.press("backspace", "enter")
        assert rows_of(shown).has_focus and chosen(shown) == "bad"
        await shown.press("escape")
        await shown.until_text("── History 4 ──")
        assert chosen(shown) == "bad" and not field.has_class("-open")
        await shown.press("escape")
        assert shown.app.current_mode == "chat"


HOSTILE = "[/x][@click=app.quit]x[/] \x1b[31mred\u202e"


async def test_hostile_texts_stay_texts(opened: Open, data_dir: Path) -> None:
    await write(
        data_dir,
        [
            operation("a", S.FAILED, target=HOSTILE, error=HOSTILE, runtime=HOSTILE, cause=HOSTILE),
            operation("b", S.RUNNING, hours=0, target=HOSTILE, message=HOSTILE, bytes_done=1, bytes_total=2),
            operation("c", S.QUEUED, hours=0, target=HOSTILE, message=HOSTILE),
        ],
    )
    async with opened(160, 50) as shown:
        await shown.until_text("History 1")
        for key in ("a", "b", "c"):
            rows_of(shown).set_cursor(key)
            await shown.press("enter")
            await shown.until_text("[/x][@click=app.quit]x[/]")
            assert "\x1b" not in shown.text and "\u202e" not in shown.text
            await shown.press("escape")
        await shown.press("x")
        await shown.until(lambda: shown.notices)


async def test_ten_thousand_open_at_once_and_more_is_read_on_the_way(opened: Open, data_dir: Path) -> None:
    await write_many(data_dir, 10_000)
    async with opened() as shown:
        await shown.until_text("of 10,000")
        assert len(rows_of(shown).keys) < 600
        shown.app.show_section("chat")
        await shown.pilot.pause()
        begun = time.perf_counter()
        shown.app.show_section("operations")
        await shown.pilot.pause()
        assert "old-0" in shown.text and time.perf_counter() - begun < 1.0
        for _ in range(25):
            await shown.press("pagedown")
        await shown.until(lambda: len(rows_of(shown).keys) > 1000)
        await shown.press("G")
        await shown.until(lambda: "old-9999" in shown.text)
        await shown.press("g", "slash", *"old-77", "7", "7")
        await shown.until_text("1 of 10,000")
        assert "old-7777" in shown.text


async def test_a_filter_reads_the_whole_history(opened: Open, data_dir: Path) -> None:
    await write_many(data_dir, 2000)
    async with opened() as shown:
        await shown.until_text("of 2,000")
        await shown.press("slash", *"old-1999")
        await shown.until_text("1 of 2,000")


async def test_ages_are_renewed_and_an_unchanged_screen_is_not_painted(opened: Open, data_dir: Path) -> None:
    await write(data_dir, [operation("a", S.SUCCEEDED, hours=2.5)])
    async with opened() as shown:
        await shown.until_text("2 h")
        rows = rows_of(shown)
        painted = watch(rows)
        rows.renew()
        assert painted == []
        known = rows.ledger.get("a")
        assert known is not None
        rows.ledger.tell(replace(known, finished_at=ago(hours=3)))
        rows.renew()
        assert painted == [3]
        await shown.until_text("3 h")
