"""The program in a terminal with a real Ollama: it answers, is switched, overflows, gets a larger context, dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.real.servers.ollama import OllamaFactory, OllamaServer
from tests.terminal.venom import ENDED, LONG, Venom

pytestmark = pytest.mark.real


async def test_ollama(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama(OLLAMA_CONTEXT_LENGTH="2048") as server:
        await asyncio.to_thread(use, server, tmp_path / "home")


def use(server: OllamaServer, home: Path) -> None:
    """Use it by keys."""
    with Venom(home, columns=100, rows=40, env={"OLLAMA_HOST": server.url}) as venom:
        venom.wait_for(r"● ollama .*: \d+ models", 30)
        venom.send("ctrl+o")
        venom.type("plain:135m ollama\r")
        venom.wait_for("^ .* plain:135m @ ollama", 60)
        venom.wait_gone("Switch to")
        venom.prompt("/set max_tokens 24")
        venom.wait_toast("max_tokens of plain:135m is 24 from now on")
        venom.ask("Name a colour.")
        venom.wait_for(r"of 2k context")

        venom.paste("Rome is a city in Italy. " * 320 + "Where is Rome?")
        venom.wait_for(r"\[pasted 1: ")
        venom.send("enter")
        venom.wait_for("The conversation does not fit", 60)
        venom.wait_for(r"plain:135m has a context of 2,048 tokens\.")
        venom.wait_for(r"4,096 tokens of context  .*GiB of KV cache · reloads the model")
        venom.wait_for("cancel: nothing is sent")
        venom.send("escape")
        venom.wait_gone("cancel: nothing is sent")
        assert venom.rows_of("assistant")[-1].state == "failed"
        venom.send("ctrl+r")
        venom.wait_for("cancel: nothing is sent", 60)
        venom.send("enter")
        venom.wait_until(lambda: len(venom.rows_of("assistant", "complete")) == 2, 90, "the answer in a larger context")
        venom.wait_for("of 4k context")

        venom.prompt("/set max_tokens off")
        venom.wait_toast("max_tokens of plain:135m is left to the model")
        venom.prompt("/set temperature 0")
        venom.wait_toast("temperature of plain:135m is 0 from now on")
        venom.send("ctrl+n")
        venom.wait_for("── New session")
        venom.prompt(LONG)
        venom.wait_for(r"▍ \d+ tok/s · .* · esc stops", 90)
        server.kill_runners()
        venom.wait_for("✕ ", 60)
        venom.wait_gone("esc stops")
        venom.prompt("/set max_tokens 24")
        venom.wait_toast("max_tokens of plain:135m is 24 from now on")
        venom.ask("Name a bird.", 90)
        venom.wait_for(ENDED)
        venom.quit()
