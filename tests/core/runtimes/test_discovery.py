"""Servers that answer at the usual ports of this machine: found by plain GETs, to loopback and nowhere else."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import LIMIT_S, open_core
from tests.ollama import FakeOllama, says
from tests.openai import llamacpp, plain, vllm
from tests.servers import Script, Server, hangs, head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.runtimes import lookout
from venom_tui.core.runtimes.configured import found_id
from venom_tui.core.runtimes.discovery import USUAL_PORTS, Found, discover
from venom_tui.core.types.runtime import RuntimeState


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where connections of this process went to."""
    addresses: list[Any] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        addresses.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    return addresses


async def served(stack: AsyncExitStack, *scripts: Script) -> list[Server]:
    return [await stack.enter_async_context(serving(script)) for script in scripts]


async def test_what_answers_is_found(pool: HttpPool, connected: list[Any]) -> None:
    loading = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    good: list[tuple[Script, str]] = [
        (FakeOllama(), "ollama"),
        (vllm(), "vllm"),
        (llamacpp(), "llamacpp"),
        (plain("a"), "openai"),
        (says(loading, "503 Service Unavailable"), "llamacpp"),
    ]
    bad: list[Script] = [
        sends(head(kind="text/html") + b"<html>Jupyter</html>"),
        sends(head("302 Found", location="http://127.0.0.1:1/login")),
        sends(head("401 Unauthorized")),
        sends(head("503 Service Unavailable")),
        sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        sends(b""),
        says({"data": 7}),
        hangs,
    ]
    async with AsyncExitStack() as stack:
        servers = await served(stack, *(script for script, _ in good), *bad)
        ports = [server.port for server in servers]
        found = await discover(pool, known=(), ports=ports, limit_s=0.2)
        assert found == [Found(f"http://127.0.0.1:{port}", kind) for port, (_, kind) in zip(ports, good, strict=False)]
        for asked in (asked for server in servers for asked in server.asked):
            assert asked.target in ("GET /api/version", "GET /v1/models")
            assert asked.body == b""
            assert "authorization" not in asked.headers
    assert {address[0] for address in connected} == {"127.0.0.1"}
    assert {address[1] for address in connected} == set(ports)


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "{host}", "{short}.local", "{address}"], ids=lambda name: name
)
async def test_one_that_is_configured_is_not_found_again(pool: HttpPool, name: str) -> None:
    """By whatever name of this machine: else each of its models would be there twice, and no name clear."""
    host = socket.gethostname()
    names = {"host": host, "short": host.partition(".")[0], "address": "127.0.0.1"}
    async with serving(FakeOllama()) as server:
        known = [f"http://{name.format(**names).lower()}:{server.port}"]
        assert await discover(pool, known=known, ports=[server.port]) == []
        known = [f"http://elsewhere:{server.port}", f"http://127.0.0.1:{server.port + 1}"]
        assert len(await discover(pool, known=known, ports=[server.port])) == 1


def test_the_usual_ports() -> None:
    assert {11434, 8000, 8001, 8080, 1234} <= set(USUAL_PORTS)


def test_ids() -> None:
    found = Found("http://127.0.0.1:8001", "vllm")
    assert found_id(found, ["ollama"]) == "vllm"
    assert found_id(found, ["vllm"]) == "vllm-8001"


async def test_what_is_found_is_looked_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connected: list[Any]
) -> None:
    async with AsyncExitStack() as stack:
        first, second, third = await served(stack, vllm("one"), vllm("two"), FakeOllama())
        ports = [first.port, second.port, third.port]
        monkeypatch.setattr(lookout, "discover", functools.partial(discover, ports=ports))
        core = await stack.enter_async_context(open_core(tmp_path, VENOM_DISCOVERY="1", OLLAMA_HOST=third.url))
        assert await core.runtimes.settled(LIMIT_S)
        statuses = {status.id: status for status in await core.runtimes.statuses()}
        assert set(statuses) == {"embedded", "ollama", "vllm", f"vllm-{second.port}"}
        assert statuses["vllm"].origin == statuses[f"vllm-{second.port}"].origin == "found"
        assert all(status.state in (RuntimeState.READY, RuntimeState.IDLE) for status in statuses.values())
        assert (await core.models.find("two")).runtime == f"vllm-{second.port}"
    assert {address[0] for address in connected} == {"127.0.0.1"}


async def test_one_that_comes_later_is_found_when_somebody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(hangs) as before:
        pass
    looked = asyncio.Event()

    async def noted(pool: HttpPool, *, known: Any) -> list[Found]:
        found = await discover(pool, known=known, ports=[before.port])
        looked.set()
        return found

    monkeypatch.setattr(lookout, "discover", noted)
    async with open_core(tmp_path, VENOM_DISCOVERY="1", OLLAMA_HOST="127.0.0.1:1") as core:
        assert await core.runtimes.settled(LIMIT_S)
        assert core.runtimes.find("vllm") is None
        async with serving(vllm(), port=before.port):
            looked.clear()
            core.runtimes.watch(True)
            async with asyncio.timeout(LIMIT_S):
                await looked.wait()
            assert await core.runtimes.settled(LIMIT_S)
            assert core.runtimes.states()["vllm"] is RuntimeState.READY


async def test_nobody_is_asked_where_that_is_switched_off(tmp_path: Path, connected: list[Any]) -> None:
    async with open_core(tmp_path, VENOM_DISCOVERY="0") as core:
        assert await core.runtimes.settled(LIMIT_S)
        core.runtimes.watch(True)
        await core.runtimes.look()
        await core.models.list(refresh=True)
        assert [status.id for status in await core.runtimes.statuses()] == ["embedded"]
    assert connected == []
