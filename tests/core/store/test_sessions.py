from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from venom_tui.core.errors import DiskFull, SessionNotFound, StoreError, UsageError
from venom_tui.core.events import SessionsChanged
from venom_tui.core.owner import Owner, start_time
from venom_tui.core.types.session import Message, MessageState, Role, Session

from .support import Store, dead_owner, elsewhere, ended, open_store, trace_of


@pytest.fixture(params=[False, True], ids=["stored", "temporary"])
def temporary(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def begun(store: Store, temporary: bool) -> Session:
    return await store.sessions.create(temporary=temporary)


async def texts(store: Store, session_id: str, **where: Any) -> list[str]:
    return [message.content for message in await store.sessions.messages(session_id, **where)]


# ---------------------------------------------------------------------- sessions


async def test_a_turn_is_kept(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    user, answer = await store.sessions.begin_turn(session.id, "What is\x1b[31m a quine?\nReally?", request_id="r1")
    assert (user.role, user.state, user.seq) == (Role.USER, MessageState.COMPLETE, 1)
    assert (answer.role, answer.state, answer.seq) == (Role.ASSISTANT, MessageState.STREAMING, 2)
    assert user.content == "What is a quine?\nReally?"
    assert (await store.sessions.get(session.id)).streaming
    done = ended(answer, "A program.", model="tiny", runtime="embedded", thinking="hm", finish_reason="stop")
    await store.sessions.finish(done, trace_of(done))
    assert await store.sessions.messages(session.id) == [user, done]
    found = await store.sessions.get(session.id)
    assert (found.title, found.message_count, found.streaming) == ("What is a quine?", 2, False)
    assert found.updated_at > found.created_at
    assert found.created_at.tzinfo is UTC or found.created_at.utcoffset() is not None


async def test_newest_first_and_survives(folder: Path) -> None:
    async with open_store(folder) as store:
        first = await store.sessions.create(title="first")
        await store.sessions.create(title="second")
        await store.say(first.id, "used again", "yes")
    async with open_store(folder) as store:
        assert [session.title for session in await store.sessions.list()] == ["first", "second"]
        assert [session.title for session in await store.sessions.list(1)] == ["first"]
        assert await texts(store, first.id) == ["used again", "yes"]
        (trace,) = await store.sessions.traces(first.id)
        assert (trace.route.model, trace.timings.total_ms, trace.usage.tokens_per_second) == ("tiny", 99.0, 5.5)


async def test_ids_may_be_shortened(store: Store) -> None:
    session = await store.sessions.create(title="one")
    assert (await store.sessions.get(session.id[:6])).id == session.id
    for wrong in (session.id[:3], "zzzz", "", "\udc80\x00", "tmp-gone", "a' OR 1", "*" * 500):
        with pytest.raises(SessionNotFound):
            await store.sessions.get(wrong)
    await store.database.write(lambda db: db.execute("UPDATE sessions SET id = 'abcd1'"))
    await store.database.write(
        lambda db: db.execute(
            "INSERT INTO sessions (id, created_at, updated_at) SELECT 'abcd2', created_at, updated_at FROM sessions"
        )
    )
    with pytest.raises(UsageError, match="Several"):
        await store.sessions.get("abcd")


async def test_rename(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    await store.sessions.rename(session.id, " new\nname\x9b31m ")
    assert (await store.sessions.get(session.id)).title == "new name"
    with pytest.raises(UsageError):
        await store.sessions.rename(session.id, " \x07 ")
    await store.sessions.begin_turn(session.id, "another title", request_id="r")
    assert (await store.sessions.get(session.id)).title == "new name"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n  two   blanks\nnext line", "two blanks"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 20, "word " * 10 + "word…"),
    ],
)
async def test_titles(store: Store, temporary: bool, text: str, title: str) -> None:
    session = await begun(store, temporary)
    await store.sessions.begin_turn(session.id, text, request_id="r")
    found = await store.sessions.get(session.id)
    assert found.title == title
    assert len(found.title) <= 60


async def test_deleted_is_gone(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    _, answer = await store.sessions.begin_turn(session.id, "hello", request_id="r")
    await store.sessions.delete(session.id)
    store.sessions.partial(ended(answer, "late", MessageState.STREAMING))
    store.sessions.set_draft(session.id, "late")
    await store.sessions.flush()
    await store.sessions.finish(ended(answer, "late"), None)
    await store.sessions.adopt(session.id, [answer])
    assert await store.sessions.list() == []
    assert await store.count("messages") == await store.count("sessions") == 0
    for call in (
        store.sessions.get(session.id),
        store.sessions.delete(session.id),
        store.sessions.begin_turn(session.id, "again", request_id="r2"),
        store.sessions.begin_answer(session.id, request_id="r2", replaces=None),
        store.sessions.add_program_message(session.id, "again"),
    ):
        with pytest.raises(SessionNotFound):
            await call


async def test_nothing_of_a_deleted_session_is_in_the_files(store: Store, folder: Path) -> None:
    kept = await store.sessions.create()
    await store.say(kept.id, "about giraffes", "tall")
    session = await store.sessions.create(system="zanzibarsystem")
    store.sessions.set_draft(session.id, "zanzibardraft")
    await store.say(session.id, "tell me of zanzibar", "zanzibar is an island")
    await store.sessions.flush()
    assert any(b"zanzibar" in file.read_bytes() for file in folder.iterdir())
    await store.sessions.delete(session.id)
    assert [file.name for file in folder.iterdir() if b"zanzibar" in file.read_bytes()] == []
    assert await store.sessions.traces(session.id) == []
    assert await store.count("traces") == 1
    blocks = await store.database.read("SELECT block FROM messages_text_data")
    assert not any(b"anzibar" in row["block"] for row in blocks)
    assert len(await store.sessions.search("giraffes")) == 1


# ---------------------------------------------------------------------- drafts


async def test_drafts(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        store.sessions.set_draft(session.id, "unsent \x1b]52;c;x\x07text")
        assert (await store.sessions.get(session.id)).draft == "unsent text"
        assert (await store.sessions.list())[0].draft == "unsent text"
    async with open_store(folder) as store:
        assert (await store.sessions.get(session.id)).draft == "unsent text"
        await store.sessions.add_program_message(session.id, "a notice")
        await store.sessions.begin_answer(session.id, request_id="r", replaces=None)
        assert (await store.sessions.get(session.id)).draft == "unsent text"
        store.sessions.set_draft(session.id, "longer unsent text")
        await store.sessions.begin_turn(session.id, "longer unsent text", request_id="r2")
        assert (await store.sessions.get(session.id)).draft == ""
    async with open_store(folder) as store:
        assert (await store.sessions.get(session.id)).draft == ""


async def test_a_draft_that_could_not_be_sent_stays(store: Store) -> None:
    session = await store.sessions.create()
    store.sessions.set_draft(session.id, "keep me")
    pages = (await store.database.read("PRAGMA page_count"))[0][0]
    await store.database.write(lambda db: db.execute_fetchall(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(DiskFull):
        await store.sessions.begin_turn(session.id, "x" * 100_000, request_id="r")
    assert (await store.sessions.get(session.id)).draft == "keep me"


async def test_temporary_drafts(store: Store) -> None:
    session = await store.sessions.create(temporary=True)
    store.sessions.set_draft(session.id, "unsent")
    assert (await store.sessions.get(session.id)).draft == "unsent"
    await store.sessions.begin_turn(session.id, "sent", request_id="r")
    assert (await store.sessions.get(session.id)).draft == ""


# ---------------------------------------------------------------------- reading


async def test_pages(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    await store.say(session.id, *(str(number) for number in range(1, 11)))
    assert await texts(store, session.id, limit=3) == ["8", "9", "10"]
    assert await texts(store, session.id, limit=3, before_seq=8) == ["5", "6", "7"]
    assert await texts(store, session.id, after_seq=8) == ["9", "10"]
    assert await texts(store, session.id, after_seq=2, before_seq=9, limit=2) == ["7", "8"]
    assert await texts(store, session.id, before_seq=1) == []
    assert await texts(store, session.id, limit=0) == []
    assert len(await texts(store, session.id)) == 10


# ---------------------------------------------------------------------- partial answers


async def test_partials(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
        _, answer = await store.sessions.begin_turn(session.id, "count", request_id="r")
        store.sessions.partial(replace(answer, content="one", model="tiny"))
        store.sessions.partial(replace(answer, content="one two", thinking="hm", model="tiny"))
        assert await texts(store, session.id) == ["count", "one two"]
        async with open_store(folder) as other:
            assert await texts(other, session.id) == ["count", ""]
            await store.sessions.flush()
            seen = (await other.sessions.messages(session.id))[1]
            assert (seen.content, seen.thinking, seen.model) == ("one two", "hm", "tiny")
            assert seen.state is MessageState.STREAMING
        store.sessions.partial(replace(answer, content="one two three"))
    async with open_store(folder) as store:  # closing wrote it
        assert await texts(store, session.id) == ["count", "one two three"]


async def test_a_late_partial_does_not_undo_the_end(store: Store) -> None:
    session = await store.sessions.create()
    _, answer = await store.sessions.begin_turn(session.id, "count", request_id="r")
    store.sessions.partial(replace(answer, content="one"))
    await store.sessions.finish(ended(answer, "one two"), None)
    store.sessions.partial(replace(answer, content="one"))
    await store.sessions.flush()
    assert (await store.sessions.messages(session.id))[1] == ended(answer, "one two")


# ---------------------------------------------------------------------- regenerating


@pytest.mark.parametrize(
    ("state", "text", "left"),
    [
        (MessageState.COMPLETE, "better", ["better"]),
        (MessageState.STOPPED, "half", ["half"]),
        (MessageState.FAILED, "half", ["old", "half"]),
        (MessageState.INTERRUPTED, "half", ["old", "half"]),
        (MessageState.COMPLETE, " ", ["old"]),
        (MessageState.FAILED, "", ["old"]),
        (MessageState.STOPPED, "", ["old"]),
    ],
)
async def test_an_answer_is_replaced_by_a_better_one_only(
    store: Store, temporary: bool, state: MessageState, text: str, left: list[str]
) -> None:
    session = await begun(store, temporary)
    _, old = await store.say(session.id, "prompt", "old")
    new = await store.sessions.begin_answer(session.id, request_id="r2", replaces=old)
    assert await texts(store, session.id) == ["prompt", "old", ""]
    await store.sessions.finish(ended(new, text, state), trace_of(new))
    assert await texts(store, session.id) == ["prompt", *left]
    if not temporary:
        assert [hit.snippet for hit in await store.sessions.search(left[0])] == [left[0]]


async def test_an_answer_to_a_prompt_without_one(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    _, failed = await store.sessions.begin_turn(session.id, "prompt", request_id="r")
    await store.sessions.finish(ended(failed, "", MessageState.FAILED, error="refused"), None)
    new = await store.sessions.begin_answer(session.id, request_id="r2", replaces=None)
    await store.sessions.finish(ended(new, "", MessageState.FAILED, error="refused again"), None)
    assert [m.error for m in await store.sessions.messages(session.id)] == ["", "refused", "refused again"]


# ---------------------------------------------------------------------- others


async def test_program_messages(store: Store, temporary: bool) -> None:
    session = await begun(store, temporary)
    await store.sessions.add_program_message(session.id, "help", Role.USER)
    await store.sessions.add_program_message(session.id, "F1 is help")
    assert [(m.role, m.state) for m in await store.sessions.messages(session.id)] == [
        (Role.USER, MessageState.COMPLETE),
        (Role.PROGRAM, MessageState.COMPLETE),
    ]
    assert (await store.sessions.get(session.id)).title == "help"


async def test_adopting_what_could_not_be_written(store: Store) -> None:
    session = await store.sessions.create()
    user, answer = await store.sessions.begin_turn(session.id, "stored", request_id="r")
    extra = Message("extra", session.id, 9, Role.USER, "unstored", MessageState.COMPLETE, user.created_at)
    await store.sessions.adopt(session.id, [ended(answer, "the answer"), extra])
    found = await store.sessions.messages(session.id)
    assert [(m.seq, m.content, m.state) for m in found] == [
        (1, "stored", MessageState.COMPLETE),
        (2, "the answer", MessageState.COMPLETE),
        (3, "unstored", MessageState.COMPLETE),
    ]
    await store.sessions.adopt(session.id, [ended(answer, "another answer")])
    assert [hit.seq for hit in await store.sessions.search("another")] == [2]
    assert await store.sessions.search("the answer") == []


async def test_temporary_sessions_write_nothing(store: Store, folder: Path, tmp_path: Path) -> None:
    session = await store.sessions.create(temporary=True)
    assert session.temporary
    await store.say(session.id, "a secret zanzibar", "kept secret")
    _, answer = await store.sessions.begin_turn(session.id, "more zanzibar", request_id="r")
    store.sessions.partial(replace(answer, content="zanzibar zanzibar"))
    store.sessions.set_draft(session.id, "zanzibar draft")
    await store.sessions.flush()
    assert [await store.count(table) for table in ("sessions", "messages", "traces")] == [0, 0, 0]
    assert not any(b"zanzibar" in file.read_bytes() for file in folder.iterdir())
    assert await store.sessions.search("zanzibar") == []
    assert [found.id for found in await store.sessions.list()] == [session.id]
    written = await store.sessions.export_to(session.id, tmp_path / "out.md")
    assert "zanzibar zanzibar" in written.read_text()


async def test_changes_are_announced(store: Store) -> None:
    with store.events.subscribe() as events:
        session = await store.sessions.create()
        event = await anext(events)
        assert event == SessionsChanged(session.id)
        store.sessions.set_draft(session.id, "d")
        await store.sessions.flush()
        assert await anext(events) == SessionsChanged(session.id)


# ---------------------------------------------------------------------- recovering


async def left_streaming(folder: Path, owner: Owner, text: str) -> tuple[str, Message]:
    async with open_store(folder, owner=owner) as store:
        session = await store.sessions.create()
        _, answer = await store.sessions.begin_turn(session.id, "prompt", request_id="r")
        store.sessions.partial(replace(answer, content=text))
    return session.id, answer


async def test_the_answer_of_a_dead_process_is_interrupted(folder: Path) -> None:
    session_id, _ = await left_streaming(folder, dead_owner(), "partial words")
    async with open_store(folder) as store:
        assert await store.sessions.recover() == 1
        answer = (await store.sessions.messages(session_id))[1]
        assert (answer.state, answer.content, answer.finish_reason) == (
            MessageState.INTERRUPTED,
            "partial words",
            "interrupted",
        )
        assert await store.sessions.recover() == 0
        assert len(await store.sessions.search("partial words")) == 1


@pytest.mark.parametrize("who", ["we", "alive", "elsewhere"])
async def test_living_and_foreign_answers_are_left_alone(folder: Path, who: str) -> None:
    owner = {"we": Owner.current(), "alive": parent(), "elsewhere": elsewhere()}[who]
    session_id, answer = await left_streaming(folder, owner, "so far")
    async with open_store(folder) as store:
        assert await store.sessions.recover() == 0
        assert (await store.sessions.messages(session_id))[1].state is MessageState.STREAMING
        await store.sessions.finish(ended(answer, "the end"), None)
        assert await texts(store, session_id) == ["prompt", "the end"]


def parent() -> Owner:
    return replace(Owner.current(), pid=os.getppid(), start_time=start_time(os.getppid()) or 0)


async def test_an_answer_from_elsewhere_is_not_awaited_for_ever(folder: Path) -> None:
    session_id, _ = await left_streaming(folder, elsewhere(), "so far")
    async with open_store(folder) as store:
        store.clock.forward(hours=25)
        assert await store.sessions.recover() == 1
        assert (await store.sessions.messages(session_id))[1].state is MessageState.INTERRUPTED


async def test_who_looks_later_sees_the_truth_too(folder: Path) -> None:
    async with open_store(folder) as store:  # it was opened while the other still lived
        await left_streaming(folder, dead_owner(), "cut")
        assert [session.streaming for session in await store.sessions.list()] == [False]
        other_id, _ = await left_streaming(folder, dead_owner(), "cut too")
        assert (await store.sessions.messages(other_id))[1].state is MessageState.INTERRUPTED


@pytest.mark.parametrize(("text", "left"), [("", ["old"]), ("new", ["old", "new"])])
async def test_a_cut_regeneration_keeps_the_old_answer(folder: Path, text: str, left: list[str]) -> None:
    async with open_store(folder, owner=dead_owner()) as store:
        session = await store.sessions.create()
        _, old = await store.say(session.id, "prompt", "old")
        new = await store.sessions.begin_answer(session.id, request_id="r2", replaces=old)
        store.sessions.partial(replace(new, content=text))
    async with open_store(folder) as store:
        await store.sessions.recover()
        assert await texts(store, session.id) == ["prompt", *left]


async def test_an_end_after_a_wrong_guess_still_counts(folder: Path) -> None:
    """A process that was taken for dead (another container) writes its end: the index follows."""
    session_id, answer = await left_streaming(folder, dead_owner(), "partial zanzibar")
    async with open_store(folder) as store:
        await store.sessions.recover()
        await store.sessions.finish(ended(answer, "complete quagga"), None)
        assert await texts(store, session_id) == ["prompt", "complete quagga"]
        assert await store.sessions.search("zanzibar") == []
        assert len(await store.sessions.search("quagga")) == 1


# ---------------------------------------------------------------------- retention


async def test_expire(store: Store) -> None:
    old = await store.sessions.create(title="old")
    await store.say(old.id, "ancient zanzibar", "yes")
    writing = await store.sessions.create(title="old but being written")
    await store.sessions.begin_turn(writing.id, "still", request_id="r9")
    store.clock.forward(days=10)
    new = await store.sessions.create(title="new")
    await store.say(new.id, "fresh", "yes")
    await store.sessions.expire(sessions_days=0, traces_days=0)
    assert len(await store.sessions.list()) == 3
    await store.sessions.expire(sessions_days=0, traces_days=5)
    assert len(await store.sessions.traces(old.id)) == 0
    assert len(await store.sessions.traces(new.id)) == 1
    assert len(await store.sessions.messages(old.id)) == 2
    await store.sessions.expire(sessions_days=5, traces_days=5)
    assert {session.title for session in await store.sessions.list()} == {"new", "old but being written"}
    assert await store.sessions.search("zanzibar") == []


# ---------------------------------------------------------------------- exporting to files


async def test_export_to(store: Store, tmp_path: Path) -> None:
    session = await store.sessions.create()
    await store.say(session.id, "hello", "there")
    written = await store.sessions.export_to(session.id, tmp_path / "out.json")
    assert written.stat().st_mode & 0o777 == 0o600
    assert '"there"' in written.read_text()
    with pytest.raises(UsageError, match="exists"):
        await store.sessions.export_to(session.id, tmp_path / "out.json")
    with pytest.raises(UsageError, match="cannot be written"):
        await store.sessions.export_to(session.id, tmp_path / "nowhere" / "out.md")
    with pytest.raises(UsageError, match="no export format"):
        await store.sessions.export_to(session.id, tmp_path / "out.doc")


async def test_a_closed_store_says_so(folder: Path) -> None:
    async with open_store(folder) as store:
        session = await store.sessions.create()
    with pytest.raises(StoreError):
        await store.sessions.list()
    with pytest.raises(StoreError):
        await store.sessions.begin_turn(session.id, "late", request_id="r")


async def test_turns_of_one_session_at_once(store: Store) -> None:
    session = await store.sessions.create()
    await asyncio.gather(*(store.sessions.begin_turn(session.id, str(n), request_id=str(n)) for n in range(10)))
    messages = await store.sessions.messages(session.id)
    assert [message.seq for message in messages] == list(range(1, 21))
    assert [message.role for message in messages] == [Role.USER, Role.ASSISTANT] * 10
