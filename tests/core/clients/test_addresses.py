"""Addresses of servers, in all the forms that people write."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from venom_tui.core.clients.addresses import base_url, is_loopback, shown_address
from venom_tui.core.errors import UsageError


def url(text: str) -> str:
    return base_url(text, default_port=11434, strip=("/v1", "/api"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # without a scheme, a port, or both
        ("gpu", "http://gpu:11434"),
        ("gpu:8000", "http://gpu:8000"),
        ("gpu:", "http://gpu:11434"),
        ("gpu-07.lab.example.com", "http://gpu-07.lab.example.com:11434"),
        ("gpu_07:8000", "http://gpu_07:8000"),
        ("LOCALHOST", "http://localhost:11434"),
        ("localhost.", "http://localhost.:11434"),
        ("10.0.0.7", "http://10.0.0.7:11434"),
        # a scheme says the port, as Ollama reads it
        ("http://gpu", "http://gpu:80"),
        ("https://gpu", "https://gpu:443"),
        ("HTTPS://GPU:8443", "https://gpu:8443"),
        # what a server listens on
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        (":8000", "http://127.0.0.1:8000"),
        ("*:8000", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:11434"),
        ("[::]:8000", "http://[::1]:8000"),
        ("http://[::]", "http://[::1]:80"),
        # IPv6
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("http://[fd00::7]:8000/", "http://[fd00::7]:8000"),
        ("FD00::7", "http://[fd00::7]:11434"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:11434"),
        ("[fe80::1%25eth0]:8000", "http://[fe80::1%eth0]:8000"),
        # slashes and paths
        ("gpu/", "http://gpu:11434"),
        ("http://gpu:8000///", "http://gpu:8000"),
        ("gpu:8000/v1", "http://gpu:8000"),
        ("gpu:8000/v1/", "http://gpu:8000"),
        ("http://gpu:8000/api", "http://gpu:8000"),
        ("https://gpu/ollama/", "https://gpu:443/ollama"),
        ("https://gpu/ollama/v1/", "https://gpu:443/ollama"),
        ("http://gpu/v1?x=1", "http://gpu:80"),
        ("http://gpu/v1#x", "http://gpu:80"),
        # as it comes out of files
        ("  gpu:8000\n", "http://gpu:8000"),
        ("'http://gpu:8000'", "http://gpu:8000"),
        ('" gpu "', "http://gpu:11434"),
    ],
)
def test_what_people_write(text: str, found: str) -> None:
    assert url(text) == found
    assert url(found) == found
    assert httpx.URL(found).port in (None, urlsplit(found).port)


@pytest.mark.parametrize(
    "text",
    [
        *("gpu:99999", "gpu:0", "gpu:+80", "gpu:８０", "gpu:port", "gpu:" + "9" * 5000, "gpu:-1"),
        *("ftp://gpu", "unix:///run/ollama.sock", "http:/gpu", "https:gpu:1", "//gpu:1", "/v1", "http:///v1"),
        *("[::1", "[:::1]", "::1:11434", "[gpu]:1", "[1.2.3.4]:1", "[::1]x", "gpu:1:2", "fe80::1%\x1b[31m"),
        *("a b", "münchen.local", "-", "a..b", "-a.b", "a" * 64, "a." * 127 + "com", "999.1.1.1", "%%", "gpu\x00"),
        *("gpu/\x1b[31m", "gpu/ü", "http://gpu:1#a", "http:/x y"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no (address|port)") as caught:
        url(text)
    assert not FORBIDDEN.search(caught.value.message)
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    "text",
    [
        *("user:s3cret@gpu", "http://user:s3cret@gpu:8000", "http://s3cret@gpu/v1", "ftp://u:s3cret@gpu", "u:s3cret@"),
        *("http:/u:s3cret@gpu", "//u:s3cret@gpu", "http:///u:s3cret@gpu", "gpu ü u:s3cret@gpu"),
    ],
)
def test_credentials_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        url(text)
    assert "s3cret" not in caught.value.message + caught.value.hint


labels = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=3).map(".".join).filter(lambda name: name not in ("http", "https"))
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)
hosts = names.filter(lambda name: not name.replace(".", "").isdigit()) | ipv4
ports = st.integers(1, 65535)
schemes = st.sampled_from(["", "http://", "https://"])


@given(hosts, st.none() | ports, schemes, st.sampled_from(["", "/", "/v1", "/v1/"]))
def test_a_name_or_an_ipv4_address(host: str, port: int | None, scheme: str, path: str) -> None:
    found = urlsplit(url(f"{scheme}{host}{'' if port is None else f':{port}'}{path}"))
    usual = {"": 11434, "http://": 80, "https://": 443}[scheme]
    assert (found.scheme, found.path) == (scheme.removesuffix("://") or "http", "")
    assert found.hostname == ("127.0.0.1" if host == "0.0.0.0" else host)
    assert found.port == (usual if port is None else port)


@given(ipv6, st.none() | ports, schemes)
def test_an_ipv6_address(host: str, port: int | None, scheme: str) -> None:
    found = urlsplit(url(f"{scheme}[{host}]{'' if port is None else f':{port}'}"))
    expected = ipaddress.ip_address("::1" if host == "::" else host)
    assert ipaddress.ip_address(found.hostname or "") == expected
    assert found.port == ({"": 11434, "http://": 80, "https://": 443}[scheme] if port is None else port)
    if port is None and not scheme:
        assert url(host) == url(f"[{host}]")


@given(st.text(max_size=60) | hostile | st.text("[]:/@.%0129af-", max_size=30))
def test_anything_else_is_an_address_that_can_be_used_or_a_sentence(text: str) -> None:
    try:
        found = url(text)
    except UsageError as failure:
        told = failure.message + failure.hint
    else:
        told = shown_address(found)
        usable(found)
    assert not FORBIDDEN.search(told)


def usable(found: str) -> None:
    parts = urlsplit(found)
    assert parts.scheme in ("http", "https")
    assert parts.hostname and parts.port
    assert parts.username is None
    assert httpx.URL(found).host
    assert url(found) == found


@pytest.mark.parametrize(
    ("text", "here"),
    [
        *((text, True) for text in ("localhost", "127.0.0.1", "127.8.9.10", "::1", "a.localhost", "0.0.0.0", "::")),
        *((text, False) for text in ("gpu", "10.0.0.1", "fd00::1", "localhost.example.com", "127.0.0.1.example.com")),
    ],
)
def test_what_is_on_this_machine(text: str, here: bool) -> None:
    assert is_loopback(url(text)) is here


def test_an_address_as_it_is_shown() -> None:
    assert shown_address("http://[::1]:8000") == "[::1]:8000"
    assert shown_address("https://gpu:443/ollama") == "gpu:443/ollama"
