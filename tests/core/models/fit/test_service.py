"""The service in a core: names, badges that fill behind, better models, and what is learned of real loads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.models.fit.support import GIB, gpu, held, machine
from tests.core.support import LIMIT_S, next_of, open_core
from tests.hub import Hub, Repository
from tests.ollama import FakeOllama
from tests.servers import Exchange, head, serving
from tests.sparse_models import llama, write_sparse
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelNotFound, Offline, UsageError
from venom_tui.core.events import FitsChanged, GuardSampled, RuntimeChanged
from venom_tui.core.models.fit.better import known_candidates
from venom_tui.core.models.fit.known import KNOWN
from venom_tui.core.resources.estimate.verdict import Room
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.fit import FitBadge, Verdict


def on(core: Core, patch: pytest.MonkeyPatch, snapshot: GuardSnapshot) -> None:
    """Let the machine be another one."""

    async def look() -> GuardSnapshot:
        return snapshot

    patch.setattr(core.guard, "latest", lambda: snapshot)
    patch.setattr(core.guard, "snapshot", look)


def put(folder: Path, *names: str) -> None:
    (folder / "data/models").mkdir(parents=True, exist_ok=True)
    for name in names:
        write_sparse(folder / f"data/models/{name}.gguf", llama(layers=4, kind="Q4_0"))


async def test_a_report_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "tiny")
    async with open_core(tmp_path, VENOM_CONTEXT=4096) as core:
        on(core, monkeypatch, machine(ram=20))
        found = await core.fits.report("tiny")
        assert (found.runtime, found.verdict, found.context_length) == ("embedded", Verdict.FITS, 4096)
        assert found.kv_bytes == 4096 * 4 * 8 * 256 * 2
        more = await core.fits.report("TINY.gguf", context=8192, kv_type="Q8_0", parallel=2)
        assert more.kv_bytes == 2 * 8192 * 4 * 8 * 256 * 34 // 32
        assert (more.question.kv_type, more.question.parallel) == ("q8_0", 2)


@pytest.mark.parametrize(
    "wrong", [{"context": 0}, {"context": 10**9}, {"kv_type": "q9"}, {"kv_type": "fp8"}, {"parallel": 0}]
)
async def test_numbers_that_are_not_legal(tmp_path: Path, wrong: dict[str, object]) -> None:
    put(tmp_path, "tiny")
    async with open_core(tmp_path) as core:
        with pytest.raises(UsageError):
            await core.fits.report("tiny", **wrong)  # type: ignore[arg-type]


async def test_a_model_that_is_not_here_is_looked_for_outside(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "x-Q4_K_M.gguf", llama(layers=2, wide=256, inner=512, heads=4, kv_heads=2, head=64))
    with Hub(Repository("org/x-GGUF", {path.name: path})) as hub:
        async with open_core(tmp_path, HF_ENDPOINT=hub.url) as core:
            found = await core.fits.report("org/x-GGUF", context=4096)
            assert (found.name, found.runtime, found.context_length) == ("org/x-GGUF:Q4_K_M", "", 4096)
            assert found.verdict is Verdict.FITS
            assert "header of the file at" in found.source
            with pytest.raises(ModelNotFound):
                await core.fits.report("org/x-GGUF", "embedded")
    async with open_core(tmp_path, VENOM_OFFLINE="1") as core:
        with pytest.raises(Offline):
            await core.fits.report("org/x-GGUF")


async def test_badges_fill_behind_and_follow_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "one", "two", "three", "four", "five")
    (tmp_path / "data/models/broken.gguf").write_bytes(b"GGUF")
    async with open_core(tmp_path) as core:
        on(core, monkeypatch, machine(ram=20))
        models = [model for model in await core.models.list() if not model.demonstration]
        with core.events.subscribe() as events:
            assert await core.fits.badges(models) == {}, "a list is shown at once"
            async with asyncio.timeout(LIMIT_S):
                while len(found := await core.fits.badges(models)) < 6:
                    await next_of(events, FitsChanged)
        assert found["embedded", "one"].verdict is Verdict.FITS
        assert found["embedded", "broken"] == FitBadge(Verdict.UNKNOWN)
        on(core, monkeypatch, machine(ram=0.3))
        assert (await core.fits.badges(models))["embedded", "one"].verdict is Verdict.DOES_NOT_FIT


async def test_one_look_that_fails_is_not_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_core(tmp_path) as core:
        taken: list[GuardSnapshot] = []
        seen = asyncio.Event()

        async def take(snapshot: GuardSnapshot) -> None:
            taken.append(snapshot)
            seen.set()
            if len(taken) == 1:
                raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(core.fits._ledger, "take", take)
        for number in (1, 2):
            seen.clear()
            core.events.emit(GuardSampled(machine(ram=20)))
            async with asyncio.timeout(LIMIT_S):
                await seen.wait()
            assert len(taken) >= number


async def test_better_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "mine")
    async with open_core(tmp_path) as core:
        on(core, monkeypatch, machine(ram=5))
        first, *others = await core.fits.better(await core.models.list())
        assert (first.name, first.installed) == ("mine", True)
        assert others and all(one.verdict is Verdict.FITS and not one.installed for one in others)
        assert all(one.size_bytes < 5 * GIB and one.as_of and one.provider == "huggingface" for one in others)


async def test_better_models_leave_free_what_is_kept_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot() -> GuardSnapshot:
        return machine(gpu(total=24, free=4), loaded=(held("mine:latest", gpus={0: 18}),), at=datetime.now(UTC))

    async with serving(FakeOllama(models={})) as server:
        where = {"OLLAMA_HOST": server.url}
        async with open_core(tmp_path, **where) as core:
            on(core, monkeypatch, snapshot())
            await core.runtimes.settled(10)
            found = {one.name: one for one in await core.fits.better([])}
            assert found["gemma3:4b"].verdict is Verdict.FITS
            assert found["qwen3:32b"].evicts == ("mine:latest",)
        kept = {"VENOM_KEEP_FREE_VRAM": "2GiB", "VENOM_POLICY_VRAM": "refuse", "VENOM_NEVER_EVICT": "mine"}
        async with open_core(tmp_path, **where, **kept) as core:
            on(core, monkeypatch, snapshot())
            await core.runtimes.settled(10)
            left = await core.fits.better([])
            assert left and all(one.likely_bytes <= 2 * GIB and not one.evicts for one in left)


async def test_offered_models_leave_free_what_is_kept_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sparse(tmp_path / "x-Q8_0.gguf", llama(layers=2, kind="Q8_0"))
    facts = {"tags": ["gguf"], "pipeline_tag": "text-generation", "gguf": {"total": 1_000_000_000}}
    with Hub(Repository("org/x-GGUF", {path.name: path}, facts=facts)) as hub:
        where = {"HF_ENDPOINT": hub.url, "VENOM_OLLAMA_LIBRARY": hub.url}
        async with open_core(tmp_path, **where) as core:
            on(core, monkeypatch, machine(ram=3))
            found, _ = await core.fits.offered()
            assert [one.verdict for one in found] == [Verdict.FITS]
        async with open_core(tmp_path, **where, VENOM_KEEP_FREE_RAM="2440MiB", VENOM_POLICY_RAM="ask") as core:
            on(core, monkeypatch, machine(ram=3))
            assert (await core.fits.offered())[0] == []


async def test_what_a_load_took_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.core.models.fit.ledger.SETTLED_S", 0.5)
    async with open_core(tmp_path) as core:
        await core.models.activate("smollm2-135m")
        core.guard.watch(True)
        async with asyncio.timeout(LIMIT_S):
            while not core.fits.records():  # noqa: ASYNC110 (nothing tells that one came)
                await asyncio.sleep(0.1)
        (record,) = core.fits.records()
        assert (record.model, record.place, record.context_length) == ("smollm2-135m", "cpu", 8192)
        assert abs(record.error_percent) < 15
        (quality,) = core.fits.qualities()
        assert quality.architecture == "llama"
        report = await core.fits.report("smollm2-135m")
        assert report.loaded and report.quality == quality
    async with open_core(tmp_path) as core:
        assert core.fits.records() == (record,)


# ---------------------------------------------------------------------- well-known models


def test_the_table_of_known_models_makes_sense() -> None:
    assert [model.parameters for model in KNOWN] == sorted(model.parameters for model in KNOWN) or len(KNOWN) > 10
    for model in KNOWN:
        shape = model.shape
        assert 0.4 < model.size_bytes / (model.parameters * 1e9) < 1.2, model.ollama
        assert len(shape.layers) == model.layers and shape.context_length
        assert model.works_with <= model.parameters
        assert model.hub.count("/") == 1
    by_name = {model.ollama: model.shape for model in KNOWN}
    assert sum(layer.key_elements * 4 for layer in by_name["llama3.1:8b"].layers) == 128 * 1024
    assert sum(layer.key_elements * 4 for layer in by_name["llama3.3:70b"].layers) == 320 * 1024
    assert by_name["gemma3:4b"].window == 1024 and by_name["gpt-oss:20b"].window == 128


def test_candidates_are_for_this_machine() -> None:
    def names(room: Room, **more: object) -> list[str]:
        given: dict[str, object] = {"kind": "ollama", "place": "gpu", "ollama": True, "names": []}
        return [one.name for one in known_candidates(room, **(given | more))]  # type: ignore[arg-type]

    from venom_tui.core.models.fit.room import room_of

    large, _ = room_of(machine(gpu(total=80, free=78)), None, place="gpu")
    assert names(large)[0] == "gpt-oss:120b"
    small, _ = room_of(machine(gpu(total=8, free=7)), None, place="gpu")
    assert "qwen3:8b" in names(small) and "qwen3:32b" not in names(small)
    assert "qwen3:8b" not in names(small, names=["qwen3:8b"]), "it is here already"
    full = machine(gpu(total=24, free=1), loaded=(held("big", gpus={0: 20}),), at=datetime.now(UTC))
    evicting, _ = room_of(full, None, place="gpu")
    found = known_candidates(evicting, kind="ollama", place="gpu", ollama=True, names=[])
    assert found[0].verdict is Verdict.FITS_AFTER_EVICTION and found[0].evicts == ("big",)
    on_cpu = names(Room(ram_bytes=60 * GIB), kind="embedded", place="cpu", ollama=False, cpus=4)
    assert on_cpu and not any("70B" in name or "8B" in name for name in on_cpu), "a CPU is too slow for these"
    assert names(Room(ram_bytes=60 * GIB), place="cpu", cpus=64)


async def test_what_a_silent_server_could_not_tell_is_asked_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, down = FakeOllama(models={"one:latest": {}}), True

    async def script(exchange: Exchange) -> None:
        if down and exchange.target == "POST /api/show":
            await exchange.write(head("500 Oh", "text/plain") + b"down")
        else:
            await fake(exchange)

    async with serving(script) as server, open_core(tmp_path, OLLAMA_HOST=server.url) as core:
        on(core, monkeypatch, machine(ram=20))
        await core.runtimes.settled(10)
        models = [one for one in await core.models.list() if one.runtime == "ollama"]
        with core.events.subscribe() as events:
            assert await core.fits.badges(models) == {}
            await next_of(events, FitsChanged)
            unknown = {("ollama", "one:latest"): FitBadge(Verdict.UNKNOWN)}
            assert await core.fits.badges(models) == unknown
            down = False
            assert await core.fits.badges(models) == unknown, "nobody says that it is back"
            (status,) = [one for one in await core.runtimes.statuses() if one.id == "ollama"]
            core.events.emit(RuntimeChanged(status))
            await next_of(events, FitsChanged)
            assert (await core.fits.badges(models))["ollama", "one:latest"].verdict is Verdict.FITS
