"""An application that changes its screen 50 times a second and notes how late its loop was, and how it ended.

    python -m tests.terminal.apps.stalled NOTES [plain]

NOTES is a file: one line a note, each flushed at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import ClassVar

from venom_tui.ui.terminal.environment import prepare

prepare()

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, Header, Input, Static

from venom_tui.ui.terminal.app import TerminalApp

PERIOD_S = 0.02


def resident_kib() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


class Stalled(TerminalApp[None]):
    CSS = "#filler { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "note('escape')", "Note"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", priority=True),
    ]

    def __init__(self, notes: Path, plain: bool) -> None:
        super().__init__(plain_output=plain)
        self.notes = notes.open("a", buffering=1)
        self.ticks = 0
        self.worst = 0.0
        self.still = False

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(id="filler")
        yield Static(id="tick")
        field = Input()
        field.cursor_blink = False  # what blinks differs from itself
        yield field
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self.run_ticks())

    async def run_ticks(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + PERIOD_S
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.worst = max(self.worst, loop.time() - due)
            due = loop.time() + PERIOD_S
            if self.still:
                continue
            self.ticks += 1
            rows = [f"{self.ticks * 7919 + row * 104729:>20} " * 5 for row in range(self.size.height)]
            self.query_one("#filler", Static).update(Content("\n".join(rows)), layout=False)
            self.query_one("#tick", Static).update(f"tick {self.ticks}", layout=False)
            if self.ticks % 20 == 0:
                output = self._driver_of_ours.output if self._driver_of_ours else None
                kept = output.kept_bytes if output is not None else -1
                self.note(f"lag {self.worst:.3f} ticks {self.ticks} memory {resident_kib()} kept {kept}")

    def note(self, text: str) -> None:
        self.notes.write(text + "\n")

    def action_note(self, text: str) -> None:
        self.still = not self.still
        self.note(f"{text} at tick {self.ticks}")

    def on_paste(self, event: events.Paste) -> None:
        self.note(f"paste {len(event.text)}")

    def on_key(self, event: events.Key) -> None:
        self.note(f"key {event.key}")

    async def orderly_quit(self, reason: str) -> None:
        self.note(f"quit {reason}")
        await asyncio.sleep(0.05)  # what saving would take
        self.note("saved")
        self.exit()


if __name__ == "__main__":
    app = Stalled(Path(sys.argv[1]), "plain" in sys.argv)
    app.run()
    app.note("ended")
    sys.exit(app.return_code)
