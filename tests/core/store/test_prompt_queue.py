"""Prompts that wait: committed when they are entered, gone when they are sent, lost never."""

from __future__ import annotations

from pathlib import Path

import pytest

from venom_tui.core.errors import NotFound, SessionNotFound, StoreError
from venom_tui.core.types.content import Attachment, AttachmentKind
from venom_tui.core.types.session import Role

from .support import Store, open_store

NOTES = Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", 8, "zanzibar")


@pytest.fixture(params=[False, True], ids=["stored", "temporary"])
def temporary(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def waiting(store: Store, session_id: str) -> list[str]:
    return [prompt.text for prompt in await store.sessions.queue.list(session_id)]


async def test_prompts_wait_in_their_order(store: Store, temporary: bool) -> None:
    session, other = [await store.sessions.create(temporary=temporary) for _ in range(2)]
    first = await store.sessions.queue.add(session.id, "one\x1b[31m", [NOTES])
    second = await store.sessions.queue.add(session.id, "two")
    await store.sessions.queue.add(other.id, "elsewhere")
    assert await store.sessions.queue.list(session.id) == [first, second]
    assert (first.text, first.attachments) == ("one", (NOTES,))
    await store.sessions.queue.remove(first)
    assert await waiting(store, session.id) == ["two"]
    with pytest.raises(NotFound, match="does not wait any more"):
        await store.sessions.queue.remove(first)


async def test_a_prompt_that_waits_was_the_draft(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    store.sessions.set_draft(session.id, "one")
    prompt = await store.sessions.queue.add(session.id, "one")
    store.sessions.set_draft(session.id, "the next draft")
    await store.sessions.begin_turn(session.id, prompt.text, request_id="r", queued=prompt)
    await store.sessions.flush()
    assert (await store.sessions.get(session.id)).draft == "the next draft"


async def test_it_leaves_when_it_is_sent(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    prompts = [await store.sessions.queue.add(session.id, text) for text in ("one", "help")]
    await store.sessions.begin_turn(session.id, "one", request_id="r", queued=prompts[0])
    assert await waiting(store, session.id) == ["help"]
    await store.sessions.add_program_message(session.id, "help", Role.USER, queued=prompts[1])
    assert await waiting(store, session.id) == []
    before = await store.sessions.messages(session.id)
    for prompt in prompts:
        with pytest.raises(NotFound):
            await store.sessions.begin_turn(session.id, prompt.text, request_id="r2", queued=prompt)
    assert await store.sessions.messages(session.id) == before, "what cannot leave the queue is not sent"


async def test_it_survives(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        prompt = await store.sessions.queue.add(session.id, "one", [NOTES])
    async with open_store(folder) as store:
        assert await store.sessions.queue.list(session.id) == [prompt]


async def test_it_goes_with_its_session(store: Store, temporary: bool, folder: Path) -> None:
    session = await store.sessions.create(temporary=temporary)
    await store.sessions.queue.add(session.id, "of zanzibar", [NOTES])
    await store.sessions.delete(session.id)
    assert await waiting(store, session.id) == []
    assert [file.name for file in folder.iterdir() if b"zanzibar" in file.read_bytes()] == []
    with pytest.raises(SessionNotFound):
        await store.sessions.queue.add(session.id, "late")


async def test_a_draft_that_could_not_be_queued_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await store.sessions.create()

    async def broken(*_: object) -> None:
        raise StoreError("The disk failed.")

    store.sessions.set_draft(session.id, "one")
    with monkeypatch.context() as patch:
        patch.setattr(store.database, "write", broken)
        with pytest.raises(StoreError):
            await store.sessions.queue.add(session.id, "one")
    assert (await store.sessions.get(session.id)).draft == "one"
