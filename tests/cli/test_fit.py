"""`venom-tui models fit`: what a model takes, in JSON for programs and in lines for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.nvml import FakeDriver, gpu
from tests.sparse_models import llama, write_sparse
from tests.tools import requires_tool

from .conftest import Command

GIB = 1024**3
PARTS = ("weights_bytes", "kv_bytes", "compute_bytes", "overhead_bytes")
VERDICTS = {"fits", "fits_after_eviction", "partly_on_cpu", "does_not_fit", "unknown"}


def put(venom: Command) -> None:
    (venom.data / "models").mkdir(parents=True)
    write_sparse(venom.data / "models/eight.gguf", llama(kind="Q4_0"))


def test_the_object(venom: Command) -> None:
    put(venom)
    found = venom.json("models", "fit", "eight", "--context", "32768", "--kv-type", "q8_0", "--parallel", "2")
    assert found["verdict"] in VERDICTS
    assert found["kv_bytes"] == 2 * 32_768 * 128 * 1024 * 34 // 64
    assert found["likely_bytes"] == sum(found[part] for part in PARTS) + found["correction_bytes"]
    assert found["low_bytes"] < found["likely_bytes"] < found["high_bytes"]
    assert (found["context_length"], found["batch"], found["evicts"], found["place"]) == (32_768, 512, [], "cpu")
    assert [row["context_length"] for row in found["table"]] == [4096, 8192, 32_768, 131_072]
    assert found["question"] == {"context_length": 32_768, "kv_type": "q8_0", "parallel": 2}


def test_for_people(venom: Command) -> None:
    put(venom)
    done = venom("models", "fit", "eight")
    assert done.returncode == 0, done.stderr
    for expected in (
        "eight: ",
        "cache      1.0 GiB",
        "8,192 tokens, cache f16, one sequence",
        "CONTEXT",
        "131,072  16.0 GiB",
    ):
        assert expected in done.stdout, expected
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--context", "0"),
        ("--context", "x"),
        ("--kv-type", "q9"),
        ("--parallel", "0"),
        ("--kv-type", "fp8"),
        ("--better",),
    ],
)
def test_wrong_usage(venom: Command, arguments: tuple[str, ...]) -> None:
    put(venom)
    done = venom("models", "fit", "eight", *arguments, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage")


def test_what_is_not_here_and_nobody_may_be_asked(venom: Command) -> None:
    done = venom("models", "fit", "nothing:7b", "--json", VENOM_OFFLINE="1")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "offline")
    assert venom("models", "fit", "../x").returncode == 2
    assert venom("models", "fit").returncode == 2


def test_better_models(venom: Command) -> None:
    put(venom)
    found: list[dict[str, Any]] = venom.json("models", "fit", "--better")
    assert ("eight", True) in {(one["name"], one["installed"]) for one in found}
    assert all(one["likely_bytes"] > one["size_bytes"] > 0 for one in found if not one["installed"])
    done = venom("models", "fit", "--better")
    assert "TO FETCH" in done.stdout and "installed" in done.stdout


@requires_tool("gcc")
def test_a_model_of_vllm_on_gpus(venom: Command, tmp_path: Any) -> None:
    driver = FakeDriver(tmp_path / "driver")
    driver.says([gpu(0, total=24_564, used=4000), gpu(1, total=24_564, used=23_000)])
    folder = venom.data.parent / ".cache/huggingface/hub/models--org--llama/snapshots/abc"
    folder.mkdir(parents=True)
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 1000, "num_hidden_layers": 32, "intermediate_size": 14_336, "max_position_embeddings": 8192,
        "torch_dtype": "bfloat16",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "pytorch_model.bin").open("wb") as weights:
        weights.truncate(12 * GIB)
    found = venom.json("models", "fit", "org/llama", "--context", "8192", **driver.environ)
    assert (found["verdict"], found["place"], found["chosen_gpus"]) == ("fits", "gpu", [0])
    assert found["utilization"]["starts"] is True
    assert 0.5 < found["utilization"]["lowest"] < found["utilization"]["highest"] < 0.85
    assert found["kv_bytes"] == GIB
    text = venom("models", "fit", "org/llama", **driver.environ).stdout
    assert "--gpu-memory-utilization 0." in text and "GPU 1: " in text
