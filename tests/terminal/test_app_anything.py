"""Any keys, clicks, pastes and sizes, many at once: nothing ends the program, and nothing holds it up."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.ollama import FakeOllama
from tests.openai import plain
from tests.servers import DONE, Exchange, head, piece
from tests.terminal.harness import KEYS
from tests.terminal.test_app_hostile import served
from tests.terminal.venom import Venom

_BURSTS = 1500
_ENDS = {"ctrl+q", "ctrl+c", "ctrl+z"}
"""What ends or stops the program on purpose."""
_USUAL = (
    *(
        "up",
        "down",
        "left",
        "right",
        "enter",
        "escape",
        "tab",
        "space",
        "home",
        "end",
        "pageup",
        "pagedown",
        "backspace",
    ),
    *("f1", "f2", "f3", "f4", "f5", "f6", "f9", "f10", "ctrl+o", "ctrl+p", "ctrl+n", "ctrl+f", "ctrl+s", "ctrl+r"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/?:!@ 1234567890.,-+"
_SIZES = ((80, 24), (100, 30), (160, 50), (40, 10), (20, 5))


def burst(chance: random.Random, columns: int, rows: int) -> str:
    """Return what somebody, or a cat, may send at once."""
    keys = []
    for _ in range(chance.randint(1, 7)):
        kind = chance.random()
        if kind < 0.55:
            keys.append(KEYS[chance.choice(_USUAL)])
        elif kind < 0.65:
            keys.append(KEYS[chance.choice(sorted(KEYS.keys() - _ENDS))])
        else:
            keys.append(chance.choice(_LETTERS))
    if chance.random() < 0.3:
        x, y = chance.randint(1, columns), chance.randint(1, rows)
        button = chance.choice((0, 0, 2, 32, 64, 65))
        keys.insert(0, f"\x1b[<{button};{x};{y}M\x1b[<{button};{x};{y}m" * chance.choice((1, 1, 2)))
    if chance.random() < 0.03:
        keys.insert(0, "\x1b[200~pasted [/x]\nin two lines\x1b[201~")
    return "".join(keys)


async def slow(exchange: Exchange) -> None:
    """Answer for some seconds, in Markdown."""
    await exchange.write(head())
    for number in range(400):
        await exchange.write(piece(f"word{number} " if number % 7 else "\n\n- item\n```python\nx\n```\n"))
        await asyncio.sleep(0.01)
    await exchange.write(piece(finish_reason="stop") + DONE)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
def test_anything_may_be_pressed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    fake = plain(*(f"m-{number:02}" for number in range(30)))
    fake.paths["POST /v1/chat/completions"] = slow
    ollama = FakeOllama({f"model{number}:1b": {} for number in range(6)})
    work = tmp_path / "work"  # what is typed may be a command that writes files
    work.mkdir()
    with (
        served(fake) as vllm,
        served(ollama) as other,
        Venom(
            tmp_path / "home", env={"VLLM_ENDPOINT": vllm, "OLLAMA_HOST": other, "EDITOR": "true"}, cwd=work
        ) as venom,
    ):
        venom.ready()
        for _ in range(_BURSTS):
            venom.write(burst(chance, venom.columns, venom.rows).encode())
            assert venom.process.poll() is None, venom.text
            if chance.random() < 0.05:
                venom.resize(*chance.choice(_SIZES))
            if chance.random() < 0.3:
                time.sleep(chance.uniform(0.0, 0.2))  # the moment is to be any
        venom.resize(100, 30)
        venom.send("f1")
        venom.wait_for("Focus decides", 300)  # behind all that was pressed, which a busy machine takes its time for
        log = venom.data / "logs" / "venom-tui.log"
        assert "Traceback" not in (log.read_text() if log.exists() else "")
