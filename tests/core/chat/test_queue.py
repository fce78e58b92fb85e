"""Prompts that wait for the answer before them: sent in their order, paused by a bad end, lost never."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.core.support import LIMIT_S, answered_by, ask, ended, first_words, next_of, open_core, sent
from tests.gguf_files import write_gguf
from tests.servers import DONE, Exchange, answer, head, piece, sends, sends_then_hangs, serving
from venom_tui.core.core import Core
from venom_tui.core.errors import DiskFull, NotFound, ReadOnly, UsageError
from venom_tui.core.events import QueueChanged, TurnProgress
from venom_tui.core.types.content import Attachment, AttachmentKind
from venom_tui.core.types.session import MessageState, QueuedPrompt
from venom_tui.core.types.turn import TurnEnded

from .conftest import Answering

NOTES = Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", 5, "heron")
HANGS = sends_then_hangs(head() + piece("so far"))


class Gate:
    """An answer that ends when it is told to."""

    def __init__(self, text: str = "first") -> None:
        self.text = text
        self.open = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.write(head() + piece(self.text))
        await self.open.wait()
        await exchange.write(piece(finish_reason="stop") + DONE)


async def waiting(core: Core, session_id: str) -> list[str]:
    return [prompt.text for prompt in await core.chat.queued(session_id)]


async def until(core: Core, session_id: str, count: int) -> list[tuple[str, str]]:
    """Wait until a session has so many messages that have ended; return role and text of all."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = await core.sessions.messages(session_id)
            if len(found) >= count and all(m.state is not MessageState.STREAMING for m in found):
                return [(m.role.value, m.content) for m in found]
            await asyncio.sleep(0.01)


async def test_one_after_the_other(core: Core, answering: Answering) -> None:
    gate = Gate()
    server = await answering(gate, sends(answer("second")), sends(answer("third")))
    session = await core.sessions.create()
    request_id = await core.chat.enqueue(session.id, "one")
    assert request_id is not None, "nothing is being written, so it does not wait"
    await first_words(core, request_id)
    core.sessions.set_draft(session.id, "two")
    with core.events.subscribe() as events:
        assert await core.chat.enqueue(session.id, "two", [NOTES]) is None
        assert (await next_of(events, QueueChanged)).session_id == session.id
    assert (await core.sessions.get(session.id)).draft == ""
    assert await core.chat.enqueue(session.id, "three") is None
    assert await waiting(core, session.id) == ["two", "three"]
    assert not core.chat.queue_paused(session.id)
    assert len(server.asked) == 1
    gate.open.set()
    assert await until(core, session.id, 6) == [
        *(("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "second")),
        *(("user", "three"), ("assistant", "third")),
    ]
    assert await waiting(core, session.id) == []
    assert sent(server.asked[1])[-1] == ("user", "two\n\nFile notes.txt:\n```\nheron\n```")


@pytest.mark.parametrize("how", ["stopped", "failed"])
async def test_a_bad_end_pauses_the_queue(core: Core, answering: Answering, how: str) -> None:
    async def fails(exchange: Exchange) -> None:
        await exchange.write(head() + piece("half"))
        await go_on.wait()

    go_on = asyncio.Event()
    await answering(HANGS if how == "stopped" else fails, *[sends(answer(f"answer {n}")) for n in range(4)])
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "one")
    await first_words(core, request_id)
    await core.chat.enqueue(session.id, "two")
    await core.chat.enqueue(session.id, "three")
    with core.events.subscribe() as events:
        if how == "stopped":
            await core.chat.stop(request_id)
        else:
            go_on.set()
            assert (await ended(core, request_id)).message.state is MessageState.FAILED
        await next_of(events, QueueChanged)
    assert core.chat.queue_paused(session.id)
    assert await waiting(core, session.id) == ["two", "three"]
    # What is sent meanwhile goes before them, and does not set them free; nor does another one that waits.
    assert (await ask(core, session.id, "in between")).message.content == "answer 0"
    assert await core.chat.enqueue(session.id, "four") is None
    assert await waiting(core, session.id) == ["two", "three", "four"]
    await core.chat.resume_queue(session.id)
    assert (await until(core, session.id, 10))[4:] == [
        *(("user", "two"), ("assistant", "answer 1"), ("user", "three"), ("assistant", "answer 2")),
        *(("user", "four"), ("assistant", "answer 3")),
    ]


async def test_resuming_while_an_answer_is_written_waits_for_its_end(core: Core, answering: Answering) -> None:
    gate = Gate()
    await answering(sends(b""), gate, sends(answer("second")))
    session = await core.sessions.create()
    failing = await core.chat.send(session.id, "one")
    with core.events.subscribe() as events:
        await core.chat.enqueue(session.id, "two")
        await ended(core, failing)
        while not core.chat.queue_paused(session.id):
            await next_of(events, QueueChanged)
    again = await core.chat.regenerate(session.id)
    await first_words(core, again)
    await core.chat.resume_queue(session.id)
    assert await waiting(core, session.id) == ["two"]
    gate.open.set()
    assert (await until(core, session.id, 4))[2:] == [("user", "two"), ("assistant", "second")]


async def test_a_prompt_is_taken_back(core: Core, answering: Answering) -> None:
    gate = Gate()
    await answering(gate)
    session = await core.sessions.create()
    request_id = await core.chat.send(session.id, "one")
    await first_words(core, request_id)
    for text in ("two", "three"):
        await core.chat.enqueue(session.id, text, [NOTES])
    first, _ = await core.chat.queued(session.id)
    with core.events.subscribe() as events:
        assert await core.chat.unqueue(session.id, first.id) == first
        await next_of(events, QueueChanged)
    assert await waiting(core, session.id) == ["three"]
    with pytest.raises(NotFound, match="does not wait any more"):
        await core.chat.unqueue(session.id, first.id)
    gate.open.set()
    assert [text for _, text in await until(core, session.id, 4)] == ["one", "first", "three", "first"]


async def test_what_venom_tui_answers_itself_waits_its_turn(core: Core, answering: Answering) -> None:
    gate = Gate()
    await answering(gate, sends(answer("last")))
    session = await core.sessions.create()
    await first_words(core, await core.chat.send(session.id, "one"))
    for text in ("status", "help", "more"):
        await core.chat.enqueue(session.id, text)
    gate.open.set()
    roles = [role for role, _ in await until(core, session.id, 8)]
    assert roles == ["user", "assistant", "user", "program", "user", "program", "user", "assistant"]
    assert await waiting(core, session.id) == []


async def test_a_temporary_session(core: Core, answering: Answering) -> None:
    gate = Gate()
    await answering(gate, sends(answer("second")))
    session = await core.sessions.create(temporary=True)
    await first_words(core, await core.chat.send(session.id, "one"))
    await core.chat.enqueue(session.id, "two")
    assert (await core.database.read("SELECT count(*) FROM queued_prompts"))[0][0] == 0
    gate.open.set()
    assert [text for _, text in await until(core, session.id, 4)] == ["one", "first", "two", "second"]


async def test_sessions_do_not_wait_for_each_other(core: Core, answering: Answering) -> None:
    await answering(HANGS, sends(answer("there")))
    one, other = [await core.sessions.create() for _ in range(2)]
    request_id = await core.chat.send(one.id, "one")
    await first_words(core, request_id)
    await core.chat.enqueue(one.id, "two")
    begun = await core.chat.enqueue(other.id, "elsewhere")
    assert begun is not None
    assert (await ended(core, begun)).message.content == "there"
    assert await waiting(core, one.id) == ["two"]


async def test_a_prompt_that_another_venom_tui_sent_is_passed_over(
    core: Core, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    await answering(gate, sends(answer("third")))
    session = await core.sessions.create()
    await first_words(core, await core.chat.send(session.id, "one"))
    for text in ("two", "three"):
        await core.chat.enqueue(session.id, text)
    first, _ = await core.chat.queued(session.id)
    listing = core.sessions.queue.list
    stale = [first, *(await listing(session.id))[1:]]
    await core.sessions.queue.remove(first)
    seen = iter([stale])

    async def list_once(session_id: str) -> list[QueuedPrompt]:
        return next(seen, None) or await listing(session_id)

    monkeypatch.setattr(core.sessions.queue, "list", list_once)
    gate.open.set()
    assert [text for _, text in await until(core, session.id, 4)] == ["one", "first", "three", "third"]


async def test_a_full_disk_pauses_the_queue(core: Core, answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    await answering(gate, sends(answer("second")))
    session = await core.sessions.create()
    await first_words(core, await core.chat.send(session.id, "one"))
    await core.chat.enqueue(session.id, "two")

    async def full(*_: object, **__: object) -> None:
        raise DiskFull("The disk is full.")

    with monkeypatch.context() as patch, core.events.subscribe() as events:
        patch.setattr(core.sessions, "begin_turn", full)
        gate.open.set()
        while not core.chat.queue_paused(session.id):
            await next_of(events, QueueChanged)
    assert await waiting(core, session.id) == ["two"]
    await core.chat.resume_queue(session.id)
    assert [text for _, text in await until(core, session.id, 4)] == ["one", "first", "two", "second"]


async def test_what_cannot_wait(core: Core, tmp_path: Path) -> None:
    session = await core.sessions.create()
    with pytest.raises(UsageError, match="empty"):
        await core.chat.enqueue(session.id, " ")
    core.settings.set_stored("VENOM_READ_ONLY", "1")
    for call in (core.chat.enqueue(session.id, "one"), core.chat.resume_queue(session.id)):
        with pytest.raises(ReadOnly):
            await call


# ---------------------------------------------------------------------- the end of the program


async def test_a_quit_keeps_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "data" / "models" / "tiny.gguf")
    async with serving(HANGS, sends(answer("second"))) as server:
        async with open_core(tmp_path) as core:
            answered_by(core, server, monkeypatch)
            session = await core.sessions.create()
            await first_words(core, await core.chat.send(session.id, "one"))
            await core.chat.enqueue(session.id, "two", [NOTES])
        assert len(server.asked) == 1, "nothing is sent at the end"
        async with open_core(tmp_path) as core:
            answered_by(core, server, monkeypatch)
            (prompt,) = await core.chat.queued(session.id)
            assert (prompt.text, prompt.attachments) == ("two", (NOTES,))
            assert core.chat.queue_paused(session.id), "prompts of an earlier run do not go out by themselves"
            with core.events.subscribe() as events:
                await core.chat.resume_queue(session.id)
                while not isinstance((await next_of(events, TurnProgress)).event, TurnEnded):
                    pass
            assert [text for _, text in await until(core, session.id, 4)][2:] == ["two", "second"]


KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.core.support import open_core
async def main():
    async with open_core(Path(sys.argv[1])) as core:
        session = await core.sessions.create()
        await core.chat._sessions.queue.add(session.id, "at the last moment")
        print(session.id, flush=True)
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""


async def test_a_kill_keeps_what_waits(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    async with open_core(tmp_path) as core:
        assert await waiting(core, out.decode().strip()) == ["at the last moment"]
