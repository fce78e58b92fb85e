"""The real program at terminals that read slowly or not at all while an answer streams."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.openai import vllm
from tests.servers import DONE, Exchange, head, piece
from tests.terminal.repaint import check_repaint
from tests.terminal.test_app_hostile import served
from tests.terminal.venom import ENDED, Venom

_RATE = 32 * 1024
"""Bytes a second."""


def mixed(count: int) -> list[str]:
    """So many tokens of Markdown: paragraphs, lists, code."""
    parts = (
        "## Part",
        " **one**",
        "\n\n",
        "word ",
        "and `code` ",
        "\n\n- item",
        "\n- more",
        "\n\n```python\n",
        "x = 1\n",
        "```\n\n",
    )
    return [f"{parts[number % len(parts)]}{number}" for number in range(count)] + ["\n\nThat was ", "ZZEND"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_nobody_reads_while_a_long_answer_comes(home: Path) -> None:
    """It is committed meanwhile, and what is shown when reading goes on is its end, as a full repaint has it."""
    fake = vllm("paced", 100_000)
    tokens = mixed(3000)

    async def chat(exchange: Exchange) -> None:
        await exchange.write(head())
        for at in range(0, len(tokens), 20):
            await exchange.write(b"".join(piece(token) for token in tokens[at : at + 20]))
            await asyncio.sleep(0.01)
        await exchange.write(piece(finish_reason="stop") + DONE)

    fake.paths["POST /v1/chat/completions"] = chat
    with served(fake) as address, Venom(home, env={"VLLM_ENDPOINT": address}) as venom:
        venom.wait_for("Answering: paced")
        venom.prompt("hello")
        venom.wait_for("esc stops")
        venom.pause()
        seen = len(venom.output)
        venom.wait_until(lambda: venom.rows_of("assistant", "complete"), 60, "the answer in the file")
        assert venom.rows_of("assistant")[0].content == "".join(tokens)
        assert len(venom.output) == seen, "nobody read"
        venom.resume()
        venom.wait_for(rf"{tokens[-1].strip()[-8:]}(?s:.*){ENDED}", 30)
        assert len(venom.output) - seen < 256 * 1024, "frames were dropped, not queued"
        venom.wait_gone("◐")
        venom.wait_for(r"~7\.9k of 98k context")  # it is told behind the end of the answer
        ages = next(y for y, line in enumerate(venom.lines) if line.startswith("▸ hello"))
        check_repaint(venom, ignore=(0, ages))  # memory and time go on
        venom.quit()


def test_esc_acts_at_once_on_a_slow_line(home: Path) -> None:
    fake = vllm("paced", 100_000)
    tokens = mixed(4000)

    async def chat(exchange: Exchange) -> None:
        await exchange.write(head())
        for token in tokens:
            await exchange.write(piece(token))
            await asyncio.sleep(0.005)

    fake.paths["POST /v1/chat/completions"] = chat
    with served(fake) as address:
        env = {"VLLM_ENDPOINT": address, "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}
        slow = Venom(home, columns=120, rows=40, env=env)
        slow.rate = _RATE
        with slow as venom:
            venom.wait_for("Answering: paced", 30)
            venom.prompt("hello")
            venom.wait_for("tok/s", 30)
            # No clock: what lies between the key and what it does, in bytes that have to be read first.
            before = len(venom.output)
            venom.send("escape")
            venom.wait_for("stopped, .* asks again", 30)
            assert len(venom.output) - before < _RATE / 2
            assert venom.rows_of("assistant")[0].state == "stopped"
            venom.quit()
