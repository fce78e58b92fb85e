"""One answer while it streams: collected, sanitized over the borders of its pieces, stopped where it must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from venom_tui.core.chat.answer import StreamedAnswer
from venom_tui.core.errors import CutStream
from venom_tui.core.sanitize import sanitize
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import ChatChunk
from venom_tui.core.types.session import Message, MessageState, Role, Usage
from venom_tui.core.types.turn import TurnDelta, TurnThinking, TurnToolCall

EMPTY = Message("m", "s", 2, Role.ASSISTANT, "", MessageState.STREAMING, datetime(2026, 3, 1, tzinfo=UTC), "r")


class Collected:
    """An answer with what it told."""

    def __init__(self, *, stop_on_repetition: bool = False) -> None:
        self.told: list[TurnDelta | TurnThinking | TurnToolCall] = []
        self.kept: list[Message] = []
        self.closed = False
        self.answer = StreamedAnswer(
            EMPTY,
            submitted=0.0,
            emit=self.told.append,
            keep=self.kept.append,
            stop_on_repetition=stop_on_repetition,
        )

    async def collect(self, *chunks: ChatChunk | Exception) -> Message:
        async def stream() -> AsyncGenerator[ChatChunk, None]:
            try:
                for chunk in chunks:
                    if isinstance(chunk, Exception):
                        raise chunk
                    yield chunk
            finally:
                self.closed = True

        self.answer.asked()
        await self.answer.collect(stream())
        return self.answer.message()

    def text(self, kind: type[TurnDelta | TurnThinking]) -> str:
        return "".join(event.text for event in self.texts() if isinstance(event, kind))

    def texts(self) -> list[TurnDelta | TurnThinking]:
        return [event for event in self.told if not isinstance(event, TurnToolCall)]


async def test_an_answer() -> None:
    found = Collected()
    message = await found.collect(
        ChatChunk(thinking="hm"),
        ChatChunk(content="Hel"),
        ChatChunk(content="lo", finish_reason="stop"),
        ChatChunk(usage=Usage(5, 2, 10.0)),
    )
    assert (message.content, message.thinking, message.finish_reason) == ("Hello", "hm", "stop")
    assert message.usage == Usage(5, 2, 10.0)
    assert message.id == "m"
    assert [type(event).__name__ for event in found.told] == ["TurnThinking", "TurnDelta", "TurnDelta"]
    assert found.kept[0].thinking == "hm"
    assert found.closed
    timings = message.timings
    assert timings.submit_to_first_token_ms is not None
    assert timings.model_to_first_token_ms is not None
    assert timings.load_ms is not None
    assert timings.total_ms is not None
    assert timings.load_ms <= timings.submit_to_first_token_ms <= timings.total_ms


async def test_how_long_was_thought() -> None:
    thought = Collected()
    timings = (await thought.collect(ChatChunk(thinking="Hm."), ChatChunk(thinking=" So."), ChatChunk("Yes."))).timings
    assert timings.thinking_ms is not None and timings.total_ms is not None
    assert 0 < timings.thinking_ms <= timings.total_ms
    only = (await Collected().collect(ChatChunk(thinking="Hm."), ChatChunk(thinking=" So."))).timings
    assert only.thinking_ms is not None and only.thinking_ms > 0, "to its end where no answer came"
    assert (await Collected().collect(ChatChunk("Yes."))).timings.thinking_ms is None


async def test_nothing_came() -> None:
    found = Collected()
    message = await found.collect()
    assert (message.content, message.finish_reason) == ("", "")
    assert message.timings.submit_to_first_token_ms is None
    assert found.answer.final_usage() == Usage()


async def test_what_came_before_a_failure_stays() -> None:
    found = Collected()
    with pytest.raises(CutStream):
        await found.collect(ChatChunk(content="so far \x1b"), ChatChunk(content="[31"), CutStream("cut"))
    assert found.answer.message().content == "so far "
    assert found.closed


async def test_a_speed_that_nobody_measured_is_told_by_the_clock() -> None:
    found = Collected()
    await found.collect(ChatChunk(content="a"), ChatChunk(content="b"), ChatChunk(usage=Usage(1, 2, None)))
    speed = found.answer.final_usage().tokens_per_second
    assert speed is not None
    assert speed > 0


@pytest.mark.parametrize("usage", [Usage(1, 0, None), Usage(1, 1, None)])
async def test_no_speed_of_one_token(usage: Usage) -> None:
    found = Collected()
    await found.collect(ChatChunk(content="a"), ChatChunk(usage=usage))
    assert found.answer.final_usage() == usage


@pytest.mark.parametrize(("usage", "prompt"), [(None, None), (Usage(7), 7)])
async def test_pieces_are_counted_where_the_server_counted_none(usage: Usage | None, prompt: int | None) -> None:
    found = Collected()
    pieces = [ChatChunk(thinking="hm"), ChatChunk(content="a\x1b"), ChatChunk(content="[31mb"), ChatChunk(content="c")]
    with pytest.raises(CutStream):
        await found.collect(*pieces, ChatChunk(usage=usage), CutStream("cut"))
    counted = found.answer.final_usage()
    assert (counted.prompt_tokens, counted.completion_tokens, counted.estimated) == (prompt, 4, True)
    assert counted.tokens_per_second is not None


async def test_calls_of_functions_are_outside_text_too() -> None:
    found = Collected()
    message = await found.collect(
        ChatChunk(content="Let me see."),
        ChatChunk(tool_calls=(ToolCall("get\x1b[31m_x\n", '{"a":\x07 "\u202e"}', "c\x1b1"), ToolCall("b", "{"))),
        ChatChunk(finish_reason="tool_calls"),
    )
    assert message.tool_calls == (ToolCall("get_x", '{"a": ""}', "c"), ToolCall("b", "{"))
    assert [event.call for event in found.told if isinstance(event, TurnToolCall)] == list(message.tool_calls)
    assert message.timings.submit_to_first_token_ms is not None
    assert not found.answer.empty


async def test_a_loop_is_stopped_only_where_that_is_wanted() -> None:
    chunks = [ChatChunk(content="Paris is Paris. ")] * 50
    found = Collected(stop_on_repetition=True)
    message = await found.collect(*chunks)
    assert message.finish_reason == "repetition"
    assert len(message.content) < 200
    assert found.closed, "the server must not go on writing"
    assert len((await Collected().collect(*chunks)).content) == 50 * 16


@given(st.lists(hostile | st.text(max_size=6), max_size=10), st.booleans())
def test_hostile_pieces(pieces: list[str], thinking: bool) -> None:
    found = Collected()
    chunks = [ChatChunk(thinking=piece) if thinking else ChatChunk(content=piece) for piece in pieces]
    message = asyncio.run(found.collect(*chunks))
    kind = TurnThinking if thinking else TurnDelta
    assert (message.thinking if thinking else message.content) == found.text(kind) == sanitize("".join(pieces))
    assert not any(FORBIDDEN.search(event.text) for event in found.texts())
