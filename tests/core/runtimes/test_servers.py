"""vLLM, llama-server and other servers of OpenAI's wire: what is told of them, and what they are made to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.ollama import says
from tests.openai import META, NO_PATH, Router, llamacpp, plain, vllm
from tests.servers import hangs, head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import LoadFailed, RuntimeFailure, RuntimeRefused
from venom_tui.core.runtimes import openai_server
from venom_tui.core.runtimes import vllm as vllm_module
from venom_tui.core.runtimes.llamacpp import LlamaCppRuntime
from venom_tui.core.runtimes.openai_server import OpenAIServerRuntime
from venom_tui.core.runtimes.vllm import VllmRuntime
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatMessage, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeState

NONE = GenerationParameters()
Make = Callable[..., OpenAIServerRuntime]


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


async def seen(runtime: OpenAIServerRuntime) -> tuple[RuntimeState, str]:
    await runtime.look()
    return runtime.status().state, runtime.status().detail


async def text(runtime: OpenAIServerRuntime, name: str) -> str:
    model = next(model for model in runtime.models() if model.name == name)
    plan, must_load = await runtime.prepare(model, NONE)
    assert not must_load
    chunks = runtime.chat(ChatRequest(name, (ChatMessage("user", "x"),)), plan, {})
    return "".join([chunk.content async for chunk in chunks])


async def test_a_plain_server(pool: HttpPool) -> None:
    async with serving(plain("a", "b\x1b[31m")) as server:
        runtime = OpenAIServerRuntime("box", server.url, pool, origin="test", api_key="sk-x")
        assert await seen(runtime) == (RuntimeState.READY, "2 models")
        assert [(model.name, model.loaded) for model in runtime.models()] == [("a", None), ("b", None)]
        assert await text(runtime, "a") == "Hello there"
        await runtime.verify(runtime.models()[0])
        with pytest.raises(LoadFailed, match="does not offer c"):
            await runtime.verify(ModelInfo(name="c", runtime="box", provider="openai"))
        with pytest.raises(RuntimeRefused, match="cannot be told to unload"):
            await runtime.unload(runtime.models()[0])
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer sk-x"}


async def test_vllm(pool: HttpPool) -> None:
    async with serving(vllm()) as server:
        runtime = VllmRuntime("vllm", server.url, pool, origin="test")
        assert await seen(runtime) == (RuntimeState.READY, "serves tiny")
        assert runtime.status().version == "0.32.0"
        assert runtime.models() == (
            ModelInfo("tiny", "vllm", "vllm", context_length=512, loaded=True, path="/models/tiny"),
        )
        (held,) = runtime.loaded()
        assert held == LoadedModel(
            "tiny",
            "vllm",
            context_length=512,
            kind="vllm",
            endpoint=server.url,
            weights="/models/tiny",
            unavailable=held.unavailable,
        )
        assert "does not tell" in held.unavailable["reported_bytes"]
        assert await text(runtime, "tiny") == "Hello there"
        await runtime.verify(runtime.models()[0])


async def test_vllm_behind_a_proxy_that_knows_v1_only(pool: HttpPool) -> None:
    fake = vllm()
    del fake.paths["GET /version"], fake.paths["GET /health"]
    async with serving(fake) as server:
        runtime = VllmRuntime("vllm", server.url, pool, origin="test")
        assert await seen(runtime) == (RuntimeState.READY, "serves tiny")
        assert runtime.status().version is None


async def test_vllm_whose_engine_has_ended(pool: HttpPool) -> None:
    """It lists its model still, as a real one does."""
    fake = vllm()
    async with serving(fake) as server:
        runtime = VllmRuntime("vllm", server.url, pool, origin="test")
        await runtime.look()
        fake.paths["GET /health"] = sends(head("503 Service Unavailable", ""))
        state, detail = await seen(runtime)
        assert state is RuntimeState.FAILED
        assert detail == f"the engine of vLLM at 127.0.0.1:{server.port} has ended"
        assert [model.loaded for model in runtime.models()] == [None]
        with pytest.raises(LoadFailed, match="tiny cannot answer: the engine of vLLM"):
            await runtime.verify(runtime.models()[0])


async def test_llama_server(pool: HttpPool) -> None:
    async with serving(llamacpp()) as server:
        runtime = LlamaCppRuntime("llamacpp", server.url, pool, origin="test")
        assert await seen(runtime) == (RuntimeState.READY, "serves smollm2")
        assert runtime.status().version == "b1-7e4c0a9"
        (model,) = runtime.models()
        assert (model.size_bytes, model.parameter_size, model.quantization) == (96_576_768, "135M", "Q4_1")
        assert (model.context_length, model.loaded) == (8192, True)
        (held,) = runtime.loaded()
        assert (held.context_length, held.reported_bytes) == (4096, 96_576_768)
        plan, must_load = await runtime.prepare(model, NONE)
        assert (plan.context_length, must_load) == (4096, False)
        assert await text(runtime, "smollm2") == "Hello there"
        await runtime.verify(model)
        with pytest.raises(RuntimeRefused):
            await runtime.unload(model)


async def test_a_llama_server_that_loads_its_model(pool: HttpPool) -> None:
    fake = llamacpp()
    loading = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    ready = dict(fake.paths)
    fake.paths |= dict.fromkeys(ready, says(loading, "503 Service Unavailable"))
    async with serving(fake) as server:
        runtime = LlamaCppRuntime("llamacpp", server.url, pool, origin="test")
        assert await seen(runtime) == (RuntimeState.LOADING, "Loading model")
        fake.paths |= ready
        assert await seen(runtime) == (RuntimeState.READY, "serves smollm2")
        assert runtime.status().server_message == ""


async def test_odd_answers_of_a_llama_server(pool: HttpPool) -> None:
    fake = llamacpp()
    async with serving(fake) as server:
        runtime = LlamaCppRuntime("llamacpp", server.url, pool, origin="test")
        for meta in (None, 7, {}, {"n_ctx_train": "x", "n_params": "x", "size": -1, "ftype": 5}):
            fake.paths["GET /v1/models"] = says({"data": [{"id": "smollm2", "meta": meta}, {"id": 7}, 5]})
            fake.paths["GET /props"] = says({"default_generation_settings": meta, "build_info": 5})
            assert (await seen(runtime))[0] is RuntimeState.READY
            assert runtime.models() == (ModelInfo("smollm2", "llamacpp", "llamacpp", loaded=True),)


# ---------------------------------------------------------------------- a router


async def routed(pool: HttpPool, url: str) -> tuple[LlamaCppRuntime, dict[str, ModelInfo]]:
    runtime = LlamaCppRuntime("llamacpp", url, pool, origin="test")
    await runtime.look()
    return runtime, {model.name: model for model in runtime.models()}


async def test_a_router_loads_what_is_asked_for(pool: HttpPool) -> None:
    fake = Router("one", "two")
    async with serving(fake) as server:
        runtime, models = await routed(pool, server.url)
        assert runtime.status().detail == "router, 2 models, none loaded"
        assert [model.loaded for model in models.values()] == [False, False]
        plan, must_load = await runtime.prepare(models["one"], NONE)
        assert must_load and plan.context_length is None
        await runtime.load(models["one"], plan, status=print)
        assert fake.states == {"one": "loaded", "two": "unloaded"}
        plan, must_load = await runtime.prepare(models["one"], NONE)
        assert (plan.context_length, must_load) == (4096, False)
        await runtime.verify(models["one"])
        assert await text(runtime, "one") == "Hello there"
        (held,) = runtime.loaded()
        assert (held.name, held.context_length) == ("one", META["n_ctx"])
        assert runtime.status().detail == "router, 2 models, one loaded"
        with pytest.raises(LoadFailed, match="does not hold two"):
            await runtime.verify(models["two"])
        await runtime.unload(models["one"])
        assert runtime.loaded() == ()
        await runtime.unload(models["one"])  # it has left already


async def test_a_router_that_loads_for_somebody_else(pool: HttpPool) -> None:
    fake = Router("one", "two")
    async with serving(fake) as server:
        runtime, models = await routed(pool, server.url)
        fake.states["one"] = "loading"
        await runtime.load(models["one"], (await runtime.prepare(models["two"], NONE))[0], status=print)
        assert fake.states["one"] == "loaded"
        assert fake.loads == []


async def test_a_router_that_is_loading_says_so(pool: HttpPool) -> None:
    fake = Router("one", "two")
    fake.states["one"] = "loading"
    async with serving(fake) as server:
        runtime, _ = await routed(pool, server.url)
        assert (runtime.status().state, runtime.status().detail) == (RuntimeState.LOADING, "loading one")


async def test_a_router_without_a_place_is_waited_for(pool: HttpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Router("one", "two")
    async with serving(fake) as server:
        runtime, models = await routed(pool, server.url)
        plan, _ = await runtime.prepare(models["two"], NONE)
        fake.full = 2
        said: list[str] = []
        await runtime.load(models["two"], plan, status=said.append)
        assert fake.states["two"] == "loaded"
        assert len(said) == 2 and said[0].endswith("holds as many models as it may; one has to leave")
        fake.states["two"], fake.full = "unloaded", 2
        monkeypatch.setattr("venom_tui.core.runtimes.llamacpp._PLACE_WITHIN_S", -1.0)
        with pytest.raises(RuntimeFailure) as caught:
            await runtime.load(models["two"], plan, status=said.append)
        assert caught.value.server_message == "model limit reached, try again later"


async def test_a_router_that_cannot_load(pool: HttpPool) -> None:
    async with serving(Router("one", "bad", broken="bad")) as server:
        runtime, models = await routed(pool, server.url)
        plan, _ = await runtime.prepare(models["bad"], NONE)
        with pytest.raises(LoadFailed, match="could not load bad") as caught:
            await runtime.load(models["bad"], plan, status=print)
        assert caught.value.server_message == "its process ended with status 1"
        gone = ModelInfo(name="gone", runtime="llamacpp", provider="llamacpp")
        with pytest.raises(LoadFailed, match="did not load gone") as caught:
            await runtime.load(gone, plan, status=print)
        assert caught.value.server_message == "File Not Found"


# ---------------------------------------------------------------------- servers that do not answer as they should

BAD = [
    (says({"data": 7}), RuntimeState.FAILED, "listed its models in a shape that is not known"),
    (says([]), RuntimeState.FAILED, "listed its models in a shape that is not known"),
    (sends(head(kind="text/html") + b"<html>"), RuntimeState.FAILED, "something that is not JSON"),
    (says({"error": "no"}, "401 Unauthorized"), RuntimeState.FAILED, "it wants a key that it accepts"),
    (says(NO_PATH, "404 Not Found"), RuntimeState.FAILED, "does not know this path"),
    (says({"error": "no"}, "500 Oops"), RuntimeState.FAILED, "failed (500)"),
    (says({"error": "slow down"}, "429 Too Many"), RuntimeState.BUSY, "slow down"),
    (sends(head("301 Moved", location="http://elsewhere/")), RuntimeState.FAILED, "redirects to http://elsewhere/"),
    (sends(head(kind="application/json", content_length="99")), RuntimeState.UNREACHABLE, "closed the connection"),
    (hangs, RuntimeState.UNREACHABLE, "no answer in time"),
]


@pytest.mark.parametrize("make", [OpenAIServerRuntime, VllmRuntime, LlamaCppRuntime])
async def test_servers_that_do_not_answer_as_they_should(
    pool: HttpPool, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_server, "LOOK_LIMIT_S", 0.2)
    fake = vllm() if make is VllmRuntime else llamacpp()
    async with serving(fake) as server:
        runtime = make("box", server.url, pool, origin="test")
        await runtime.look()
        models = [model.name for model in runtime.models()]
        for script, state, detail in BAD:
            good = fake.paths["GET /v1/models"]
            fake.paths["GET /v1/models"] = script
            now, told = await seen(runtime)
            assert now is state
            assert detail in told
            assert (runtime.loaded(), [model.name for model in runtime.models()]) == ((), models)
            fake.paths["GET /v1/models"] = good
            assert (await seen(runtime))[0] is RuntimeState.READY


async def test_a_hanging_detail_costs_no_more_than_its_limit(pool: HttpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_module, "LOOK_LIMIT_S", 0.2)
    fake = vllm()
    fake.paths["GET /health"] = hangs
    async with serving(fake) as server:
        runtime = VllmRuntime("vllm", server.url, pool, origin="test")
        async with asyncio.timeout(30):
            assert await seen(runtime) == (RuntimeState.UNREACHABLE, "no answer in time")


async def test_a_failure_of_an_answer_is_the_servers(pool: HttpPool) -> None:
    fake = plain("a")
    fake.paths["POST /v1/chat/completions"] = says({"error": "no room"}, "500 Oops")
    async with serving(fake) as server:
        runtime = OpenAIServerRuntime("box", server.url, pool, origin="test")
        await runtime.look()
        with pytest.raises(RuntimeFailure, match=f"The server at 127.0.0.1:{server.port} failed"):
            await text(runtime, "a")
