"""The runtime Ollama: how its models are asked, so that nobody's model is loaded again or let go by a turn of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ollama import AUTOMATIC, FakeOllama, replays, says
from tests.servers import Server, hangs, serving
from venom_tui.core.clients import ollama as client_module
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import LoadFailed, RuntimeBusy, RuntimeRefused, RuntimeTimeout
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.runtimes.runtime import Plan
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatMessage, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import RuntimeState

NAME = "smollm2:135m"
NONE = GenerationParameters()


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


@pytest.fixture
def fake() -> FakeOllama:
    return FakeOllama()


@pytest.fixture
async def server(fake: FakeOllama) -> AsyncIterator[Server]:
    async with serving(fake) as running:
        yield running


@pytest.fixture
def runtime(server: Server, pool: HttpPool) -> OllamaRuntime:
    return OllamaRuntime("ollama", server.url, pool, origin="test")


async def known(runtime: OllamaRuntime, name: str = NAME) -> ModelInfo:
    await runtime.look()
    return next(model for model in runtime.models() if model.name == name)


async def turn(runtime: OllamaRuntime, model: ModelInfo, parameters: GenerationParameters = NONE) -> Plan:
    """Do what a turn does; return how the model was asked."""
    plan, must_load = await runtime.prepare(model, parameters)
    if must_load:
        await runtime.load(model, plan, status=print)
        plan, must_load = await runtime.prepare(model, parameters)
        assert not must_load
    wire = {} if parameters.context_length is None else {"num_ctx": parameters.context_length}
    request = ChatRequest(model.name, (ChatMessage("user", "x"),), parameters)
    assert [chunk async for chunk in runtime.chat(request, plan, wire)]
    return plan


def options(server: Server) -> list[tuple[object, object]]:
    """Return context and keep_alive of all requests that name a model; None where they are not sent."""
    bodies = [asked.json for asked in server.asked if asked.body and asked.target != "POST /api/show"]
    return [(body.get("options", {}).get("num_ctx"), body.get("keep_alive")) for body in bodies]


# ---------------------------------------------------------------------- what is said of it


async def test_what_it_offers(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    fake.models["cloud:1b"] = {"remote_host": "https://ollama.com:443", "size": 384}
    fake.hold(NAME, size_vram=1000)
    local, cloud = (await known(runtime), await known(runtime, "cloud:1b"))
    assert local == ModelInfo(
        name=NAME,
        runtime="ollama",
        provider="ollama",
        size_bytes=98_362_761,
        digest="sha256:53f4cd08aa899cd4404a21d670e7434c8c8685a01f67f6b837395862b045d783",
        parameter_size="134.52M",
        quantization="Q4_1",
        context_length=8192,
        capabilities=("completion",),
        loaded=True,
        vram_bytes=1000,
        architecture="llama",
    )
    assert cloud.size_bytes is None, "a few hundred bytes are no size of such a model"
    assert (cloud.loaded, cloud.vram_bytes) == (False, None)
    status = runtime.status()
    assert (status.state, status.version, status.models) == (RuntimeState.READY, "0.33.0-rc2", 2)
    assert (status.loaded, status.detail) == ((NAME,), f"2 models, {NAME} loaded")
    assert status.latency_ms is not None and status.seen_at is not None


async def test_what_it_holds(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    fake.hold(NAME, size=0, size_vram=0, forever=True, context=512)
    await runtime.look()
    (held,) = runtime.loaded()
    assert (held.reported_bytes, held.vram_bytes) == (None, None), "zero is what it says when it does not know"
    assert (held.pinned, held.expires_at, held.context_length) == (True, None, 512)
    fake.hold(NAME)
    await runtime.look()
    (held,) = runtime.loaded()
    assert (held.reported_bytes, held.vram_bytes, held.pinned) == (209_505_483, 0, False)
    assert held.expires_at is not None


async def test_one_that_went_away_is_still_known(runtime: OllamaRuntime, fake: FakeOllama, server: Server) -> None:
    fake.hold(NAME, size_vram=1000)
    await runtime.look()
    await server.close()
    await runtime.look()
    status = runtime.status()
    assert (status.state, status.detail) == (RuntimeState.UNREACHABLE, "connection refused")
    assert (status.loaded, runtime.loaded(), status.latency_ms) == ((), (), None)
    assert status.seen_at is not None and status.version == "0.33.0-rc2"
    (model,) = runtime.models()
    assert (model.name, model.loaded, model.vram_bytes) == (NAME, None, None)


@pytest.mark.parametrize(
    ("path", "recording", "state", "detail"),
    [
        ("GET /api/tags", "host-forbidden", RuntimeState.FAILED, "it wants access"),
        ("GET /api/ps", "not-found-path", RuntimeState.FAILED, "does not know this path"),
        ("GET /api/tags", "chat-busy-503", RuntimeState.BUSY, "server busy, please try again"),
        ("GET /api/version", "chat-bad-option", RuntimeState.FAILED, "failed (500)"),
        ("GET /api/ps", "chat-stream", RuntimeState.FAILED, "not JSON"),
    ],
)
async def test_one_that_does_not_answer_as_it_should(
    runtime: OllamaRuntime, fake: FakeOllama, path: str, recording: str, state: RuntimeState, detail: str
) -> None:
    fake.instead[path] = replays(recording)
    await runtime.look()
    assert runtime.status().state is state
    assert detail in runtime.status().detail


# ---------------------------------------------------------------------- how it is asked


async def test_a_turn_names_no_context_and_no_keep_alive(
    runtime: OllamaRuntime, server: Server, fake: FakeOllama
) -> None:
    model = await known(runtime)
    for _ in range(3):
        plan = await turn(runtime, model)
        assert plan.context_length == AUTOMATIC
    assert options(server) == [(None, None)] * 4
    assert fake.loads == [(NAME, AUTOMATIC)], "it was loaded once"


async def test_a_chosen_context_is_the_same_in_every_request(
    runtime: OllamaRuntime, server: Server, fake: FakeOllama
) -> None:
    model, chosen = await known(runtime), GenerationParameters(context_length=2048)
    for _ in range(3):
        assert (await turn(runtime, model, chosen)).context_length == 2048
    assert options(server) == [(2048, None)] * 4
    assert fake.loads == [(NAME, 2048)]


async def test_choosing_another_context_is_a_load(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    model = await known(runtime)
    await turn(runtime, model)
    _, must_load = await runtime.prepare(model, GenerationParameters(context_length=2048))
    assert must_load, "so that it is said, and recorded, that the model loads again"
    await turn(runtime, model, GenerationParameters(context_length=2048))
    assert fake.loads == [(NAME, AUTOMATIC), (NAME, 2048)]


async def test_no_more_context_is_asked_for_than_there_can_be(
    runtime: OllamaRuntime, server: Server, fake: FakeOllama
) -> None:
    """Ollama cuts it down by itself; asking for more every time must not look like another context."""
    model = await known(runtime)
    for _ in range(2):
        assert (await turn(runtime, model, GenerationParameters(context_length=100_000))).context_length == 8192
    assert options(server) == [(8192, None)] * 3
    assert fake.loads == [(NAME, 8192)]


async def test_a_model_of_somebody_else_is_asked_with_the_context_that_it_has(
    runtime: OllamaRuntime, server: Server, fake: FakeOllama
) -> None:
    fake.hold(NAME, context=512, forever=True)
    model = await known(runtime)
    for _ in range(2):
        assert (await turn(runtime, model)).context_length == 512
    assert options(server) == [(512, None)] * 2
    assert fake.loads == [(NAME, 512)]
    assert fake.loaded[NAME]["expires_at"].startswith("2319"), "and it stays pinned"


@pytest.mark.parametrize(
    ("setting", "sent"), [("10m", "10m"), ("300", 300), ("-1", -1), ("0", 0), ("1.5", 1.5), ("24h", "24h")]
)
async def test_keep_alive_is_sent_where_it_is_set(
    pool: HttpPool, server: Server, fake: FakeOllama, setting: str, sent: object
) -> None:
    """Numbers as numbers: a real one refuses the text "300"."""
    runtime = OllamaRuntime("ollama", server.url, pool, origin="test", keep_alive=setting)
    fake.hold(NAME)
    await turn(runtime, await known(runtime))
    assert options(server) == [(AUTOMATIC, sent)]


async def test_a_pin_of_somebody_else_outlives_our_keep_alive(pool: HttpPool, server: Server, fake: FakeOllama) -> None:
    for setting, sent in (("5m", None), ("0", None), ("-1", -1), ("-1m", "-1m")):
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test", keep_alive=setting)
        fake.hold(NAME, forever=True)
        await turn(runtime, await known(runtime))
        assert options(server)[-1] == (AUTOMATIC, sent)


@pytest.mark.parametrize(
    ("capabilities", "think", "sent", "told"),
    [
        (["completion"], "on", None, True),
        (["completion"], "high", None, True),
        (["completion"], "off", False, False),
        (["completion"], None, None, False),
        (["completion", "thinking"], "on", True, False),
        (["completion", "thinking"], "low", "low", False),
        (["completion", "thinking"], "off", False, False),
    ],
)
async def test_a_model_that_cannot_think_is_not_told_to(
    runtime: OllamaRuntime,
    server: Server,
    fake: FakeOllama,
    capabilities: list[str],
    think: str | None,
    sent: object,
    told: bool,
) -> None:
    fake.models[NAME] = {"capabilities": capabilities}
    plan = await turn(runtime, await known(runtime), GenerationParameters(think=think))
    assert server.asked[-1].json.get("think") == sent
    assert plan.notes == ((f"{NAME} cannot think before it answers.",) if told else ())


async def test_a_model_whose_weights_are_loaded_under_another_name(
    runtime: OllamaRuntime, server: Server, fake: FakeOllama
) -> None:
    """A real one lists one row for both, under the name that loaded it."""
    fake.models["twin:135m"] = {}
    fake.twins["twin:135m"] = NAME
    fake.hold(NAME, context=512)
    twin = await known(runtime, "twin:135m")
    for _ in range(2):
        await turn(runtime, twin, GenerationParameters(context_length=512))
    await runtime.verify(twin)
    assert fake.loads == [(NAME, 512)]
    loads = [asked for asked in server.asked if asked.target == "POST /api/generate"]
    assert len(loads) == 1, "once it is known whose row it has, it counts as loaded"


# ---------------------------------------------------------------------- loading and unloading


async def test_a_load_that_fails(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    model = await known(runtime)
    for name, words in (("load-broken-model", "does not support generate"), ("unload-missing-model", "not found")):
        fake.instead["POST /api/generate"] = replays(name)
        with pytest.raises(LoadFailed, match=f"could not load {NAME}") as caught:
            await runtime.load(model, Plan(), status=print)
        assert words in caught.value.server_message
    fake.instead["POST /api/generate"] = replays("load-generate")
    with pytest.raises(LoadFailed, match="does not list it"):
        await runtime.verify(model)


async def test_a_load_that_hangs(runtime: OllamaRuntime, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LOADED_WITHIN_S", 0.2)
    model = await known(runtime)
    fake.instead["POST /api/generate"] = hangs
    with pytest.raises(RuntimeTimeout, match="did not answer in time"):
        await runtime.load(model, Plan(), status=print)


async def test_an_unload_waits_until_it_has_left(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    fake.hold(NAME)
    model = await known(runtime)
    fake.instead["POST /api/generate"] = replays("unload-while-busy")
    said: list[str] = []
    with pytest.raises(RuntimeBusy, match=r"has not left .* after 0\.2 s: it answers somebody else") as caught:
        await runtime.unload(model, within_s=0.2, status=said.append)
    assert caught.value.hint == "It leaves by itself when that ends."
    assert said == [f"{NAME} answers somebody else; it leaves when that has ended"]
    del fake.instead["POST /api/generate"]
    await runtime.unload(model)
    assert fake.loaded == {} and runtime.loaded() == ()


async def test_a_refusal_to_unload_is_told(runtime: OllamaRuntime, fake: FakeOllama) -> None:
    fake.hold(NAME)
    model = await known(runtime)
    fake.instead["POST /api/generate"] = says({"error": "no"}, "400 Bad Request")
    with pytest.raises(RuntimeRefused):
        await runtime.unload(model)
