"""The Hugging Face cache as models: filled by the real library, held to what `hf cache` says, and spoilt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gguf_files import write_gguf
from tests.hub import Hub, Repository
from venom_tui.core.models import headers
from venom_tui.core.models.gguf import GgufHeader, read_header
from venom_tui.core.models.hub_cache import HubCache
from venom_tui.core.models.names import check_name
from venom_tui.core.models.quantization import quantization_of
from venom_tui.core.types.model import ModelInfo

CONFIG = json.dumps({"model_type": "llama", "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}).encode()


def gguf(folder: Path, **values: object) -> bytes:
    return write_gguf(folder / "made.gguf", **values).read_bytes()


@pytest.fixture
def repositories(tmp_path: Path) -> list[Repository]:
    """A GGUF repository with two quantizations and more, one of safetensors, one without weights."""
    one, other = gguf(tmp_path / "w"), gguf(tmp_path / "w", general__file_type=7) + bytes(1000)
    return [
        Repository(
            "org/Tiny-GGUF",
            {
                "README.md": b"# tiny",
                "tiny-Q4_K_M.gguf": one,
                "tiny-Q8_0.gguf": other,
                "mmproj-tiny-f16.gguf": gguf(tmp_path / "w", general__architecture="clip"),
                "split/big-Q5_K_M-00001-of-00002.gguf": one + b"1",
                "split/big-Q5_K_M-00002-of-00002.gguf": bytes(7000),
            },
        ),
        Repository("org/Weights", {"config.json": CONFIG, "a.safetensors": bytes(3000), "b.safetensors": bytes(4000)}),
        Repository("org/Text", {"README.md": b"no model"}),
    ]


@pytest.fixture
def cache(tmp_path: Path, repositories: list[Repository]) -> Path:
    """A cache that the real library filled."""
    from huggingface_hub import snapshot_download

    folder = tmp_path / "hub"
    with Hub(*repositories) as hub:
        for one in repositories:
            snapshot_download(one.id, cache_dir=folder, endpoint=hub.url, token=False)
    return folder


def scan(folder: Path) -> dict[str, ModelInfo]:
    return {model.name: model for model in HubCache(folder).scan()}


def test_no_cache_no_models(tmp_path: Path) -> None:
    assert scan(tmp_path / "none") == {}
    (tmp_path / "models--a--b").write_text("a file")
    assert scan(tmp_path) == {}


def test_each_gguf_is_a_model_and_other_weights_are_one(cache: Path, repositories: list[Repository]) -> None:
    models = scan(cache)
    assert sorted(models) == ["org/Tiny-GGUF:Q4_K_M", "org/Tiny-GGUF:Q5_K_M", "org/Tiny-GGUF:Q8_0", "org/Weights"]
    tiny = models["org/Tiny-GGUF:Q4_K_M"]
    assert (tiny.runtime, tiny.provider, tiny.quantization, tiny.context_length) == (
        "embedded",
        "huggingface",
        "Q4_K_M",
        2048,
    )
    assert tiny.size_bytes == len(repositories[0].files["tiny-Q4_K_M.gguf"])  # type: ignore[arg-type]  # bytes
    assert tiny.weights_digest == f"sha256:{repositories[0].etag('tiny-Q4_K_M.gguf')}" == tiny.digest
    split = models["org/Tiny-GGUF:Q5_K_M"]
    assert split.size_bytes == tiny.size_bytes + 1 + 7000 and split.weights_digest is None and not split.error
    weights = models["org/Weights"]
    assert (weights.runtime, weights.size_bytes, weights.architecture) == ("", 7000 + len(CONFIG), "llama")
    assert (weights.quantization, weights.context_length) == ("BF16", 4096)
    assert weights.digest == f"git:{repositories[1].commit}"
    for name in models:
        assert check_name(name) == name


def test_it_agrees_with_what_the_hf_command_says(cache: Path, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir

    said = subprocess.run(
        [str(Path(sys.executable).with_name("hf")), "cache", "list", "--cache-dir", str(cache), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "NO_COLOR": "1"},
        check=True,
    )
    rows = {row["repo_id"]: row for row in json.loads(said.stdout)}
    sizes = {
        one.id: sum({entry.blob: entry.path.stat().st_size for entry in one.entries}.values())
        for one in HubCache(cache).repositories()
    }
    assert {name: f"{size / 1000:.1f}K" if size >= 1000 else f"{size:.1f}" for name, size in sizes.items()} == {
        name: row["size"] for name, row in rows.items()
    }
    assert sizes == {repo.repo_id: repo.size_on_disk for repo in scan_cache_dir(cache).repos}


def test_headers_are_read_and_weights_are_not(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(path: Path) -> GgufHeader:
        read.append(1)
        return read_header(path)

    monkeypatch.setattr(headers, "read_header", counted)
    one = HubCache(cache)
    first = one.scan()
    assert len(read) == 4
    assert one.scan() == first and len(read) == 4


def test_the_snapshot_of_main_is_listed_and_else_the_newest(cache: Path, tmp_path: Path) -> None:
    folder = cache / "models--org--Weights"
    (old,) = os.listdir(folder / "snapshots")
    new = "b" * 40
    (folder / "snapshots" / new).mkdir()
    (folder / "snapshots" / new / "new.safetensors").write_bytes(b"x")
    assert scan(cache)["org/Weights"].digest == f"git:{old}"
    (folder / "refs" / "main").unlink()
    assert scan(cache)["org/Weights"].digest == f"git:{new}"
    (folder / "refs" / "main").write_text("../../../../etc")
    assert scan(cache)["org/Weights"].digest == f"git:{new}"


def test_a_spoilt_cache_hurts_nobody(cache: Path, tmp_path: Path) -> None:
    tiny = cache / "models--org--Tiny-GGUF"
    (snapshot,) = (tiny / "snapshots").iterdir()
    (snapshot / "tiny-Q8_0.gguf").resolve().unlink()
    (snapshot / "loop").symlink_to(snapshot)
    (cache / "models--evil\x1b[31m--x").mkdir()
    (cache / "models--linked--x").symlink_to(tmp_path)
    (cache / "models--").mkdir()
    (cache / "datasets--org--data").mkdir()
    (cache / "models--org--empty" / "snapshots").mkdir(parents=True)
    (
        cache
        / "models--org--Weights"
        / "snapshots"
        / os.listdir(cache / "models--org--Weights" / "snapshots")[0]
        / "config.json"
    ).unlink()
    models = scan(cache)
    assert "cannot be read" in models["org/Tiny-GGUF:Q8_0"].error or "missing" in models["org/Tiny-GGUF:Q8_0"].error
    assert not models["org/Tiny-GGUF:Q4_K_M"].error
    assert models["org/Weights"].context_length is None
    assert len(models) == 4


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tiny-Q4_K_M.gguf", "Q4_K_M"), ("Model.q8_0.gguf", "Q8_0"), ("x-IQ2_XXS.gguf", "IQ2_XXS"),
        ("a/BF16/m.gguf", "BF16"), ("x-UD-Q4_K_XL-00001-of-00003.gguf", "UD-Q4_K_XL"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"), ("Q4/m-f16.gguf", "F16"),
        ("model.gguf", None), ("Qwen3-8B.gguf", None), ("", None), ("sequence.gguf", None),
    ],
)  # fmt: skip
def test_the_quantization_in_a_name(name: str, label: str | None) -> None:
    assert quantization_of(name) == label


@given(st.text(max_size=80))
def test_any_name_may_have_a_quantization(name: str) -> None:
    assert quantization_of(name) is None or (quantization_of(name) or "").isascii()
