"""Text that wants to drive the terminal or Textual's markup, everywhere the real program shows text of others."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.core.hostile import MARKUP, SEQUENCES
from tests.openai import plain
from tests.servers import Exchange, Script, Server, answer, head, sends
from tests.terminal.venom import ENDED, Venom

EVIL = "".join(SEQUENCES) + "".join(MARKUP)
SHOWN = "[/x][@click=app.quit]x[/][b][/]"
"""What is left of it to see: markup is text."""

_OURS = re.compile(
    rb"\x1b\[[0-9;]*[mHC]|\x1b\[[0-9]+[ML]|\x1b\[[0-9]*(?:;[0-9]*)?r"  # the display
    rb"|\x1b\[\?(?:1049|1000|1003|1015|1006|1016|25|1004|2004|2026|2048|7)[hl]|\x1b\[\?(?:2026|2048)\$p"  # the driver
    rb"|\x1b\]11;\?\x1b\\"  # its question for the background
    rb"|\x1b\[[<>][0-9]*u|\x1b\]22;[a-z-]*\x07"  # keys; the mouse's pointer
)
"""The sequences that the program itself writes."""
_DRIVING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff]")


def check_output(venom: Venom) -> None:
    """See that the terminal got no sequence and no control character but the program's own."""
    venom.wait_quiet()  # a sequence may be on its way by half
    left = _OURS.sub(b"", venom.output)
    found = _DRIVING.search(left.decode())
    assert found is None, left[max(0, found.start() - 60) : found.end() + 60]
    for payload in (b"\x1b[31m", b"\x1b[2J", b"\x1b]52;", b"\x1b]8;", b"\x1bc"):
        assert payload not in venom.output


@contextmanager
def served(script: Script) -> Iterator[str]:
    """Run a server beside the test; give its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    server = Server(script)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server.url
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def in_pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_hostile_server(home: Path) -> None:
    fake = plain("good [/x] [b]x[/b]", f"evil {EVIL}")  # the first one's name may be asked for
    said = [f"{name}{EVIL}\n\n" for name in ("Begin ", "# Heading ", "```\ncode ", "- item ")]
    texts = [*in_pieces("".join(said) + "```\nthe end", 3)]
    answers = [
        sends(answer(*texts)),
        sends(head("500 Oops", "application/json"), b'{"error": {"message": "broken ' + as_json(EVIL) + b'"}}'),
        sends(head() + b"data: {not json " + EVIL.encode("utf-8", "replace") + b"\n\n"),
        sends(answer(f"One {EVIL} two")),
    ]

    async def chat(exchange: Exchange) -> None:
        await answers.pop(0)(exchange)

    fake.paths["POST /v1/chat/completions"] = chat
    with (
        served(fake) as address,
        Venom(home, columns=120, rows=40, env={"VLLM_ENDPOINT": address, "VENOM_ACTIVE_RUNTIME": "vllm"}) as venom,
    ):
        venom.ready()
        venom.send("ctrl+o")
        venom.wait_for(r"○ +smollm2(?s:.*)esc no")
        venom.wait_for(re.escape(f"evil linktxt.exe {SHOWN[:8]}"))
        venom.type("good\r")
        venom.wait_toast(r"good \[/x\] \[b\]x\[/b\] answers (now|already)")
        venom.prompt("first")
        venom.wait_for(rf"the end(?s:.*){ENDED}", 30)
        assert SHOWN in venom.text
        venom.prompt("second")
        venom.wait_for("▌ second(?s:.*)✕ ", 30)
        venom.prompt("third")
        venom.wait_for("▌ third(?s:.*)✕ ", 30)
        venom.prompt("fourth")
        venom.wait_for(rf"▌ fourth(?s:.*)One (?s:.*) two(?s:.*){ENDED}", 30)
        assert len(venom.rows_of("assistant")) == 4
        click_all(venom, "x")
        look_around(venom)
        check_output(venom)
        assert not any(_DRIVING.search(row.content.replace("\n", "")) for row in venom.rows_of("assistant"))
        venom.quit()


def as_json(text: str) -> bytes:
    import json

    return json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace")


def click_all(venom: Venom, wanted: str) -> None:
    """Click on every place of a text."""
    for y, line in enumerate(venom.lines):
        for match in re.finditer(wanted, line):
            x = match.start()
            venom.type(f"\x1b[<0;{x + 1};{y + 1}M\x1b[<0;{x + 1};{y + 1}m")


def look_around(venom: Venom) -> None:
    """Go everywhere where a name or a text of others is shown."""
    venom.send("f2")
    venom.wait_for("f1 help")
    for key, shown in (("ctrl+o", "Models"), ("ctrl+p", "Commands"), ("f1", "Focus decides")):
        venom.send(key)
        venom.wait_for(shown)
        venom.send("escape")
        venom.wait_gone(f"─ {shown} ─|Focus decides")
    for key, title in (("f3", "Catalog"), ("f4", "Operations"), ("f5", "Guard"), ("f2", "> ")):
        venom.send(key)
        venom.wait_for(title)
        venom.send("down")
    venom.resize(60, 20)
    venom.wait_for("> ")
    venom.resize(venom.columns * 2, 40)
    venom.wait_for("Sessions")


def test_hostile_files_prompts_and_titles(home: Path, demonstration_model: Path) -> None:
    models = home / "data" / "models"
    models.mkdir(parents=True)
    name = f"evil {EVIL}".replace("/", "∕").replace("\x00", "")
    (models / f"{name}.gguf").symlink_to(demonstration_model)
    (models / f"broken {name}.gguf").write_bytes(b"GGUF\x03\0\0\0" + EVIL.encode("utf-8", "replace"))
    with Venom(home, columns=120, rows=40) as venom:
        venom.ready()
        venom.send("ctrl+o")
        venom.wait_for("broken")
        venom.type("broken\r")
        venom.wait_for("stays active")
        venom.send("escape")
        venom.wait_gone("stays active")

        venom.paste(f"Prompt {EVIL} end".replace("\x1b[201~", ""))
        venom.wait_for(r"> Prompt .*|Prompt")
        check_output(venom)
        venom.send("enter")
        venom.wait_for("tok/s", 60)
        if "esc stops" in venom.text:  # it may never come to an end about such a thing
            venom.send("escape")
        venom.wait_gone("esc stops")
        venom.wait_quiet()  # a key right behind an escape would be one with alt
        if "enter send" not in venom.text:  # the answer had ended before the escape, which left the prompt
            venom.send("i")
        assert SHOWN in venom.rows_of("user")[0].content
        assert not _DRIVING.search(venom.rows_of("user")[0].content.replace("\n", ""))

        venom.prompt("/rename")
        venom.wait_for("Rename session")
        venom.send("end")
        venom.paste(f" title {EVIL}".replace("\n", " "))
        venom.send("enter")
        venom.wait_for(r"── .*title")
        venom.send("ctrl+f")
        venom.wait_for("Find in all sessions")
        venom.type("Prompt")
        venom.wait_for(r"Prompt .*│$")
        venom.send("enter")
        venom.wait_gone("Find in all sessions")
        venom.send("i")
        venom.prompt("/[@click=app.quit]x[/]")
        venom.prompt("/x\x9b31m")
        venom.send("ctrl+n")
        venom.paste(f"draft {EVIL}")
        venom.wait_for("draft: draft")
        click_all(venom, "x")
        look_around(venom)
        check_output(venom)
        venom.quit()
    with Venom(home, columns=120, rows=40) as venom:
        venom.wait_for("draft: draft")
        venom.wait_for(r"> .*draft")
        look_around(venom)
        check_output(venom)
        venom.quit()
