"""Standard streams as scripts have them: closed, full, gone, not UTF-8, not a terminal."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.core.support import open_core
from venom_tui.cli.output import json_text, table, width
from venom_tui.core.core import Core
from venom_tui.core.settings import load_settings

from .conftest import ROOT, Command


def shell(venom: Command, line: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell; `venom-tui` is ours there."""
    return subprocess.run(
        ["bash", "-c", f'venom-tui() {{ "{sys.executable}" -m venom_tui "$@"; }}; {line}'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        env=venom.environment(**environ),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", ["info", "info --json", "models list"])
def test_a_closed_output_is_nobody_who_reads(venom: Command, arguments: str) -> None:
    done = shell(venom, f"venom-tui {arguments} >&-")
    assert b"mistake" not in done.stderr
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert shell(venom, f"venom-tui {arguments} >&- 2>&- <&-").returncode == 0
    assert not [file for file in venom.data.rglob("*.log") if file.stat().st_size]


@pytest.mark.parametrize("arguments", ["info", "info --json", "guard --watch --json"])
def test_a_full_disk_behind_the_output(venom: Command, arguments: str) -> None:
    done = shell(venom, f"venom-tui {arguments} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"venom-tui: The output could not be written: No space left on device.\n"


@pytest.mark.parametrize("arguments", ["info", "sessions show ID --json", "guard --watch --interval 0.2"])
def test_a_reader_that_has_enough(venom: Command, arguments: str) -> None:
    """`head` closes its side; that is no failure to speak of."""
    if "ID" in arguments:
        arguments = arguments.replace("ID", long_session(venom))
    done = shell(venom, f"venom-tui {arguments} | head -c 1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) in ((1, b""), (0, b"")), "0 where all fitted into the pipe"
    assert len(done.stdout) == 1


def long_session(venom: Command, title: str = "") -> str:
    """Put a session with a very long message into the store; return its id."""

    async def make() -> str:
        async with open_core(venom.data.parent) as core:
            session = await core.sessions.create(title=title)
            await core.sessions.begin_turn(session.id, "many words " * 50_000, request_id="r")
            return session.id

    return asyncio.run(make())


def test_no_input(venom: Command) -> None:
    done = shell(venom, "venom-tui route --batch --json <&-")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["message"] == "There is no standard input to read prompts from."
    done = shell(venom, "venom-tui chat --json <&-")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage")


def test_input_that_is_no_utf8(venom: Command) -> None:
    done = venom("route", "--batch", stdin=b"caf\xe9\nhello\n", PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    done = venom("chat", "--json", stdin=b"caf\xe9")
    assert (done.returncode, json.loads(done.stdout)["error"]["message"]) == (2, "Standard input is no UTF-8 text.")


def test_arguments_that_are_no_utf8(venom: Command) -> None:
    for arguments, status in (("sessions search", 0), ("sessions show", 1), ("models show", 2)):
        done = shell(venom, f"venom-tui {arguments} $'caf\\xe9' --json")
        assert done.returncode == status, done
        assert b"mistake" not in done.stderr
        json.loads(done.stdout)


def test_a_locale_without_letters(venom: Command) -> None:
    long_session(venom, "Größe 模型")
    ascii_only = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = venom("sessions", "list", **ascii_only)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Gr\\xf6\\xdfe" in done.stdout
    assert venom.json("sessions", "list", **ascii_only)[0]["title"] == "Größe 模型"


def test_json_is_escaped_where_it_could_drive_a_terminal() -> None:
    value = {"a\x9b": "\x1b[31m\x7f\x9b\u202e\u2066\ufeff\ud800", "é": ["日本", "\n"]}
    text = json_text(value)
    assert json.loads(text) == value
    assert not any(character in text for character in "\x1b\x7f\x9b\u202e\u2066\ufeff\ud800\n")


def test_tables_are_aligned_by_cells() -> None:
    lines = table(("NAME", "X"), [("日本", "a"), ("e\u0301", "b"), ("a\x1b[31m\nb", "c")])
    assert lines == ["NAME  X", "日本  a", "e\u0301     b", "a b   c"]
    assert [width(line) for line in lines] == [7, 7, 7, 7]


# ---------------------------------------------------------------------- questions


@pytest.fixture
def session(data_dir: Path, config_dir: Path) -> str:
    async def make() -> str:
        async with Core(load_settings()) as core:
            return (await core.sessions.create(title="of \x1b[31mherons")).id

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0), ("YES", 0, 0), ("\x04", 1, 1)]
)
def test_a_question_in_a_terminal(
    session: str, data_dir: Path, config_dir: Path, answer: str, status: int, left: int
) -> None:
    environ = {**Command(data_dir, config_dir).environment(), "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable, ["-m", "venom_tui", "sessions", "delete", session], env=environ, cwd=str(ROOT), timeout=30
    )
    child.expect_exact("Delete session 'of herons' with 0 messages, for ever? [y/N] ")
    assert b"\x1b" not in (child.before or b"")
    if answer == "\x04":
        child.sendeof()
    else:
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status
    if status:
        assert b"Nothing was changed." in (child.before or b"")

    async def count() -> int:
        async with Core(load_settings()) as core:
            return len(await core.sessions.list())

    assert asyncio.run(count()) == status


def test_no_colour_but_in_a_terminal(venom: Command) -> None:
    for extra, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        environ = {**venom.environment(), **extra}
        child = pexpect.spawn(sys.executable, ["-m", "venom_tui", "info"], env=environ, cwd=str(ROOT), timeout=30)
        child.expect(pexpect.EOF)
        child.close()
        assert (b"\x1b[" in (child.before or b"")) == coloured
