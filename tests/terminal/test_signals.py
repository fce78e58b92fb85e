"""SIGTERM and SIGHUP become one orderly quit, and an end in haste when that takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from venom_tui.ui.terminal import signals
from venom_tui.ui.terminal.signals import QuitSignals


class Ending:
    """Notes what the signals lead to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.noted = asyncio.Event()
        self.held = asyncio.Event()
        self.handler = QuitSignals(self.quit, lambda: self.note("restored"))

    def note(self, what: str) -> None:
        self.log.append(what)
        self.noted.set()

    async def quit(self, reason: str) -> None:
        self.note(reason)
        await self.held.wait()
        self.note("quit")

    async def happens(self, what: str) -> None:
        """Wait until something was noted."""
        async with asyncio.timeout(30):
            while what not in self.log:
                self.noted.clear()
                await self.noted.wait()


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ending]:
    made = Ending()
    monkeypatch.setattr(os, "_exit", lambda status: made.note(f"exit {status}"))
    yield made
    made.handler.remove()


async def test_a_signal_begins_one_quit_however_many_follow(ending: Ending) -> None:
    ending.handler.install()
    os.kill(os.getpid(), signal.SIGHUP)
    await ending.happens("SIGHUP")
    os.kill(os.getpid(), signal.SIGTERM)
    ending.handler.begin("hangup")
    await asyncio.sleep(0)
    ending.held.set()
    await ending.happens("quit")
    assert ending.log == ["SIGHUP", "quit"]
    ending.handler.remove()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_signal_long_after_the_first_ends_at_once(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "GRACE_S", 0.0)
    ending.handler.install()
    os.kill(os.getpid(), signal.SIGTERM)
    await ending.happens("SIGTERM")
    os.kill(os.getpid(), signal.SIGTERM)
    await ending.happens(f"exit {128 + signal.SIGTERM}")
    assert ending.log == ["SIGTERM", "restored", "exit 143"], "the terminal is given back before"


async def test_a_quit_that_does_not_end_is_ended(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LIMIT_S", 0.01)
    ending.handler.begin("hangup")
    await ending.happens("exit 129")
    assert ending.log == ["hangup", "restored", "exit 129"]


async def test_a_quit_that_ended_is_not_ended_again(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LIMIT_S", 0.01)
    ending.handler.begin("SIGTERM")
    ending.held.set()
    await ending.happens("quit")
    ending.handler.remove()
    await asyncio.sleep(0.03)
    assert ending.log == ["SIGTERM", "quit"]
