"""What could be had, in the application: who is asked and when, and what is shown when somebody cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.models.catalog import gguf
from tests.core.models.test_registry import FACTS, FEED, PAPERS, SEARCH
from tests.hub import Hub, Repository
from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import Catalog, squeezed
from venom_tui.core.types.offer import Offer, Offers
from venom_tui.ui.screens.catalog.offer_rows import count_cell, detail_lines, line, rows_of
from venom_tui.ui.screens.catalog.offers import OfferList, OffersScreen


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    files = {"README.md": b"# x", "tiny-Q8_0.gguf": gguf(tmp_path, 5000), "tiny-Q4_K_M.gguf": gguf(tmp_path, 3000)}
    with Hub(
        Repository("org/Tiny-GGUF", files, facts=FACTS),
        Repository("some/Else-7B", {"a.safetensors": b"x"}, gated="manual", facts=FACTS | {"downloads": 123_456}),
    ) as running:
        running.pages["/search"] = ("text/html", SEARCH.encode())
        running.pages["/blog/feed.xml"] = ("text/xml", FEED.encode())
        running.pages["/api/daily_papers"] = ("application/json", PAPERS.encode())
        yield running


@pytest.fixture
def places(hub: Hub) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "VENOM_OLLAMA_LIBRARY": hub.url}


def keys(shown: Catalog) -> list[str]:
    return list(shown.app.screen.query_one(OfferList).keys)


async def test_nobody_is_asked_before_it_is_opened(catalog: OpenCatalog, hub: Hub, places: dict[str, str]) -> None:
    async with catalog(**places) as shown:
        await shown.press("j", "i", "escape", "slash", "a", "escape", "s", "r")
        await shown.pilot.pause(0.3)
        assert hub.asked == []
        await shown.press("o")
        await shown.until(lambda: "── Trending ─ 3 ──" in shown.text and " asked " in shown.text)
        assert {one.path.partition("?")[0] for one in hub.asked} == {"/api/models", "/search"}
        assert sorted(keys(shown)) == ["huggingface org/Tiny-GGUF", "huggingface some/Else-7B", "ollama smollm2"]
        assert "123k" in shown.text and "1 Chat  2 Catalog" in shown.text
        await shown.press("escape")
        assert shown.app.screen is shown.screen


async def test_search_news_and_papers(catalog: OpenCatalog, hub: Hub, places: dict[str, str]) -> None:
    async with catalog(**places) as shown:
        await shown.press("o")
        await shown.until(lambda: "Trending ─ 3" in shown.text)
        await shown.press("slash")
        await shown.type("else")
        assert not hub.asked_for("/api/models")[1:], "typing asks nobody"
        await shown.press("enter")
        await shown.until(lambda: "Search: else ─ 2" in shown.text)
        assert keys(shown) == ["huggingface some/Else-7B", "ollama smollm2"]
        await shown.press("g")
        await shown.until(lambda: "its conditions have to be accepted first" in shown.text)
        await shown.press("n")
        await shown.until(lambda: "News ─ 1" in shown.text and "herons" in shown.text)
        assert squeezed(shown.lines[4]) == "date title authors"
        await shown.press("enter")
        await shown.until(lambda: "https://x.example/1" in shown.text)
        await shown.press("escape", "P")
        await shown.until(lambda: "Papers ─ 1" in shown.text and "On herons" in shown.text)
        await shown.press("t")
        await shown.until(lambda: "Trending ─ 3" in shown.text)


async def test_a_repository_shows_its_files_and_sizes(catalog: OpenCatalog, hub: Hub, places: dict[str, str]) -> None:
    async with catalog(**places) as shown:
        await shown.press("o")
        await shown.until(lambda: "org/Tiny-GGUF" in shown.text)
        shown.app.screen.query_one(OfferList).set_cursor("huggingface org/Tiny-GGUF")
        await shown.press("enter")
        await shown.until(lambda: "3 files" in shown.text)
        assert (
            "tiny-Q4_K_M.gguf" in shown.text
            and "8 KiB (8,003 bytes)" in shown.text
            and "licence         mit" in shown.text
        )
        hub.answers("/api/models/*", 403, headers={"x-error-code": "GatedRepo"})
        await shown.press("r")
        await shown.until(lambda: "an older answer" in shown.text)
        await shown.press("escape")
        hub.behaves()
        hub.answers("/api/models/some*", 403, headers={"x-error-code": "GatedRepo", "x-error-message": "restricted"})
        shown.app.screen.query_one(OfferList).set_cursor("huggingface some/Else-7B")
        await shown.press("enter")
        await shown.until(lambda: "accepted its conditions" in shown.text)
        assert "HF_TOKEN" in shown.text and "restricted" in shown.text
        assert not hub.asked_for("/*/resolve/*"), "nothing is fetched"


async def test_what_was_found_is_pulled(catalog: OpenCatalog, hub: Hub, places: dict[str, str], tmp_path: Path) -> None:
    async with catalog(**places, HF_HUB_CACHE=str(tmp_path / "hub")) as shown:
        await shown.press("o")
        await shown.until(lambda: "org/Tiny-GGUF" in shown.text)
        shown.app.screen.query_one(OfferList).set_cursor("huggingface org/Tiny-GGUF")
        await shown.press("enter")
        await shown.until(lambda: "3 files" in shown.text)
        await shown.press("p")
        await shown.until(lambda: "to fetch" in shown.text and "tiny-Q4_K_M.gguf" in shown.text)
        await shown.press("escape", "escape")
        await shown.until(lambda: isinstance(shown.app.screen, OffersScreen))
        await shown.press("p")
        await shown.until(lambda: "to fetch" in shown.text and "pull it" in shown.text)
        assert not hub.asked_for("/*/resolve/*"), "nothing is fetched before the yes"
        await shown.press("enter")
        await shown.until(lambda: any("Pulling org/Tiny-GGUF" in notice for notice in shown.notices))
        await shown.press("escape")
        await shown.until(lambda: "org/Tiny-GGUF:Q4_K_M" in shown.names)
        await shown.press("p")
        await shown.until(lambda: "show what it costs" in shown.text, 5)
        await shown.press("escape")
        # The selected ones are asked for again, and only those that have a source.
        for name in list(shown.names):
            key = next(key for key in shown.rows.keys if key.endswith(f" {name}"))
            shown.rows.set_cursor(key)
            await shown.press("space")
        await shown.press("p")
        await shown.until(lambda: "Pull 1 model again" in shown.text and "Not 1 that came" in shown.text)
        await shown.press("y")
        await shown.until(lambda: any("1 in the queue" in notice for notice in shown.notices))


BAD: list[dict[str, Any]] = [
    {"status": 401}, {"status": 403}, {"status": 404}, {"status": 429, "headers": {"retry-after": "7"}},
    {"status": 200, "body": "<html>maintenance</html>"}, {"status": 200, "body": b" " * (17 << 20)},
]  # fmt: skip


@pytest.mark.parametrize("day", BAD, ids=lambda day: str(day)[:30])
async def test_who_cannot_be_asked_is_one_row_and_the_rest_works(
    catalog: OpenCatalog, hub: Hub, places: dict[str, str], day: dict[str, Any]
) -> None:
    hub.answers("/api/*", **day)
    async with catalog(**places) as shown:
        await shown.press("o")
        await shown.until(lambda: "✕ Hugging Face: " in shown.text and "smollm2" in shown.text)
        assert keys(shown) == ["trouble huggingface", "ollama smollm2"]
        assert sum("✕" in line for line in shown.lines) == 1
        hub.behaves()
        await shown.press("r")
        await shown.until(lambda: "✕" not in shown.text and "org/Tiny-GGUF" in shown.text)


async def test_an_older_answer_says_how_old_it_is(catalog: OpenCatalog, hub: Hub, places: dict[str, str]) -> None:
    async with catalog(**places) as shown:
        await shown.press("o")
        await shown.until(lambda: "Trending ─ 3" in shown.text)
        hub.answers("*", 503)
        await shown.press("r")
        await shown.until(lambda: "not of now" in shown.text)
        assert "org/Tiny-GGUF" in shown.text and "✕ Hugging Face" in shown.text and "✕ Ollama library" in shown.text
    async with catalog(**places, VENOM_OFFLINE="1") as shown:
        await shown.press("o")
        await shown.until(lambda: "venom-tui is offline" in shown.text)
        assert "org/Tiny-GGUF" in shown.text


async def test_a_slow_hub_holds_nothing_up(catalog: OpenCatalog, hub: Hub, places: dict[str, str]) -> None:
    hub.answers("/api/*", 200, b" " * 64_000, delay_s=5)
    async with catalog(**places) as shown:
        await shown.press("o")
        await shown.until(lambda: "asking …" in shown.text)
        await shown.press("enter")
        assert shown.notices == ["The answer has not come yet."]
        await shown.press("slash")
        await shown.type("words")
        assert "words" in shown.text
        await shown.press("escape", "escape")
        assert shown.app.screen is shown.screen
        await shown.press("o")
        await shown.until(lambda: isinstance(shown.app.screen, OffersScreen))
        await shown.press("f2")
        await shown.until(lambda: shown.app.screen is shown.app.section_screen("chat"))


def test_rows_take_providers_in_turn() -> None:
    one = Offers("huggingface", tuple(Offer(f"a/{n}", "huggingface") for n in range(3)))
    other = Offers("ollama", (Offer("b", "ollama"),), error="It is busy.", hint="Wait.")
    rows = rows_of([one, other])
    assert [row.title or row.trouble for row in rows] == ["Ollama library: It is busy. Wait.", "a/0", "b", "a/1", "a/2"]


@pytest.mark.parametrize("name", ["[/x]", "[@click=app.quit]x[/]", "\u202egpj", "日本語" * 30, "a\x1b[31mb"])
@pytest.mark.parametrize("width", [30, 79, 139])
def test_hostile_offers_are_text_in_their_columns(name: str, width: int) -> None:
    offer = Offer(
        name, "ollama", tags=(name,), description=name, licence=name, parameter_size=name, capabilities=(name,)
    )
    (row,) = rows_of([Offers("ollama", (offer,))])
    content = line(row, width)
    assert content.cell_length <= max(width, 32) and not any(c in content.plain for c in "\x1b\n\u202e")
    for text in detail_lines(row, width):
        assert text.cell_length <= width and all("@" not in str(span.style) for span in text.spans)


def test_counts_as_the_field_writes_them() -> None:
    assert [count_cell(n) for n in (None, 0, 999, 1000, 123_456, 999_499, 999_500, 12_500_000)] == [
        "?", "0", "999", "1k", "123k", "999k", "1.0M", "12.5M",
    ]  # fmt: skip
