"""What the commands say of runtimes and of their models, against servers that the test runs beside them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.ollama import FakeOllama
from tests.openai import FakeServer, llamacpp, plain, vllm
from tests.servers import Script, Server, head, sends

from .conftest import Cli, Command

FIELDS = {
    *("name", "runtime", "provider", "size_bytes", "digest", "parameter_size", "quantization", "context_length"),
    *("capabilities", "loaded", "vram_bytes", "active"),
}


class Beside:
    """Servers that run in a thread of their own: the command has the event loop of this one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._servers: list[Server] = []
        self._thread.start()

    def serve(self, script: Script) -> Server:
        server = Server(script)
        asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(10)
        self._servers.append(server)
        return server

    def stop(self, server: Server) -> None:
        self._servers.remove(server)
        asyncio.run_coroutine_threadsafe(server.close(), self._loop).result(10)

    def close(self) -> None:
        for server in list(self._servers):
            self.stop(server)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def beside() -> Iterator[Beside]:
    servers = Beside()
    yield servers
    servers.close()


@pytest.fixture(autouse=True)
def _no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.cli.prompt._standard_input", lambda **_: "")


def configure(config_dir: Path, **servers: tuple[str, str]) -> None:
    """Name servers by address and kind."""
    tables = [f'[runtimes.{name}]\nurl = "{url}"\nkind = "{kind}"\n' for name, (url, kind) in servers.items()]
    (config_dir / "config.toml").write_text("\n".join(tables).replace('kind = ""\n', ""))


def runtimes(found: Any) -> dict[str, tuple[str, str, str]]:
    return {one["id"]: (one["kind"], one["state"], one["detail"]) for one in found}


# ---------------------------------------------------------------------- listings


def test_runtimes_with_their_health(
    cli: Cli, beside: Beside, config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama, box, gone = beside.serve(FakeOllama()), beside.serve(vllm()), beside.serve(plain())
    html = beside.serve(sends(head(kind="text/html") + b"<html>"))
    beside.stop(gone)
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    configure(config_dir, box=(box.url, ""), gone=(gone.url, "vllm"), html=(html.url, "llamacpp"))
    found = cli("runtimes", "list", "--json").json
    assert runtimes(found) == {
        "embedded": ("embedded", "idle", "starts with the first prompt"),
        "ollama": ("ollama", "ready", "1 model, none loaded"),
        "box": ("vllm", "ready", "serves tiny"),
        "gone": ("vllm", "unreachable", "connection refused"),
        "html": (
            *("llamacpp", "failed", f"llama.cpp at 127.0.0.1:{html.port} answered with something that is not JSON."),
        ),
    }
    by_id = {one["id"]: one for one in found}
    assert by_id["ollama"]["version"] == "0.33.0-rc2"
    assert by_id["ollama"]["endpoint"] == ollama.url
    assert by_id["ollama"]["origin"] == "OLLAMA_HOST, environment"
    assert by_id["box"]["origin"] == "config.toml"
    assert by_id["gone"]["server_message"]
    plain_text = cli("runtimes", "list").out
    assert "connection refused" in plain_text
    assert "serves tiny" in plain_text


def test_models_of_all_runtimes(cli: Cli, beside: Beside, config_dir: Path) -> None:
    ollama = FakeOllama()
    ollama.models["old:1b"] = {"capabilities": ..., "details": {}, "digest": ...}
    ollama.hold("smollm2:135m", size_vram=1000)
    servers = [beside.serve(script) for script in (ollama, vllm(), llamacpp())]
    configure(config_dir, o=(servers[0].url, "ollama"), v=(servers[1].url, "vllm"), l=(servers[2].url, ""))
    found = cli("models", "list", "--json").json
    assert all(set(model) >= FIELDS for model in found)
    by_name = {(model["runtime"], model["name"]): model for model in found}
    assert {field: by_name["o", "smollm2:135m"][field] for field in FIELDS} == {
        "name": "smollm2:135m",
        "runtime": "o",
        "provider": "ollama",
        "size_bytes": 98_362_761,
        "digest": "sha256:53f4cd08aa899cd4404a21d670e7434c8c8685a01f67f6b837395862b045d783",
        "parameter_size": "134.52M",
        "quantization": "Q4_1",
        "context_length": 8192,
        "capabilities": ["completion"],
        "loaded": True,
        "vram_bytes": 1000,
        "active": True,
    }
    old = by_name["o", "old:1b"]
    assert [old[field] for field in ("digest", "parameter_size", "vram_bytes")] == [None] * 3
    assert old["capabilities"] == ["completion"]  # asked of /api/show
    assert by_name["v", "tiny"]["context_length"] == 512
    assert by_name["l", "smollm2"]["loaded"] is True
    assert "smollm2:135m" in cli("models", "list").out


def test_models_of_a_runtime_that_is_down_are_not_made_up(cli: Cli, beside: Beside, config_dir: Path) -> None:
    server = beside.serve(vllm())
    configure(config_dir, v=(server.url, "vllm"))
    assert "tiny" in cli("models", "list").out
    beside.stop(server)
    assert [model["runtime"] for model in cli("models", "list", "--json").json] == ["embedded"]


# ---------------------------------------------------------------------- chat


@pytest.fixture
def two(beside: Beside, config_dir: Path) -> dict[str, FakeServer]:
    """Two runtimes that have a model of one name, and each one of its own."""
    fakes = {"one": plain("same", "first"), "two": plain("same", "second")}
    configure(config_dir, **{name: (beside.serve(fake).url, "openai") for name, fake in fakes.items()})
    return fakes


def test_a_runtime_and_a_model_are_taken(cli: Cli, two: dict[str, FakeServer]) -> None:
    found = cli("chat", "Hello?", "--runtime", "two", "--model", "same", "--json")
    assert (found.status, found.json["runtime"], found.json["model"]) == (0, "two", "same")
    assert (found.json["answer"], found.json["route"]["reason"]) == ("Hello there", "asked for")
    assert (len(two["one"].chats), len(two["two"].chats)) == (0, 1)
    assert cli("chat", "Hello?", "--model", "first", "--json").json["answer"] == "Hello there"
    assert two["one"].chats[0]["model"] == "first"


def test_a_runtime_alone_is_enough(cli: Cli, two: dict[str, FakeServer]) -> None:
    found = cli("chat", "Hello?", "--runtime", "two", "--json")
    assert (found.status, found.json["runtime"], found.json["model"]) == (0, "two", "same")
    assert found.json["route"]["reason"] == "runtime asked for; it is installed"


def test_a_name_of_two_runtimes_is_wrong_usage(cli: Cli, two: dict[str, FakeServer]) -> None:
    for command in (("chat", "Hello?", "--model", "same"), ("models", "show", "same"), ("models", "activate", "same")):
        found = cli(*command, "--json")
        assert found.status == 2, command
        assert found.json["error"]["code"] == "ambiguous_model"
        assert found.json["error"]["message"] == "one and two have a model 'same'."
        assert "--runtime" in found.json["error"]["hint"]
    assert two["one"].chats == two["two"].chats == []
    assert cli("sessions", "list", "--json").json == []


def test_the_active_one_of_two_is_meant(cli: Cli, two: dict[str, FakeServer]) -> None:
    assert cli("models", "activate", "same", "--runtime", "two").status == 0
    assert cli("chat", "Hello?", "--model", "same", "--json").json["runtime"] == "two"
    assert cli("chat", "Hello?", "--json").json["runtime"] == "two"


def test_a_runtime_that_is_down_is_the_answer(cli: Cli, beside: Beside, config_dir: Path) -> None:
    server = beside.serve(vllm())
    configure(config_dir, v=(server.url, "vllm"))
    assert cli("models", "activate", "tiny").status == 0
    beside.stop(server)
    for command in (
        ("chat", "Hello?"),
        ("chat", "Hello?", "--model", "tiny", "--runtime", "v"),
        ("chat", "Hello?", "--runtime", "v"),
        ("models", "show", "tiny", "--runtime", "v"),
    ):
        found = cli(*command, "--json")
        assert (found.status, found.json["error"]["code"]) == (1, "runtime_unavailable"), command
        assert found.json["error"]["message"] == "Runtime v does not answer: connection refused."
        assert "Runtime v does not answer: connection refused." in found.err
    assert cli("sessions", "list", "--json").json == [], "no other model stood in for it"


def test_an_unknown_runtime_is_wrong_usage(cli: Cli, two: dict[str, FakeServer]) -> None:
    for command in (("chat", "Hello?"), ("chat", "Hello?", "--model", "same"), ("models", "show", "same")):
        found = cli(*command, "--runtime", "three", "--json")
        assert (found.status, found.json["error"]["code"]) == (2, "usage")
        assert "There is no runtime 'three'." in found.json["error"]["message"]
        assert "There are: embedded, one, two." in found.json["error"]["hint"]


def test_a_model_that_a_runtime_does_not_have(cli: Cli, two: dict[str, FakeServer]) -> None:
    found = cli("chat", "Hello?", "--model", "second", "--runtime", "one", "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "model_not_found")
    assert "no model 'second' of runtime 'one'" in found.json["error"]["message"]


def test_a_failed_turn_prints_and_keeps_what_came(venom: Command, beside: Beside) -> None:
    fake = plain("a")
    fake.paths["POST /v1/chat/completions"] = sends(
        head() + b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\ndata: {"error": {"message": "no memory"}}\n\n'
    )
    venom.config.mkdir()
    configure(venom.config, box=(beside.serve(fake).url, "openai"))
    done = venom("chat", "Hello?", "--model", "a", VENOM_DISCOVERY="0")
    assert (done.returncode, done.stdout) == (1, "Hel\n")
    assert "It said: no memory" in done.stderr
    assert venom.messages() == [("user", "complete", "Hello?"), ("assistant", "failed", "Hel")]


def test_wrong_configuration_is_wrong_usage(cli: Cli, config_dir: Path) -> None:
    (config_dir / "config.toml").write_text('[runtimes.box]\nurl = "http://u:s3cret@gpu"\n')
    for command in (("runtimes", "list"), ("chat", "x"), ("models", "list")):
        found = cli(*command, "--json")
        assert found.status == 2
        assert found.json["error"]["message"].startswith("[runtimes.box]: An address with a user name")
        assert "s3cret" not in json.dumps(found.json) + found.err
