"""The chat of the real program in a terminal: picking among 500 models, keys as terminals send them, what is kept."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.openai import plain, vllm
from tests.servers import DONE, Exchange, answer, head, piece, sends
from tests.terminal.test_app_hostile import served
from tests.terminal.venom import ENDED, Venom


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_at_most_three_keys_to_any_of_500_models_from_any_screen(home: Path) -> None:
    fake = plain(*(f"family-{number % 25}-model-{number:03}" for number in range(500)))
    fake.paths["POST /v1/chat/completions"] = sends(answer("Fine."))
    with served(fake) as address, Venom(home, columns=80, rows=24, env={"VLLM_ENDPOINT": address}) as venom:
        venom.wait_for("Answering: family-0-model-000")
        # Sections, and a dialog that is open: one key opens the picker, the filter is typed, one key picks.
        places = (
            ("f2", "ask, or / for a command"),
            ("f3", "Models ─ 50[01]"),
            ("f4", "^── "),
            ("f5", "RAM"),
            ("f1", "Focus decides"),
            ("ctrl+p", "type to filter"),
        )
        for number, (key, shown) in enumerate(places):
            venom.send(key)
            venom.wait_for(shown)
            name = f"family-{(401 + number) % 25}-model-{401 + number:03}"
            venom.send("ctrl+o")
            venom.type(f"{401 + number} fam")
            venom.send("enter")
            venom.wait_for(rf"^ \S+ · {re.escape(name)} @ vllm")
            venom.wait_gone("type to filter")
        # The one before by one key, from wherever one is.
        venom.send("f3")
        venom.wait_for("Models ─ 50[01]")
        venom.send("f9")
        venom.wait_for(r"^ \S+ · family-5-model-405 @ vllm")
        venom.send("f2")
        venom.wait_for("ask, or / for a command")
        venom.prompt("hello")
        venom.wait_for(rf"Fine\.(?s:.*){ENDED}", 30)
        assert fake.chats[-1]["model"] == "family-5-model-405"
        # Within the picker the keys that arrive at once act in their order: the second of what is found is picked.
        venom.write(b"\x0ffamily-7 \x1b[B\x1b[B\x1b[A\r")
        venom.wait_for(r"^ \S+ · family-7-model-032 @ vllm")
        venom.quit()


def test_keys_as_a_terminal_without_a_newer_protocol_sends_them(home: Path) -> None:
    fake = plain("one", "two")
    with (
        served(fake) as address,
        Venom(home, columns=110, env={"VLLM_ENDPOINT": address, "TERM": "screen-256color"}) as venom,
    ):
        venom.wait_for("Answering: one")
        venom.type("a line")
        venom.write(b"\x1b\r")  # alt+enter
        venom.type("another")
        venom.write(b"\n")  # ctrl+j
        venom.type("third\r")
        venom.wait_for(ENDED, 30)
        assert fake.chats[0]["messages"][-1]["content"] == "a line\nanother\nthird"
        venom.write(b"\x1br")  # alt+r, and nothing is typed into the prompt
        venom.wait_for("Ask another model, too")
        venom.type("two\r")
        venom.wait_for("● 2 of 2, goes on", 30)
        venom.write(b"\x1bv")
        venom.wait_for("a go on with it")
        venom.wait_for(r"one @ vllm ─.*two @ vllm ─")
        venom.send("escape")
        venom.wait_gone("a go on with it")
        venom.wait_for("> ask, or / for a command")
        # A slow line brings all at once: what is typed behind the key that leaves the picker is the prompt's.
        venom.write(b"\x0fone\rand then?\r")
        venom.wait_for(rf"▌ and then\?(?s:.*){ENDED}", 30)
        assert (fake.chats[-1]["model"], fake.chats[-1]["messages"][-1]["content"]) == ("one", "and then?")
        # So it is behind a command, and behind a key that is one in an empty prompt.
        venom.write(b"/model\rtwo\rand now?\r")
        venom.wait_for(rf"▌ and now\?(?s:.*){ENDED}", 30)
        assert (fake.chats[-1]["model"], fake.chats[-1]["messages"][-1]["content"]) == ("two", "and now?")
        venom.write(b":colours")
        venom.wait_for(r"^ *│ colours ")
        venom.send("escape")
        venom.quit()


def test_what_is_written_survives_a_kill_and_another_editor_writes_it(home: Path) -> None:
    """Drafts of two sessions, a prompt that waits, a paste as one message; then $EDITOR, then the mouse."""
    fake = vllm("slow", 4096)

    async def chat(exchange: Exchange) -> None:
        await exchange.write(head() + piece("beginning "))
        if len(fake.chats) > 1:
            await exchange.write(piece(finish_reason="stop") + DONE)
        else:
            await exchange.gone()

    fake.paths["POST /v1/chat/completions"] = chat
    editor = home / "editor.py"
    home.mkdir(parents=True)
    editor.write_text("import sys; p = sys.argv[-1]; t = open(p).read(); open(p, 'w').write(t.upper() + '\\nmore')\n")
    env = {"VLLM_ENDPOINT": "", "VENOM_ACTIVE_RUNTIME": "vllm", "EDITOR": f"{sys.executable} {editor}", "VISUAL": None}
    with served(fake) as address:
        env["VLLM_ENDPOINT"] = address
        with Venom(home, env=env) as venom:
            venom.wait_for("Answering: slow")
            venom.prompt("first")
            venom.wait_for("beginning")
            venom.paste("x" * 100_000)
            venom.wait_for(r"> \[pasted 1: 98 KiB\]")
            venom.send("enter")
            venom.wait_for("1 prompt waits")
            venom.type("draft of the first")
            venom.send("ctrl+n")
            venom.wait_for("── New session")
            venom.type("draft of the second")
            drafts = "SELECT draft FROM sessions WHERE draft != ''"
            venom.wait_until(lambda: len(venom.query(drafts)) == 2, what="both drafts in the file")
            venom.signal(signal.SIGKILL)
            venom.wait_exit()
        with Venom(home, env=env) as venom:
            venom.wait_for(r"draft: draft of the(?s:.*)^ *first (?s:.*)> draft of the second", 30)
            venom.send("ctrl+s", "end", "enter")
            venom.wait_for(r"⏸ 1 prompt waits: answer interrupted(?s:.*)> draft of the first")
            venom.write(b"\x1bs")  # alt+s: what waits goes out
            venom.wait_gone("prompt waits")
            venom.wait_until(lambda: len(venom.rows_of("user")) == 2, what="the prompt that waited")
            assert venom.rows_of("user")[1].content == "x" * 100_000
            venom.wait_for(ENDED)
            venom.write(b"\x1be")
            venom.wait_for(r"> DRAFT OF THE FIRST .*\n.* more$", 30)
            venom.send("f8")
            venom.wait_toast("The mouse is the terminal's now")
            venom.wait_until(lambda: not venom.modes.get(1000) and not venom.modes.get(1003), what="no mouse")
            venom.send("f8")
            venom.wait_until(lambda: venom.modes.get(1000), what="the mouse again")
            venom.quit()
