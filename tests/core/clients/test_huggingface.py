"""The client of the hub, by the real huggingface_hub against a hub on loopback, on its good and its bad days."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.core.hostile import FORBIDDEN
from tests.hub import Hub, Repository
from venom_tui.core.clients import hub_session, huggingface
from venom_tui.core.clients.huggingface import HuggingFaceClient
from venom_tui.core.errors import (
    BadAnswer,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
    UsageError,
    VenomError,
)

TINY = Repository(
    "org/Tiny-GGUF",
    {"README.md": b"# tiny\n", "tiny-Q4_K_M.gguf": bytes(5000), "tiny-Q8_0.gguf": bytes(9000)},
    facts={
        "tags": ["gguf", "license:apache-2.0", "e\x1b[31mvil"],
        "downloads": 7,
        "likes": 3,
        "trendingScore": 5,
        "pipeline_tag": "text-generation",
        "gguf": {"total": 134_515_008, "architecture": "llama", "context_length": 8192},
    },
)
GATED = Repository("org/gated", {"model.safetensors": bytes(10)}, gated="manual", facts={"downloads": 9})
PAPERS = """[{"paper": {"id": "2511.00001", "authors": [{"_id": "1", "name": "A. Author", "hidden": false}],
 "publishedAt": "2026-11-20T00:00:00.000Z", "summary": "%s", "upvotes": 3}, "title": "On\\u001b[2J herons",
 "publishedAt": "2026-11-21T00:00:00.000Z", "numComments": 0}]""" % ("word " * 100)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(TINY, GATED) as running:
        yield running


@pytest.fixture
def client(hub: Hub) -> HuggingFaceClient:
    return HuggingFaceClient(hub.url, timeout_s=5)


# ---------------------------------------------------------------------- good days


async def test_a_search(client: HuggingFaceClient, hub: Hub) -> None:
    (offer,) = await client.search("tiny")
    assert (offer.name, offer.provider, offer.downloads, offer.likes) == ("org/Tiny-GGUF", "huggingface", 7, 3)
    assert (offer.parameter_size, offer.context_length, offer.licence) == ("135M", 8192, "apache-2.0")
    assert offer.gguf is True and offer.gated is False and "evil" in offer.tags
    assert offer.updated_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert offer.capabilities is None, "what it can do is not told by its task"
    asked = hub.asked[-1]
    assert asked.query["search"] == ["tiny"] and asked.query["sort"] == ["downloads"]
    assert asked.headers["user-agent"].startswith("venom-tui/") and ";" not in asked.headers["user-agent"]
    assert "authorization" not in asked.headers


async def test_what_is_trending(client: HuggingFaceClient, hub: Hub) -> None:
    assert [offer.name for offer in await client.trending(limit=2)] == ["org/Tiny-GGUF"]
    assert hub.asked[-1].query["sort"] == ["trendingScore"] and hub.asked[-1].query["limit"] == ["2"]
    assert [offer.name for offer in await client.trending(gguf=True)] == ["org/Tiny-GGUF"]


async def test_what_a_repository_holds(client: HuggingFaceClient, hub: Hub) -> None:
    found = await client.repository("org/Tiny-GGUF")
    assert [(file.path, file.size_bytes) for file in found.files] == [
        ("README.md", 7), ("tiny-Q4_K_M.gguf", 5000), ("tiny-Q8_0.gguf", 9000),
    ]  # fmt: skip
    assert found.size_bytes == 14_007 and found.commit == TINY.commit and found.licence == "apache-2.0"
    assert found.files[1].sha256 == TINY.etag("tiny-Q4_K_M.gguf") and found.files[0].sha256 is None
    gated = await client.repository("org/gated")
    assert gated.gated and gated.size_bytes == 10, "what it holds is told to everybody"


async def test_papers(client: HuggingFaceClient, hub: Hub) -> None:
    hub.pages["/api/daily_papers"] = ("application/json", PAPERS.encode())
    (paper,) = await client.papers(month="2026-11")
    assert (paper.title, paper.authors) == ("On herons", ("A. Author",))
    assert paper.url == f"{hub.url}/papers/2511.00001" and len(paper.summary) < 250 and paper.summary.endswith("…")
    assert hub.asked[-1].query["month"] == ["2026-11"]


async def test_the_token_goes_to_its_hub(hub: Hub) -> None:
    await HuggingFaceClient(hub.url + "/", token="hf_mine").search("tiny")
    assert hub.asked[-1].headers["authorization"] == "Bearer hf_mine"


async def test_a_token_of_the_usual_hub_does_not_go_elsewhere(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_usual_hub")
    await HuggingFaceClient(hub.url).search("tiny")
    assert "authorization" not in hub.asked[-1].headers
    monkeypatch.setattr(huggingface, "USUAL_ENDPOINT", hub.url)
    await HuggingFaceClient(hub.url).search("tiny")
    assert hub.asked[-1].headers["authorization"] == "Bearer hf_of_the_usual_hub"


@pytest.mark.parametrize(
    "endpoint",
    ["ftp://x", "huggingface.co", "https://", "https://me:secret@hub", "https://hub?x=1", "http://[", "http://a:0"],
)
def test_what_is_no_address_of_a_hub(endpoint: str) -> None:
    with pytest.raises(UsageError, match="no address of a hub") as caught:
        HuggingFaceClient(endpoint)
    assert "secret" not in caught.value.message


# ---------------------------------------------------------------------- bad days


HTML = b"<!DOCTYPE html><html><body>Under maintenance</body></html>"
BAD_DAYS: list[tuple[dict[str, Any], type[VenomError], str, str]] = [
    ({"status": 401, "body": '{"error": "Invalid"}'}, RuntimeRefused, "wants a token that it accepts", "HF_TOKEN"),
    ({"status": 403, "body": '{"error": "nope"}'}, RuntimeRefused, "does not allow this", "token"),
    (
        {"status": 403, "headers": {"x-error-code": "GatedRepo", "x-error-message": "Access is \x1b[1mrestricted"}},
        RuntimeRefused,
        "only to those who accepted its conditions",
        "Accept them on its page",
    ),
    (
        {"status": 404, "headers": {"x-error-code": "RepoNotFound"}},
        RuntimeRefused,
        "does not have this",
        "Check the name",
    ),
    ({"status": 429, "headers": {"retry-after": "7"}}, RuntimeBusy, "is busy", "7 s"),
    ({"status": 429, "headers": {"ratelimit": '"api";r=0;t=55'}}, RuntimeBusy, "is busy", "55 s"),
    ({"status": 503, "body": HTML}, RuntimeBusy, "is busy", "moment"),
    ({"status": 500, "body": "x" * 100_000}, RuntimeFailure, "failed (500)", "later"),
    ({"status": 200, "body": HTML, "headers": {"content-type": "text/html"}}, BadAnswer, "shape", ""),
    ({"status": 200, "body": b"[" * 100_000}, BadAnswer, "shape", ""),
    ({"status": 200, "body": '{"id": 3}'}, BadAnswer, "shape", ""),
    ({"status": 200, "body": '[{"no": "id"}]'}, BadAnswer, "shape", ""),
    ({"status": 200, "body": "null"}, BadAnswer, "shape", ""),
    ({"status": 200, "body": b" " * (17 << 20)}, BadAnswer, "more than 16 MiB", ""),
    ({"status": 302, "headers": {"location": "http://127.0.0.1:1/login"}}, RuntimeUnavailable, "cannot be reached", ""),
    ({"status": 302, "headers": {"location": "/api/models"}}, BadAnswer, "HTTP", ""),
]


@pytest.mark.parametrize(("order", "kind", "sentence", "hint"), BAD_DAYS, ids=lambda value: str(value)[:24])
async def test_a_bad_day_is_one_sentence(
    client: HuggingFaceClient, hub: Hub, order: dict[str, Any], kind: type[VenomError], sentence: str, hint: str
) -> None:
    hub.answers("/api/*", **order)
    begun = time.monotonic()
    for ask in (client.search("x"), client.repository("org/Tiny-GGUF")):
        with pytest.raises(kind) as caught:
            await ask
        failure = caught.value
        assert sentence in failure.message and hint in failure.hint
        assert failure.message.startswith("The hub at 127.0.0.1:")
        assert not FORBIDDEN.search(failure.message + failure.hint + failure.server_message)
        assert len(failure.server_message) < 500
    assert time.monotonic() - begun < 4, "nothing is asked twice"
    hub.behaves()
    assert await client.search("tiny"), "and the next day is a good one"


async def test_a_hub_that_is_down(hub: Hub) -> None:
    client = HuggingFaceClient("http://127.0.0.1:1", timeout_s=5)
    with pytest.raises(RuntimeUnavailable, match=r"cannot be reached\.") as caught:
        await client.search("x")
    assert "without it" in caught.value.hint


@pytest.mark.parametrize("delay_s", [0.05, 30.0])
async def test_a_slow_hub_is_waited_for_so_long_and_no_longer(hub: Hub, delay_s: float) -> None:
    hub.answers("/api/*", 200, b" " * 64_000, delay_s=delay_s)
    begun = time.monotonic()
    with pytest.raises(RuntimeTimeout, match="did not answer in time"):
        await HuggingFaceClient(hub.url, timeout_s=0.5).search("x")
    assert time.monotonic() - begun < 2


async def test_who_does_not_wait_any_more_leaves_no_thread(hub: Hub) -> None:
    hub.answers("/api/*", 200, b" " * 64_000, delay_s=0.02)
    task = asyncio.create_task(HuggingFaceClient(hub.url, timeout_s=30).search("x"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadline = time.monotonic() + 5
    while any(thread.name == "hub" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_the_library_says_nothing_on_the_terminal(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.answers("/api/*", 200, "[]", headers={"x-hf-warning": "old; you are old"})
    await HuggingFaceClient(hub.url).search("x")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("huggingface_hub").handlers == []


async def test_the_library_asks_nobody_but_who_is_meant(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _detect_agent

    with Hub() as usual:
        monkeypatch.setattr(constants, "ENDPOINT", usual.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", "/nonexistent/registry.json")
        monkeypatch.setattr(_detect_agent, "_registry", None)
        monkeypatch.setattr(hub_session, "_is_installed", False)
        await HuggingFaceClient(hub.url).search("tiny")
        assert usual.asked == [] and {one.path.partition("?")[0] for one in hub.asked} == {"/api/models"}


async def test_the_loop_goes_on_meanwhile(hub: Hub) -> None:
    client = HuggingFaceClient(hub.url)
    hub.answers("/api/models", 200, "[]", delay_s=0.3)
    longest, last = 0.0, time.monotonic()

    async def watch(done: Callable[[], bool]) -> None:
        nonlocal longest, last
        while not done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    work: Awaitable[object] = asyncio.gather(client.search("a"), client.search("b"))
    await watch(asyncio.ensure_future(work).done)
    assert longest < 0.25
