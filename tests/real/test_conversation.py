"""One conversation, the same with everything that answers prompts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.support import COUNTING, LIMIT_S, contents, ended, first_words, next_of, open_core, turn
from tests.real.backends import BACKENDS, Backend, backend
from venom_tui.core.core import Core
from venom_tui.core.events import RuntimeChanged
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnDelta, TurnEnded

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

SHORT = GenerationParameters(temperature=0.0, max_tokens=24)
LONG = GenerationParameters(temperature=0.0, max_tokens=400)


@pytest.fixture(params=BACKENDS)
async def answering(
    request: pytest.FixtureRequest, tmp_path: Path, demonstration_model: Path
) -> AsyncIterator[Backend]:
    name: str = request.param
    running = backend(name, tmp_path, demonstration_model)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def core(answering: Backend, tmp_path: Path) -> AsyncIterator[Core]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(answering.table())
    async with open_core(tmp_path) as opened:
        assert await opened.runtimes.settled(LIMIT_S)
        yield opened


async def test_a_conversation(answering: Backend, core: Core) -> None:
    runtime, first = answering.runtime, answering.first
    assert core.runtimes.states()[runtime] in (RuntimeState.READY, RuntimeState.IDLE)
    session = (await core.sessions.create()).id

    async def ask(text: str, model: str = first, parameters: GenerationParameters = SHORT) -> TurnEnded:
        sent = await core.chat.send(session, text, model=model, runtime=runtime, parameters=parameters)
        return await ended(core, sent)

    # It streams.
    sent = await core.chat.send(session, "Name a city.", model=first, runtime=runtime, parameters=SHORT)
    events = await turn(core, sent)
    last = events[-1]
    assert isinstance(last, TurnEnded)
    assert (last.message.state, last.error) == (MessageState.COMPLETE, "")
    assert (last.message.runtime, last.message.model) == (runtime, first)
    deltas = [event for event in events if isinstance(event, TurnDelta)]
    assert "".join(event.text for event in deltas) == last.message.content
    assert sum(event.pieces for event in deltas) > 1
    assert last.message.usage.prompt_tokens and last.message.usage.completion_tokens
    assert last.message.usage.tokens_per_second
    assert last.message.timings.submit_to_first_token_ms

    # It is stopped, and what came is kept; whoever answered is free again.
    session = (await core.sessions.create()).id
    sent = await core.chat.send(session, COUNTING, model=first, runtime=runtime, parameters=LONG)
    begun = await first_words(core, sent)
    await core.chat.stop(sent)
    role, state, text = (await contents(core, session))[-1]
    assert (role, state) == ("assistant", "stopped") and text.startswith(begun)
    assert (await ask("Name a colour.")).message.state is MessageState.COMPLETE

    # It is asked again; the new answer stands at the place of the old.
    before = await contents(core, session)
    sent = await core.chat.regenerate(session, model=first, runtime=runtime, parameters=SHORT)
    again = await ended(core, sent)
    assert again.message.state is MessageState.COMPLETE and again.message.content
    assert [message[0] for message in await contents(core, session)][: len(before) - 1] == [
        message[0] for message in before[:-1]
    ]

    # Another model takes over, and the first one again.
    if answering.second is not None:
        for name in (answering.second, first):
            active = await core.models.activate(name, runtime)
            assert (active.name, active.runtime) == (name, runtime)
            done = await ended(core, await core.chat.send(session, "Name a tree.", parameters=SHORT))
            assert (done.message.state, done.message.model) == (MessageState.COMPLETE, name), done.error
        assert core.settings.text("VENOM_PREVIOUS_MODEL") == answering.second

    # A prompt that is too long is not cut: the numbers are said, and the session goes on without it.
    long = await core.sessions.create()
    sent = await core.chat.send(
        long.id, "word " * 3 * answering.context, model=first, runtime=runtime, parameters=SHORT
    )
    refused = await ended(core, sent)
    assert (refused.message.state, refused.error_code) == (MessageState.FAILED, "context_overflow"), refused.error
    assert f"{answering.context:,}" in refused.error
    assert "tokens, the context" in refused.error

    # A model that is not there is said to be missing.
    missing = await ask("x", model="nosuch:7b")
    assert (missing.message.state, missing.error_code) == (MessageState.FAILED, "model_not_found")
    assert "nosuch:7b" in missing.error

    # It is killed in the middle of an answer, which is kept; when it is back, it answers again.
    fresh = (await core.sessions.create()).id  # behind what was said so far, some would soon be done
    with core.events.subscribe() as changes:
        sent = await core.chat.send(fresh, COUNTING, model=first, runtime=runtime, parameters=LONG)
        begun = await first_words(core, sent)
        answering.kill(core)
        killed = await ended(core, sent)
        assert killed.message.state is MessageState.FAILED and killed.message.content.startswith(begun)
        assert killed.error and killed.error_code in ("cut_stream", "runtime_unavailable", "runtime_failure")
        while (await next_of(changes, RuntimeChanged)).status.state is RuntimeState.READY:
            pass
    if answering.runtime != "embedded":
        down = await ask("Name a fish.")
        assert (down.message.state, down.error_code) == (MessageState.FAILED, "runtime_unavailable"), down.error
    await answering.back()
    done = await ask("Name a bird.")
    assert (done.message.state, done.error) == (MessageState.COMPLETE, "")
