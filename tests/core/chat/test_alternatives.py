"""The last answer tried again beside itself: both are kept, and the conversation goes on with one of them."""

from __future__ import annotations

import pytest

from tests.core.support import answers, ask, ended, sent
from tests.gguf_files import write_gguf
from tests.servers import answer, head, piece, sends
from venom_tui.core.core import Core
from venom_tui.core.errors import NotFound
from venom_tui.core.types.session import MessageState

from .conftest import Answering


async def said(core: Core, session_id: str) -> list[tuple[str, str]]:
    return [(message.model, message.content) for message in await answers(core, session_id)]


async def test_both_answers_stay(core: Core, answering: Answering) -> None:
    write_gguf(core.settings.models_dir / "other.gguf")
    server = await answering(*[sends(answer(text)) for text in ("first", "second", "third", "end")])
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "hello", model="tiny"))
    await ended(core, await core.chat.regenerate(session.id, model="other", runtime="embedded", keep=True))
    await ended(core, await core.chat.regenerate(session.id, model="tiny", keep=True))
    assert await said(core, session.id) == [("tiny", "first"), ("other", "second"), ("tiny", "third")]
    assert [sent(asked) for asked in server.asked] == [[("user", "hello")]] * 3, "none is shown to another"
    assert server.asked[1].json["model"] == "other"
    await ask(core, session.id, "next")
    assert sent(server.asked[3]) == [("user", "hello"), ("assistant", "third"), ("user", "next")]


async def test_the_conversation_goes_on_with_the_chosen_one(core: Core, answering: Answering) -> None:
    server = await answering(*[sends(answer(text)) for text in ("first", "second", "third", "end", "end")])
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    for _ in range(2):
        await ended(core, await core.chat.regenerate(session.id, keep=True))
    first, second, third = await answers(core, session.id)
    await core.sessions.choose_answer(first.id)
    await ask(core, session.id, "next")
    assert sent(server.asked[3])[1] == ("assistant", "first")
    await core.sessions.choose_answer(second.id)
    await ask(core, session.id, "more")
    assert sent(server.asked[4])[1] == ("assistant", "second")
    assert [m.chosen for m in await answers(core, session.id)] == [False, True, False, False, False]
    assert third.content == "third"


async def test_one_that_fails_is_not_gone_on_with(core: Core, answering: Answering) -> None:
    half = sends(head() + piece("half"))
    server = await answering(sends(answer("good")), half, sends(b""), sends(answer("end")))
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    for state in (MessageState.FAILED, MessageState.FAILED):
        assert (await ended(core, await core.chat.regenerate(session.id, keep=True))).message.state is state
    await ask(core, session.id, "next")
    assert [m.content for m in await answers(core, session.id)] == ["good", "half", "", "end"]
    assert sent(server.asked[3])[1] == ("assistant", "good")


async def test_an_answer_that_holds_nothing_is_not_kept_beside_another(core: Core, answering: Answering) -> None:
    await answering(sends(b""), sends(answer("there")))
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    await ended(core, await core.chat.regenerate(session.id, keep=True))
    assert [m.content for m in await answers(core, session.id)] == ["there"]


async def test_replacing_is_for_the_last_one_alone(core: Core, answering: Answering) -> None:
    await answering(*[sends(answer(text)) for text in ("first", "second", "third")])
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    await ended(core, await core.chat.regenerate(session.id, keep=True))
    await ended(core, await core.chat.regenerate(session.id))
    assert [m.content for m in await answers(core, session.id)] == ["first", "third"]
    with pytest.raises(NotFound):
        await core.sessions.choose_answer("second")
