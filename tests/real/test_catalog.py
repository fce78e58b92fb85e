"""The catalog over a real Ollama, a Hugging Face cache and GGUF files: each fact as the tools of these say it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.real_components import GEMMA, OLLAMA
from tests.core.models.catalog import fill_cache, taken
from tests.core.support import open_core
from tests.hub import Hub, Repository
from tests.real.servers.ollama import OllamaFactory, OllamaServer
from tests.real.servers.ollama_store import OllamaModel
from tests.tools import need
from venom_tui.core.clients.ollama_command import OllamaCommand
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelInUse, RuntimeFailure, UsageError
from venom_tui.core.models import disk
from venom_tui.core.types.storage import Storage

PROGRAM = OLLAMA.path

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture
def models(demonstration_model: Path) -> list[OllamaModel]:
    """Four models with blobs of their own (no links): two share their weights."""
    weights = demonstration_model.read_bytes()
    found = [
        OllamaModel("plain:135m", weights),
        OllamaModel("twin:135m", weights, "thinking", options=(("temperature", 1), ("num_ctx", 512))),
        OllamaModel("cut:latest", weights[:3_000_000]),
    ]
    need("gemma3-270m")
    return [*found, OllamaModel("second:270m", GEMMA.path.read_bytes(), "tools", "gemma3", "268.10M", "Q4_K_M")]


@asynccontextmanager
async def catalog(server: OllamaServer, folder: Path, hub: Hub | None = None) -> AsyncIterator[Core]:
    """Open a core over a server."""
    places = {
        "OLLAMA_HOST": server.url,
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:1",
    }
    async with open_core(folder, **places) as core:
        assert await core.runtimes.settled(20)
        yield core


def says(server: OllamaServer, *arguments: str) -> str:
    """Return what the `ollama` command says."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(server.home), "OLLAMA_HOST": server.url}
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, env=environment, check=True)
    return done.stdout


def human(size: int) -> str:
    """Write a size as `ollama list` does."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= factor:
            value = size / factor
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{size} B"


# ---------------------------------------------------------------------- one list


async def test_one_list_over_everything_each_fact_right(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path, demonstration_model: Path
) -> None:
    weights = demonstration_model.read_bytes()
    repository = Repository(
        "org/Smol-GGUF",
        {"README.md": b"---\nlicense: apache-2.0\n---\n", "smol-Q4_1.gguf": weights, "config.json": b"{}"},
    )
    fill_cache(tmp_path / "hf" / "hub", repository)
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "here.gguf").write_bytes(weights)
    async with ollama(models) as server, catalog(server, tmp_path) as core:
        await core.registry.learn()
        found = {model.name: model for model in await core.models.list(refresh=True)}
        assert set(found) >= {"plain:135m", "twin:135m", "cut:latest", "second:270m", "org/Smol-GGUF:Q4_1", "here"}

        # `ollama list`
        rows = {line.split()[0]: line for line in said_list(server)}
        own = {name: model for name, model in found.items() if model.runtime == "ollama"}
        assert set(rows) == set(own)
        for name, model in own.items():
            assert (model.digest or "").removeprefix("sha256:").startswith(rows[name].split()[1])
            assert re.sub(r"\s+", " ", human(model.size_bytes or 0)) in re.sub(r"\s+", " ", rows[name]), rows[name]

        # `ollama show`
        for name in ("plain:135m", "twin:135m", "second:270m"):
            details = await core.registry.details(name, "ollama")
            shown = says(server, "show", name)
            assert f"architecture {details.model.architecture}" in " ".join(shown.split())
            assert f"context length {details.model.context_length}" in " ".join(shown.split())
            assert f"quantization {details.model.quantization}" in " ".join(shown.split())
            said = shown.partition("Capabilities")[2].split("\n\n")[0].split()
            assert list(details.model.capabilities or ()) == said
            for key, value in details.manifest.parameters:
                assert f"{key} {value}" in " ".join(shown.replace('"', "").split())
            assert details.manifest.template == says(server, "show", "--template", name).rstrip("\n") + "\n"
        assert dict((await core.registry.details("twin:135m")).manifest.parameters)["num_ctx"] == "512"

        # `hf cache`
        (row,) = json.loads(await asyncio.to_thread(cached, tmp_path))
        assert row["repo_id"] == "org/Smol-GGUF" and row["size"] == f"{(len(weights) + 31) / 1e6:.1f}M"

        # the same weights, wherever they are and whatever they are called
        await core.registry.work_out_digest("here")
        digest = f"sha256:{hashlib.sha256(weights).hexdigest()}"
        same = await core.registry.details("plain:135m")
        assert same.model.weights_digest == digest
        assert set(same.same_weights) == {
            ("ollama", "twin:135m"), ("embedded", "here"), ("embedded", "org/Smol-GGUF:Q4_1"),
            ("embedded", "smollm2-135m"),
        }  # fmt: skip
        layers = same.manifest.layers or ()
        assert layers[0].kind == "weights" and layers[0].digest == digest and layers[0].shared_with == ("twin:135m",)
        assert sum(layer.size_bytes or 0 for layer in layers) == same.model.size_bytes


def cached(folder: Path) -> str:
    """Return what the `hf` command says of the cache."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("hf")), "cache", "list", "--cache-dir", str(folder / "hf/hub"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"},
        check=True,
    ).stdout


def said_list(server: OllamaServer) -> list[str]:
    return says(server, "list").splitlines()[1:]


async def test_of_files_only_the_header_is_read(tmp_path: Path, demonstration_model: Path) -> None:
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"m{number}.gguf").symlink_to(demonstration_model)
    async with open_core(tmp_path) as core:

        def read() -> int:
            return int(Path("/proc/self/io").read_text().split()[1])

        before = read()
        assert len(await core.models.list()) == 6
        first = read() - before
        await core.models.list(refresh=True)
        again = read() - before - first
        size = demonstration_model.stat().st_size
        assert first < 6 * 0.03 * size, f"{first:,} bytes of six files of {size:,}"
        assert again < 100_000, "of files that did not change nothing is read"


# ---------------------------------------------------------------------- removal


async def frees(core: Core, root: Path, *names: str) -> tuple[int, int]:
    """Remove models; return what was announced, and what the folder really gave back."""
    plan = await core.registry.plan_removal([(name, "ollama") for name in names])
    before = taken(root)
    results = await core.registry.remove(plan)
    assert [one.error for one in results] == [""] * len(names)
    assert plan.frees_bytes is not None
    return plan.frees_bytes, before - taken(root)


async def test_removal_frees_what_it_announced_and_spares_what_others_need(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path
) -> None:
    async with ollama(models) as server, catalog(server, tmp_path) as core:
        await core.models.activate("smollm2-135m")
        plan = await core.registry.plan_removal([("plain:135m", None)])
        assert plan.items[0].shared_with == ("twin:135m",) and (plan.frees_bytes or 0) < 100_000
        announced, really = await frees(core, server.models_dir, "plain:135m")
        assert abs(announced - really) <= max(0.01 * announced, 8192)
        async with server.client() as http:
            answer = await http.post(
                "/api/generate",
                json={"model": "twin:135m", "prompt": "Say x", "stream": False, "options": {"num_predict": 2}},
            )
            assert answer.status_code == 200, "its weights are still there"
        announced, really = await frees(core, server.models_dir, "twin:135m", "cut:latest")
        assert announced > 98_000_000 and abs(announced - really) <= 0.01 * announced
        announced, really = await frees(core, server.models_dir, "second:270m")
        assert announced > 200_000_000 and abs(announced - really) <= 0.01 * announced
        assert says(server, "list").splitlines()[1:] == [] and not list((server.models_dir / "blobs").iterdir())


async def test_a_loaded_model_leaves_the_memory_before_it_goes(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path
) -> None:
    async with ollama(models) as server, catalog(server, tmp_path) as core, server.client() as http:
        await core.models.activate("smollm2-135m")
        await http.post("/api/generate", json={"model": "second:270m", "keep_alive": -1})
        assert server.runner_pids()
        await core.models.list(refresh=True)
        plan = await core.registry.plan_removal([("second:270m", None)])
        assert plan.items[0].loaded
        assert [one.error for one in await core.registry.remove(plan)] == [""]
        assert (await http.get("/api/ps")).json()["models"] == [] and not server.runner_pids()
        kinds = [(one.kind, one.target) for one in await core.operations.list(4)]
        assert ("remove", "second:270m") in kinds and ("unload", "second:270m") in kinds


async def test_the_active_model_stays(ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path) -> None:
    async with ollama(models) as server, catalog(server, tmp_path) as core:
        await core.models.activate("plain:135m")
        with pytest.raises(ModelInUse):
            await core.registry.plan_removal([("plain:135m", None)])
        assert "plain:135m" in says(server, "list")


async def test_copies_under_names_of_the_field(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path
) -> None:
    async with ollama(models) as server, catalog(server, tmp_path) as core:
        await core.models.activate("smollm2-135m")
        for name in ("mine/Smol.2:V1", "Upper", "hf.co/Org/Repo-GGUF:Q4_K_M", "reg.example:5000/ns/m:t"):
            copied = await core.registry.copy("plain:135m", name)
            assert copied.digest == (await core.models.find("plain:135m")).digest
            assert copied.name in says(server, "list")
            with pytest.raises(UsageError, match="There is a model"):
                await core.registry.copy("plain:135m", name.lower() if "Org" not in name else name)
            plan = await core.registry.plan_removal([(copied.name, "ollama")])
            assert (plan.frees_bytes or 0) == 0 and "plain:135m" in plan.items[0].shared_with
            assert [one.error for one in await core.registry.remove(plan)] == [""]
            assert copied.name not in says(server, "list")


async def test_the_command_does_what_http_does(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ollama(models) as server:
        monkeypatch.setenv("PATH", f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(server.home))
        command = OllamaCommand(server.url)
        await command.copy("plain:135m", "mine/copied:v1")
        assert "mine/copied:v1" in says(server, "list")
        await command.delete("mine/copied:v1")
        assert "mine/copied:v1" not in says(server, "list")
        for name in ("--help", "-v", "none:at-all"):
            with pytest.raises(RuntimeFailure, match="`ollama rm` failed") as caught:
                await command.delete(name)
            assert caught.value.server_message


# ---------------------------------------------------------------------- disks


async def test_what_a_real_folder_holds_and_what_can_be_cleaned(
    ollama: OllamaFactory, models: list[OllamaModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ollama(models) as server, catalog(server, tmp_path) as core:
        blobs = server.models_dir / "blobs"
        unused = blobs / f"sha256-{'ab' * 32}"
        unused.write_bytes(b"x" * 500_000)
        partial = blobs / f"sha256-{'cd' * 32}-partial"
        with partial.open("wb") as file:
            file.truncate(5_000_000_000)
            file.write(b"y" * 70_000)

        async def storage() -> Storage:
            return next(one for one in await core.registry.storage() if one.id == "ollama")

        held = await storage()
        assert held.size_bytes == taken(server.models_dir) and held.models == 4
        assert 98_000_000 < (held.shared_bytes or 0) < 99_000_000
        assert {one.kind: one.cleanable for one in held.orphans} == {"unused blob": False, "partial download": False}
        monkeypatch.setattr(disk, "GRACE_S", 0.0)
        await asyncio.sleep(0.05)
        held = await storage()
        assert held.cleanable_bytes < 700_000 and held.orphans[1].length_bytes == 5_000_000_000
        before = taken(server.models_dir)
        freed, left = await core.registry.clean("ollama", held.orphans)
        assert left == [] and freed == held.cleanable_bytes == before - taken(server.models_dir)
        assert {line.split()[0] for line in said_list(server)} == {model.name for model in models}
        begun = time.monotonic()
        await core.runtimes.prepare(await core.models.find("second:270m"))
        assert time.monotonic() - begun < 60, "what models need is all there"
