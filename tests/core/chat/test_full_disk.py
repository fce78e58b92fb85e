"""A full disk while chatting is one sentence: the chat goes on, and what was said is saved when there is space."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.support import answered_by, ask, ended, fill, first_words, open_core, sent
from tests.gguf_files import write_gguf
from tests.servers import DONE, Exchange, Script, Server, answer, head, piece, serving
from venom_tui.core.core import Core
from venom_tui.core.errors import DiskFull
from venom_tui.core.types.session import MessageState

LONG = "a long prompt " * 500


async def numbered(exchange: Exchange) -> None:
    """Answer with the number of the questions so far."""
    asked = sum(role == "user" for role, _ in sent(exchange))
    await exchange.write(answer(f"answer {asked}"))


@asynccontextmanager
async def chatting(disk: Path, patch: pytest.MonkeyPatch, *scripts: Script) -> AsyncIterator[tuple[Core, Server]]:
    models = write_gguf(disk.parent / "models" / "tiny.gguf").parent
    async with serving(*scripts) as server, open_core(disk, VENOM_MODELS_DIR=models) as core:
        answered_by(core, server, patch)
        yield core, server


async def said(core: Core, session_id: str) -> list[str]:
    return [message.content for message in await core.sessions.messages(session_id)]


async def test_the_chat_goes_on_and_is_saved_later(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chatting(small_disk, monkeypatch, numbered) as (core, server):
        session = await core.sessions.create()
        spoken: list[str] = []

        async def say(text: str) -> str:
            last = await ask(core, session.id, text)
            assert last.message.content
            spoken.extend((text, last.message.content))
            return last.store_error

        assert await say("before") == ""
        filler = fill(small_disk)
        for number in range(200):  # what is left in the files takes some
            if trouble := await say(f"{number} {LONG}"):
                break
        else:
            pytest.fail("the disk did not get full")
        assert "is full, so nothing more is stored. Free some space" in trouble
        assert "is full" in await say("while it is full")
        await say("help")
        assert "is full" in await say("still full")
        assert sent(server.asked[-1])[-3:] == [
            ("user", "while it is full"),
            ("assistant", spoken[spoken.index("while it is full") + 1]),
            ("user", "still full"),
        ]
        with pytest.raises(DiskFull):
            await core.chat.regenerate(session.id)
        filler.unlink()
        assert await say("after") == ""
        assert await said(core, session.id) == spoken
    async with open_core(small_disk) as core:
        messages = await core.sessions.messages(session.id)
        assert [message.content for message in messages] == spoken
        assert {message.state for message in messages} == {MessageState.COMPLETE}
        assert [hit.seq for hit in await core.sessions.search('"while it is full"')]


async def test_a_disk_that_gets_full_during_an_answer(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def long(exchange: Exchange) -> None:
        await exchange.write(head() + piece("one "))
        await go_on.wait()
        await exchange.write(piece("two " * 20_000) + piece(finish_reason="stop") + DONE)

    async with chatting(small_disk, monkeypatch, long, numbered) as (core, server):
        session = await core.sessions.create()
        request_id = await core.chat.send(session.id, "hello")
        await first_words(core, request_id)
        filler = fill(small_disk)
        go_on.set()
        last = await ended(core, request_id)
        assert last.message.state is MessageState.COMPLETE
        assert "is full" in last.store_error
        second = await ask(core, session.id, "next")
        assert sent(server.asked[-1]) == [("user", "hello"), ("assistant", last.message.content), ("user", "next")]
        filler.unlink()
    # Nothing was said after there was space again: the end of the program is the last occasion.
    async with open_core(small_disk) as core:
        messages = await core.sessions.messages(session.id)
        assert [message.content for message in messages] == [
            "hello",
            last.message.content,
            "next",
            second.message.content,
        ]
        assert {message.state for message in messages} == {MessageState.COMPLETE}


async def test_a_program_that_ends_on_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chatting(small_disk, monkeypatch, numbered) as (core, _):
        session = await core.sessions.create()
        await ask(core, session.id, "before")
        filler = fill(small_disk)
        for number in range(200):
            if (await ask(core, session.id, f"{number} {LONG}")).store_error:
                break
    filler.unlink()
    async with open_core(small_disk) as core:
        assert (await said(core, session.id))[:2] == ["before", "answer 1"]
        assert await core.database.check() == "ok"
