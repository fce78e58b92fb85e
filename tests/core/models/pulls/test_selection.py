from __future__ import annotations

import pytest

from venom_tui.core.errors import ModelNotFound, UsageError
from venom_tui.core.models.names import hub_name
from venom_tui.core.models.pulls.selection import is_gguf, select
from venom_tui.core.types.offer import HubFile, HubRepository

GIB = 1024**3


def repository(*names: str, sizes: dict[str, int] | None = None) -> HubRepository:
    files = tuple(HubFile(name, (sizes or {}).get(name, 1000)) for name in names)
    return HubRepository("org/repo", "c" * 40, files)


def chosen(found: HubRepository, name: str = "org/repo") -> list[str]:
    return [file.path for file in select(found, hub_name(name))]


GGUFS = repository(
    "README.md", "repo-Q2_K.gguf", "repo-Q4_K_M.gguf", "repo-Q8_0.gguf", "mmproj-repo-f16.gguf", "imatrix.gguf",
    "big/repo-BF16-00001-of-00002.gguf", "big/repo-BF16-00002-of-00002.gguf",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("org/repo", ["repo-Q4_K_M.gguf"]),
        ("hf.co/org/repo", ["repo-Q4_K_M.gguf"]),
        ("org/repo:latest", ["repo-Q4_K_M.gguf"]),
        ("org/repo:Q8_0", ["repo-Q8_0.gguf"]),
        ("org/repo:q8_0", ["repo-Q8_0.gguf"]),
        ("org/repo:BF16", ["big/repo-BF16-00001-of-00002.gguf", "big/repo-BF16-00002-of-00002.gguf"]),
        ("org/repo:big", ["big/repo-BF16-00001-of-00002.gguf", "big/repo-BF16-00002-of-00002.gguf"]),
        ("org/repo:repo-Q2_K", ["repo-Q2_K.gguf"]),
        ("https://huggingface.co/org/repo/blob/main/repo-Q2_K.gguf", ["repo-Q2_K.gguf"]),
        ("https://huggingface.co/org/repo/resolve/main/mmproj-repo-f16.gguf", ["mmproj-repo-f16.gguf"]),
        (
            "https://huggingface.co/org/repo/blob/main/big/repo-BF16-00002-of-00002.gguf",
            ["big/repo-BF16-00001-of-00002.gguf", "big/repo-BF16-00002-of-00002.gguf"],
        ),
    ],
)
def test_which_gguf_is_meant(name: str, files: list[str]) -> None:
    assert chosen(GGUFS, name) == files


def test_a_quantization_that_is_not_there_says_what_is() -> None:
    with pytest.raises(UsageError) as raised:
        chosen(GGUFS, "org/repo:Q6_K")
    assert raised.value.hint == "It has: Q2_K, Q4_K_M, Q8_0, BF16."
    with pytest.raises(UsageError, match="no GGUF file") as raised:
        chosen(repository("model.safetensors"), "org/repo:Q6_K")
    assert "leave the tag out" in raised.value.hint
    with pytest.raises(ModelNotFound, match=r"no file other\.gguf"):
        chosen(GGUFS, "https://huggingface.co/org/repo/blob/main/other.gguf")


def test_safetensors_beside_gguf_files() -> None:
    both = repository("repo-Q4_K_M.gguf", "model.safetensors", "pytorch_model.bin", "config.json", "tokenizer.json")
    assert chosen(both) == ["repo-Q4_K_M.gguf"]
    assert chosen(both, "org/repo:safetensors") == ["config.json", "model.safetensors", "tokenizer.json"]
    assert chosen(both, "org/repo:Safetensors") == chosen(both, "org/repo:safetensors")
    with pytest.raises(UsageError) as raised:
        chosen(both, "org/repo:Q6_K")
    assert raised.value.hint == "It has: Q4_K_M, safetensors."
    with pytest.raises(ModelNotFound, match="neither GGUF files nor safetensors"):
        chosen(GGUFS, "org/repo:safetensors")


def test_what_says_nothing_of_its_quantization_is_taken_by_its_size() -> None:
    found = repository("a.gguf", "b.gguf", sizes={"a.gguf": 2000})
    assert chosen(found) == ["b.gguf"]
    assert is_gguf(select(found, hub_name("org/repo")))


BESIDE = ["config.json", "tokenizer.json", "chat_template.jinja", "LICENSE", "README.md", "model.py"]


@pytest.mark.parametrize(
    ("weights", "left_out"),
    [
        (["model.safetensors"], ["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "onnx/model.onnx"]),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            ["consolidated.safetensors", "original/consolidated.00.pth", "original/params.json"],
        ),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ["model.safetensors", "picture.png", ".gitattributes", "data.zip"],
        ),
        (["model.safetensors"], ["model.fp16.safetensors", "consolidated.safetensors"]),
        (["consolidated.safetensors"], ["original/model.safetensors"]),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"], ["training_args.bin"]),
        (["text/model.safetensors"], ["original/model.safetensors"]),
    ],
)
def test_safetensors_without_doubles(weights: list[str], left_out: list[str]) -> None:
    found = repository(*weights, *left_out, *BESIDE)
    assert chosen(found) == sorted([*weights, *BESIDE])
    assert not is_gguf(select(found, hub_name("org/repo")))


def test_what_is_large_and_no_weights_is_left_out() -> None:
    found = repository("model.safetensors", "corpus.jsonl", sizes={"corpus.jsonl": GIB})
    assert chosen(found) == ["model.safetensors"]


def test_a_repository_without_weights() -> None:
    with pytest.raises(ModelNotFound, match="neither GGUF files nor safetensors"):
        chosen(repository(*BESIDE))
