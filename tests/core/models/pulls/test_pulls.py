"""Pulls by name through the core: who is asked, what is told before, what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.core.downloads.recorded import TOTAL, replays
from tests.core.models.pulls.support import core_with, ollama, registry
from tests.hub import Hub, Repository
from tests.servers import hangs
from venom_tui.core.errors import (
    ModelNotFound,
    NoSpace,
    Offline,
    ReadOnly,
    RuntimeRefused,
    RuntimeUnavailable,
    UsageError,
    VenomError,
)
from venom_tui.core.types.operation import OperationState

S = OperationState


@pytest.fixture
def model(demonstration_model: Path) -> Repository:
    """A repository with a real model."""
    return Repository("org/tiny", {"tiny-Q4_1.gguf": demonstration_model, "README.md": b"# tiny\n"})


# ---------------------------------------------------------------------- Hugging Face


async def test_a_gguf_of_the_hub_answers_at_once(tmp_path: Path, model: Repository) -> None:
    with Hub(model) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            preview = await core.models.preview_pull("org/tiny")
            assert (preview.name, preview.provider, preview.runtime) == ("org/tiny", "huggingface", "embedded")
            assert (preview.bytes_total, preview.bytes_missing) == (98_362_432, 98_362_432)
            assert preview.folder == str(tmp_path / "hub") and preview.free_bytes and not preview.short_bytes
            operation = await core.models.pull("org/tiny", preview=preview)
            assert (operation.kind, operation.target, operation.provider) == ("pull", "org/tiny", "huggingface")
            ended = await core.operations.wait(operation.id)
            assert (ended.state, ended.error, ended.bytes_done) == (S.SUCCEEDED, "", 98_362_432)
            found = await core.models.find("org/tiny:Q4_1")
            assert (found.runtime, found.size_bytes) == ("embedded", 98_362_432)
            assert (await core.models.activate(found.name)).name == found.name
            again = await core.models.preview_pull("org/tiny")
            assert again.bytes_missing == 0 and again.files[0].present


async def test_what_cannot_fit_is_refused_before_the_first_byte(tmp_path: Path, small_disk: Path) -> None:
    big = Repository("org/big", {"big-Q4_K_M.gguf": weights(3 * MIB)})
    with Hub(big) as hub:
        async with core_with(tmp_path, hub=hub, HF_HUB_CACHE=str(small_disk)) as (core, _):
            preview = await core.models.preview_pull("org/big")
            assert preview.short_bytes > MIB
            for given in (preview, None):
                with pytest.raises(NoSpace) as raised:
                    await core.models.pull("org/big", preview=given)
                assert raised.value.missing_bytes is not None and raised.value.missing_bytes > MIB
            assert await core.operations.list() == []
        assert not hub.asked_for("/cdn/*") and not hub.asked_for("*/resolve/*")


async def test_the_same_pull_twice_is_one(tmp_path: Path) -> None:
    small = Repository("org/small", {"a-Q4_0.gguf": weights(MIB), "a-Q8_0.gguf": weights(MIB, 8)})
    with Hub(small) as hub:
        hub.faults.rate = 2 * MIB
        async with core_with(tmp_path, hub=hub) as (core, _):
            names = ("org/small:Q4_0", "hf.co/org/small", "https://huggingface.co/org/small/blob/main/a-Q4_0.gguf")
            one, two, three = [await core.models.pull(name) for name in names]
            other = await core.models.pull("org/small:Q8_0")
            assert one.id == two.id == three.id != other.id
            assert (await core.operations.get(other.id)).state is S.QUEUED, "one at a time from a provider"
            assert (await core.operations.wait(other.id)).state is S.SUCCEEDED
        assert hub.fetched("a-Q4_0.gguf") == hub.fetched("a-Q8_0.gguf") == MIB


@pytest.mark.parametrize("gated", [True, "granted"])
async def test_a_gated_repository_says_what_to_do(tmp_path: Path, gated: bool | str) -> None:
    with Hub(Repository("org/gated", {"a-Q4_0.gguf": weights(1000)}, gated=gated)) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            with pytest.raises(RuntimeRefused) as raised:
                await core.models.preview_pull("org/gated")
            assert "accepted its conditions (401)" in raised.value.message and "HF_TOKEN" in raised.value.hint
        async with core_with(tmp_path, hub=hub, HF_TOKEN=hub.token) as (core, _):
            if gated is True:
                with pytest.raises(RuntimeRefused, match=r"accepted its conditions \(403\)"):
                    await core.models.pull("org/gated")
            else:
                operation = await core.models.pull("org/gated")
                assert (await core.operations.wait(operation.id)).state is S.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "provider", "kind"),
    [
        ("", None, UsageError),
        ("../x", None, UsageError),
        ("-x", None, UsageError),
        ("a\nb", None, UsageError),
        ("org/tiny", "local", UsageError),
        ("file.gguf", None, UsageError),
        ("org/tiny", "elsewhere", UsageError),
        ("org/tiny:Q9_X", None, UsageError),
        ("org/nothing", None, RuntimeRefused),
        ("qwen3", None, RuntimeUnavailable),
        ("qwen3", "ollama", RuntimeUnavailable),
        ("https://huggingface.co/datasets/a/b", None, UsageError),
    ],
)
async def test_names_that_cannot_be_pulled(
    tmp_path: Path, model: Repository, name: str, provider: str | None, kind: type[VenomError]
) -> None:
    with Hub(model) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            with pytest.raises(kind) as raised:
                await core.models.pull(name, provider)
            assert raised.value.hint
            assert await core.operations.list() == []


async def test_offline_and_read_only(tmp_path: Path, model: Repository) -> None:
    with Hub(model) as hub:
        async with core_with(tmp_path, hub=hub, VENOM_OFFLINE="1") as (core, _):
            with pytest.raises(Offline):
                await core.models.preview_pull("org/tiny")
        async with core_with(tmp_path, hub=hub, VENOM_READ_ONLY="1") as (core, _):
            assert (await core.models.preview_pull("org/tiny")).bytes_total == 98_362_432
            with pytest.raises(ReadOnly):
                await core.models.pull("org/tiny")
        assert not hub.asked_for("/cdn/*")


# ---------------------------------------------------------------------- Ollama


async def test_a_pull_of_ollama(tmp_path: Path) -> None:
    with Hub() as hub:
        registry(hub)
        async with core_with(tmp_path, hub=hub, ollama=ollama(replays("ok"), blobs=("b",))) as (core, server):
            preview = await core.models.preview_pull("big")
            assert (preview.name, preview.provider, preview.runtime) == ("big:latest", "ollama", "ollama")
            assert (preview.source, preview.bytes_total) == ("registry.ollama.ai", 260_014_226)
            assert preview.bytes_missing == 260_000_226
            assert [(one.name, one.present) for one in preview.files] == [
                ("weights", False), ("licence", True), ("params", False), ("configuration", False),
            ]  # fmt: skip
            assert preview.folder is None and "is not known" in preview.warnings[0]
            operation = await core.models.pull("big", preview=preview)
            ended = await core.operations.wait(operation.id)
            assert (ended.state, ended.bytes_done, ended.bytes_total) == (S.SUCCEEDED, TOTAL, TOTAL)
            assert server is not None
            (asked,) = [one for one in server.asked if one.target == "POST /api/pull"]
            assert asked.json == {"model": "big:latest", "stream": True}


async def test_the_folder_of_ollama_is_read_from_a_model(tmp_path: Path, small_disk: Path) -> None:
    blobs = small_disk / "models" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{'e' * 64}").write_bytes(b"weights")
    (blobs / f"sha256-{'a' * 64}-partial").write_bytes(b"x" * 100_000)
    modelfile = f'# made by show\n# FROM x\n\nFROM {blobs}/sha256-{"e" * 64}\nTEMPLATE "FROM /tmp/x"\n'
    with Hub() as hub:
        registry(hub)
        fake = ollama(replays("ok"), modelfile=modelfile)
        async with core_with(tmp_path, hub=hub, ollama=fake) as (core, _):
            preview = await core.models.preview_pull("big")
            assert preview.folder == str(blobs)
            assert preview.free_bytes is not None and preview.free_bytes < MIB
            allocated = TOTAL - (preview.bytes_missing or 0)
            assert 100_000 <= allocated < 110_000, "what lies in a partial file need not be fetched"
            with pytest.raises(NoSpace, match="more are needed"):
                await core.models.pull("big")


@pytest.mark.parametrize("path", ["/nowhere/models/blobs/sha256-" + "e" * 64, "C:\\models\\blobs\\sha256-x", "smollm2"])
async def test_a_folder_of_another_machine_warns_and_never_refuses(tmp_path: Path, path: str) -> None:
    with Hub() as hub:
        registry(hub)
        fake = ollama(replays("already-there"), modelfile=f"FROM {path}\n")
        async with core_with(tmp_path, hub=hub, ollama=fake) as (core, _):
            preview = await core.models.preview_pull("big")
            assert (preview.folder, preview.free_bytes, preview.short_bytes) == (None, None, 0)
            operation = await core.models.pull("big", preview=preview)
            assert (await core.operations.wait(operation.id)).state is S.SUCCEEDED


async def test_what_a_registry_does_not_have(tmp_path: Path) -> None:
    with Hub() as hub:
        hub.answers("/v2/*", 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        async with core_with(tmp_path, hub=hub, ollama=ollama(replays("missing"))) as (core, _):
            with pytest.raises(ModelNotFound, match="has no model nosuch:latest"):
                await core.models.pull("nosuch")


async def test_a_registry_that_cannot_be_asked_is_a_warning(tmp_path: Path) -> None:
    with Hub() as hub:
        hub.answers("/v2/*", 500, b"oops")
        async with core_with(tmp_path, hub=hub, ollama=ollama(replays("registry-500"))) as (core, _):
            preview = await core.models.preview_pull("big")
            assert preview.bytes_total is None and "cannot be told before" in preview.warnings[0]
            operation = await core.models.pull("big", preview=preview)
            ended = await core.operations.wait(operation.id)
            assert (ended.state, ended.error_code) == (S.FAILED, "download_failed")
            assert ended.server_message == "pull model manifest: 500: oops" and ended.hint
            assert "500: oops" in ended.error
            assert any("500: oops" in line for line in await core.operations.log(ended.id))


async def test_who_is_asked_for_a_name(tmp_path: Path, model: Repository) -> None:
    with Hub(model) as hub:
        registry(hub)
        registry(hub, "org/tiny", "Q4_1")
        async with core_with(tmp_path, hub=hub, ollama=ollama(hangs)) as (core, _):
            assert (await core.models.preview_pull("org/tiny")).provider == "huggingface"
            assert (await core.models.preview_pull("big")).provider == "ollama"
            assert (await core.models.preview_pull("org/tiny", "huggingface")).provider == "huggingface"
            assert (await core.models.preview_pull("https://ollama.com/library/big")).name == "big:latest"
            with pytest.raises(UsageError):
                await core.models.preview_pull("org/tiny", runtime="embedded", provider="ollama")
        async with core_with(tmp_path / "2", hub=hub) as (core, _):
            assert (await core.models.preview_pull("hf.co/org/tiny:Q4_1")).provider == "huggingface", (
                "without an Ollama"
            )


async def test_pulls_of_one_server_take_their_turns(tmp_path: Path) -> None:
    with Hub() as hub:
        registry(hub)
        registry(hub, "library/other")
        async with core_with(tmp_path, hub=hub, ollama=ollama(replays("ok", speed=8.0))) as (core, server):
            first, second = await core.models.pull("big"), await core.models.pull("other")
            assert (await core.models.pull("big:latest")).id == first.id
            ended = await core.operations.wait(second.id)
            assert ended.state is S.SUCCEEDED and server is not None
            begun = (await core.operations.get(second.id)).started_at
            before = (await core.operations.get(first.id)).finished_at
            assert begun is not None and before is not None and begun >= before
            assert len([one for one in server.asked if one.target == "POST /api/pull"]) == 2
