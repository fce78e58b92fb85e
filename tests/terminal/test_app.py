"""The real program with the real demonstration model: opening, asking, stopping, quitting, being told to end."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.harness import REPOSITORY, Terminal
from tests.terminal.repaint import Repaint, check_repaint
from tests.terminal.venom import ENDED, LONG, PROGRAM, QUESTION, Venom, with_long_model
from tests.tools import requires_tool

pytestmark = pytest.mark.usefixtures("demonstration_model")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of HOME, data/ and config/."""
    return tmp_path / "home"


@pytest.fixture
def answering(home: Path, demonstration_model: Path) -> Iterator[Venom]:
    """A venom-tui that writes an answer which goes on for minutes."""
    with_long_model(home, demonstration_model)
    with Venom(home) as venom:
        venom.ready()
        venom.prompt(LONG)
        venom.wait_for(r"^ +.*2, 4, 6, 8(?s:.*)tok/s", 60)
        yield venom


def test_from_the_opening_to_the_end(home: Path) -> None:
    with Venom(home) as venom:
        # Typed before the core is open, enter right behind the text.
        venom.wait_for("ask, or / for a command")
        venom.prompt(QUESTION)
        venom.wait_for(rf"▌ {re.escape(QUESTION)}(?s:.*)Paris(?s:.*){ENDED}", 60)
        assert "often wrong" in venom.text, "said under each answer"
        assert [row.role for row in venom.messages()] == ["user", "assistant"]

        venom.ask("And of Germany?")
        before = answer_ids(venom)
        venom.send("ctrl+r")
        venom.wait_until(lambda: answer_ids(venom)[1] != before[1], what="a new answer")
        venom.wait_until(lambda: len(venom.rows_of("assistant", "complete")) == 2, what="its end")
        assert answer_ids(venom)[0] == before[0]
        assert len(venom.rows_of("user")) == 2, "the prompt is not repeated"

        venom.prompt("help")
        venom.wait_until(lambda: len(venom.rows_of("program")) == 1, what="the program's own answer")
        venom.send("ctrl+r")
        venom.wait_for("There is no answer to ask for again")
        venom.quit()


def answer_ids(venom: Venom) -> list[object]:
    return [row[0] for row in venom.query("SELECT id FROM messages WHERE role = 'assistant' ORDER BY seq")]


def test_the_card_is_honest_and_offers_what_the_model_can_do(home: Path) -> None:
    with Venom(home) as venom:
        venom.wait_for(r"\d+ CPUs, .* GiB RAM free")
        venom.wait_for("Answering: smollm2-135m, a demonstration model")
        assert "embedded llama.cpp" in venom.text
        venom.send("up")
        venom.wait_for(r"> Name three colours of the rainbow\.")
        venom.send("up")
        venom.wait_for(r"> Write one sentence about the sea\.")
        venom.send("down", "down")
        venom.wait_for("> ask, or / for a command")
        assert venom.processes() == [venom.process.pid], "the runtime starts with the first prompt"
        venom.quit()


def test_stopping(answering: Venom) -> None:
    venom = answering
    venom.send("escape")
    venom.wait_for("stopped, .* asks again")
    (stopped,) = venom.rows_of("assistant")
    assert stopped.state == "stopped"
    assert "2, 4, 6, 8" in stopped.content
    assert stopped.content.split()[-1].strip(",") in venom.text, "what came stays on the screen"

    venom.send("ctrl+r")
    venom.wait_for("esc stops", 30)
    venom.send("ctrl+c")
    venom.wait_for("stopped, .* asks again")
    venom.wait_gone("esc stops")
    venom.send("ctrl+c")
    venom.wait_for("again quits")
    venom.send("ctrl+c")
    assert venom.wait_exit() == 0
    venom.check_end()
    assert all(row.state == "stopped" for row in venom.rows_of("assistant"))


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "hangup"])
def test_told_to_end_while_a_model_answers(answering: Venom, how: str, unread: bool) -> None:
    venom = answering
    if unread:
        venom.pause()
        kept = len(answer(venom))
        venom.wait_until(lambda: len(answer(venom)) > kept + 60, 60, "more of the answer, though nobody reads")
    else:
        venom.wait_until(lambda: len(answer(venom)) > 40, what="a partial answer in the file")
    before = answer(venom)
    if how == "hangup":
        venom.hangup()
    else:
        venom.signal(getattr(signal, how))
    assert venom.wait_exit(20) == 0
    (kept_row,) = venom.rows_of("assistant")
    assert kept_row.state == "interrupted"
    assert kept_row.content.startswith(before)
    venom.wait_until(lambda: not venom.processes(), 10, "the end of all processes")
    assert "Traceback" not in venom.log(), venom.log()
    if how != "hangup":
        venom.resume()
        venom.wait_until(lambda: venom.restored, what="the terminal's restoration")


def answer(venom: Venom) -> str:
    """What of the answer is in the file."""
    return venom.rows_of("assistant")[0].content


@requires_tool("bash")
def test_suspended_to_the_shell_and_back(home: Path) -> None:
    shell = [shutil.which("bash") or "bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, columns=100, rows=30, home=home, env={"PS1": "shell> "}, cwd=REPOSITORY) as terminal:
        terminal.wait_for("^shell>$")
        terminal.type(" ".join(PROGRAM) + "\r")
        terminal.wait_for("Answering: ", 30)
        terminal.send("escape")  # in the prompt ctrl+z takes a change back
        terminal.wait_for("r Again")
        terminal.send("ctrl+z")
        terminal.wait_for(r"^\[1\].* Stopped ")
        terminal.type("clear; echo to the $((40 + 2)) shell; bg\r")  # the emulator has no second screen
        terminal.wait_for(r"^to the 42 shell\n\[1\].*&")

        def stopped() -> bool:
            """It wants the terminal, which it has in the foreground only; how soon it asks is its own business."""
            terminal.type("clear; jobs\r")
            terminal.wait_for(r"^\[1\].*(?s:.*)^shell>$")
            return " Stopped " in terminal.text

        terminal.wait_until(stopped, 30, "the end of the job")
        repaint = Repaint(terminal)
        terminal.type("fg\r")
        repaint.wait_equal()
        terminal.wait_for("Answering: ")
        terminal.type("iback again")
        terminal.wait_for(r"── draft: back again ─(?s:.*)▸ draft: back again(?s:.*)> back again")
        ages = next(y for y, line in enumerate(terminal.lines) if "▸ draft: back again" in line)
        check_repaint(terminal, ignore=(0, ages))  # memory and time go on
        terminal.send("ctrl+q")
        # The shell's prompt; while the shell reads a line, its line discipline is its own.
        terminal.wait_for("shell>", 30)
        terminal.type("exit\r")
        assert terminal.wait_exit() == 0
        assert terminal.restored


def test_plain_output_works_the_same(home: Path) -> None:
    with Venom(home) as ours, Venom(home, env={"VENOM_PLAIN_OUTPUT": "1"}) as plain:
        for venom in (ours, plain):
            venom.ready()
            venom.send("f1")
            venom.wait_for("Focus decides(?s:.*)esc close")

        def without_figures(venom: Venom) -> list[str]:
            return [line for line in venom.lines if "GiB" not in line]

        plain.wait_until(lambda: without_figures(plain) == without_figures(ours), what="the same screen")
        assert b"\x1b[?2048h" not in plain.output
        for venom in (ours, plain):
            venom.send("escape")
            venom.wait_gone("Focus decides")
            venom.quit()
