"""Where the shapes of models come from: files, folders, runtimes; and what is asked of a hub or a registry."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.models.fit.support import EIGHT_BILLION, GIB
from tests.core.support import settings_for
from tests.hub import Hub, Repository
from tests.ollama import says
from tests.servers import Exchange, Script, head, serving
from tests.sparse_models import SparseModel, granite_hybrid, llama, write_sparse
from venom_tui.core.clients.beginning import Beginning
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import (
    BadAnswer,
    CutStream,
    ModelNotFound,
    Offline,
    RuntimeRefused,
    StoreError,
    VenomError,
)
from venom_tui.core.models.fit.remote import RemoteShapes
from venom_tui.core.models.fit.shapes import Shapes
from venom_tui.core.models.headers import Headers
from venom_tui.core.models.outside import Outside
from venom_tui.core.resources.estimate.from_config import shape_from_config
from venom_tui.core.resources.estimate.from_show import shape_from_show
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo

CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "intermediate_size": 14_336, "vocab_size": 128_256, "max_position_embeddings": 131_072,
    "torch_dtype": "bfloat16",
}  # fmt: skip


class Runtimes:
    """Stands for the controller: knows what a test says."""

    def __init__(self, *runtimes: OllamaRuntime, loaded: tuple[LoadedModel, ...] = ()) -> None:
        self._runtimes = {runtime.id: runtime for runtime in runtimes}
        self._loaded = loaded

    def find(self, runtime_id: str) -> OllamaRuntime | None:
        return self._runtimes.get(runtime_id)

    def loaded(self) -> tuple[LoadedModel, ...]:
        return self._loaded


def shapes(folder: Path, *runtimes: OllamaRuntime, loaded: tuple[LoadedModel, ...] = ()) -> Shapes:
    return Shapes(Runtimes(*runtimes, loaded=loaded), folder / "hub", Headers())  # type: ignore[arg-type]


def file(path: Path, **facts: object) -> ModelInfo:
    return ModelInfo(path.stem, "embedded", "local", path=str(path), **facts)  # type: ignore[arg-type]


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


def safetensors(*tensors: tuple[str, str, list[int]]) -> bytes:
    sizes = {"BF16": 2, "F8_E4M3": 1}
    listed: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, dtype, shape in tensors:
        size = sizes[dtype]
        for number in shape:
            size *= number
        listed[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(listed).encode()
    return struct.pack("<Q", len(text)) + text


# ---------------------------------------------------------------------- files and folders


async def test_a_file(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "a.gguf", llama(layers=2, kind="Q4_0"))
    found = await shapes(tmp_path).of(file(path))
    assert isinstance(found, ModelShape)
    assert (len(found.layers), found.source, found.vocabulary) == (2, "header of the file", 49_152)
    assert found.weights_bytes < path.stat().st_size


async def test_a_model_in_several_files(tmp_path: Path) -> None:
    model = llama(layers=4)
    half = len(model.tensors) // 2
    for number, tensors in ((1, model.tensors[:half]), (2, model.tensors[half:])):
        write_sparse(tmp_path / f"m-{number:05}-of-00002.gguf", SparseModel("llama", model.values, tensors))
    whole = await shapes(tmp_path).of(file(write_sparse(tmp_path / "whole.gguf", model)))
    parts = await shapes(tmp_path).of(file(tmp_path / "m-00001-of-00002.gguf"))
    assert isinstance(whole, ModelShape) and isinstance(parts, ModelShape)
    assert (parts.weights_bytes, parts.embedding_bytes, parts.tied) == (
        whole.weights_bytes, whole.embedding_bytes, whole.tied,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "why"), [(b"GGUF", "it ends in the middle"), (b"nonsense", "no GGUF file"), (None, "is not known here")]
)
async def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    found = await shapes(tmp_path).of(file(path))
    assert isinstance(found, str) and why in found


async def test_files_in_the_home_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, threads, stat = tmp_path / "home" / "x.gguf", [], os.stat

    def looks(path: object, *arguments: object, **keywords: object) -> object:
        if str(path).startswith(str(closed)):
            threads.append(threading.current_thread())
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *arguments, **keywords)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(os, "stat", looks)
    assert await shapes(tmp_path).of(file(closed)) == "its files cannot be read: Permission denied"
    held = LoadedModel("llama", "vllm", kind="vllm", weights=str(closed))
    by_server = await shapes(tmp_path, loaded=(held,)).of(ModelInfo("llama", "vllm", "vllm"))
    assert by_server == "its files cannot be read: Permission denied"
    assert threads and threading.main_thread() not in threads


async def test_what_is_known_to_be_unusable_or_elsewhere(tmp_path: Path) -> None:
    broken = await shapes(tmp_path).of(file(tmp_path / "x.gguf", error="part 2 of 3 is missing"))
    assert broken == "the model cannot be used: part 2 of 3 is missing"
    cloud = await shapes(tmp_path).of(ModelInfo("gpt-oss:120b-cloud", "ollama", "ollama", remote_host="ollama.com"))
    assert cloud == "it runs at ollama.com and takes nothing here"


async def test_weights_of_hugging_face(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub/models--meta--llama/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    embedding = ("model.embed_tokens.weight", "BF16", [128_256, 4096])
    (snapshot / "model-1.safetensors").write_bytes(safetensors(embedding))
    (snapshot / "model-2.safetensors").write_bytes(
        safetensors(("model.layers.0.mlp.up_proj.weight", "F8_E4M3", [4096, 4096]))
    )
    by_folder = await shapes(tmp_path).of(file(snapshot))
    # A vLLM names what it was loaded from: a folder, or a repository.
    held = LoadedModel("llama", "vllm", kind="vllm", weights="meta/llama")
    by_name = await shapes(tmp_path, loaded=(held,)).of(ModelInfo("llama", "vllm", "vllm"))
    for found in (by_folder, by_name):
        assert isinstance(found, ModelShape)
        assert found.weights_bytes == 128_256 * 4096 * 2 + 4096 * 4096
        assert (found.embedding_bytes, found.heads, len(found.layers)) == (128_256 * 4096 * 2, 32, 32)
    (snapshot / "model-2.safetensors").write_bytes(b"\xff" * 64)
    broken = await shapes(tmp_path).of(file(snapshot))
    assert isinstance(broken, str) and "model-2.safetensors is broken" in broken
    (snapshot / "config.json").write_text("[]")
    assert await shapes(tmp_path).of(file(snapshot)) == "it has no config.json that can be read"


CONFIGS: list[tuple[str, dict[str, Any], int, int]] = [
    ("grouped", {}, 8192 * 128 * 1024, 0),
    ("all heads", {"num_key_value_heads": None}, 8192 * 512 * 1024, 0),
    ("one head", {"num_key_value_heads": None, "multi_query": True}, 8192 * 16 * 1024, 0),
    ("latent", {"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 8192 * 32 * 576 * 2, 0),
    (
        "windows",
        {"sliding_window": 1024, "layer_types": ["sliding_attention", "full_attention"] * 16},
        8192 * 128 * 1024,
        1024,
    ),
    ("window switched off", {"sliding_window": 4096, "use_sliding_window": False}, 8192 * 128 * 1024, 0),
    ("recurrent", {"layer_types": ["linear_attention"] * 24 + ["full_attention"] * 8}, 8192 * 32 * 1024, 0),
    ("every fourth", {"full_attention_interval": 4}, 8192 * 32 * 1024, 0),
    ("nested", {"hidden_size": 1, "text_config": {"hidden_size": 4096}}, 8192 * 128 * 1024, 0),
    ("single precision", {"torch_dtype": "float32"}, 8192 * 256 * 1024, 0),
]


@pytest.mark.parametrize(("changes", "cache", "window"), [row[1:] for row in CONFIGS], ids=[row[0] for row in CONFIGS])
def test_the_forms_of_a_config(changes: dict[str, Any], cache: int, window: int) -> None:
    from venom_tui.core.resources.estimate.cache import vllm_cache_bytes

    found = shape_from_config({**CONFIG, **changes}, 16 * GIB, "config.json")
    assert found is not None
    assert vllm_cache_bytes(found, 8192, "auto", 1, windows=False) == cache
    assert found.window == window


@pytest.mark.parametrize(
    "changes",
    [{"num_hidden_layers": 0}, {"num_hidden_layers": 10**9}, {"hidden_size": "large"}, {"num_attention_heads": -1}],
)
def test_configs_that_make_no_sense(changes: dict[str, Any]) -> None:
    assert shape_from_config({**CONFIG, **changes}, 16 * GIB, "config.json") is None
    assert shape_from_config(CONFIG, 0, "config.json") is None


# ---------------------------------------------------------------------- Ollama


def show(model: SparseModel, **changes: object) -> dict[str, object]:
    tensors = [{"name": name, "type": kind, "shape": list(shape)} for name, shape, kind in model.tensors]
    return {"model_info": model.header, "tensors": tensors, **changes}


def test_what_ollama_tells() -> None:
    found = shape_from_show(show(llama(kind="Q4_0")), None)
    assert found is not None
    assert (found.weights_bytes, found.layers) == (EIGHT_BILLION.weights_bytes, EIGHT_BILLION.layers)
    # A projector is loaded beside the model.
    see = shape_from_show(show(llama(kind="Q4_0"), projector_info={"x": 1}), EIGHT_BILLION.weights_bytes + GIB)
    assert see is not None and see.extra_bytes == GIB
    # Older servers tell no tensors: the size on disk counts then.
    old = shape_from_show(show(llama(kind="Q4_0"), tensors=None), 5 * GIB)
    assert old is not None and (old.weights_bytes, old.source) == (5 * GIB, "what Ollama tells, and the size on disk")
    assert shape_from_show(show(llama(), tensors=None), None) is None


@pytest.mark.parametrize(
    "answer", [{}, {"model_info": []}, {"model_info": {}}, {"model_info": {"general.architecture": 7}, "tensors": "x"},
               show(llama(layers=1), tensors=[{"name": 1}, {"name": "a", "type": "F16", "shape": ["x"]}, 5])]
)  # fmt: skip
def test_answers_of_another_form(answer: dict[str, object]) -> None:
    assert shape_from_show(answer, None) is None


async def test_ollama_is_asked_once_and_for_what_it_left_out(tmp_path: Path, pool: HttpPool) -> None:
    whole = show(granite_hybrid())
    info = dict(granite_hybrid().header) | {"granitehybrid.attention.head_count_kv": None}
    asked: list[Any] = []

    async def script(exchange: Exchange) -> None:
        asked.append(exchange.json)
        await says(whole if exchange.json.get("verbose") else {**whole, "model_info": info})(exchange)

    async with serving(script) as server:
        runtime = OllamaRuntime("ollama", server.url, pool, origin="test")
        made = shapes(tmp_path, runtime)
        model = ModelInfo("granite4:tiny", "ollama", "ollama", digest="sha256:a")
        assert made.known(model) is None
        found = await made.of(model)
        assert isinstance(found, ModelShape)
        assert sum(1 for layer in found.layers if layer.key_elements) == 2
        assert await made.of(model) is found is made.known(model)
        assert [one.get("verbose", False) for one in asked] == [False, True]
    gone = await made.of(ModelInfo("other", "ollama", "ollama"))
    assert isinstance(gone, str) and "cannot be reached" in gone


# ---------------------------------------------------------------------- what is not here


def remote(folder: Path, pool: HttpPool, **values: object) -> RemoteShapes:
    settings = settings_for(folder, **values)
    outside = Outside(settings, pool, _NoStore())  # type: ignore[arg-type]
    return RemoteShapes(settings, pool, outside.repository)


class _NoStore:
    """A catalog that keeps nothing."""

    async def answer(self, *_: object) -> None:
        return None

    async def save_answer(self, *_: object) -> None:
        raise StoreError("There is no store.")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_sparse(
        tmp_path / "model-Q4_K_M.gguf", llama(layers=3, wide=256, inner=512, heads=4, kv_heads=2, head=64)
    )


@pytest.fixture
def hub(gguf: Path) -> Iterator[Hub]:
    weights = safetensors(("model.embed_tokens.weight", "BF16", [128_256, 4096])) + bytes(1000)
    config = json.dumps(CONFIG).encode()
    with Hub(
        Repository("org/deep-GGUF", {"model-Q4_K_M.gguf": gguf, "model-Q8_0.gguf": gguf, "mmproj-F16.gguf": b"x"}),
        Repository("org/llama", {"config.json": config, "model.safetensors": weights, "README.md": b"hello"}),
        Repository("org/empty", {"README.md": b"hello"}),
    ) as made:
        yield made


async def test_the_header_of_a_file_at_a_hub_and_nothing_else(
    tmp_path: Path, pool: HttpPool, hub: Hub, gguf: Path
) -> None:
    found = await remote(tmp_path, pool, HF_ENDPOINT=hub.url).find("org/deep-GGUF", "huggingface")
    assert (found.name, found.kind, found.size_bytes) == ("org/deep-GGUF:Q4_K_M", "embedded", gguf.stat().st_size)
    assert [layer.key_elements for layer in found.shape.layers] == [128] * 3
    assert found.shape.source.startswith("header of the file at")
    fetched = hub.fetched("model-Q4_K_M.gguf")
    assert 0 < fetched <= 1024 * 1024 < gguf.stat().st_size
    again = await remote(tmp_path, pool, HF_ENDPOINT=hub.url).find("hf.co/org/deep-GGUF:q8_0", "huggingface")
    assert again.name == "org/deep-GGUF:q8_0"


async def test_weights_at_a_hub_by_their_config_and_sizes(tmp_path: Path, pool: HttpPool, hub: Hub) -> None:
    found = await remote(tmp_path, pool, HF_ENDPOINT=hub.url).find("org/llama", "huggingface")
    assert (found.kind, found.name) == ("vllm", "org/llama")
    assert hub.fetched("model.safetensors") == 0
    assert found.shape.weights_bytes == found.size_bytes > 1000


async def test_a_hub_that_knows_no_ranges(tmp_path: Path, pool: HttpPool, hub: Hub) -> None:
    hub.faults.ranges = False
    found = await remote(tmp_path, pool, HF_ENDPOINT=hub.url).find("org/deep-GGUF", "huggingface")
    assert len(found.shape.layers) == 3


@pytest.mark.parametrize(
    ("name", "error"),
    [("org/empty", ModelNotFound), ("org/deep-GGUF:Q2_K", ModelNotFound), ("org/nothing", VenomError)],
)
async def test_what_a_hub_has_not(tmp_path: Path, pool: HttpPool, hub: Hub, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await remote(tmp_path, pool, HF_ENDPOINT=hub.url).find(name, "huggingface")


async def test_offline_nobody_is_asked(tmp_path: Path, pool: HttpPool, hub: Hub) -> None:
    with pytest.raises(Offline):
        await remote(tmp_path, pool, HF_ENDPOINT=hub.url, VENOM_OFFLINE="1").find("org/llama", "huggingface")
    assert hub.asked == []


def registry(gguf: Path, *, location: str = "") -> Script:
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    layers = [
        {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": gguf.stat().st_size},
        {"mediaType": "application/vnd.ollama.image.projector", "digest": "sha256:" + "0" * 64, "size": GIB},
    ]
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "sha256:" + "1" * 64, "size": 5}
    manifest = {"schemaVersion": 2, "layers": layers, "config": config}

    async def script(exchange: Exchange) -> None:
        if "/manifests/" in exchange.target:
            await says(manifest)(exchange)
        elif location and not exchange.target.endswith("?cdn"):
            await exchange.write(head("307 Temporary Redirect", "text/plain", location=location))
        else:
            await ranged(gguf)(exchange)

    return script


def ranged(path: Path) -> Script:
    async def script(exchange: Exchange) -> None:
        begin, end = (int(part) for part in exchange.headers["range"].removeprefix("bytes=").split("-"))
        with path.open("rb") as opened:
            opened.seek(begin)
            data = opened.read(end + 1 - begin)
        size = path.stat().st_size
        told = {"content-range": f"bytes {begin}-{begin + len(data) - 1}/{size}", "content-length": str(len(data))}
        text = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        await exchange.write(f"HTTP/1.1 206 Partial Content\r\n{text}\r\n".encode() + data)

    return script


async def test_the_header_of_a_blob_at_a_registry(tmp_path: Path, pool: HttpPool, gguf: Path) -> None:
    async with serving(registry(gguf)) as server:
        name = f"127.0.0.1:{server.port}/library/deep:lite"
        found = await remote(tmp_path, pool).find(name, "ollama")
        assert (found.kind, found.shape.extra_bytes) == ("ollama", GIB)
        assert found.size_bytes == gguf.stat().st_size + GIB + 5
        assert len(found.shape.layers) == 3


async def test_redirects_are_followed_and_no_key_goes_along(tmp_path: Path, pool: HttpPool, gguf: Path) -> None:
    async with serving(ranged(gguf)) as elsewhere, serving() as first:
        first.scripts = [_redirects(f"{elsewhere.url}/blob")]
        file_there = Beginning(pool, f"{first.url}/file", who="The hub", api_key="hf_secret")
        assert (await file_there.read(4)) == b"GGUF"
        assert file_there.size == gguf.stat().st_size
        assert first.asked[0].headers["authorization"] == "Bearer hf_secret"
        assert "authorization" not in elsewhere.asked[0].headers


def _redirects(location: str) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.write(f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode())

    return script


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (_redirects("file:///etc/passwd"), BadAnswer),
        (_redirects("/again"), BadAnswer),
        (says({"error": "no"}, "403 Forbidden"), RuntimeRefused),
        (says({}, "404 Not Found"), VenomError),
    ],
)
async def test_servers_that_do_not_give_it(pool: HttpPool, script: Script, error: type[Exception]) -> None:
    async with serving(script) as server:
        with pytest.raises(error):
            await Beginning(pool, f"{server.url}/file", who="The hub").read(100)


async def test_another_part_than_was_asked_for(pool: HttpPool) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(
            b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 5-9/10\r\ncontent-length: 5\r\n\r\nabcde"
        )

    async with serving(script) as server:
        with pytest.raises(BadAnswer, match="another part"):
            await Beginning(pool, f"{server.url}/file", who="The hub").read(100)


async def test_a_connection_that_breaks(pool: HttpPool) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(
            b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-9/10\r\ncontent-length: 10\r\n\r\nabc"
        )
        await asyncio.sleep(0.05)
        exchange.reset()

    async with serving(script) as server:
        with pytest.raises(CutStream):
            await Beginning(pool, f"{server.url}/file", who="The hub").read(10)
