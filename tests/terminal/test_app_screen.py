"""The real program's screen: sizes, colours, ASCII, the keymap, read-only, sections, and no terminal at all."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.terminal.harness import REPOSITORY
from tests.terminal.repaint import Repaint
from tests.terminal.venom import PROGRAM, Venom

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
"""A sequence that sets a colour other than the terminal's own."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_every_size_and_back(home: Path, demonstration_model: Path) -> None:
    with Venom(home, columns=200, rows=60) as venom:
        venom.ready()
        venom.ask()
        venom.type("a draft")
        venom.wait_for("> a draft")
        venom.wait_for(r"\d+ of 8k context")  # it is told behind the end of the answer
        venom.wait_for(r"● smollm2-135m +[\d.]+ *$")  # by the next look at the machine
        wide = settled(venom)
        for columns, rows in ((80, 24), (40, 10), (20, 5), (200, 60), (40, 10), (200, 60)):
            venom.wait_quiet()
            repaint = Repaint(venom, (columns, rows))  # before: what is drawn for the new size may come at once
            venom.resize(columns, rows)
            repaint.wait_drawn()
            repaint.wait_equal()
            if rows >= 10:
                venom.wait_for("> a draft")
                assert "enter send" in venom.lines[-1]
        assert settled(venom) == wide
        venom.resize(80, 24)
        venom.wait_for(r"Paris")
        for key, title in (("f3", "Catalog"), ("f4", "Operations"), ("f5", "Guard"), ("f2", "Chat")):
            venom.send(key)
            venom.wait_for(rf"^── (?s:.*){title}|{title}", 20)
            venom.wait_until(lambda: "f1 help" in venom.lines[-1] or "send" in venom.lines[-1], what="the footer")
        venom.wait_for("> a draft")
        venom.quit()


def settled(venom: Venom) -> list[str]:
    """The rows without figures that go on changing: times, and memory."""
    rows = [re.sub(r" \d+ (s|m) *$", "", line[:30]) + line[30:] for line in venom.lines[1:]]
    return [re.sub(r"[█▉▊▋▌▍▎▏░]* +[\d.?]+(/[\d.]+)?$", "", line) if line[163:] else line for line in rows]


def test_no_colour(home: Path) -> None:
    with Venom(home, env={"NO_COLOR": "1"}) as venom:
        venom.ready()
        venom.type("text")
        venom.wait_for("> text")
        y = next(y for y, line in enumerate(venom.lines) if "> text" in line)
        reversed_at = [x for x, cell in venom.screen.pyte.buffer[y].items() if cell.reverse]
        assert reversed_at == [venom.lines[y].index("text") + 4], "the cursor is seen without colours"
        venom.send("f1")
        venom.wait_for("Focus decides")
        venom.send("escape", "f3")
        venom.wait_for("Catalog")
        venom.send("f5")
        venom.wait_for("RAM")
        venom.quit()
        assert not COLOUR.search(venom.output), COLOUR.search(venom.output)
        assert re.search(rb"\x1b\[[0-9;]*1[;m]", venom.output), "what is bold stays bold"


@pytest.mark.parametrize(
    ("theme", "background", "foreground"),
    [("venom-dark", "14171a", "d5d8d6"), ("venom-light", "fafaf7", "1d2326"), ("ansi", "default", "default")],
)
def test_themes(home: Path, theme: str, background: str, foreground: str) -> None:
    with Venom(home, env={"VENOM_THEME": theme}) as venom:
        venom.ready()
        venom.type("text")
        venom.wait_for("> text")
        y = next(y for y, line in enumerate(venom.lines) if "> text" in line)
        x = venom.lines[y].index("text")
        cell = venom.screen.pyte.buffer[y][x]
        assert (cell.fg, cell.bg) == (foreground, background)
        if theme == "ansi":
            assert not re.search(rb"[34]8;[25];", venom.output), "only the terminal's own palette"
        venom.quit()


@pytest.mark.parametrize(
    ("setting", "told", "background"),
    [
        (None, b"rgb:ffff/ffff/ffff", "fafaf7"),
        (None, b"rgb:fd/f6/e3", "fafaf7"),  # Solarized's
        (None, b"rgb:0000/2b2b/3636", "14171a"),
        (None, b"rgb:zz/zz/zz", "14171a"),
        ("venom-dark", b"rgb:ffff/ffff/ffff", "14171a"),
    ],
)
def test_the_terminals_background_chooses_the_colours(
    home: Path, setting: str | None, told: bytes, background: str
) -> None:
    venom = Venom(home, env={"VENOM_THEME": setting})
    venom.background = told
    with venom:
        venom.ready()
        venom.type("text")
        venom.wait_for("> text")
        y = next(y for y, line in enumerate(venom.lines) if "> text" in line)
        x = venom.lines[y].index("text")
        venom.wait_until(lambda: venom.screen.pyte.buffer[y][x].bg == background, what=f"the background {background}")
        venom.quit()


def test_a_terminal_that_may_print_the_question_is_not_asked(home: Path) -> None:
    with Venom(home, env={"TERM": "linux"}) as venom:
        venom.ready()
        assert b"]11;" not in venom.output
        venom.quit()


@pytest.mark.parametrize("env", [{"VENOM_ASCII": "1"}, {"LC_ALL": "C", "LANG": "C"}], ids=["setting", "locale"])
def test_ascii(home: Path, env: dict[str, str]) -> None:
    with Venom(home, env=env) as venom:
        venom.ready()
        venom.ask()
        for key, title in (("f3", "Catalog"), ("f4", "Operations"), ("f5", "Guard"), ("f2", "Chat")):
            venom.send(key)
            venom.wait_for(title)
            check_ascii(venom)
        for key, shown in (("f1", "Focus decides"), ("ctrl+o", "type to filter"), ("ctrl+p", "type to filter")):
            venom.send(key)
            venom.wait_for(shown)
            check_ascii(venom)
            venom.send("escape")
            venom.wait_gone(shown)
        venom.send("ctrl+f")
        venom.wait_for("Find in all sessions")
        check_ascii(venom)
        venom.send("escape")
        venom.quit()


def check_ascii(venom: Venom) -> None:
    odd = {character for line in venom.lines for character in line if not character.isascii()}
    assert odd == set(), venom.text


def test_the_keymap(home: Path) -> None:
    config = home / "config"
    config.mkdir(parents=True)
    keymap = config / "keymap.toml"
    keymap.write_text('"chat.new" = "ctrl+t"\n"app.quit" = "f10, ctrl+q"\n"no.such" = "x"\n')
    with Venom(home) as venom:
        venom.ready()
        venom.wait_toast("keymap.toml names no key that there is: no.such")
        assert "^t new" in venom.text
        assert "f10 quit" in venom.text
        venom.type("old")
        venom.send("ctrl+t")
        venom.wait_for("^── Sessions .*── New session(?s:.*)> ask, or")
        venom.send("f10")
        assert venom.wait_exit() == 0
        venom.check_end()

    for wrong in ("this is no toml", '"chat.new" = 3\n'):
        keymap.write_text(wrong)
        with Venom(home) as venom:
            assert venom.wait_exit() == 2
            assert "keymap.toml" in venom.text.replace("\n", "")
            assert b"\x1b[?1049h" not in venom.output, "said before the screen is taken"
            venom.check_end()


def test_read_only(home: Path, demonstration_model: Path) -> None:
    with Venom(home) as venom:
        venom.ready()
        venom.ask()
        venom.quit()
        before = [*venom.query("SELECT * FROM sessions"), *venom.query("SELECT * FROM messages")]
    with Venom(home, "--read-only") as venom:
        venom.wait_for("Paris")
        venom.wait_for("read-only")
        venom.prompt("And of Germany?")
        venom.wait_toast("runs read-only")
        venom.wait_for("> And of Germany")
        venom.send("ctrl+n")
        venom.wait_for("── New session")
        venom.prompt("Anything.")
        venom.wait_toast("begins no session")
        venom.send("ctrl+s", "d")
        venom.wait_toast("sessions stay as they are")
        venom.send("f3")
        venom.wait_for("^── Catalog|Catalog")
        venom.quit()
        assert [*venom.query("SELECT * FROM sessions"), *venom.query("SELECT * FROM messages")] == before


@pytest.mark.parametrize("section", ["catalog", "operations", "guard"])
def test_a_section_to_begin_with(home: Path, section: str) -> None:
    with Venom(home, "--screen", section) as venom:
        venom.ready()
        venom.send("escape")
        venom.wait_for("> ask, or / for a command")
        venom.quit()


def test_an_unknown_section(home: Path) -> None:
    with Venom(home, "--screen", "nowhere") as venom:
        assert venom.wait_exit() == 2
        venom.wait_for("nowhere")


@pytest.mark.parametrize("which", ["stdin", "stdout", "both"])
def test_without_a_terminal(home: Path, which: str) -> None:
    """The other one is a terminal, or none is."""
    (home / "data").mkdir(parents=True)
    redirect = {"stdin": "</dev/null", "stdout": "| cat", "both": "</dev/null | cat"}[which]
    command = f'set -o pipefail; "$0" "$@" {redirect}; echo "status $?"'
    program = ["bash", "-c", command, *PROGRAM]
    with Venom(home, program=program) as venom:
        venom.wait_exit()
        shown = " ".join(venom.text.split())
        assert shown.startswith("venom-tui: The TUI needs a terminal"), shown
        assert "`venom-tui chat " in shown
        assert shown.endswith("status 2")
        assert b"\x1b" not in venom.output
    assert list((home / "data").iterdir()) == []


def test_without_any_descriptors(home: Path) -> None:
    home.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" "$@" <&- >&-', *PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "VENOM_DATA_DIR": str(home / "data")},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("venom-tui: The TUI needs a terminal")
    assert "Traceback" not in done.stderr
