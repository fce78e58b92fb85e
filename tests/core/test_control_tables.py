"""How config.toml says that a server is started, and what is wrong with such tables; sizes as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.errors import UsageError
from venom_tui.core.settings import ControlTable, Profile, Settings, parse_size, parse_sizes, read_runtimes

GIB = 1024**3
TOP = '[runtimes.box]\nurl = "http://127.0.0.1:8000"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(TOP + text)
    return path


def test_three_ways(tmp_path: Path) -> None:
    (plain,) = read_runtimes(written(tmp_path, ""))
    assert plain.control is None
    (unit,) = read_runtimes(written(tmp_path, 'unit = "vllm@qwen.service"\nuser_unit = true'))
    assert unit.control == ControlTable("vllm@qwen.service", True)
    command = 'command = ["/opt/llama-server", "-m", "a b.gguf"]\nenvironment = { LLAMA_ARG_THREADS = "4" }'
    (started,) = read_runtimes(written(tmp_path, command))
    assert started.control == ControlTable(
        command=("/opt/llama-server", "-m", "a b.gguf"), environment={"LLAMA_ARG_THREADS": "4"}
    )
    (profile,) = read_runtimes(
        written(
            tmp_path,
            """
            [runtimes.box.profile]
            model = "Qwen/Qwen3-8B"
            served_name = "qwen3"
            tensor_parallel = 2
            pipeline_parallel = 3
            executor = "ray"
            memory_utilization = 0.85
            max_length = 16384
            arguments = ["--enable-prefix-caching"]
            program = ["python", "-m", "vllm.entrypoints.openai.api_server"]
            """,
        )
    )
    assert profile.kind == "vllm"
    assert profile.control is not None
    assert profile.control.profile == Profile(
        "Qwen/Qwen3-8B", "qwen3", 2, 3, "ray", 0.85, 16384, ("--enable-prefix-caching",),
        ("python", "-m", "vllm.entrypoints.openai.api_server"),
    )  # fmt: skip
    (least,) = read_runtimes(written(tmp_path, '[runtimes.box.profile]\nmodel = "a/b"'))
    assert least.control is not None
    assert least.control.profile == Profile("a/b")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('unit = "a.service"\ncommand = ["a"]', "has unit and command"),
        ('unit = "-a; rm.service"', "must be the name of a service"),
        ('unit = "a.socket"', "must be the name of a service"),
        ("unit = 5", "must be the name of a service"),
        ('unit = "a.service"\nuser_unit = "yes"', "user_unit must be true or false"),
        ("user_unit = true", "has user_unit, but neither unit nor command nor profile"),
        ('command = "vllm serve"', "command must be a list of texts"),
        ('command = ["a", 5]', "command must be a list of texts"),
        ('command = [""]', "command names no program"),
        ('command = ["a"]\nenvironment = { "A B" = "c" }', "environment has 'A B'"),
        ('command = ["a"]\nenvironment = { A = 5 }', "environment has 'A'"),
        ('kind = "ollama"\n[runtimes.box.profile]\nmodel = "a"', "which only a vLLM has"),
        ("profile = 5", "must be a table"),
        ("[runtimes.box.profile]", "[runtimes.box.profile] has no model"),
        ('[runtimes.box.profile]\nmodel = "--evil"', "model must be a name"),
        ('[runtimes.box.profile]\nmodel = "a"\nmodle = "b"', "has 'modle', which is not known"),
        ('[runtimes.box.profile]\nmodel = "a"\nexecutor = "slurm"', "executor must be one of mp, ray"),
        ('[runtimes.box.profile]\nmodel = "a"\nmemory_utilization = 1.5', "memory_utilization must be"),
        ('[runtimes.box.profile]\nmodel = "a"\ntensor_parallel = 0', "tensor_parallel must be a whole number"),
        ('[runtimes.box.profile]\nmodel = "a"\nmax_length = true', "max_length must be a whole number"),
        ('[runtimes.box.profile]\nmodel = "a"\nprogram = []', "program must name what is run"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_runtimes(written(tmp_path, text))
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1024", 1024), ("40GiB", 40 * GIB), ("40G", 40 * GIB), ("40 GB", 40 * 10**9), ("1.5t", 3 * 2**39)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_sizes_of_gpus() -> None:
    assert parse_sizes("2GiB") == (2 * GIB, {})
    assert parse_sizes("1GiB, 0=4GiB,1 = 512MiB") == (GIB, {0: 4 * GIB, 1: GIB // 2})
    assert parse_sizes("") == (0, {})
    for wrong in ("much", "0=", "-1=1GiB", "x=1GiB", "1GiB 2GiB", "5000=1", "\u0661=1GiB"):
        assert parse_sizes(wrong) is None


@given(st.text(max_size=20))
def test_no_text_breaks_the_parsers(text: str) -> None:
    size, sizes = parse_size(text), parse_sizes(text)
    assert size is None or size >= 0
    assert sizes is None or sizes[0] >= 0


def test_settings_of_sizes() -> None:
    settings = Settings({"environment": {"VENOM_KEEP_FREE_RAM": "4GiB", "VENOM_KEEP_FREE_VRAM": "0=1GiB"}})
    assert settings.int("VENOM_KEEP_FREE_RAM") == 4 * GIB
    assert settings.text("VENOM_KEEP_FREE_VRAM") == "0=1GiB"
    for name in ("VENOM_KEEP_FREE_RAM", "VENOM_KEEP_FREE_VRAM"):
        with pytest.raises(UsageError, match="a size such as"):
            Settings({"environment": {name: "some"}})


def test_a_large_size_is_passed_on_to_another_process() -> None:
    settings = Settings({"environment": {"VENOM_KEEP_FREE_DISK": "9TiB"}})
    passed = settings.passed_on()["VENOM_KEEP_FREE_DISK"]
    assert Settings({"environment": {"VENOM_KEEP_FREE_DISK": passed}}).int("VENOM_KEEP_FREE_DISK") == 9 * 1024 * GIB


def test_a_profile_needs_no_address(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[runtimes.box]\n[runtimes.box.profile]\nmodel = "a/b"')
    (table,) = read_runtimes(path)
    assert (table.url, table.kind) == ("", "vllm")
    path.write_text('[runtimes.box]\ncommand = ["a"]')
    with pytest.raises(UsageError, match="has no url"):
        read_runtimes(path)
