"""The guard in a real terminal, over the real pynvml and a library that stands for the driver."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nvml import FakeDriver, gpu
from tests.terminal.harness import Terminal

APP = [sys.executable, "-m", "venom_tui", "--screen", "guard"]


@pytest.fixture
def driver(tmp_path: Path) -> FakeDriver:
    return FakeDriver(tmp_path / "driver")


@pytest.fixture
def terminal(driver: FakeDriver, tmp_path: Path) -> Iterator[Terminal]:
    driver.says(gpu(index, used=1000 * index) for index in range(8))
    with Terminal(APP, columns=100, rows=30, env=driver.environ, home=tmp_path / "home") as opened:
        opened.wait_for(r"^ . +7  H100 80GB")
        yield opened


def test_eight_gpus_live(terminal: Terminal, driver: FakeDriver) -> None:
    terminal.wait_for(r"── GPU 0 · H100 80GB HBM3 ─+ 61 °C · 350/700 W · core 73 % · memory bus 40 % ──")
    driver.says(
        [*(gpu(index) for index in range(5)), gpu(5, core=99, degrees=88), "lost", gpu(7, milliwatts="-", bus=3)]
    )
    terminal.wait_for(r"^ ○   5 .* 99     40   88   350")
    terminal.wait_for(r"^ ✕   6  H100 80GB HBM3 +the GPU is lost")
    terminal.wait_for(r"^ ○   7 .* 73      3   61     \?")
    terminal.send("j", "j", "j", "j", "j", "j")
    terminal.wait_for(r"── GPU 6 · H100 80GB HBM3 ─+ lost ──")
    driver.says(gpu(index) for index in range(8))
    terminal.wait_for(r"── GPU 6 · H100 80GB HBM3 ─+ 61 °C")
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0 and terminal.restored


def test_figures_that_stand_still_are_not_written_again(terminal: Terminal) -> None:
    terminal.wait_for("GPU 0 ·")
    terminal.wait_for(r"PCIe 5 x16 · in 1000 KiB/s")  # what is known from later looks only
    gpus = [n for n, line in enumerate(terminal.lines, 1) if "H100 80GB" in line]
    assert len(gpus) == 9  # and the title of the details
    seen = len(terminal.output)
    for _ in range(2):
        before = _host(terminal)
        terminal.wait_until(lambda before=before: _host(terminal) != before, 60)
    # The host's own figures, and the graphs every ten seconds, are another matter.
    written = {int(row) for row in re.findall(rb"\x1b\[(\d+);\d+H", terminal.output[seen:])}
    assert not written & set(gpus)


def _host(terminal: Terminal) -> list[str]:
    return [line for line in terminal.lines if line.startswith((" CPU ", "── Host"))]
