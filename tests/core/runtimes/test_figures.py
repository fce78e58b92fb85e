"""What runtimes say of their work, and how they have answered lately."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.core.support import settings_for
from tests.fake_runtime import METRICS
from tests.ollama import says
from tests.openai import FakeServer, Router, llamacpp, plain, vllm
from tests.servers import Script, answer, head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.metrics import read_metrics
from venom_tui.core.runtimes.configured import server
from venom_tui.core.runtimes.figures import SLOTS, Figures
from venom_tui.core.runtimes.lookout import Lookout, Rhythm
from venom_tui.core.types.runtime import RuntimeLoad

LLAMA = """llamacpp:prompt_tokens_total 1200
llamacpp:tokens_predicted_total 345
llamacpp:requests_processing 2
llamacpp:requests_deferred 3
"""
NO_METRICS = {"error": {"code": 501, "message": "This server does not support metrics endpoint.", "type": "x"}}
MORE = "llama-server tells more where it is started with --metrics"
SILENT = "llama-server does not tell how full its cache is"


def text(words: str) -> Script:
    return sends(head(kind="text/plain") + words.encode())


async def measured(fake: FakeServer, kind: str, tmp_path: Path) -> RuntimeLoad:
    pool = HttpPool()
    async with serving(fake) as running:
        runtime = server("box", kind, running.url, pool, settings_for(tmp_path), origin="test")
        await runtime.look()
        load = await runtime.measure()
    await pool.close()
    return load


def with_paths(fake: FakeServer, **paths: Script) -> FakeServer:
    fake.paths |= {f"GET /{name}": script for name, script in paths.items()}
    return fake


async def test_figures_of_a_vllm(tmp_path: Path) -> None:
    assert await measured(with_paths(vllm(), metrics=text(METRICS)), "vllm", tmp_path) == RuntimeLoad(
        2, 3, 0.25, 1200, 345
    )
    old = METRICS.replace("kv_cache_usage", "gpu_cache_usage").replace('engine="0",', "")
    assert (await measured(with_paths(vllm(), metrics=text(old)), "vllm", tmp_path)).kv_share == 0.25
    two = METRICS + METRICS.replace('engine="0"', 'engine="1"').replace(" 0.25", " 0.75")
    assert await measured(with_paths(vllm(), metrics=text(two)), "vllm", tmp_path) == RuntimeLoad(4, 6, 0.75, 2400, 690)
    strange = await measured(with_paths(vllm(), metrics=text("<html>")), "vllm", tmp_path)
    assert strange == RuntimeLoad(reason="its metrics are none that are known")
    assert (await measured(vllm(), "vllm", tmp_path)).reason


async def test_figures_of_a_llama_server(tmp_path: Path) -> None:
    with_metrics = with_paths(llamacpp(), metrics=text(LLAMA))
    assert await measured(with_metrics, "llamacpp", tmp_path) == RuntimeLoad(2, 3, None, 1200, 345, SILENT)
    slots = says([{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}, "odd"])
    without = with_paths(llamacpp(), metrics=says(NO_METRICS, "501 Not Implemented"), slots=slots)
    assert await measured(without, "llamacpp", tmp_path) == RuntimeLoad(running=1, reason=MORE)
    asleep = with_paths(llamacpp(), props=says({"is_sleeping": True}), slots=slots)
    assert (await measured(asleep, "llamacpp", tmp_path)).reason == "it sleeps until the next request"
    assert (await measured(Router("a"), "llamacpp", tmp_path)).reason.startswith("a router")


async def test_others_do_not_tell(tmp_path: Path) -> None:
    load = await measured(plain("a"), "openai", tmp_path)
    assert load == RuntimeLoad(reason="a runtime of kind openai does not tell it")


@given(st.text(max_size=200))
def test_any_text_is_read(words: str) -> None:
    read_metrics(words, {"a", "vllm:num_requests_running"})


def test_what_is_no_number_is_passed_over() -> None:
    lines = ["a 1", "a NaN", "a +Inf", "a -1", "a x", "a", 'a{b="} 5"} 2', "aa 7", "# a 9", "a 1e400", 'a{b="1"} 3 17']
    assert read_metrics("\n".join(lines), {"a"}) == {"a": (1.0, 2.0, 3.0)}


def test_the_history_of_answers() -> None:
    figures = Figures()
    for moment, latency in ((0.0, 5.0), (2.0, 9.0), (4.0, 3.0), (11.0, None), (13.0, 2.0), (20.0, None), (45.0, 4.0)):
        figures.add(moment, latency)
    taken = figures.taken()
    assert taken.latencies_ms == (9.0, 2.0, None, None, 4.0)
    assert (taken.looks, taken.answered) == (7, 5)
    for slot in range(5, 100):
        figures.add(slot * 10.0, 1.0)
    assert len(figures.taken().latencies_ms) == SLOTS


async def test_figures_are_asked_for_while_somebody_watches(tmp_path: Path) -> None:
    asked = with_paths(vllm(), metrics=sends(answer("x")))
    pool = HttpPool()
    async with serving(asked) as running:
        lookout = Lookout(settings_for(tmp_path), pool, lambda *_: None, Rhythm(watched=60, resting=60))
        lookout.start([server("box", "vllm", running.url, pool, settings_for(tmp_path), origin="test")])
        await lookout.settled(10)
        assert lookout.figures("box").load.reason == "not asked yet"
        assert lookout.figures("box").answered == 1
        lookout.watch(True)
        await lookout.look("box")
        assert lookout.figures("box").load.reason == "its metrics are none that are known"
        await lookout.close()
    assert lookout.figures("none").looks == 0
    await pool.close()
