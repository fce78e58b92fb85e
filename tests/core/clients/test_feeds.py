"""News feeds and the library of Ollama: what they say, and what they may not do."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from tests.hub import Hub
from venom_tui.core.clients.feeds import FeedClient, parse_date, plain_text, read_feed
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama_library import (
    OllamaLibraryClient,
    OllamaRegistryClient,
    read_manifest,
    read_search,
)
from venom_tui.core.errors import BadAnswer, RuntimeFailure, RuntimeRefused

RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Blog</title>
<item><title>Old &amp; good</title><pubDate>Tue, 03 Nov 2026 10:00:00 GMT</pubDate><link>https://hub.example/blog/old</link>
  <description>&lt;p&gt;Herons &lt;b&gt;fly&lt;/b&gt;.&lt;script&gt;evil()&lt;/script&gt;&lt;/p&gt;</description></item>
<item><title>New&#x1b;[2J</title><pubDate>Wed, 04 Nov 2026 10:00:00 +0100</pubDate><link>javascript:alert(1)</link>
  <dc:creator>A. Author</dc:creator></item>
<item><title> </title></item>
</channel></rss>""".replace("&#x1b;", "")
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><entry><title>One</title>
<link rel="self" href="https://x.example/self"/><link href="https://x.example/1"/><published>2026-11-01T00:00:00Z</published>
<updated>2026-11-05T00:00:00Z</updated><summary>short</summary><author><name>B</name></author></entry></feed>"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        yield running


# ---------------------------------------------------------------------- feeds


def test_rss() -> None:
    new, old = read_feed(RSS, "The blog")
    assert (old.title, old.url, old.summary) == ("Old & good", "https://hub.example/blog/old", "Herons fly .")
    assert old.published_at == datetime(2026, 11, 3, 10, tzinfo=UTC)
    assert (new.title, new.url, new.authors) == ("New[2J", "", ("A. Author",))
    assert new.published_at == datetime(2026, 11, 4, 9, tzinfo=UTC)


def test_atom() -> None:
    (entry,) = read_feed(ATOM, "The blog")
    assert (entry.title, entry.url, entry.summary, entry.authors) == ("One", "https://x.example/1", "short", ("B",))
    assert entry.published_at == datetime(2026, 11, 1, tzinfo=UTC)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><rss><item><title>&c;</title></item></rss>'
)
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title></item></rss>'
REMOTE = '<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/evil.dtd"><rss></rss>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, REMOTE])
def test_a_feed_declares_nothing(text: str) -> None:
    with pytest.raises(BadAnswer, match="declares types or entities"):
        read_feed(text, "The blog")


@pytest.mark.parametrize(
    "text",
    ["", "no xml", "<html><body>down</body></html>", "<rss><item>", "<rss>&undefined;</rss>", "{}", "<rss" + " a" * 99],
)
def test_what_is_no_feed(text: str) -> None:
    with pytest.raises(BadAnswer, match="sent no feed"):
        read_feed(text, "The blog")


def test_a_feed_is_bounded() -> None:
    with pytest.raises(BadAnswer, match="nested too deeply"):
        read_feed("<rss>" + "<a>" * 100 + "</a>" * 100 + "</rss>", "The blog")
    long = f"<item><title>{'x' * 1000}</title><description>{'y' * 50_000}</description></item>"
    items = read_feed(f"<rss>{long * 300}</rss>", "The blog")
    assert len(items) == 200 and len(items[0].title) == 300 and len(items[0].summary) == 241


@given(st.text(max_size=60) | hostile, hostile)
def test_any_text_in_a_feed_is_harmless(title: str, summary: str) -> None:
    escaped = [
        t.encode("utf-8", "replace").decode().replace("&", "&amp;").replace("<", "&lt;") for t in (title, summary)
    ]
    try:
        items = read_feed(f"<rss><item><title>{escaped[0]}</title><summary>{escaped[1]}</summary></item></rss>", "It")
    except BadAnswer:
        return  # XML allows no control characters
    for item in items:
        assert not FORBIDDEN.search(item.title + item.summary)


@pytest.mark.parametrize("text", ["", "never", "2026-13-01", "Tue, 99 Nov 2026 10:00:00 GMT", "9" * 400])
def test_no_date(text: str) -> None:
    assert parse_date(text) is None


def test_text_of_html() -> None:
    assert plain_text("<p>a&amp;b<br>c<style>x</style></p><script>y") == " a&b c    "


async def test_a_feed_over_http(hub: Hub) -> None:
    hub.pages["/blog/feed.xml"] = ("application/rss+xml", RSS.encode())
    pool = HttpPool()
    blog = FeedClient(pool, hub.url, who="The blog")
    assert [item.title for item in await blog.news("/blog/feed.xml", limit=1)] == ["New[2J"]
    for order, words in (
        ({"status": 404}, "does not know this path"),
        ({"status": 429, "headers": {"retry-after": "9"}}, "is busy"),
        ({"status": 200, "body": b"<html>"}, "sent no feed"),
        ({"status": 200, "body": b"x" * (17 << 20)}, "more than 16 MiB"),
        ({"status": 200, "body": b"x" * (5 << 20)}, "more than 4 MiB"),
        ({"status": 302, "headers": {"location": "http://evil.example/"}}, "redirects to"),
    ):
        hub.answers("/blog/*", **order)
        with pytest.raises(RuntimeFailure, match=words):
            await blog.news("/blog/feed.xml")
    await pool.close()


# ---------------------------------------------------------------------- the library of Ollama

SEARCH = """<html><nav><a href="/models">Models</a><a href="/sign/in">in</a></nav><ul>
<li x-test-model class="flex"><a href="/library/qwen3" class="group"><h2><span x-test-title>qwen3</span></h2>
<p class="max-w-lg">Large <b>models</b> of\x1b[31m Qwen.</p></div><div><span x-test-capability>tools</span>
<span x-test-capability>thinking</span><span x-test-size>0.6b</span><span x-test-size>14b</span>
<p><span><span x-test-pull-count>12.5M</span> Pulls</span><span><span x-test-tag-count>58</span></span></p></div>
</a></li>
<li x-test-model><a href="/someone/model.x"><h2>x</h2></a></li>
</ul><a href="/library/qwen3">again</a><a href="/library/plain"><p>Only a text</p></a>
<a href="/library/../x">no</a></html>"""


def test_the_page_of_search() -> None:
    qwen, other, plain = read_search(SEARCH)
    assert (qwen.name, qwen.provider, qwen.downloads) == ("qwen3", "ollama", 12_500_000)
    assert (qwen.capabilities, qwen.parameter_size) == (("tools", "thinking"), "0.6b 14b")
    assert qwen.description == "Large models of Qwen."
    assert (other.name, other.capabilities, other.downloads) == ("someone/model.x", None, None)
    assert (plain.name, plain.description) == ("plain", "Only a text")


@given(hostile)
def test_any_page_is_read_harmlessly(text: str) -> None:
    page = f'<li x-test-model><a href="/library/x"><p>{text}</p><span x-test-size>{text}</span></a></li>{text}'
    for offer in read_search(page):
        assert not FORBIDDEN.search(offer.description + (offer.parameter_size or ""))


async def test_the_library_is_searched(hub: Hub) -> None:
    hub.pages["/search"] = ("text/html", SEARCH.encode())
    pool = HttpPool()
    library = OllamaLibraryClient(pool, hub.url)
    assert [offer.name for offer in await library.search("qwen", limit=1)] == ["qwen3"]
    assert hub.asked[-1].query == {"q": ["qwen"]}
    await library.search("")
    assert hub.asked[-1].query == {"o": ["popular"]}
    hub.answers("/search", 200, "<html>nothing</html>")
    assert await library.search("nothing") == []
    hub.answers("/search", 200, "{}")
    with pytest.raises(BadAnswer, match="no page of search"):
        await library.search("x")
    await pool.close()


MANIFEST = b'{"schemaVersion":2,"mediaType":"m","config":{"mediaType":"c","digest":"sha256:1","size":3},"layers":[]}'


async def test_a_registry_tells_a_manifest(hub: Hub) -> None:
    hub.pages["/v2/library/qwen3/manifests/14b"] = (
        "application/json",
        json.dumps(json.loads(MANIFEST), indent=1).encode(),
    )
    pool = HttpPool()
    registry = OllamaRegistryClient(pool, hub.url)
    found = await registry.manifest("library/qwen3", "14b")
    assert found.layers == (("c", "sha256:1", 3),)
    assert "manifest" in hub.asked[-1].headers["accept"]
    written = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    assert written in found.digests, "older Ollamas wrote it down in their own form"
    with pytest.raises(RuntimeRefused):
        await registry.manifest("library/none", "latest")
    await pool.close()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"layers": [{}], "config": {}}', b'{"layers": 3}', b"[" * 99999]
)
def test_what_is_no_manifest(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="no manifest"):
        read_manifest(body, "It")


def test_reading_takes_no_time() -> None:
    begun = time.perf_counter()
    read_search("<li x-test-model>" * 20_000 + '<a href="/library/x">' * 20_000)
    read_feed("<rss>" + "<item><title>x</title></item>" * 20_000 + "</rss>", "It")
    assert time.perf_counter() - begun < 3
