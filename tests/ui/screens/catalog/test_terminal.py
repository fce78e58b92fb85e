"""The catalog in a terminal: keys that arrive together, what is drawn, and silence while nothing changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.harness import Terminal
from tests.ui.screens.catalog.support import model_file, three_models

pytestmark = pytest.mark.usefixtures("demonstration_model")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The program with three models and the demonstration model, the catalog in front."""
    three_models(tmp_path / "data" / "models")
    with Terminal(
        [sys.executable, "-m", "venom_tui", "--screen", "catalog"], columns=100, rows=30, home=tmp_path
    ) as it:
        it.wait_for(r"Models ─ 4 ──.*\n.*\n.*gemma-3-270m")
        yield it


def test_keys_that_arrive_together_act_in_their_order(terminal: Terminal) -> None:
    # Filter, leave it, select two of what is left, sort, open the filter again and go on in it.
    terminal.write(b"/size:<5G\rg jj s/ arch:l")
    terminal.wait_for(r"Models ─ 2 of 4 ─ filter: size:<5G arch:l ─ 2 selected ─.*sorted by params, fewest first")
    terminal.wait_for(r"^ / size:<5G arch:l.*\n.*\n[▌▸ ]+○ smollm2-135m .*\n +○ llama-base ")
    # Letters and corrections.
    terminal.write(b"\x7f\x7f\x7f\x7f\x7f\x7f" + b"x\x7fquant:q8")
    terminal.wait_for(r"Models ─ 1 of 4 ─ filter: size:<5G quant:q8 ─")
    # A section's key behind the key that leaves the input is a key, not text.
    terminal.write(b"\r1")
    terminal.wait_for(r"ask, or / for a command")
    terminal.send("f3")
    terminal.wait_for(r"Models ─ 1 of 4 ─ filter: size:<5G quant:q8 ─ 2 selected")
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0 and terminal.restored


def test_nothing_is_written_while_nothing_changes(terminal: Terminal) -> None:
    # What the header counts in tenths of a GiB may change by itself: it is left out by not looking for long.
    terminal.send("G", "space")
    terminal.wait_for("1 selected")
    quiet = terminal.wait_quiet(0.6)
    model_file(terminal.home / "data" / "models" / "new.gguf")
    time.sleep(2.5)
    drawn = terminal.output[quiet:]
    assert len(drawn) < 200 and b"gemma" not in drawn, drawn
    terminal.send("r")
    terminal.wait_for(r"Models ─ 5 ─ 1 selected")
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0


def test_a_resize_lays_the_columns_out_anew(terminal: Terminal) -> None:
    terminal.resize(80, 24)
    terminal.wait_for(r"^   name +params  quant +size GiB  fit +where$")
    terminal.resize(160, 50)
    terminal.wait_for(r"^   name +params  quant +size GiB  context  arch +can +fit +used +where$")
    terminal.resize(100, 12)
    terminal.wait_gone("tokens of context")
    terminal.wait_for("smollm2-135m")
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0
