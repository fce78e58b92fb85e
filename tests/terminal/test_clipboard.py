"""Copying: tmux's buffer, the terminal's clipboard, a file; and what is certain of each."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.harness import Terminal
from tests.tools import requires_tool
from venom_tui.ui.app.copying import told
from venom_tui.ui.terminal.clipboard import TERMINAL_LIMIT_BYTES, Clipboard, Copied

TEXT = "Grüße, 日本語\n$(touch /tmp/never) `x` \\ 'quoted'\n"


@pytest.fixture
def written() -> list[str]:
    """What was sent to the terminal."""
    return []


def clipboard(tmp_path: Path, written: list[str], **environ: str) -> Clipboard:
    return Clipboard(written.append, tmp_path / "data" / "copied.txt", {"PATH": os.environ["PATH"], **environ})


def decoded(sequence: str) -> str:
    found = re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found is not None, sequence[:80]
    return base64.b64decode(found[1]).decode()


async def test_a_terminal_is_sent_the_text_and_confirms_nothing(tmp_path: Path, written: list[str]) -> None:
    copied = await clipboard(tmp_path, written, TERM="xterm-256color").copy(TEXT)
    assert copied == Copied("terminal", len(TEXT.encode()), confirmed=False)
    assert [decoded(one) for one in written] == [TEXT]
    assert told(copied, "the last answer") == "Sent the last answer to the terminal's clipboard, not confirmed."
    assert not (tmp_path / "data").exists()


async def test_screen_lets_it_through_in_pieces(tmp_path: Path, written: list[str]) -> None:
    await clipboard(tmp_path, written, STY="1.pts-0.box", TERM="screen").copy(TEXT * 20)
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", written[0], re.DOTALL)
    assert len(pieces) > 3 and max(map(len, pieces)) <= 768, "more is cut by screen"
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == written[0]
    assert decoded("".join(pieces)) == TEXT * 20


@pytest.mark.parametrize(
    ("text", "environ", "why"),
    [
        ("x" * (TERMINAL_LIMIT_BYTES + 1), {"TERM": "xterm-256color"}, "a terminal takes 55 KiB at most"),
        ("short", {"TERM": "linux"}, "no clipboard"),
    ],
)
async def test_what_no_terminal_takes_is_written_to_a_file(
    tmp_path: Path, written: list[str], text: str, environ: dict[str, str], why: str
) -> None:
    old_mask = os.umask(0)
    try:
        copied = await clipboard(tmp_path, written, **environ).copy(text)
        await clipboard(tmp_path, written, **environ).copy(text)
    finally:
        os.umask(old_mask)
    file = tmp_path / "data" / "copied.txt"
    assert written == []
    assert (copied.where, copied.path) == ("file", file)
    assert file.read_text() == text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert why in told(copied, "the message")
    assert str(file) in told(copied, "the message")


async def test_the_longest_text_that_a_terminal_is_sent(tmp_path: Path, written: list[str]) -> None:
    assert (await clipboard(tmp_path, written).copy("x" * TERMINAL_LIMIT_BYTES)).where == "terminal"
    assert len(written[0]) <= 75_001


def fake_tmux(folder: Path, script: str) -> str:
    """Put a tmux on a path of its own; return the path."""
    folder.mkdir()
    (folder / "tmux").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "tmux").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def test_an_old_tmux_takes_it_without_passing_it_on(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_tmux(tmp_path / "bin", f'[ "$2" = -w ] && exit 1; cat > {tmp_path}/buffer')
    monkeypatch.setenv("PATH", path)
    copied = await clipboard(tmp_path, written, TMUX="/tmp/none,1,0").copy(TEXT)
    assert (copied.where, copied.confirmed, copied.passed_on) == ("tmux", True, False)
    assert (tmp_path / "buffer").read_text() == TEXT
    assert told(copied, "the last answer") == "Copied the last answer to tmux's buffer."


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60"], ids=["fails", "hangs"])
async def test_a_tmux_that_does_not_take_it_lets_it_through(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("venom_tui.ui.terminal.clipboard._TMUX_S", 0.3)
    monkeypatch.setenv("PATH", fake_tmux(tmp_path / "bin", script))
    began = time.monotonic()
    copied = await clipboard(tmp_path, written, TMUX="/tmp/none,1,0").copy("text")
    assert time.monotonic() - began < 5
    assert copied.where == "terminal"
    assert written[0].startswith("\x1bPtmux;\x1b\x1b]52;c;") and written[0].endswith("\x1b\\")


async def test_an_environment_of_tmux_without_a_tmux(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await clipboard(tmp_path, written, TMUX="/tmp/none,1,0").copy("text")).where == "terminal"


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Terminal]:
    """A real tmux in a terminal, with a server of its own."""
    argv = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null", "new-session", "echo in tmux; exec cat"]
    with Terminal(argv, columns=80, rows=12) as terminal:
        terminal.wait_for("^in tmux")
        yield terminal
        ask(tmp_path, "kill-server")


def ask(tmp_path: Path, *arguments: str) -> bytes:
    command = ["tmux", "-S", str(tmp_path / "socket"), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout


@requires_tool("tmux")
@pytest.mark.parametrize("text", [TEXT, "x" * 300_000], ids=["short", "300 KB"])
async def test_a_real_tmux_has_it_in_its_buffer(tmux: Terminal, tmp_path: Path, written: list[str], text: str) -> None:
    server = ask(tmp_path, "display-message", "-p", "#{socket_path},#{pid},0").decode().strip()
    copied = await clipboard(tmp_path, written, TMUX=server, TERM="tmux-256color").copy(text)
    assert (copied.where, copied.confirmed, copied.passed_on) == ("tmux", True, True)
    assert written == []
    assert ask(tmp_path, "show-buffer").decode() == text
    if text == TEXT:
        encoded = base64.b64encode(TEXT.encode())
        tmux.wait_until(lambda: encoded in tmux.output, what="tmux passing it on to its terminal")
