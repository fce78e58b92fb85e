"""Leaving the oldest turns out: as few as possible, never the system message or the last prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.chat.fitting import fitted, shortened
from venom_tui.core.types.content import Image
from venom_tui.core.types.request import ChatMessage, ChatRequest, GenerationParameters


def request(*texts: str, system: str = "Be brief.", max_tokens: int | None = None) -> ChatRequest:
    messages = [ChatMessage("system", system)] if system else []
    messages += [ChatMessage("assistant" if number % 2 else "user", text) for number, text in enumerate(texts)]
    return ChatRequest("tiny", tuple(messages), GenerationParameters(max_tokens=max_tokens))


def texts(found: ChatRequest) -> list[str]:
    return [message.content for message in found.messages]


def counted(calls: list[int] | None = None) -> Callable[[ChatRequest], Awaitable[int | None]]:
    """Count one token a character."""

    async def count(found: ChatRequest) -> int | None:
        if calls is not None:
            calls.append(len(found.messages))
        return sum(len(message.content) for message in found.messages)

    return count


async def uncounted(_found: ChatRequest) -> int | None:
    return None


async def test_as_few_as_possible() -> None:
    whole = request("a" * 10, "b" * 10, "c" * 10, "d" * 10, "e" * 10, system="s" * 10)
    # 60 tokens; a quarter of the context is for the answer.
    for context, left_out in ((79, 0), (78, 2), (53, 2), (52, 4), (27, 4)):
        found, count = await fitted(whole, context, counted())
        assert count == left_out
        assert texts(found) == [whole.messages[0].content, *texts(whole)[1 + left_out :]]


async def test_a_short_answer_needs_less_room() -> None:
    whole = request("a" * 10, "b" * 10, "c" * 10, system="", max_tokens=2)
    assert (await fitted(whole, 32, counted()))[1] == 0
    assert (await fitted(whole, 31, counted()))[1] == 2


@pytest.mark.parametrize("context", [None, 20])
async def test_nothing_can_be_done_beforehand(context: int | None) -> None:
    alone = request("x" * 1000)
    assert await fitted(alone, context, counted()) == (alone, 0)
    whole = request("a", "b", "c" * 1000)
    assert await fitted(whole, context, counted()) == (whole, 0), "the last prompt alone is too long"
    assert await fitted(whole, 20, uncounted) == (whole, 0)


async def test_a_long_session_is_counted_a_few_times_only() -> None:
    calls: list[int] = []
    whole = request(*["word " * 10] * 2001)
    found, left_out = await fitted(whole, 4096, counted(calls))
    assert len(calls) <= 14
    assert left_out % 2 == 0
    assert len(found.messages) == 2002 - left_out


def test_after_a_refusal_by_its_numbers() -> None:
    whole = request("a" * 100, "b" * 100, "c" * 100, "d" * 100, "e" * 100, system="")
    assert shortened(whole, 500, 480) == (request("c" * 100, "d" * 100, "e" * 100, system=""), 2)
    assert shortened(whole, 500, 200)[1] == 4
    # The server may have counted in vain, or said nothing: then at least a quarter of the turns goes.
    assert shortened(whole, None, None)[1] == 2
    assert shortened(request(*"x" * 41, system="", max_tokens=1), 21, 20)[1] == 10
    assert shortened(request("x"), 500, 200) == (request("x"), 0)
    assert shortened(ChatRequest("tiny", ()), None, None)[1] == 0


def test_an_image_counts_too() -> None:
    seen = ChatMessage("user", "a", images=(Image("image/png", "x"),))
    whole = ChatRequest("tiny", (seen, ChatMessage("assistant", "b" * 1000), ChatMessage("user", "c" * 1000)))
    assert shortened(whole, 1500, 1000)[1] == 2


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=15).filter(lambda lengths: len(lengths) % 2 == 1),
    st.booleans(),
    st.none() | st.integers(0, 500),
    st.none() | st.integers(1, 500),
)
def test_what_is_never_left_out(lengths: list[int], system: bool, prompt: int | None, context: int | None) -> None:
    whole = request(*["x" * length for length in lengths], system="s" if system else "")
    found, left_out = shortened(whole, prompt, context)
    assert found.messages[-1] == whole.messages[-1]
    assert (found.messages[0].role == "system") == system
    assert len(found.messages) == len(whole.messages) - left_out
    roles = [message.role for message in found.messages[system:]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
