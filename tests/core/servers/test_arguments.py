"""The argument vectors of vLLM, what of a command is shown, and the words of logs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.errors import UsageError
from venom_tui.core.servers.arguments import profile_arguments, shown_command
from venom_tui.core.servers.keeper import Log
from venom_tui.core.servers.logs import log_path, tail
from venom_tui.core.servers.phases import phase
from venom_tui.core.servers.reasons import ending, reason_of, words
from venom_tui.core.servers.units import Unit
from venom_tui.core.settings.control import Profile

URL = "http://127.0.0.1:8123"


def test_the_least_profile() -> None:
    assert profile_arguments(Profile("Qwen/Qwen3-8B"), URL) == (
        "vllm", "serve", "Qwen/Qwen3-8B", "--host", "127.0.0.1", "--port", "8123"
    )  # fmt: skip


def test_all_of_a_profile() -> None:
    profile = Profile(
        "/models/qwen 3", "qwen3", 4, 2, "ray", 0.85, 16384, ("--enable-prefix-caching", "--dtype", "bfloat16"),
        ("/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server"),
    )  # fmt: skip
    assert profile_arguments(profile, "http://[::1]:9000", utilization=0.5) == (
        "/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/qwen 3",
        "--served-model-name", "qwen3", "--host", "::1", "--port", "9000",
        "--tensor-parallel-size", "4", "--pipeline-parallel-size", "2", "--distributed-executor-backend", "ray",
        "--gpu-memory-utilization", "0.85", "--max-model-len", "16384",
        "--enable-prefix-caching", "--dtype", "bfloat16",
    )  # fmt: skip


def test_the_guard_proposes_where_the_profile_says_nothing() -> None:
    proposed = profile_arguments(Profile("a/b", executor="mp"), URL, utilization=0.7)
    assert proposed[-2:] == ("--gpu-memory-utilization", "0.7")
    assert proposed[-4:-2] == ("--distributed-executor-backend", "mp")
    assert "--gpu-memory-utilization" not in profile_arguments(Profile("a/b"), URL)


def test_an_address_without_a_port() -> None:
    with pytest.raises(UsageError, match="has no port"):
        profile_arguments(Profile("a/b"), "http://gpu")


def test_keys_are_not_shown() -> None:
    given = ("vllm", "--api-key", "sk-1", "--hf-token=hf_2", "--port", "1", "--api-key", "--x")
    assert shown_command(given) == ("vllm", "--api-key", "…", "--hf-token=…", "--port", "1", "--api-key", "--x")
    assert shown_command(("a\x1b[31mb\n",)) == ("ab",)


@given(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=20), max_size=4))
def test_no_text_is_split_or_joined(model: str, more: list[str]) -> None:
    made = profile_arguments(Profile(model, arguments=tuple(more)), URL)
    assert made[2] == model
    assert list(made[len(made) - len(more) :]) == more


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "memory"),
        ("ValueError: Free memory on device (10/80 GiB) is less than desired GPU memory utilization (0.9,", "memory"),
        ("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`", "memory"),
        ("RuntimeError: Available memory (20/24 GiB) is less than requested memory for kv (4000.0 GiB).", "memory"),
        ("ggml_backend_cuda_buffer_type_alloc_buffer: failed to allocate", "memory"),
        ("OSError: [Errno 98] Address already in use", "port"),
        ("main: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080", "port"),
        ("HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/nowhere'.", "model"),
        ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder", "model"),
        ("OSError: org/x is not a local folder and is not a valid model identifier listed on the hub", "model"),
        ("ValueError: User-specified max_model_len (100000) is greater than the derived max_model_len", "context"),
        ("ValueError: (16.00 GiB KV cache is needed, which is larger than the available KV cache memory", "context"),
        ("api_server.py: error: unrecognized arguments: --no-such-option", "argument"),
        ("RuntimeError: Failed to infer device type, please set the environment variable", "device"),
        ("/usr/bin/python: No module named vllm", "program"),
        ("all is well", "unknown"),
    ],
)  # fmt: skip
def test_reasons(line: str, code: str) -> None:
    log = [f"(EngineCore pid=27567) ERROR 11-25 17:08:39 [core.py:1001] {line}", "RuntimeError: Engine core failed."]
    reason = reason_of(log, 1)
    assert reason.code == code
    assert reason.hint
    if code != "unknown":
        assert words(log, reason) == line


def test_how_a_process_ended() -> None:
    assert ending(None) == "its process is gone"
    assert ending(0) == "it ended by itself"
    assert ending(3) == "it ended with status 3"
    assert ending(-int(signal.SIGSEGV)) == "it was ended by SIGSEGV"
    assert ending(-99) == "it was ended by signal 99"
    killed = reason_of(["INFO all is well"], -int(signal.SIGKILL))
    assert killed.code == "memory"
    assert "runs out of memory" in killed.clause


def test_phases_of_vllm() -> None:
    lines = [
        "W1125 17:06:12 triton not found",
        "(APIServer pid=1) INFO 11-25 17:06:16 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}",
        "(APIServer pid=1) INFO 11-25 17:06:26 [model.py:733] Resolved architecture: LlamaForCausalLM",
        "(EngineCore pid=2) INFO 11-25 17:06:33 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config:",
        "(Worker pid=3) INFO 11-25 17:06:39 [cpu_model_runner.py:68] Starting to load model /m...",
        "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:00<?, ?it/s]",
        "(Worker pid=3) INFO 11-25 17:06:39 [default_loader.py:501] Loading weights took 0.00 seconds",
        "(EngineCore pid=2) INFO [kv_cache_utils.py:2327] GPU KV cache size: 2,097,152 tokens, Maximum concurrency",
        "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  40%|####      | 14/35",
        "(EngineCore pid=2) INFO 11-25 17:06:40 [core.py:402] init engine (profile, create kv cache) took 0.50 s",
        "INFO:     Application startup complete.",
    ]
    told = [phase(lines[: count + 1]) for count in range(len(lines))]
    assert told == [
        "", "has begun", "reads the model (LlamaForCausalLM)", "starts its engine", "loads weights",
        "loads weights, 25 %", "has loaded the weights", "makes a KV cache of 2,097,152 tokens",
        "captures graphs, 40 %", "warms up", "opens its port",
    ]  # fmt: skip


def test_the_log_is_bounded_and_its_end_is_read(tmp_path: Path) -> None:
    path = log_path(tmp_path, "box")
    log = Log(path, 1000)
    for number in range(500):
        log.write(f"line {number}\n".encode())
    log.write(b'INFO: 127.0.0.1:44080 - "GET /health HTTP/1.1" 200 OK\n')
    log.write(b"50%\r100%\r done \x1b[31mred\x1b[0m\r\n")
    files = list(path.parent.iterdir())
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) <= 2000
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert tail(path, 3) == ["line 498", "line 499", "done red"]
    assert tail(tmp_path / "none", 3) == []


def test_units_are_named_behind_a_mark() -> None:
    assert Unit("vllm.service").systemctl("start") == [
        "systemctl", "--no-ask-password", "--no-pager", "start", "--", "vllm.service"
    ]  # fmt: skip
    assert Unit("a.service", user=True).systemctl("stop")[:2] == ["systemctl", "--user"]
    assert Unit("a.service", user=True).journalctl(50)[-2:] == ["--lines=50", "--user-unit=a.service"]
