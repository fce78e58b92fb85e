"""Every kind of machine on a real terminal's screen, over the real pynvml and a library that stands for the driver."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.nvml import FakeDriver, gpu, part
from tests.terminal.harness import Terminal
from tests.tools import requires_tool

pytestmark = requires_tool("gcc")
APP = [sys.executable, "-m", "venom_tui", "--screen", "guard"]
Open = Callable[..., Terminal]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def opened(driver: FakeDriver, tmp_path: Path) -> Iterator[Open]:
    """Let the driver say something, and open the guard before it."""
    with ExitStack() as stack:

        def run(*lines: str, until: str = r"^ . +0  ", rows: int = 40, **environ: str) -> Terminal:
            driver.says(lines)
            terminal = Terminal(APP, columns=120, rows=rows, env=driver.environ | environ, home=tmp_path / "home")
            stack.enter_context(terminal)
            terminal.wait_for(until, 20)
            return terminal

        yield run


def test_parts_of_a_gpu(opened: Open) -> None:
    terminal = opened(
        gpu(0, mig=1, core="-", bus="-"),
        part("MIG-aaaa", used=5000, processes=f"{os.getpid()}:4800"),
        part("MIG-bbbb", total="!", instance=2),
        gpu(1),
        rows=60,
    )
    terminal.wait_for(r"0  H100 80GB HBM3 MIG .*[░▒] +19\.5 +79\.6 +\? +\? +61")
    terminal.wait_for(r"MIG 1/0 · 1g\.10gb · 4\.9 of 9\.6 GiB")
    terminal.wait_for(r"MIG 2/0 · 1g\.10gb · \? of \? GiB")
    terminal.wait_for(rf" {os.getpid()}  \S+ +4\.7  .*python")
    terminal.wait_for(r"\? core, memory bus.*: this GPU does not tell it")
    terminal.send("enter")
    terminal.wait_for(r"MIG +on")
    terminal.send("pagedown")
    terminal.wait_for(r"part +MIG 2/0 .*\n.* MIG-bbbb .*\n.* \?   memory: this user may not read it")


def test_memory_that_is_the_hosts(opened: Open) -> None:
    terminal = opened(gpu(0, name="NVIDIA GB10", total="-", used=0))
    terminal.wait_for(r"0  GB10 unified .* 61 ")
    terminal.wait_for(r"unified: the host's RAM")
    assert not re.search(r"GB10 unified +\S+ +0\.0 +0\.0", "\n".join(terminal.lines))


def test_missing_rights_and_figures_field_by_field(opened: Open) -> None:
    terminal = opened(gpu(0, degrees="!", milliwatts="-", core="!", processes="!", sm="-"), gpu(1))
    terminal.wait_for(r"^ ○ +0  H100 80GB HBM3 .* 19\.5 +79\.6 +\? +\? +\? +\? +700")
    terminal.wait_for(r"── \? °C · \?/700 W · core \? % · memory bus \? % ──")
    terminal.wait_for(r"\? core.*temperature.*: this user may not read it")
    terminal.wait_for(r"\? power.*: this GPU does not tell it")
    terminal.send("enter")
    terminal.wait_for(r"processes +\?   this user may not read it")
    terminal.wait_for(r"clock +\?   this GPU does not tell it")


def test_absurd_figures_are_not_shown(opened: Open) -> None:
    terminal = opened(gpu(0, core=250, degrees=4_000_000_000, used=999_999, milliwatts=9_999_999_000, bus=17))
    terminal.wait_for(r"^ ○ +0  H100 80GB HBM3 +\? +\? +\? +\? +17 +\? +\? +700")
    terminal.wait_for(r"── \? °C · \?/700 W · core \? % · memory bus 17 % ──")
    terminal.wait_for(r"\? core: the driver said something absurd: 250")


def test_a_gpu_is_lost_and_comes_back(opened: Open, driver: FakeDriver) -> None:
    terminal = opened(gpu(0), gpu(1))
    driver.says([gpu(0), "lost"])
    terminal.wait_for(r"^ ✕ +1  H100 80GB HBM3 +the GPU is lost: it fell off the bus")
    terminal.wait_for(r"^ ○ +0  H100 80GB HBM3 .* 73 ")
    driver.says([gpu(0), gpu(1, core=12)])
    terminal.wait_for(r"^ ○ +1  H100 80GB HBM3 .* 12 ", 15)


def test_processes_of_others_and_of_containers(opened: Open) -> None:
    terminal = opened(gpu(0, processes=f"{os.getpid()}:1500,1:700,4194305:7,0:12"))
    terminal.wait_for(rf" {os.getpid()}  \S+ +1\.5  ")
    terminal.wait_for(r"^ +1  \S+ +0\.7  ")  # another's process, with the command that anybody may read
    terminal.wait_for(r" 4194305  \? +<0\.1  \?")  # gone, or of another system
    terminal.wait_for(r"^ +\?  \? +<0\.1  \?")  # of another container: its pid is not told
    terminal.send("tab", "G", "k", "enter")
    terminal.wait_for(r"pid +\?   the process is of another container or system")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fails 9", "the NVIDIA driver is not loaded"),
        ("fails 18", "driver and library have different versions; a reboot mends that"),
    ],
)
def test_a_driver_that_fails_as_a_whole(opened: Open, said: str, reason: str) -> None:
    terminal = opened(said, until=rf"\? {reason}")
    terminal.wait_for(r" RAM +\S+ +[\d.]+ of [\d.]+ GiB")
    terminal.wait_for(r"── Loaded")


def test_no_driver_at_all(opened: Open, tmp_path: Path) -> None:
    terminal = opened(until=r"\? no NVIDIA driver is installed", LD_LIBRARY_PATH=str(tmp_path))
    terminal.wait_for(r" RAM +\S+ +[\d.]+ of [\d.]+ GiB")


def test_gpus_that_are_not_for_us_are_told_apart(opened: Open) -> None:
    terminal = opened(gpu(0), gpu(1), CUDA_VISIBLE_DEVICES="GPU-00000001")
    terminal.wait_for(r"^ - +0  H100 80GB HBM3  ")
    terminal.wait_for(r"^ ○ +1  H100 80GB HBM3  ")
    terminal.wait_for(r"── GPU 0 · H100 80GB HBM3 · not for us ──")
    terminal.wait_for(r"\? for this program: CUDA_VISIBLE_DEVICES leaves it out")


def test_a_driver_call_that_hangs_freezes_only_its_own_figures(
    opened: Open, driver: FakeDriver, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    terminal = opened(gpu(0), gpu(1))
    terminal.wait_for(r"── 61 °C · 350/700 W")
    driver.says([f"waits {fifo}"])
    terminal.wait_for(r"^ ▲ +0  H100 80GB HBM3 +▲ \d+ s old +19\.5", 20)
    terminal.wait_for(r"▲ the driver is silent, figures are \d+ s old")
    # The host's figures go on, and keys are obeyed, however long it hangs.
    before = _host(terminal)
    terminal.wait_until(lambda: _host(terminal) != before, 30)
    terminal.send("enter")
    terminal.wait_for(r"The driver does not answer: these figures are \d+ s old")
    terminal.send("escape")
    # It answers again: what is asked next is fresh.
    driver.says([gpu(0, core=5), gpu(1)])
    with contextlib.suppress(BrokenPipeError):  # the driver waits for somebody who opens it, and may be gone then
        fifo.write_text(gpu(0) + "\n")
    terminal.wait_for(r"^ ○ +0  H100 80GB HBM3 .* 5 +40 ", 20)
    terminal.send("ctrl+q")
    assert terminal.wait_exit() == 0 and terminal.restored


def _host(terminal: Terminal) -> list[str]:
    return [line for line in terminal.lines if line.startswith((" CPU ", "── Host"))]
