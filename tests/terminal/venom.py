"""The real program in a terminal, with folders of its own and the real demonstration model."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.terminal.harness import Terminal
from venom_tui.core.store.database import Database
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.request import GenerationParameters

PROGRAM = [sys.executable, "-m", "venom_tui"]
QUESTION = "What is the capital of France?"
LONG = "List all even numbers from 2 to 500: 2, 4, 6, 8,"
"""What the model `long` answers for minutes, the same each time."""
ENDED = "[╰`] first t"
"""Stands under an answer that has ended."""


class Row(NamedTuple):
    """A message as the database holds it."""

    session: str
    role: str
    state: str
    content: str


class Venom(Terminal):
    """venom-tui in a terminal. It is not started by making it: use it in a `with` block."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        columns: int = 100,
        rows: int = 30,
        env: Mapping[str, str | None] | None = None,
        program: Sequence[str] = PROGRAM,
        cwd: Path | None = None,
    ) -> None:
        # No look for servers of models: those of the machine are none of the tests' business.
        values = {"VENOM_DISCOVERY": "0", **(env or {})}
        super().__init__([*program, *arguments], columns=columns, rows=rows, env=values, home=home, cwd=cwd)

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(self._env["VENOM_DATA_DIR"])

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return Path(self._env["VENOM_CONFIG_DIR"])

    def ready(self) -> None:
        """Wait until the core is open and it is known which model answers."""
        self.wait_for(r"Answering: |@ embedded", 30)

    def prompt(self, text: str) -> None:
        """Type a prompt and enter right behind it, as somebody who types fast."""
        self.type(text + "\r")

    def ask(self, text: str = QUESTION, timeout: float = 60) -> None:
        """Ask, and wait for the end of the answer."""
        before = len(self.rows_of("assistant", "complete"))
        self.prompt(text)
        self.wait_until(lambda: len(self.rows_of("assistant", "complete")) > before, timeout, "an answer")
        self.wait_for(ENDED)

    def wait_toast(self, pattern: str, timeout: float = 30) -> None:
        """Wait for a sentence in a toast, however it is broken into rows."""

        def said() -> str:
            rows = [line.rpartition("▌ ")[2] for line in self.lines if "▌ " in line]
            return " ".join(" ".join(rows).split())

        self.wait_until(lambda: re.search(pattern, said()), timeout, f"{pattern!r}")

    def rows_of(self, role: str, state: str | None = None) -> list[Row]:
        """The messages of a role, and in a state, as they are in the file now."""
        return [row for row in self.messages() if row.role == role and state in (None, row.state)]

    def messages(self) -> list[Row]:
        """All messages as they are in the file now, read as another process reads them."""
        return [
            Row(*map(str, row))
            for row in self.query("SELECT session_id, role, state, content FROM messages ORDER BY rowid")
        ]

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """What the database answers; nothing while it is being made."""
        path = self.data / "venom.db"
        if not path.exists():
            return []
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return list(db.execute(sql))
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    def log(self) -> str:
        """What the program wrote into its log files."""
        return "".join(path.read_text() for path in sorted((self.data / "logs").glob("*")) if path.is_file())

    def quit(self) -> None:
        """Quit, and see that nothing is left and nothing went wrong."""
        self.send("ctrl+q")
        assert self.wait_exit() == 0
        self.check_end()

    def check_end(self) -> None:
        """See that the terminal is restored, no process is left, and the log tells of no defect."""
        assert self.restored, self.modes
        self.wait_until(lambda: not self.processes(), 10, "the end of all processes")
        assert "Traceback" not in self.log(), self.log()


def with_long_model(home: Path, model: Path) -> None:
    """Make `long`, a model that goes on for minutes when it is asked LONG, the active one of a data directory."""
    data = home / "data"
    (data / "models").mkdir(parents=True)
    data.chmod(0o700)
    (data / "models" / "long.gguf").symlink_to(model)

    async def save() -> None:
        database = await Database.open(data / "venom.db", announce=print)
        settings = SettingsStore(database)
        await settings.save_parameters("embedded", "long", GenerationParameters(temperature=0.0))
        await settings.save_all({"VENOM_ACTIVE_MODEL": "long"})
        await settings.save_all({"VENOM_ACTIVE_RUNTIME": "embedded"})
        await database.close()

    asyncio.run(save())
