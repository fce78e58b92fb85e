"""A real vLLM from its start to the death of its engine, as the core sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.support import COUNTING, first_words, next_of
from tests.real.place import SHORT, at, end_of
from tests.real.servers.vllm import vllm_server
from tests.tools import need
from venom_tui.core.errors import LoadFailed
from venom_tui.core.events import RuntimeChanged
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.session import MessageState

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


async def test_the_life_of_a_vllm(tmp_path: Path) -> None:
    need("vllm-models")
    async with (
        vllm_server(tmp_path / "vllm", "smollm2", wait=False) as server,
        at(tmp_path, "", server.url, "smollm2", 2048) as place,
    ):
        core, runtimes = place.core, place.core.runtimes
        with core.events.subscribe() as changes:
            assert runtimes.states()["box"] is RuntimeState.UNREACHABLE
            assert runtimes.runtime("box").status().detail == "connection refused"
            await server.until_ready("/health", 180)
            runtimes.watch(True)
            status = (await next_of(changes, RuntimeChanged)).status
            assert (status.id, status.kind, status.state) == ("box", "vllm", RuntimeState.READY)
            assert (status.version, status.detail) == ("0.32.0", "serves smollm2")

            session = await core.sessions.create()
            done = end_of(await place.send(session.id, "Name a city.", SHORT))
            assert done.message.state is MessageState.COMPLETE, done.error

            many = GenerationParameters(max_tokens=400, temperature=0)
            request = await core.chat.send(session.id, COUNTING, model="smollm2", runtime="box", parameters=many)
            begun = await first_words(core, request)
            server.kill_engine()
            ended = end_of([event async for event in core.chat.follow(request)])
            assert (ended.message.state, ended.error_code) == (MessageState.FAILED, "runtime_failure")
            assert ended.message.content.startswith(begun)
            assert "EngineCore encountered an issue" in ended.server_message
            while status.state is RuntimeState.READY:
                status = (await next_of(changes, RuntimeChanged)).status
            assert status.state is RuntimeState.FAILED
            assert status.detail.endswith("has ended")
            with pytest.raises(LoadFailed, match="smollm2 cannot answer"):
                await core.models.activate("smollm2", "box")
            failed = end_of(await place.send(session.id, "Name a city.", SHORT))
            assert failed.message.state is MessageState.FAILED
            assert failed.error
