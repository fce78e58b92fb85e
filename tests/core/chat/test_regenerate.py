"""Asking for an answer again: the old one stays until there is a better one."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.support import ask, contents, ended, first_words, sent, turn
from tests.servers import (
    DONE,
    Exchange,
    answer,
    head,
    piece,
    sends,
)
from venom_tui.core.core import Core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnStarted

from .conftest import Answering


async def test_the_old_answer_stays_until_the_new_one_is_complete(core: Core, answering: Answering) -> None:
    go_on = asyncio.Event()

    async def second(exchange: Exchange) -> None:
        await exchange.write(head() + piece("new"))
        await go_on.wait()
        await exchange.write(piece(finish_reason="stop") + DONE)

    server = await answering(sends(answer("old")), second)
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    request_id = await core.chat.regenerate(session.id)
    await first_words(core, request_id)
    assert [content for _, _, content in await contents(core, session.id)][:2] == ["hello", "old"]
    go_on.set()
    assert (await ended(core, request_id)).message.state is MessageState.COMPLETE
    assert await contents(core, session.id) == [("user", "complete", "hello"), ("assistant", "complete", "new")]
    assert sent(server.asked[1]) == [("user", "hello")], "the old answer is not shown to the model"


async def test_a_failed_second_answer_stands_beside_the_first(core: Core, answering: Answering) -> None:
    half = sends(head() + piece("half"))
    server = await answering(sends(answer("old")), half, half, sends(answer("new")), sends(answer("end")))
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    for _ in range(2):
        failed = await ended(core, await core.chat.regenerate(session.id))
        assert failed.message.state is MessageState.FAILED
    # From here on the old answer stands beside halves; each request is for the question all the same.
    started = (await turn(core, await core.chat.regenerate(session.id)))[0]
    assert isinstance(started, TurnStarted)
    assert started.user.content == "hello"
    assert [sent(asked) for asked in server.asked] == [[("user", "hello")]] * 4
    assert (await contents(core, session.id))[-1] == ("assistant", "complete", "new")
    await ask(core, session.id, "next")
    assert sent(server.asked[4]) == [("user", "hello"), ("assistant", "new"), ("user", "next")]


async def test_an_answer_to_a_question_that_got_none(core: Core, answering: Answering) -> None:
    server = await answering(sends(b""), sends(answer("there")))
    session = await core.sessions.create()
    await ask(core, session.id, "hello")
    await ended(core, await core.chat.regenerate(session.id))
    assert sent(server.asked[1]) == [("user", "hello")]
    assert await contents(core, session.id) == [("user", "complete", "hello"), ("assistant", "complete", "there")]


async def test_what_venom_tui_said_is_not_asked_for_again(core: Core) -> None:
    session = await core.sessions.create()
    await ask(core, session.id, "help")
    with pytest.raises(UsageError, match="no answer to ask for again"):
        await core.chat.regenerate(session.id)
