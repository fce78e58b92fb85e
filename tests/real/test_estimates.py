"""Estimates beside what the embedded llama.cpp logs, and beside what the real Ollama reports and takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.real_components import GEMMA
from tests.llamacpp_log import MIB, as_ollama_adds_up, reported
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.ollama_store import OllamaModel
from tests.tools import need
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.models.gguf import read_header
from venom_tui.core.resources.estimate.estimate import estimate
from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.processes import process_memory
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.types.model import ModelInfo

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
GOAL = 0.05


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


def of_file(path: Path) -> ModelShape:
    header = read_header(path)
    shape = shape_from_values(header.values, header.weights, "header of the file")
    assert shape is not None
    return shape


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("model", ["smollm2", "gemma3"])
async def test_the_embedded_models(demonstration_model: Path, model: str, kv_type: str, parallel: int) -> None:
    need("gemma3-270m")
    path = demonstration_model if model == "smollm2" else GEMMA.path
    for context in (1024, 2048, 4096, 8192):
        told = await asyncio.to_thread(reported, path, context, parallel=parallel, kv_type=kv_type)
        found = estimate(of_file(path), "embedded", context=context, kv_type=kv_type, parallel=parallel)
        assert found.buffers_bytes == pytest.approx(sum(told.values()), rel=GOAL)
        assert abs(found.parts.kv_bytes - told["KV"]) <= 0.03 * MIB, "the cache to the byte, as far as the log tells"


async def test_what_ollama_reports_and_takes(ollama: OllamaFactory, demonstration_model: Path, pool: HttpPool) -> None:
    need("gemma3-270m")
    models = [OllamaModel("plain:135m", demonstration_model), OllamaModel("second:270m", GEMMA.path, family="gemma3")]
    async with ollama(models) as server, server.client() as http:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        for laid in models:
            shape = await runtime.shape(ModelInfo(laid.name, "ollama", "ollama"))
            assert shape is not None and shape == _told_by_ollama(shape, of_file(laid.weights))  # type: ignore[arg-type]
            for context in (512, 4096, 8192):
                body = {"model": laid.name, "options": {"num_ctx": context}}
                assert (await http.post("/api/generate", json=body)).status_code == 200
                (row,) = [row for row in (await http.get("/api/ps")).json()["models"] if row["name"] == laid.name]
                found = estimate(shape, "ollama", context=context)
                assert as_ollama_adds_up(found, shape, context) == pytest.approx(row["size"], rel=0.1)
                (pid,) = [one for one in server.runner_pids() if _holds(one, row["name"], server.models_dir)]
                measured = process_memory(pid)
                assert measured is not None
                # Before the first long prompt a part of the buffers was never touched.
                assert 0.97 * found.low_bytes < measured < found.high_bytes


def _told_by_ollama(shape: ModelShape, of_file: ModelShape) -> ModelShape:
    """Return the shape of the file as Ollama tells it: from another source, and else the same."""
    return replace(of_file, source=shape.source, notes=shape.notes)


def _holds(pid: int, name: str, models_dir: Path) -> bool:
    """Return whether a runner holds the model of a name, by the blob that its manifest names."""
    model, _, tag = name.partition(":")
    manifest = models_dir / "manifests/registry.ollama.ai/library" / model / tag
    digest = json.loads(manifest.read_text())["layers"][0]["digest"].replace(":", "-")
    return digest in Path(f"/proc/{pid}/cmdline").read_text()
