"""A turn whose server misbehaves: what came of the answer is kept, the failure is one sentence, the next turn works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.core.clients.wires import OLLAMA, WIRES, Wire
from tests.core.support import LIMIT_S, ended, open_core
from tests.ollama import FakeOllama
from tests.openai import FakeServer, plain
from tests.servers import Exchange, Script, head, sends, sends_then_hangs, serving
from venom_tui.core.clients import http
from venom_tui.core.core import Core
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded


class Broken:
    """A core with one runtime whose server answers to chats as a test says."""

    def __init__(self, core: Core, wire: Wire, fake: FakeOllama | FakeServer, session_id: str) -> None:
        self.core = core
        self.wire = wire
        self._fake = fake
        self.session_id = session_id

    async def turn(self, script: Script) -> TurnEnded:
        if isinstance(self._fake, FakeOllama):
            self._fake.chat = script
        else:
            self._fake.paths["POST /v1/chat/completions"] = script
        return await ended(self.core, await self.core.chat.send(self.session_id, "x", model="tiny:1b", runtime="box"))


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
async def broken(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broken]:
    wire: Wire = request.param
    fake: FakeOllama | FakeServer = FakeOllama({"tiny:1b": {}}) if wire is OLLAMA else plain("tiny:1b")
    async with serving(fake) as server:
        kind = "ollama" if wire is OLLAMA else "openai"
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.toml").write_text(f'[runtimes.box]\nurl = "{server.url}"\nkind = "{kind}"\n')
        async with open_core(tmp_path) as core:
            assert await core.runtimes.settled(LIMIT_S)
            yield Broken(core, wire, fake, (await core.sessions.create()).id)


def resets(*parts: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        for part in parts:
            await exchange.write(part)
        exchange.reset()

    return script


def floods(wire: Wire) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.write(wire.head() + wire.piece("Hello") + wire.long[0])
        for _ in range(32 * 16):
            await exchange.write(b"x" * 2**16)

    return script


OVERFLOW = {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}
AFTER_A_WORD: dict[str, tuple[Callable[[Wire], Script], str, str]] = {
    "cut": (lambda wire: sends(wire.head() + wire.piece("Hello")), "cut_stream", "ended its answer in the middle"),
    "cut in a piece": (
        lambda wire: sends(wire.head() + wire.piece("Hello") + wire.piece(" there")[:20]),
        "cut_stream",
        "ended its answer in the middle",
    ),
    "reset": (lambda wire: resets(wire.head(), wire.piece("Hello")), "cut_stream", "closed the connection"),
    "error": (
        lambda wire: sends(wire.head() + wire.piece("Hello") + wire.line({"error": '{"error": "no memory"}'})),
        "runtime_failure",
        "“no memory”",
    ),
    "overflow": (
        lambda wire: sends(wire.head() + wire.piece("Hello") + wire.line({"error": {"message": "x", **OVERFLOW}})),
        "context_overflow",
        "9,000 tokens, the context 4,096",
    ),
    "shape": (
        lambda wire: sends(wire.head() + wire.piece("Hello") + wire.line([])),
        "bad_answer",
        "sent a",
    ),
    "hangs": (lambda wire: sends_then_hangs(wire.head(), wire.piece("Hello")), "runtime_timeout", "not answer in time"),
    "floods": (floods, "bad_answer", "line of more than 16 MiB"),
}


@pytest.mark.parametrize("case", AFTER_A_WORD)
async def test_what_came_of_an_answer_is_kept(broken: Broken, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, code, words = AFTER_A_WORD[case]
    if case == "hangs":
        monkeypatch.setattr(http, "FIRST_BYTE_TIMEOUT_S", 0.3)
    turn = await broken.turn(make(broken.wire))
    assert (turn.message.state, turn.message.content) == (MessageState.FAILED, "Hello")
    assert (turn.error_code, turn.message.finish_reason) == (code, "error")
    assert words in turn.message.error
    assert turn.error and turn.error.endswith(".")
    stored = (await broken.core.sessions.messages(broken.session_id))[-1]
    assert (stored.state, stored.content, stored.error) == (MessageState.FAILED, "Hello", turn.message.error)

    again = await broken.turn(sends(broken.wire.answer("It works.")))
    assert (again.message.state, again.message.content) == (MessageState.COMPLETE, "It works.")


BEFORE_A_WORD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "cut_stream", "closed the connection"),
    "html": (head(kind="text/html") + b"<html>", "bad_answer", "“an HTML page”"),
    "no http": (b"SSH-2.0\r\n\r\n", "bad_answer", "does not speak HTTP"),
    "redirect": (head("302 Found", location="http://elsewhere/"), "runtime_refused", "redirects to http://elsewhere/"),
    "401": (head("401 Unauthorized") + b"no key", "runtime_refused", "it wants a key that it accepts. “no key”"),
    "403": (head("403 Forbidden"), "runtime_refused", "it wants access"),
    "404": (head("404 Not Found") + b'{"error": "model gone"}', "runtime_refused", "does not have this model"),
    "429": (head("429 Too Many", retry_after="7"), "runtime_busy", "It asks to wait 7 s."),
    "500": (head("500 Oops") + b'{"error": "{\\"error\\": \\"no memory\\"}"}', "runtime_failure", "“no memory”"),
    "503": (head("503 Unavailable") + b'{"error": "queue is full"}', "runtime_busy", "“queue is full”"),
}


@pytest.mark.parametrize("case", BEFORE_A_WORD)
async def test_an_answer_that_never_begins(broken: Broken, case: str) -> None:
    data, code, words = BEFORE_A_WORD[case]
    turn = await broken.turn(sends(data))
    assert (turn.message.state, turn.message.content, turn.error_code) == (MessageState.FAILED, "", code)
    assert words in turn.message.error
    again = await broken.turn(sends(broken.wire.answer("It works.")))
    assert again.message.content == "It works."
