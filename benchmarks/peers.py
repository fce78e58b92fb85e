"""Other programs to measure beside ours, each in an environment of its own below ~/.cache/venom-tui/peers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.meter import Meter

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "venom-tui" / "peers"


def oterm() -> tuple[str | None, str]:
    """Return the path of oterm, installed where it is not there yet; or None and the reason in a sentence."""
    return _installed("oterm", "oterm==0.26.1", "oterm")


def nvitop() -> tuple[str | None, str]:
    """Return the path of nvitop, installed where it is not there yet; or None and the reason in a sentence."""
    return _installed("nvitop", "nvitop==1.7.2", "nvitop")


def begin_chat_in_oterm(terminal: Meter, model: str) -> None:
    """Bring a started oterm to a new chat with a model."""
    terminal.wait_for("Welcome to oterm", 90)
    time.sleep(2)  # it shows its keys before it takes them
    terminal.send("ctrl+n")
    terminal.wait_for(model)
    time.sleep(1)  # each of its dialogs is drawn before it takes a click, and nothing on it tells when
    terminal.click(f"{model} ")
    time.sleep(1)  # as above
    terminal.click("Save")
    terminal.wait_for(f"model: {model}")
    time.sleep(2)  # as above


def _installed(name: str, requirement: str, program: str) -> tuple[str | None, str]:
    folder = _CACHE / name
    path = folder / "bin" / program
    if path.exists():
        return str(path), ""
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", requirement],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            return None, f"{requirement} could not be installed: {words[:200]}"
    return (str(path), "") if path.exists() else (None, f"{requirement} brought no program {program}.")
