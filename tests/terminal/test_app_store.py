"""The real program and its files: killed, two at once, modes, newer and damaged databases, a full disk."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import stat
import time
from itertools import repeat
from pathlib import Path

import pytest

from tests.terminal.venom import ENDED, LONG, PROGRAM, QUESTION, Venom, with_long_model

pytestmark = pytest.mark.usefixtures("demonstration_model")

KILLS = int(os.environ.get("VENOM_TEST_KILLS", "3"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def kill(venom: Venom) -> None:
    """End it as a crash does, and see that the embedded runtime ends with it."""
    venom.signal(signal.SIGKILL)
    venom.process.wait(10)
    venom.wait_until(lambda: not venom.processes(), 15, "the end of all processes")


def test_after_a_kill_everything_is_as_it_was(home: Path, demonstration_model: Path) -> None:
    with_long_model(home, demonstration_model)
    with Venom(home) as venom:
        venom.ready()
        venom.prompt(LONG)
        venom.wait_for(r"2, 4, 6, 8", 60)
        venom.type("a draft beside the answer")
        venom.send("ctrl+n")
        venom.wait_for("── New session")
        venom.type("a draft of another session")
        venom.wait_until(lambda: drafts(venom) == ["a draft beside the answer", "a draft of another session"])
        venom.wait_until(lambda: len(venom.rows_of("assistant")[0].content) > 60, what="some of the answer in the file")
        so_far = venom.rows_of("assistant")[0]
        assert so_far.state == "streaming"
        kill(venom)

    with Venom(home) as venom:
        venom.wait_for("> a draft of another session")
        venom.wait_for("▸ draft: a draft of a")
        venom.send("ctrl+s", "down", "enter")
        venom.wait_for("interrupted, .* asks again")
        venom.wait_for("> a draft beside the answer")
        (kept,) = venom.rows_of("assistant")
        assert kept.state == "interrupted"
        assert kept.content.startswith(so_far.content)
        assert re.sub(r"\s", "", kept.content)[-30:] in re.sub(r"[\s▸◐]|\d+ s", "", venom.text)
        venom.send("ctrl+r")
        # Before something of it came, the answer of before would stay.
        venom.wait_until(lambda: any(row.content for row in venom.rows_of("assistant", "streaming")), 60, "an answer")
        venom.send("escape")
        venom.wait_for("stopped, .* asks again")
        venom.quit()


def drafts(venom: Venom) -> list[str]:
    return sorted(str(row[0]) for row in venom.query("SELECT draft FROM sessions WHERE draft != ''"))


def numbers(text: str) -> list[int]:
    """The even numbers that the answer has come to."""
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def test_killed_at_any_moment_it_loses_nothing_that_was_said(home: Path, demonstration_model: Path) -> None:
    with_long_model(home, demonstration_model)
    chance = random.Random(KILLS)
    prompts: list[str] = []
    for number in range(KILLS):
        with Venom(home) as venom:
            venom.ready()
            assert [row.content for row in venom.rows_of("user")] == prompts
            prompts.append(f"{LONG} Take {number}.")
            venom.prompt(prompts[-1])
            venom.wait_for(rf"▌ .*(?s:.*)Take {number}\.", 30)
            end = time.monotonic() + chance.uniform(0.0, 4.0)
            shown: list[tuple[float, str]] = []
            while time.monotonic() < end:
                shown.append((time.monotonic(), body(venom, number)))
                time.sleep(0.1)
            killed = time.monotonic()
            kill(venom)
            kept = venom.rows_of("assistant")[-1].content
        seen_long = [text for at, text in shown if at < killed - 2.0]
        assert all(squeezed(text) in squeezed(kept) for text in seen_long), "on the screen for two seconds: in the file"
    with Venom(home) as venom:
        venom.ready()
        venom.wait_for("interrupted, .* asks again")
        assert [row.content for row in venom.rows_of("user")] == prompts
        assert {row.state for row in venom.rows_of("assistant")} == {"interrupted"}
        assert venom.query("PRAGMA integrity_check") == [("ok",)]
        venom.quit()


def body(venom: Venom, number: int) -> str:
    """The answer's text on the screen, as far as it is seen."""
    found = re.search(rf"Take {number}\.\n(?:.*\n)*? +long\n((?:.*\n)*?) +▍", venom.text)
    return "" if found is None else "".join(line[28:] + " " for line in found[1].splitlines())


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_two_at_once_see_each_other(home: Path, demonstration_model: Path) -> None:
    with_long_model(home, demonstration_model)
    with Venom(home) as one, Venom(home) as other:
        one.ready()
        other.ready()
        one.prompt(LONG)
        one.wait_for(r"2, 4, 6, 8, 10", 60)
        other.wait_for("◐ List all even")
        assert one.rows_of("assistant")[0].state == "streaming", "the other one leaves it alone"

        other.type("typed here")
        other.wait_for("▸ draft: typed here")
        one.wait_for("draft: typed here")
        other.send("ctrl+s", "down", "enter")
        other.wait_for(r"── List all even numbers(?s:.*)2, 4, 6, 8, 10")
        one.send("escape")
        one.wait_for("stopped, .* asks again")
        last = one.rows_of("assistant")[0]
        assert last.state == "stopped"
        other.wait_for("stopped, .* asks again")
        other.wait_gone("◐")

        # A third one comes while the first answers, and the first is killed.
        one.send("ctrl+r")
        one.wait_for("esc stops", 30)
        with Venom(home) as third:
            third.wait_for("◐ List all even")
            assert "streaming" in [row.state for row in one.rows_of("assistant")]
            kill(one)
            third.wait_until(
                lambda: "streaming" not in [row.state for row in third.rows_of("assistant")], 60, "the mark"
            )
            third.wait_gone("◐")
            third.quit()
        other.quit()


# ---------------------------------------------------------------------- files


def test_files_are_the_users_alone(home: Path) -> None:
    program = ["/bin/sh", "-c", 'umask 022; exec "$0" "$@"', *PROGRAM]
    with Venom(home, program=program, env={"VENOM_DATA_DIR": str(home / "made by it" / "data")}) as venom:
        venom.ready()
        venom.ask()
        for suffix in ("md", "json"):
            venom.prompt("/export")
            venom.wait_for("Export to")
            venom.send("ctrl+u")
            venom.prompt(f"{home}/exported.{suffix}")
            venom.wait_until((home / f"exported.{suffix}").exists, what="the file")
            venom.wait_toast("Written to")
        venom.quit()
        found = [venom.data, *venom.data.rglob("*"), *home.glob("exported.*")]
        assert {path.suffix for path in found} >= {".db", ".md", ".json"}
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
        assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}, modes
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}, modes


def test_a_newer_database_is_refused(home: Path) -> None:
    with Venom(home) as venom:
        venom.ready()
        venom.quit()
        path = venom.data / "venom.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with Venom(home) as venom:
        assert venom.wait_exit() == 1
        assert re.search("venom-tui:.*waswrittenbyanewervenom-tui", squashed(venom.text))
        venom.check_end()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*damaged*"))


def test_a_damaged_database_is_put_aside_and_said(home: Path) -> None:
    data = home / "data"
    data.mkdir(parents=True)
    rubbish = b"this was never a database" * 100
    (data / "venom.db").write_bytes(rubbish)
    with Venom(home) as venom:
        venom.ready()
        (aside,) = data.glob("venom.db.damaged-*")
        assert aside.read_bytes() == rubbish
        venom.wait_for(r"damaged")
        assert aside.name in re.sub(r"[\s▌│]", "", venom.text), "where it is now is said"
        venom.ask()
        venom.quit()
    assert aside.read_bytes() == rubbish


def test_a_full_disk_is_one_sentence_and_the_chat_goes_on(home: Path, small_disk: Path) -> None:
    data = small_disk / "data"
    data.mkdir(mode=0o700)
    with Venom(home, rows=50, env={"VENOM_DATA_DIR": str(data)}) as venom:
        venom.ready()
        venom.ask()
        filler = fill(small_disk)
        venom.prompt("And of Germany?")
        venom.wait_toast("is full, so nothing more is stored")
        venom.wait_for(rf"▌ And of Germany\?(?s:.*)Berlin(?s:.*){ENDED}", 60)
        venom.prompt("And of Italy?")
        venom.wait_for(rf"▌ And of Italy\?(?s:.*)Rome(?s:.*){ENDED}", 60)
        assert len(venom.rows_of("user")) == 1
        filler.unlink()
        venom.prompt("And of Spain?")
        venom.wait_for(rf"▌ And of Spain\?(?s:.*)Madrid(?s:.*){ENDED}", 60)
        venom.wait_until(lambda: len(venom.rows_of("assistant", "complete")) == 4, 20, "all that was not written")
        assert [row.content for row in venom.rows_of("user")] == [
            *(QUESTION, "And of Germany?", "And of Italy?", "And of Spain?")
        ]
        venom.quit()


def squashed(screen: str) -> str:
    """A text without its blanks: where the terminal broke it into rows depends on the path in it."""
    return "".join(screen.split())


def fill(place: Path) -> Path:
    """Fill a file system to its last byte."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with pytest.raises(OSError, match="No space"):
                file.writelines(repeat(b"x" * size))
    return filler
