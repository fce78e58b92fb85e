"""The command line as a process of its own, and in this process where no model is asked."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from venom_tui.cli.logs import LogFile
from venom_tui.cli.main import main
from venom_tui.core.store.database import Database
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.request import GenerationParameters

ROOT = Path(__file__).resolve().parents[2]
LONG = "List all even numbers from 2 to 500: 2, 4, 6, 8,"


@dataclass
class Command:
    """Runs `venom-tui` with folders of its own."""

    data: Path
    config: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL, **environ: str) -> subprocess.Popen[str]:
        """Start it; stdout and stderr are pipes."""
        process = subprocess.Popen(
            [sys.executable, "-m", "venom_tui", *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self.environment(**environ),
        )
        self.processes.append(process)
        return process

    def environment(self, **extra: str) -> dict[str, str]:
        """Return its environment: nothing of the person who runs the tests but where programs are."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.data.parent),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "VENOM_DATA_DIR": str(self.data),
            "VENOM_CONFIG_DIR": str(self.config),
            "VENOM_DISCOVERY": "0",
            **extra,
        }

    def __call__(
        self, *arguments: str, stdin: str | bytes | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; `stdin` is sent to it."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "venom_tui", *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=100,
            cwd=ROOT,
            env=self.environment(**environ),
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *arguments: str, **environ: str) -> Any:
        """Return what it prints with --json; it must succeed."""
        done = self(*arguments, "--json", **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def messages(self) -> list[tuple[str, str, str]]:
        """Return role, state and content of all messages, from the file itself."""
        if not (self.data / "venom.db").exists():
            return []
        db = sqlite3.connect(f"file:{self.data / 'venom.db'}?mode=ro", uri=True)
        try:
            return list(db.execute("SELECT role, state, content FROM messages ORDER BY session_id, seq"))
        except sqlite3.OperationalError:
            return []  # It is being made.
        finally:
            db.close()


@pytest.fixture
def venom(tmp_path: Path) -> Iterator[Command]:
    """The command, as a process with folders of its own; what still runs at the end is killed."""
    command = Command(tmp_path / "data", tmp_path / "config")
    yield command
    for process in command.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def long_model(venom: Command, demonstration_model: Path) -> str:
    """The name of a model that goes on for minutes when it is asked for LONG, the same each time and not capped."""
    folder = venom.data / "models"
    folder.mkdir(parents=True)
    (folder / "long.gguf").symlink_to(demonstration_model)

    async def save() -> None:
        database = await Database.open(venom.data / "venom.db", announce=print)
        await SettingsStore(database).save_parameters("embedded", "long", GenerationParameters(temperature=0.0))
        await database.close()

    asyncio.run(save())
    return "long"


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)


Cli = Callable[..., Result]


@pytest.fixture
def cli(data_dir: Path, config_dir: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Run a command in this process: fast, for what asks no model."""
    root = logging.getLogger()

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        return Result(status, out, err)

    yield run
    for handler in [handler for handler in root.handlers if isinstance(handler, LogFile)]:
        root.removeHandler(handler)
        handler.close()


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:g} s"
        time.sleep(0.02)
