"""Downloads in the whole program: the terminal goes away in the middle of one, and another terminal shows it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.hub import Hub, Repository
from tests.terminal.venom import Venom

SIZE = 24 * MIB
NAME = "a-Q4_0.gguf"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(Repository("org/a", {NAME: weights(SIZE)})) as hub:
        hub.faults.rate = MIB
        yield hub


def opened(home: Path, hub: Hub) -> Venom:
    environ = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(home / "hub"), "VENOM_DISCOVERY": "0"}
    return Venom(home, "--screen", "operations", env=environ)


def background(data: Path) -> list[int]:
    """The processes without a terminal that serve a data directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "venom_tui.core.operations.worker" in (process.info["cmdline"] or []):
                found += [process.pid] if process.environ().get("VENOM_DATA_DIR") == str(data) else []
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("how", ["cancelled", "succeeded"])
def test_a_pull_goes_on_when_its_terminal_is_gone(home: Path, hub: Hub, how: str) -> None:
    with opened(home, hub) as first:
        first.wait_for("Nothing was run yet")
        first.send("p")
        first.wait_for("show what it costs")
        first.type("org/a\r")
        first.wait_for(r"enter pull it")
        first.send("enter")
        first.wait_for(r"↓ +pull +org/a +\S+ +[1-9]\d? %")
        if how == "cancelled":
            first.hangup()
        else:
            first.signal(signal.SIGHUP)
        assert first.wait_exit(30) == 0
        assert "Traceback" not in first.log(), first.log()
        assert len(background(first.data)) == 1
    with opened(home, hub) as second:
        second.wait_for(r"↓ +pull +org/a +\S+ +[1-9]\d? %")
        second.wait_for("in the background")
        if how == "cancelled":
            second.send("x")
        else:
            hub.faults.rate = 0
        second.wait_for(r"─ +pull +org/a +cancelled" if how == "cancelled" else r"○ +pull +org/a +\d")
        second.wait_until(lambda: not background(second.data), 30, "the end of the background")
        second.wait_until(lambda: hub.serving == 0, 30, "the end of the connections")
        second.quit()
        assert second.query("SELECT target, state FROM operations") == [("org/a", how)]
    assert hub.fetched(NAME) <= SIZE + 4 * MIB, "what came is not fetched again"
    whole = [path for path in (home / "hub").rglob("*.gguf") if path.stat().st_size == SIZE]
    assert bool(whole) == (how == "succeeded")
