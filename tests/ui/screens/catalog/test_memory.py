"""Memory by one key: loaded, unloaded, pinned; questions with what leaves; alarms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import GIB, Catalog, squeezed
from tests.ui.screens.guard.support import snapshot
from venom_tui.core.errors import NeedsYes, PlanChanged
from venom_tui.core.events import LimitChanged
from venom_tui.core.types.limits import Breach, LimitKind, LimitState, Policy
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.ui.widgets.rows import RowList

SEEN = snapshot()

pytestmark = pytest.mark.usefixtures("_no_demonstration")


def held(shown: Catalog) -> set[str]:
    return {model.name for model in shown.core.runtimes.loaded()}


async def on(shown: Catalog, name: str) -> None:
    await shown.until(lambda: set(shown.names) == {"a", "b"})
    shown.rows.set_cursor(f"embedded {name}")
    await shown.pilot.pause()


@pytest.mark.usefixtures("two")
async def test_loading_asks_who_leaves_and_unloading_says_what_came_back(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_EMBEDDED_MODELS="1") as shown:
        await on(shown, "a")
        await shown.press("u")
        await shown.until(lambda: "a is loaded." in shown.notices, 60)
        await on(shown, "b")
        await shown.press("u")
        await shown.until(lambda: "Load b" in shown.text)
        text = squeezed(shown.text)
        assert (
            "evicts a @ embedded" in text and "loaded by venom-tui" in text and "VENOM_EMBEDDED_MODELS allows 1" in text
        )
        assert "needs" in text and "likely (weights" in text, shown.text
        await shown.press("n")
        await shown.until(lambda: "Load b" not in shown.text)
        assert held(shown) == {"a"}
        await shown.press("u")
        await shown.until(lambda: "Load b" in shown.text)
        await shown.press("y")
        await shown.until(lambda: "b is loaded." in shown.notices, 60)
        assert held(shown) == {"b"}
        await shown.press("u")
        await shown.until(lambda: any("came back of" in notice for notice in shown.notices), 60)
        assert held(shown) == set()


@pytest.mark.usefixtures("two")
async def test_what_is_pinned_is_asked_about_by_itself(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_EMBEDDED_MODELS="1") as shown:
        await shown.core.models.activate("a")
        await on(shown, "a")
        await shown.press("E")  # said before anybody is asked for a time
        await shown.until(lambda: any("there is no time to extend" in notice for notice in shown.notices))
        await shown.press("P")
        await shown.until(lambda: "a stays loaded." in shown.notices)
        await on(shown, "b")
        await shown.press("u")
        await shown.until(lambda: "Load b" in shown.text)
        await shown.press("y")
        await shown.until(lambda: "Unload a, too" in shown.text)
        assert "loaded by venom-tui, pinned" in shown.text
        await shown.press("n")
        await shown.until(lambda: "Unload a, too" not in shown.text)
        assert held(shown) == {"a"}
        await on(shown, "a")
        await shown.press("P")
        await shown.until(lambda: "a may leave again." in shown.notices)


@pytest.mark.usefixtures("two")
async def test_switching_asks_and_going_back_does_not(catalog: OpenCatalog) -> None:
    async with catalog() as shown:
        await shown.core.save_setting("VENOM_EMBEDDED_MODELS", "1")
        await shown.core.models.activate("a")
        await on(shown, "b")
        await shown.press("enter")
        await shown.until(lambda: "Switch to b" in shown.text)
        await shown.press("y")
        await shown.until(lambda: "b answers now." in shown.notices, 60)
        assert held(shown) == {"b"}
        await shown.core.save_setting("VENOM_EMBEDDED_MODELS", "2")
        await shown.press("f9")
        await shown.until(lambda: "a answers now." in shown.notices, 60)
        shown.app.clear_notifications()
        await shown.press("f9")
        await shown.until(lambda: "b answers now." in shown.notices, 60)
        assert held(shown) == {"a", "b"}
        assert "Switch to" not in shown.text


@pytest.mark.usefixtures("two")
async def test_leaving_the_question_for_another_section_is_a_no(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_EMBEDDED_MODELS="1") as shown:
        await shown.core.models.activate("a")
        await on(shown, "b")
        await shown.press("enter")
        await shown.until(lambda: "Switch to b" in shown.text)
        assert shown.app.switching_to is not None
        await shown.press("f2")
        await shown.until(lambda: shown.app.switching_to is None)
        assert not shown.app.switching.cancel(), "nothing waits any more"
        assert "Switch to b" not in shown.text and held(shown) == {"a"}
        await shown.press("f3")
        await on(shown, "b")
        await shown.press("enter")
        await shown.until(lambda: "Switch to b" in shown.text)
        await shown.press("ctrl+o")
        await shown.until(lambda: shown.app.screen.name == "models")
        await shown.until(lambda: shown.app.switching_to is None)


@pytest.mark.usefixtures("two")
async def test_of_several_to_unload_none_is_asked_about_after_one_left(
    catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def others(name: str, *_: object, yes: bool = False) -> None:
        asked.append(name)
        raise NeedsYes(f"Somebody else uses {name}.")

    async with catalog(VENOM_EMBEDDED_MODELS="2") as shown:
        monkeypatch.setattr(shown.core.models, "unload", others)
        for name in ("a", "b"):
            await shown.core.models.load(name)
        await shown.until(lambda: set(shown.names) == {"a", "b"})
        rows = [f"embedded {name}" for name in ("a", "b")]
        await shown.until(lambda: all((shown.screen._listing.known or {})[row].model.loaded for row in rows))
        await shown.press("space", "down", "space", "u")
        await shown.until_text("Somebody else uses")
        await shown.press("f2")
        await shown.until(lambda: shown.app.current_mode == "chat")
        await shown.until(lambda: not [one for one in shown.app.workers if one.group == "unload"])
        assert len(asked) == 1 and "Somebody else uses" not in shown.text


@pytest.mark.usefixtures("two")
async def test_what_the_guard_refuses_can_be_forced(catalog: OpenCatalog) -> None:
    async with catalog(VENOM_KEEP_FREE_RAM="9TiB", VENOM_POLICY_RAM="refuse") as shown:
        await on(shown, "a")
        await shown.press("u")
        await shown.until(lambda: "Load a" in shown.text)
        assert "9216.0 GiB" in shown.text and "F force" in squeezed(shown.text) and "y yes" not in squeezed(shown.text)
        await shown.press("y")
        await shown.pilot.pause()
        assert "Load a" in shown.text, "yes is no answer to that"
        await shown.press("F")
        await shown.until(lambda: "a is loaded." in shown.notices, 60)


@pytest.mark.usefixtures("two")
async def test_what_was_not_asked_is_told_afterwards(catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "ollama itself unloaded [b]two[/b] (loaded by others, pinned) when it loaded b."

    async def done(_plan: MemoryPlan, **_said: Any) -> tuple[str, ...]:
        return (words,)

    async with catalog() as shown:
        monkeypatch.setattr(shown.core.models, "carry_out", done)
        await on(shown, "b")
        await shown.press("u")
        await shown.until(lambda: words in shown.notices)


async def test_an_alarm_stands_in_the_header_until_the_limit_holds(
    catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = LimitState(
        LimitKind.RAM,
        "RAM",
        4 * GIB,
        GIB,
        "bytes",
        Policy.ASK,
        broken=True,
        text="RAM: 1.0 GiB free, 4.0 GiB are to be kept",
    )
    async with catalog(columns=100) as shown:
        rung: list[str] = []
        monkeypatch.setattr(shown.app, "bell", lambda: rung.append("bell"))
        shown.core.events.emit(LimitChanged(Breach(state, (("embedded", "a"),))))
        await shown.until(lambda: "▲ RAM 1.0 GiB free, limit 4.0" in shown.lines[0])
        assert rung == ["bell"]
        assert "Unloading a would help" in shown.notices[-1]
        shown.core.events.emit(LimitChanged(Breach(replace(state, broken=False))))
        await shown.until(lambda: "▲" not in shown.lines[0])
        assert shown.notices[-1].startswith("The limit holds again")


@pytest.mark.usefixtures("two")
async def test_what_changed_meanwhile_is_told_and_asked_again(
    catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catalog() as shown:
        models, carry_out = shown.core.models, shown.core.models.carry_out
        changed = False

        async def once(plan: MemoryPlan, **said: Any) -> tuple[str, ...]:
            nonlocal changed
            if not changed:
                changed = True
                failure = PlanChanged("b was not loaded: Meanwhile: switch x succeeded.")
                failure.plan = await models.plan("load", "b")
                raise failure
            return await carry_out(plan, **said)

        monkeypatch.setattr(models, "carry_out", once)
        await on(shown, "b")
        await shown.press("u")
        await shown.until(lambda: "Meanwhile: switch x succeeded." in squeezed(shown.text))
        assert held(shown) == set()
        await shown.press("y")
        await shown.until(lambda: "b is loaded." in shown.notices, 60)


@pytest.mark.usefixtures("two")
async def test_guard_has_the_same_keys_for_what_is_loaded(catalog: OpenCatalog) -> None:
    async with catalog() as shown:
        await shown.core.models.load("a")
        await shown.press("f5")
        await shown.press("u")
        await shown.until(lambda: "The cursor is on no loaded model." in shown.notices)
        machine = shown.app.screen.query_one("#machine", RowList)
        await shown.until(lambda: "a" in [model.name for model in (shown.core.guard.latest() or SEEN).loaded])
        machine.set_cursor("loaded embedded a")
        await shown.pilot.pause()
        await shown.press("P")
        await shown.until(lambda: "a stays loaded." in shown.notices)
        await shown.press("u")
        await shown.until(lambda: any("came back of" in notice for notice in shown.notices), 60)
        assert held(shown) == set()
