"""What messages hold besides their text, and what is chosen for a session: kept, found again, and gone when deleted."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from venom_tui.core.errors import NotFound, SessionNotFound, UsageError
from venom_tui.core.store.export import parse_json
from venom_tui.core.types.content import Attachment, AttachmentKind, ToolCall
from venom_tui.core.types.session import MessageState, Overflow, SessionOptions

from .support import Store, dead_owner, ended, open_store

NOTES = Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", 21, "the zanzibar notes\n")
CAT = Attachment("cat.png", AttachmentKind.IMAGE, "image/png", 9, base64.b64encode(b"\x89PNG-like").decode())
CALLS = (ToolCall("get_weather", '{"city": "Åbo"}', "call_1"), ToolCall("get_time", "{broken"))


@pytest.fixture(params=[False, True], ids=["stored", "temporary"])
def temporary(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# ---------------------------------------------------------------------- attachments


async def test_attachments_are_kept_in_their_order(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    user, answer = await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[CAT, NOTES, CAT])
    assert user.attachments == (CAT, NOTES, CAT)
    found = await store.sessions.messages(session.id)
    assert found == [user, answer]
    assert (await store.sessions.messages(session.id, before_seq=2))[0].attachments == user.attachments
    assert (await store.sessions.messages(session.id, after_seq=1))[0].attachments == ()


async def test_names_can_be_read_without_what_they_hold(store: Store) -> None:
    session = await store.sessions.create()
    await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[NOTES, CAT])
    found = (await store.sessions.messages(session.id, data=False))[0]
    assert found.attachments == (replace(NOTES, data=""), replace(CAT, data=""))


async def test_a_prompt_without_a_text_is_named_after_its_file(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    await store.sessions.begin_turn(session.id, "", request_id="r", attachments=[CAT])
    assert (await store.sessions.get(session.id)).title == "cat.png"


async def test_attachments_go_with_their_session(store: Store, folder: Path) -> None:
    kept = await store.sessions.create()
    await store.sessions.begin_turn(kept.id, "look", request_id="r", attachments=[CAT])
    session = await store.sessions.create()
    large = replace(NOTES, data="zanzibar " * 50_000)
    await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[large, NOTES])
    assert await store.count("attachments") == 3
    assert any(b"zanzibar" in file.read_bytes() for file in folder.iterdir())
    await store.sessions.delete(session.id)
    assert await store.count("attachments") == 1
    assert [file.name for file in folder.iterdir() if b"zanzibar" in file.read_bytes()] == []


async def test_old_sessions_expire_with_their_attachments(store: Store) -> None:
    session = await store.sessions.create()
    user, answer = await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[CAT])
    await store.sessions.finish(ended(answer, "a cat"), None)
    store.clock.forward(days=30)
    await store.sessions.expire(sessions_days=10, traces_days=0)
    assert await store.count("attachments") == 0
    assert user.attachments


async def test_a_prompt_that_could_not_be_written_is_adopted_with_its_files(store: Store) -> None:
    session = await store.sessions.create()
    user, _ = await store.sessions.begin_turn(session.id, "one", request_id="r")
    late = replace(user, id="late", content="", attachments=(CAT, NOTES))
    await store.sessions.adopt(session.id, [late])
    assert (await store.sessions.messages(session.id))[-1].attachments == (CAT, NOTES)


async def test_temporary_sessions_keep_them_in_memory_only(store: Store, folder: Path) -> None:
    session = await store.sessions.create(temporary=True, options=SessionOptions(context_length=4096))
    await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[NOTES])
    await store.sessions.set_options(session.id, SessionOptions(schema='{"zanzibar": 1}'))
    assert (await store.sessions.messages(session.id))[0].attachments == (NOTES,)
    assert await store.count("attachments") == 0
    assert [file.name for file in folder.iterdir() if b"zanzibar" in file.read_bytes()] == []


async def test_an_export_holds_them(store: Store) -> None:
    session = await store.sessions.create(options=SessionOptions(think="low"))
    user, answer = await store.sessions.begin_turn(session.id, "look", request_id="r", attachments=[NOTES, CAT])
    done = ended(answer, "", tool_calls=CALLS)
    await store.sessions.finish(done, None)
    found, messages = parse_json(await store.sessions.export(session.id, "json"))
    assert found.options == SessionOptions(think="low")
    assert messages == [user, done]


# ---------------------------------------------------------------------- calls of functions


async def test_calls_are_kept(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    _, answer = await store.sessions.begin_turn(session.id, "weather?", request_id="r")
    done = ended(answer, "", tool_calls=CALLS, finish_reason="tool_calls")
    await store.sessions.finish(done, None)
    assert (await store.sessions.messages(session.id))[1] == done


async def test_what_was_told_of_an_answer_is_kept(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    _, answer = await store.sessions.begin_turn(session.id, "much", request_id="r")
    told = ("box does not know top_k: left out.", "5 older messages were left out “é”.")
    done = ended(answer, "", MessageState.FAILED, notices=told, overflow=Overflow(900, None, "too long"))
    await store.sessions.finish(done, None)
    assert (await store.sessions.messages(session.id))[1] == done


async def test_an_answer_of_calls_alone_takes_the_place_of_another(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    _, old = await store.sessions.begin_turn(session.id, "weather?", request_id="r")
    await store.sessions.finish(ended(old, "rain"), None)
    new = await store.sessions.begin_answer(session.id, request_id="r2", replaces=old)
    await store.sessions.finish(ended(new, "", tool_calls=CALLS), None)
    assert [m.tool_calls for m in await store.sessions.messages(session.id)] == [(), CALLS]


async def test_the_calls_of_a_dead_process_are_kept(folder: Path) -> None:
    async with open_store(folder, owner=dead_owner()) as store:
        session = await store.sessions.create()
        _, old = await store.sessions.begin_turn(session.id, "weather?", request_id="r")
        await store.sessions.finish(ended(old, "rain"), None)
        new = await store.sessions.begin_answer(session.id, request_id="r2", replaces=old)
        store.sessions.partial(replace(new, tool_calls=CALLS))
        await store.sessions.flush()
    async with open_store(folder) as store:
        await store.sessions.recover()
        found = await store.sessions.messages(session.id)
    assert [(m.state, m.tool_calls) for m in found[1:]] == [
        (MessageState.COMPLETE, ()),
        (MessageState.INTERRUPTED, CALLS),
    ]


# ---------------------------------------------------------------------- options


async def test_options(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    assert session.options == SessionOptions()
    chosen = SessionOptions(8192, "off", '{"type": "array"}', leave_out_oldest=True)
    await store.sessions.set_options(session.id, chosen)
    assert (await store.sessions.get(session.id)).options == chosen
    assert (await store.sessions.list())[0].options == chosen
    await store.sessions.set_options(session.id, SessionOptions())
    assert (await store.sessions.get(session.id)).options == SessionOptions()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SessionOptions(context_length=255), "256 to 10,000,000 tokens, not 255"),
        (SessionOptions(context_length=10**9), "not 1,000,000,000"),
        (SessionOptions(think="much\x1b[31m"), "think is 'much', but must be one of on, off, low, medium, high"),
        (SessionOptions(schema="[1]"), "a JSON object|is a JSON object"),
        (SessionOptions(schema="{"), "no JSON"),
        (SessionOptions(schema="[" * 100_000), "no JSON"),
        (SessionOptions(schema='{"a": "' + "x" * 300_000 + '"}'), "256 KiB"),
    ],
)
async def test_options_that_cannot_be(store: Store, options: SessionOptions, words: str) -> None:
    session = await store.sessions.create()
    for call in (store.sessions.set_options(session.id, options), store.sessions.create(options=options)):
        with pytest.raises(UsageError, match=words):
            await call
    assert (await store.sessions.get(session.id)).options == SessionOptions()
    with pytest.raises(SessionNotFound):
        await store.sessions.set_options("nowhere", SessionOptions())


# ---------------------------------------------------------------------- chosen answers


async def test_one_of_several_answers_is_chosen(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    answers = []
    for prompt in ("one", "two"):
        _, first = await store.sessions.begin_turn(session.id, prompt, request_id="r")
        second = await store.sessions.begin_answer(session.id, request_id="r2", replaces=None)
        for answer in (first, second):
            await store.sessions.finish(ended(answer, f"{prompt}!"), None)
            answers.append(answer.id)
    for chosen in ((0,), (1,), (1, 2), (1, 3), (0, 3)):
        await store.sessions.choose_answer(answers[chosen[-1]])
        await store.sessions.choose_answer(answers[chosen[0]])
        marked = [m.id for m in await store.sessions.messages(session.id) if m.chosen]
        assert marked == [answers[number] for number in chosen]


async def test_only_an_answer_can_be_chosen(store: Store, temporary: bool) -> None:
    session = await store.sessions.create(temporary=temporary)
    user, _ = await store.sessions.begin_turn(session.id, "one", request_id="r")
    for message_id in (user.id, "nowhere"):
        with pytest.raises(NotFound, match="no such answer"):
            await store.sessions.choose_answer(message_id)
