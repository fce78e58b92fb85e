"""Whatever a model, its server or a person writes: nothing that acts on a terminal leaves the core.

`make soak` asks for 10,000 cases of each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, MARKUP, SEQUENCES, hostile
from tests.core.support import answered_by, open_core, sent, turn
from tests.gguf_files import write_gguf
from tests.servers import DONE, Exchange, event, head, piece, sends, serving
from venom_tui.core.core import Core
from venom_tui.core.events import OperationChanged, StoreTrouble
from venom_tui.core.sanitize import sanitize
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent, TurnThinking

T = TypeVar("T")


class Talk:
    """A core whose model is a server that says what it is told to say; one for all cases."""

    def __init__(self, core: Core, runner: asyncio.Runner) -> None:
        self.core = core
        self.asked: list[Exchange] = []
        self.parts: list[bytes] = []
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def script(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        await sends(*self.parts)(exchange)

    def say(self, prompt: str, *parts: bytes, title: str = "") -> list[TurnEvent]:
        """Send a prompt that is answered by these bytes, in these packets; return the turn's events."""
        self.parts, self.asked = list(parts), []

        async def talk() -> list[TurnEvent]:
            session = await self.core.sessions.create(title=title)
            events = await turn(self.core, await self.core.chat.send(session.id, prompt))
            stored = [*await self.core.sessions.messages(session.id), await self.core.sessions.get(session.id)]
            stored += await self.core.sessions.traces(session.id)
            assert_harmless([*events, *stored])
            return events

        return self.run(talk())


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    folder = tmp_path_factory.mktemp("hostile")
    write_gguf(folder / "data" / "models" / "tiny.gguf")
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        stack = AsyncExitStack()

        async def begin() -> Talk:
            core = await stack.enter_async_context(open_core(folder))
            found = Talk(core, runner)
            server = await stack.enter_async_context(serving(found.script))
            answered_by(core, server, patch)
            return found

        found = runner.run(begin())
        try:
            yield found
        finally:
            runner.run(stack.aclose())


def texts(value: object) -> Iterator[str]:
    """Yield every text in something that the core told."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def assert_harmless(value: object) -> None:
    found = [text for text in texts(value) if FORBIDDEN.search(text)]
    assert found == []


def pieces_of(events: list[TurnEvent], kind: type[TurnDelta | TurnThinking]) -> str:
    return "".join(found.text for found in events if isinstance(found, kind))


def last_of(events: list[TurnEvent]) -> TurnEnded:
    assert isinstance(events[-1], TurnEnded)
    return events[-1]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at places, which may be beyond their end."""
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


some = hostile | st.sampled_from([*SEQUENCES, *MARKUP]) | st.text(max_size=8)
places = st.lists(st.integers(0, 10_000), max_size=6)


@given(st.lists(some, max_size=8), places)
def test_an_answer_in_any_pieces(talk: Talk, said: list[str], places: list[int]) -> None:
    data = head() + b"".join(piece(text) for text in said) + piece(finish_reason="stop") + DONE
    events = talk.say("hello", *cut(data, places))
    message = last_of(events).message
    assert message.content == pieces_of(events, TurnDelta) == sanitize("".join(said))


@given(some, st.data())
def test_an_answer_cut_between_any_two_characters(talk: Talk, text: str, data: st.DataObject) -> None:
    """A sequence that two pieces share is as harmless as one in a piece of its own."""
    place = data.draw(st.integers(0, len(text)))
    thought = {"choices": [{"delta": {"reasoning_content": text[:place]}}]}
    rest = {"choices": [{"delta": {"reasoning_content": text[place:]}}]}
    parts = piece(text[:place]), piece(text[place:]), piece(finish_reason="stop"), DONE
    events = talk.say("hello", head(), event(thought), event(rest), *parts)
    assert pieces_of(events, TurnDelta) == pieces_of(events, TurnThinking) == sanitize(text)


SHAPES = ("status", "json status", "stream", "nested", "page", "finish", "type", "garbage", "redirect")


@given(some, st.sampled_from(SHAPES), places)
def test_a_failure_in_any_words(talk: Talk, words: str, shape: str, places: list[int]) -> None:
    safe = words.encode("utf-8", "surrogatepass").replace(b"\r", b" ").replace(b"\n", b" ")
    data = {
        "status": head("500 Oh", "text/plain") + safe,
        "json status": head("400 No") + json.dumps({"error": {"message": words, "type": words}}).encode(),
        "stream": head() + piece("so far") + event({"error": {"message": words}}),
        "nested": head() + event({"error": json.dumps({"error": {"message": words}})}),
        "page": head(kind="text/html") + b"<html>" + safe,
        "finish": head() + piece("x") + piece(finish_reason=words) + DONE,
        "type": head(kind="text/plain; x=" + safe.decode("latin-1").replace("\0", "")) + b"x",
        "garbage": head() + b"data: " + safe + b"\n\n",
        "redirect": head("302 There", location=safe.decode("latin-1").replace("\0", "")),
    }[shape]
    last = last_of(talk.say("hello", *cut(data, places)))
    assert last.error or shape == "finish" or not words
    assert "\n" not in last.error + last.hint + last.server_message + last.message.finish_reason


@given(some.filter(lambda text: bool(sanitize(text).strip())), some)
def test_what_a_person_pastes(talk: Talk, text: str, title: str) -> None:
    talk.say("about " + text, head(), piece("yes"), piece(finish_reason="stop"), DONE, title=title)
    ((role, content),) = sent(talk.asked[0])
    assert (role, content) == ("user", sanitize("about " + text).strip("\n"))


class Broken(Exception):
    """A failure with words of somebody else."""


@given(some, some)
def test_what_operations_tell(talk: Talk, target: str, words: str) -> None:
    async def run() -> None:
        async def work(progress: Any) -> None:
            progress.update(message=words)
            raise Broken(words)

        with talk.core.events.subscribe() as events, pytest.raises(Broken):
            await talk.core.operations.run("load", target, work, runtime="embedded", cause=words)
        told = [found async for found in events if isinstance(found, OperationChanged | StoreTrouble)]
        assert_harmless(told)
        last = told[-1]
        assert isinstance(last, OperationChanged)
        assert last.operation.state is OperationState.FAILED
        assert_harmless(await talk.core.operations.list(1))

    talk.run(run())
    talk.run(talk.core.operations.clear())
