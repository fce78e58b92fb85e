"""Following a turn: from the beginning, from the middle, after its end; slow readers get joined pieces."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.chat.feed import TurnFeed, TurnFollower
from venom_tui.core.types.session import Message, MessageState, Role
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent, TurnStatus, TurnThinking

MESSAGE = Message("m", "s", 2, Role.ASSISTANT, "", MessageState.COMPLETE, datetime(2026, 3, 1, tzinfo=UTC))
END = TurnEnded("r", "s", MESSAGE, None)


def delta(text: str, pieces: int = 1) -> TurnDelta:
    return TurnDelta("r", "s", text, pieces)


def thought(text: str, pieces: int = 1) -> TurnThinking:
    return TurnThinking("r", "s", text, pieces)


async def rest(follower: TurnFollower) -> list[TurnEvent]:
    async with asyncio.timeout(5):
        return [event async for event in follower]


async def test_pieces_that_nobody_read_are_joined() -> None:
    feed = TurnFeed()
    follower = feed.follow()
    for event in (TurnStatus("r", "s", "loading"), thought("h"), thought("m"), delta("a"), delta("b"), END):
        feed.emit(event)
    expected = [TurnStatus("r", "s", "loading"), thought("hm", 2), delta("ab", 2), END]
    assert await rest(follower) == expected
    assert await rest(feed.follow()) == expected
    assert await rest(follower) == []


async def test_who_keeps_up_gets_every_piece() -> None:
    feed = TurnFeed()
    follower = feed.follow()
    got = []
    for text in "abc":
        feed.emit(delta(text))
        got.append(await anext(follower))
    assert got == [delta("a"), delta("b"), delta("c")]


async def test_from_the_middle() -> None:
    feed = TurnFeed()
    feed.emit(delta("be"))
    feed.emit(delta("fore"))
    late = feed.follow()
    assert await anext(late) == delta("before", 2)
    feed.emit(delta("af"))
    feed.emit(delta("ter"))
    feed.emit(END)
    assert await rest(late) == [delta("after", 2), END]


async def test_a_reader_that_waits_is_woken() -> None:
    feed = TurnFeed()
    reading = asyncio.create_task(rest(feed.follow()))
    await asyncio.sleep(0)
    assert not reading.done()
    feed.emit(delta("a"))
    feed.emit(END)
    assert await reading == [delta("a", 1), END]


async def test_what_one_reader_took_the_others_still_get() -> None:
    feed = TurnFeed()
    first, second = feed.follow(), feed.follow()
    feed.emit(delta("a"))
    assert await anext(first) == delta("a")
    feed.emit(delta("b"))
    feed.emit(END)
    assert await rest(first) == [delta("b"), END]
    assert await rest(second) == [delta("ab", 2), END]


events = st.builds(delta, st.text(max_size=3)) | st.builds(thought, st.text(max_size=3))


@given(st.lists(events | st.just(TurnStatus("r", "s", "x")), max_size=15), st.data())
def test_no_text_is_lost_however_it_is_read(sent: list[TurnEvent], data: st.DataObject) -> None:
    async def run() -> None:
        feed = TurnFeed()
        early = feed.follow()
        late_at = data.draw(st.integers(0, len(sent)))
        got: list[TurnEvent] = []
        late = None
        for number, event in enumerate(sent):
            if number == late_at:
                late = feed.follow()
            feed.emit(event)
            if data.draw(st.booleans()):
                got.append(await anext(early))
        feed.emit(END)
        got += await rest(early)
        for found in (got, await rest(late or feed.follow())):
            for kind in (TurnDelta, TurnThinking):
                assert [e for e in found if isinstance(e, TurnStatus)] == [e for e in sent if isinstance(e, TurnStatus)]
                said, heard = [e for e in sent if isinstance(e, kind)], [e for e in found if isinstance(e, kind)]
                assert "".join(e.text for e in heard) == "".join(e.text for e in said)
                assert sum(e.pieces for e in heard) == len(said)
            assert found[-1] == END

    asyncio.run(run())
