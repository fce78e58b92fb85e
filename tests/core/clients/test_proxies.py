"""Which addresses a proxy stands before: never this machine or a private network."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers import answer, head, sends, serving
from tests.tools import need
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.clients.proxies import is_local, proxy_for
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


def found_here(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let names of the world be found on this machine."""
    look_up = socket.getaddrinfo

    def here(host: str | bytes | None, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return look_up("127.0.0.1" if name in names else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)


async def test_everything_else_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sends(answer("proxied"))) as proxy:
        proxy_settings(monkeypatch, proxy.url)
        assert await ask("http://models.example") == "proxied"
        assert proxy.asked[0].target == "POST http://models.example/v1/chat/completions"


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        *((text, True) for text in ("gpu.example.com", "example.com", ".example.com", "*.example.com", "*", "COM")),
        *((text, True) for text in ("a.b, gpu.example.com", "a.b gpu.example.com", "gpu.example.com:{port}")),
        *((text, True) for text in ("http://gpu.example.com", "all://example.com", "[::1],127.0.0.1,example.com")),
        *((text, False) for text in ("", "pu.example.com", "ample.com", "www.gpu.example.com", "gpu.example.com:9")),
        *((text, False) for text in ("https://gpu.example.com", "8.8.8.0/24", "[::1]", "localhost", ".", ":80", ",,")),
    ],
)
async def test_what_no_proxy_names(monkeypatch: pytest.MonkeyPatch, no_proxy: str, direct: bool) -> None:
    found_here(monkeypatch, "gpu.example.com")
    async with serving(sends(answer("proxied"))) as proxy, serving(sends(answer("direct"))) as server:
        proxy_settings(monkeypatch, proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=server.port))
        assert await ask(f"http://gpu.example.com:{server.port}") == ("direct" if direct else "proxied")
        assert (len(server.asked), len(proxy.asked)) == ((1, 0) if direct else (0, 1))


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        *(("http://8.8.8.8", text, True) for text in ("8.8.8.8", "8.8.0.0/16", "8.8.8.8/8", "8.8.8.8:80", "0.0.0.0/0")),
        *(
            ("http://8.8.8.8", text, False)
            for text in ("8.8.8.9", "9.0.0.0/8", "8.8.8.8:81", "8.8.8", "::/0", "8.8/16")
        ),
        *(("https://[2606:4700::1]:8", text, True) for text in ("2606:4700::1", "[2606:4700::1]:8", "2606:4700::/32")),
        *(("https://[2606:4700::1]:8", text, False) for text in ("2606:4700::2", "[2606:4700::1]:9", "2607::/16")),
        ("https://gpu.example.com.", "example.com", True),
    ],
)
def test_addresses_and_networks_that_no_proxy_names(
    monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str, direct: bool
) -> None:
    proxy_settings(monkeypatch, "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == (None if direct else "http://proxy.example:3128")


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:1")
    monkeypatch.setenv("ALL_PROXY", "http://all.example:2")
    assert proxy_for("https://gpu.example.com") == "http://proxy.example:1"
    assert proxy_for("http://gpu.example.com") == "http://all.example:2"
    assert proxy_for("https://gpubox") is None


@pytest.mark.parametrize("proxy", ["socks5://u:s3cret@127.0.0.1:1", "http://u:s3cret@[::1", "nonsense://s3cret"])
async def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    proxy_settings(monkeypatch, proxy)
    with pytest.raises(RuntimeUnavailable, match="proxy that the environment names cannot be used") as caught:
        await ask("http://models.example")
    assert "s3cret" not in repr(caught.value.as_dict())


async def test_the_password_of_a_proxy_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy_settings(monkeypatch, f"http://u:s3cret@127.0.0.1:{taken.getsockname()[1]}")
        for url in ("http://models.example", "https://models.example"):
            with pytest.raises(RuntimeFailure) as caught:
                await ask(url)
            assert "s3cret" not in repr(caught.value.as_dict())


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


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine that nobody else trusts, with its key."""
    need("openssl")
    path = tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    key = tmp_path / "key.pem"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path))
    subprocess.run([*make.split(), *names], check=True, capture_output=True)
    with path.open("ab") as file:
        file.write(key.read_bytes())
    return path


async def test_an_authority_of_ones_own(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with serving(sends(answer("safe")), tls=tls) as server:
        with pytest.raises(RuntimeUnavailable, match="certificate that is not trusted") as caught:
            await ask(server.url)
        assert "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await ask(server.url) == "safe"
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.gone")
        with pytest.raises(RuntimeUnavailable, match="trusted certificates cannot be read"):
            await ask(server.url)
