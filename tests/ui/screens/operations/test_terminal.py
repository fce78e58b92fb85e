"""The section in a real terminal: what is written when nothing happens."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from tests.terminal.harness import Terminal
from tests.ui.screens.operations.support import operation, write, write_many
from venom_tui.core.types.operation import OperationState

APP = [sys.executable, "-m", "venom_tui", "--screen", "operations"]


def rows_written(terminal: Terminal, seconds: float) -> set[int]:
    """Return the rows below the header to which anything was written in so many seconds."""
    seen = terminal.wait_quiet()
    time.sleep(seconds)
    # The RAM of a busy machine, which the header tells, is not ours.
    return {int(row) for row in re.findall(rb"\x1b\[(\d+);\d+H", terminal.output[seen:])} - {1}


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1", "VENOM_ASCII": "1"}])
async def test_nothing_is_written_while_nothing_runs(tmp_path: Path, environ: dict[str, str]) -> None:
    await write_many(tmp_path / "data", 50)
    await write(
        tmp_path / "data", [operation("new", OperationState.FAILED, hours=0, target="[/x]", error="no\x1b[31m")]
    )
    with Terminal(APP, columns=80, rows=24, env=environ, home=tmp_path) as terminal:
        terminal.wait_for("History 51")
        terminal.wait_for(r"failed  no")
        # Longer than the time after which ages are looked at.
        assert rows_written(terminal, 6.0) == set()
        assert "\x1b[31m" not in terminal.output.decode()
        if environ:
            rows = "\n".join(line[:79] for line in terminal.lines[2:])  # without the scrollbar
            assert "x  pull" in rows and "o  load" in rows and rows.replace("·", "").isascii()
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0 and terminal.restored
