"""Which addresses a proxy stands before: never this machine or a private network."""

from __future__ import annotations

import socket

import pytest

from tests.servers import answer, head, sends, serving
from venom_tui.core.clients.http import HttpPool, is_local
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import RuntimeFailure, RuntimeUnavailable
from venom_tui.core.types.request import ChatMessage, ChatRequest

REQUEST = ChatRequest("tiny", (ChatMessage("user", "Hello?"),))


def proxy_settings(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.lower(), url)


async def ask(url: str) -> str:
    pool = HttpPool()
    try:
        client = OpenAICompatibleClient(pool, url, who="The server")
        return "".join([chunk.content async for chunk in client.chat(REQUEST)])
    finally:
        await pool.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.8.7"])
async def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with serving(sends(answer("proxied"))) as proxy, serving(sends(answer("direct")), host="0.0.0.0") as server:
        proxy_settings(monkeypatch, proxy.url)
        assert await ask(f"http://{host}:{server.port}") == "direct"
        assert proxy.asked == []
        assert server.asked[0].target == "POST /v1/chat/completions"


async def test_an_ipv6_loopback_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sends(answer("proxied"))) as proxy, serving(sends(answer("direct")), host="::1") as server:
        proxy_settings(monkeypatch, proxy.url)
        assert await ask(server.url) == "direct"
        assert proxy.asked == []


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.1.1", "[fd00::1]", "[fe80::1]"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_private_network_is_asked_directly(monkeypatch: pytest.MonkeyPatch, scheme: str, host: str) -> None:
    wanted: list[str] = []

    def refuse(_self: socket.socket, address: tuple[str, int]) -> None:
        wanted.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    async with serving(sends(answer("proxied"))) as proxy:
        proxy_settings(monkeypatch, proxy.url)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        with pytest.raises(RuntimeUnavailable):
            await ask(f"{scheme}://{host}:9")
        assert proxy.asked == []
    assert wanted == [host.strip("[]")]


async def test_everything_else_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sends(answer("proxied"))) as proxy:
        proxy_settings(monkeypatch, proxy.url)
        assert await ask("http://models.example") == "proxied"
        assert proxy.asked[0].target == "POST http://models.example/v1/chat/completions"


async def test_a_proxy_that_refuses_is_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sends(head("407 Proxy Authentication Required"))) as proxy:
        proxy_settings(monkeypatch, proxy.url)
        with pytest.raises(RuntimeFailure) as caught:
            await ask("https://models.example")
        assert proxy.asked[0].target == "CONNECT models.example:443"
    assert "407" in caught.value.message


@pytest.mark.parametrize(
    ("url", "local"),
    [
        *((f"http://{host}:11434", True) for host in ("localhost", "LOCALHOST", "a.localhost", "box.local", "gpubox")),
        *((f"http://{host}/v1", True) for host in ("box.lan", "x.home.arpa", "vm.internal", "0.0.0.0", "[::]")),
        *((f"https://{host}", True) for host in ("10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "100.100.100.100")),
        *((f"https://{host}", False) for host in ("8.8.8.8", "[2606:4700::1]", "api.openai.com", "172.32.0.1")),
        *((f"http://{host}", False) for host in ("localhost.example.com", "10.0.0.1.example.com", "1.1.1.1:80")),
        ("http://[::1", False),
        ("http://user@8.8.8.8", False),
        ("http://localhost@evil.example", False),
    ],
)
def test_what_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local


async def test_a_certificate_is_checked_on_private_networks_too() -> None:
    """The client for plain HTTP checks none; it must not be handed out for HTTPS."""
    pool = HttpPool()
    try:
        plain, checked = pool.client_for("http://127.0.0.1:1"), pool.client_for("https://127.0.0.1:1")
        assert plain is pool.client_for("http://10.0.0.1:1")
        assert plain is not checked
        assert checked is pool.client_for("https://10.0.0.1:1")
        assert pool.client_for("http://models.example") is not plain
    finally:
        await pool.close()
