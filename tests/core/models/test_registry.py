"""What is known of models and asked about them: manifests, parameters, updates, offers and news of others."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.models.catalog import Catalog, Setting, catalog, fill_cache, gguf, sha256
from tests.core.support import next_of
from tests.hub import Hub, Repository
from tests.ollama import FakeOllama
from tests.servers import Exchange, head
from venom_tui.core.errors import ModelNotFound, Offline, UsageError, VenomError
from venom_tui.core.events import ModelsChanged
from venom_tui.core.models.updates import same_weights
from venom_tui.core.types.offer import HubFile, Offers
from venom_tui.core.types.session import MessageState

SEARCH = '<li x-test-model><a href="/library/smollm2"><p>Small</p><span x-test-size>135m</span></a></li>'
FEED = "<rss><item><title>News \x1b[31mof herons</title><link>https://x.example/1</link></item></rss>".replace(
    "\x1b", ""
)
FACTS = {"tags": ["gguf", "license:mit"], "downloads": 9, "pipeline_tag": "text-generation"}
PAPERS = json.dumps([{"paper": {"id": "2511.1", "authors": [], "summary": "s"}, "title": "On herons"}])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A test's folder with one GGUF file."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    header = {"general__license": "mit", "general__organization": "Herons", "general__file_type": 7}
    (models / "tiny.gguf").write_bytes(gguf(tmp_path, 5000, **header))
    return tmp_path


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """An Ollama with three models, two of the same weights; a hub with a repository."""
    models: dict[str, dict[str, Any]] = {"smollm2:135m": {}, "twin:135m": {}, "other:latest": {"digest": "ab" * 32}}
    files = {"README.md": b"# x", "tiny-Q8_0.gguf": gguf(tmp_path, 5000), "tiny-Q4_K_M.gguf": gguf(tmp_path, 3000)}
    return Setting(
        FakeOllama(models=models, twins={"twin:135m": "smollm2:135m"}),
        (Repository("org/Tiny-GGUF", files, facts=FACTS),),
    )


def pages(at: Catalog) -> None:
    """Let the hub answer as the library of Ollama, and with news."""
    at.hub.pages["/search"] = ("text/html", SEARCH.encode())
    at.hub.pages["/blog/feed.xml"] = ("application/rss+xml", FEED.encode())
    at.hub.pages["/api/daily_papers"] = ("application/json", PAPERS.encode())


# ---------------------------------------------------------------------- what is here


async def test_the_runtime_is_asked_what_a_model_is(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        found = await at.core.registry.details("smollm2:135m")
        assert found.manifest.licence == "apache-2.0" and found.manifest.weights_digest == found.model.weights_digest
        assert found.manifest.parameters[-1] == ("temperature", "0")
        assert found.manifest.layers is None and "layers cannot be seen" in found.notes[0]
        assert found.update is None, "nobody asked"
        await at.core.registry.learn()
        found = await at.core.registry.details("smollm2:135m")
        assert found.same_weights == (("ollama", "twin:135m"),)
        assert at.hub.asked == [], "nobody outside was asked"


async def test_what_was_said_is_kept_and_shown_while_the_server_is_silent(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        await at.core.registry.details("smollm2:135m")

        async def fail(exchange: Exchange) -> None:
            await exchange.write(head("500 Internal Server Error", "application/json") + b'{"error": "on fire"}')

        setting.fake.instead["POST /api/show"] = fail
        found = await at.core.registry.details("smollm2:135m")
        assert found.manifest.licence == "apache-2.0" and "on fire" in found.notes[0]
        assert found.manifest.asked_at is not None
        setting.fake.models["late:1b"] = {"digest": "12" * 32}
        nothing = await at.core.registry.details("late:1b")
        assert nothing.manifest.licence == "" and "on fire" in nothing.notes[0]
        setting.fake.models["smollm2:135m"] = {"digest": "cd" * 32}
        await at.core.models.list(refresh=True)
        assert (await at.core.registry.details("smollm2:135m")).manifest.licence == "", "that was another version"


async def test_a_gguf_file_tells_of_itself(folder: Path) -> None:
    async with catalog(folder) as at:
        found = await at.core.registry.details("tiny")
        assert found.manifest.licence == "mit" and ("organization", "Herons") in found.manifest.facts
        assert found.manifest.template == "{{ messages }}"
        (layer,) = found.manifest.layers or ()
        assert (layer.kind, layer.size_bytes) == ("weights", 5000) and layer.path.endswith("tiny.gguf")
        with pytest.raises(ModelNotFound):
            await at.core.registry.details("gone")


async def test_a_repository_of_the_cache_tells_of_itself(folder: Path) -> None:
    card = b"---\nlicense: apache-2.0\ntags: [x]\n---\n# x\n"
    weights = {"README.md": card, "w.safetensors": b"x" * 900, "t-Q8_0.gguf": gguf(folder, 4000, general__license=None)}
    one = Repository("org/W", weights)
    fill_cache(folder / "hf" / "hub", one)
    async with catalog(folder) as at:
        found = await at.core.registry.details("org/W")
        assert found.manifest.licence == "apache-2.0" and found.manifest.source == f"org/W@{one.commit[:12]}"
        assert [layer.kind for layer in found.manifest.layers or ()] == ["file", "weights"]
        file = await at.core.registry.details("org/W:Q8_0")
        assert (
            file.manifest.licence == "apache-2.0" and file.model.weights_digest == f"sha256:{one.etag('t-Q8_0.gguf')}"
        )


async def test_the_same_weights_are_known_in_two_places(folder: Path) -> None:
    data = (folder / "data/models/tiny.gguf").read_bytes()
    fill_cache(folder / "hf" / "hub", Repository("org/W", {"t-Q8_0.gguf": data}))
    async with catalog(folder) as at:
        assert (await at.core.registry.details("org/W:Q8_0")).same_weights == ()
        with at.core.events.subscribe() as events:
            assert await at.core.registry.work_out_digest("tiny") == sha256(data)
            await next_of(events, ModelsChanged)
        assert (await at.core.registry.details("org/W:Q8_0")).same_weights == (("embedded", "tiny"),)
    async with catalog(folder) as at:
        assert (await at.core.models.find("tiny")).weights_digest == sha256(data), "it is worked out once"
        (folder / "data/models/tiny.gguf").write_bytes(data + b"more")
        await at.core.models.list(refresh=True)
        assert (await at.core.models.find("tiny")).weights_digest is None, "and again when the file is another one"


async def test_last_use_and_what_can_be_done_come_from_what_is_kept(folder: Path, setting: Setting) -> None:
    setting.fake.models["old:1b"] = {"capabilities": ..., "digest": "ef" * 32}
    async with catalog(folder, setting) as at:
        assert (await at.core.models.find("old:1b")).capabilities is None, "its server does not say in the list"
        session = await at.core.sessions.create()
        _, answer = await at.core.sessions.begin_turn(session.id, "x", request_id="r")
        done = replace(answer, state=MessageState.COMPLETE, model="old:1b", runtime="ollama")
        await at.core.sessions.finish(done, None)
        await at.core.registry.learn()
        found = await at.core.models.find("old:1b")
        assert found.capabilities == ("completion",) and found.last_used == answer.created_at
        asked = len(at.asked())
        await at.core.registry.learn()
        assert len(at.asked()) == asked, "what is known is not asked again"


async def test_parameters_have_the_ranges_of_model_and_runtime(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        await at.core.models.set_parameters("smollm2:135m", None, {"temperature": "0.3", "stop": "A,B"})
        specs = {one.name: one for one in (await at.core.registry.details("smollm2:135m")).parameters}
        assert (specs["temperature"].default, specs["temperature"].value) == ("0", "0.3")
        assert (specs["temperature"].minimum, specs["temperature"].maximum) == (0, 2)
        assert specs["stop"].default == "<|im_start|>, <|im_end|>" and specs["stop"].value == "A,B"
        assert specs["context_length"].maximum == 8192 and specs["think"].used is False
        assert specs["top_k"].value is None and specs["top_k"].used
        embedded = {one.name: one for one in (await at.core.registry.details("tiny")).parameters}
        assert embedded["context_length"].maximum == 2048 and embedded["temperature"].value is None
        assert embedded["think"].used, "its template is told it, whatever is known of the model"


# ---------------------------------------------------------------------- what could be had


def by_provider(found: list[Offers]) -> dict[str, Offers]:
    return {one.provider: one for one in found}


async def test_each_provider_is_searched_and_tells_what_is_here(folder: Path, setting: Setting) -> None:
    fill_cache(folder / "hf" / "hub", *setting.repositories)
    async with catalog(folder, setting) as at:
        pages(at)
        found = by_provider(await at.core.registry.search("  Tiny  "))
        (offer,) = found["huggingface"].offers
        assert (offer.name, offer.installed, offer.licence) == ("org/Tiny-GGUF", True, "mit")
        (small,) = found["ollama"].offers
        assert (small.name, small.installed, small.parameter_size) == ("smollm2", True, "135m")
        assert all(one.asked_at is not None and not one.stale and not one.error for one in found.values())
        for query in ("", "x", " a ", "y" * 300):
            with pytest.raises(UsageError, match="characters"):
                await at.core.registry.search(query)
        with pytest.raises(UsageError, match="cannot be searched"):
            await at.core.registry.search("tiny", providers=["local"])


DAYS: list[dict[str, Any]] = [
    {"status": 401}, {"status": 403}, {"status": 404}, {"status": 429, "headers": {"retry-after": "7"}},
    {"status": 500}, {"status": 200, "body": "<html>maintenance</html>"}, {"status": 200, "body": b" " * (17 << 20)},
]  # fmt: skip


@pytest.mark.parametrize("day", DAYS, ids=lambda day: str(day)[:30])
async def test_a_provider_that_fails_says_so_in_its_place(folder: Path, setting: Setting, day: dict[str, Any]) -> None:
    async with catalog(folder, setting) as at:
        pages(at)
        at.hub.answers("/api/*", **day)
        found = by_provider(await at.core.registry.search("tiny"))
        assert found["huggingface"].error and found["huggingface"].offers == ()
        assert found["huggingface"].asked_at is None and not found["huggingface"].stale
        assert "\n" not in found["huggingface"].error and len(found["huggingface"].error) < 400
        assert found["ollama"].offers and not found["ollama"].error, "the other one works"
        assert len(await at.core.models.list()) >= 4, "and so does everything here"


async def test_an_older_answer_is_shown_with_its_age_and_an_outage_empties_nothing(
    folder: Path, setting: Setting
) -> None:
    async with catalog(folder, setting) as at:
        pages(at)
        first = by_provider(await at.core.registry.trending())["huggingface"]
        at.hub.answers("*", 503)
        for _ in range(2):
            again = by_provider(await at.core.registry.trending())
            assert again["huggingface"].offers == first.offers and again["huggingface"].asked_at == first.asked_at
            assert again["huggingface"].stale and "is busy" in again["huggingface"].error
            assert again["ollama"].offers and again["ollama"].stale
        with pytest.raises(VenomError, match="is busy"):
            await at.core.registry.repository("org/Tiny-GGUF")
    async with catalog(folder, setting, VENOM_OFFLINE="1") as at:
        kept = by_provider(await at.core.registry.kept_trending())["huggingface"]
        assert kept.offers == first.offers and kept.asked_at == first.asked_at and kept.stale


async def test_a_repository_tells_its_files_before_anything_is_fetched(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        found = await at.core.registry.repository("https://huggingface.co/org/Tiny-GGUF/tree/main")
        assert {file.path: (file.size_bytes, file.quantization) for file in found.files} == {
            "README.md": (3, None), "tiny-Q4_K_M.gguf": (3000, "Q4_K_M"), "tiny-Q8_0.gguf": (5000, "Q8_0"),
        }  # fmt: skip
        assert found.size_bytes == 8003 and found.asked_at is not None and not found.stale
        at.hub.answers("/api/*", 500)
        kept = await at.core.registry.repository("org/Tiny-GGUF")
        assert kept.stale and kept.files == found.files and kept.asked_at == found.asked_at and kept.error
        with pytest.raises(UsageError):
            await at.core.registry.repository("../etc")
        assert not at.hub.asked_for("/*/resolve/*")


async def test_news(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        pages(at)
        (item,) = (await at.core.registry.news("blog")).items
        assert "herons" in item.title and item.url == "https://x.example/1"
        (paper,) = (await at.core.registry.news("papers", month="2026-11")).items
        assert paper.title == "On herons"
        at.hub.answers("*", 200, "<html>")
        stale = await at.core.registry.news("blog")
        assert stale.items == (item,) and stale.stale and "sent no feed" in stale.error
        for kind, month in (("gossip", ""), ("papers", "2026-13"), ("papers", "2026-1"), ("papers", "../../x")):
            with pytest.raises(UsageError):
                await at.core.registry.news(kind, month=month)


@pytest.mark.parametrize("key", ["VENOM_OFFLINE", "HF_HUB_OFFLINE"])
async def test_offline_asks_nobody_outside(folder: Path, setting: Setting, key: str) -> None:
    async with catalog(folder, setting, **{key: "1"}) as at:
        pages(at)
        found = by_provider(await at.core.registry.search("tiny"))
        assert key in found["huggingface"].error
        assert key in (await at.core.registry.news()).error
        with pytest.raises(Offline):
            await at.core.registry.repository("org/Tiny-GGUF")
        if key == "VENOM_OFFLINE":
            assert key in found["ollama"].error
            with pytest.raises(Offline):
                await at.core.registry.ask_for_update("smollm2:135m")
            assert at.hub.asked == []
        assert at.hub.asked_for("/api/*") == []


async def test_nobody_outside_is_asked_unasked(folder: Path, setting: Setting) -> None:
    fill_cache(folder / "hf" / "hub", *setting.repositories)
    async with catalog(folder, setting) as at:
        await at.core.models.list(refresh=True)
        await at.core.registry.learn()
        await at.core.registry.details("smollm2:135m")
        await at.core.registry.details("org/Tiny-GGUF:Q8_0")
        await at.core.registry.kept_trending()
        await at.core.registry.storage()
        await asyncio.sleep(0.3)
        assert at.hub.asked == []


# ---------------------------------------------------------------------- updates


def registry_has(hub: Hub, name: str, tag: str, weights: str) -> bytes:
    """Let the hub answer as a registry for a model; return its manifest."""
    row = {"mediaType": "application/vnd.ollama.image.model", "digest": weights, "size": 7}
    body = json.dumps({"schemaVersion": 2, "layers": [row], "config": {**row, "mediaType": "c"}}).encode()
    hub.pages[f"/v2/{name}/manifests/{tag}"] = ("application/json", body)
    return body


async def test_an_update_is_digest_against_digest(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        await at.core.registry.learn()
        weights = (await at.core.models.find("smollm2:135m")).weights_digest or ""
        body = registry_has(at.hub, "library/smollm2", "135m", weights)
        update = await at.core.registry.ask_for_update("smollm2:135m")
        assert (update.state, update.detail) == (
            "available", "template, parameters or licence changed; the weights are the same",
        )  # fmt: skip
        registry_has(at.hub, "library/smollm2", "135m", "sha256:" + "0" * 64)
        assert "other weights" in (await at.core.registry.ask_for_update("smollm2:135m")).detail
        body = registry_has(at.hub, "library/smollm2", "135m", weights)
        setting.fake.models["smollm2:135m"] = {"digest": hashlib.sha256(body).hexdigest()}
        await at.core.models.list(refresh=True)
        update = await at.core.registry.ask_for_update("smollm2:135m")
        assert update.state == "none"
        kept = (await at.core.registry.details("smollm2:135m")).update
        assert kept is not None and (kept.state, kept.detail) == ("none", update.detail) and kept.asked_at is not None
        unknown = await at.core.registry.ask_for_update("twin:135m")
        assert unknown.state == "unknown" and "does not have it" in unknown.detail
        at.hub.answers("/v2/*", 503)
        with pytest.raises(VenomError, match="is busy"):
            await at.core.registry.ask_for_update("smollm2:135m")


async def test_a_model_of_another_registry_is_asked_for_there(folder: Path, setting: Setting) -> None:
    async with catalog(folder, setting) as at:
        name = f"{at.hub.url.removeprefix('http://')}/library/small:v1"
        setting.fake.models[name] = {}
        registry_has(at.hub, "library/small", "v1", "sha256:" + "1" * 64)
        await at.core.models.list(refresh=True)
        assert (await at.core.registry.ask_for_update(name)).state == "available"


async def test_updates_of_the_cache_and_of_files(folder: Path, setting: Setting) -> None:
    fill_cache(folder / "hf" / "hub", *setting.repositories)
    async with catalog(folder, setting) as at:
        name = "org/Tiny-GGUF:Q8_0"
        assert (await at.core.registry.ask_for_update(name)).state == "none"
        same = Repository("org/Tiny-GGUF", {**setting.repositories[0].files, "new": b"x"})
        at.hub.repositories["org/Tiny-GGUF"] = same
        update = await at.core.registry.ask_for_update(name)
        assert (update.state, update.detail) == ("none", "the newest revision has the same file")
        other = Repository("org/Tiny-GGUF", {**same.files, "tiny-Q8_0.gguf": b"other"})
        at.hub.repositories["org/Tiny-GGUF"] = other
        update = await at.core.registry.ask_for_update(name)
        assert update.state == "available" and other.commit[:12] in update.detail
        at.hub.answers("/api/*", 500)
        assert (await at.core.registry.ask_for_update(name)).state == "unknown"
        file = await at.core.registry.ask_for_update("tiny")
        assert file.state == "unknown" and "not known" in file.detail


async def test_another_readme_is_no_update_of_weights(folder: Path, setting: Setting) -> None:
    files: dict[str, bytes | Path] = {"README.md": b"# x", "config.json": b"{}"}
    files |= {f"model-{part}-of-2.safetensors": b"w%d" % part for part in (1, 2)}
    repository = Repository("org/Whole", files)
    fill_cache(folder / "hf" / "hub", repository)

    async with catalog(folder, Setting(setting.fake, (repository,))) as at:

        async def asked(**changed: bytes) -> tuple[str, str]:
            other = {**files, **{name.replace("__", "."): data for name, data in changed.items()}}
            at.hub.repositories["org/Whole"] = Repository(
                "org/Whole", other, commit=hashlib.sha256(str(other).encode()).hexdigest()[:40]
            )
            update = await at.core.registry.ask_for_update("org/Whole")
            return update.state, update.detail

        at.hub.repositories["org/Whole"] = repository
        assert (await at.core.registry.ask_for_update("org/Whole")).detail == "this is the newest revision"
        state, detail = await asked(README__md=b"# another one")
        assert state == "none" and detail.startswith("only other files changed; ")
        assert (await asked(**{"model-1-of-2__safetensors": b"w9"}))[0] == "available", "as long, and other"
        assert (await asked(**{"model-3-of-2__safetensors": b"w3"}))[0] == "available", "one more"
        assert (await asked(**{"original/model__safetensors": b"w"}))[0] == "none", "a kind that was not fetched"


def test_weights_without_a_digest_are_compared_by_size() -> None:
    here = [HubFile("a.bin", 7), HubFile("b.bin", 8, "ab")]
    assert same_weights(here, [HubFile("a.bin", 7, "cd"), HubFile("b.bin", 8, "ab"), HubFile("README.md", 1)])
    assert not same_weights(here, [HubFile("a.bin", 9), HubFile("b.bin", 8, "ab")])
    assert not same_weights(here, [HubFile("b.bin", 8, "ab")])
    assert not same_weights([HubFile("a.bin", None)], [HubFile("a.bin", None)]), "not known is not the same"


# ---------------------------------------------------------------------- names


async def test_a_model_is_found_by_any_form_of_its_name(folder: Path, setting: Setting) -> None:
    fill_cache(folder / "hf" / "hub", *setting.repositories)
    setting.fake.models["hf.co/org/Other-GGUF:Q4_0"] = {}
    async with catalog(folder, setting) as at:
        for name, provider, found in (
            ("tiny.gguf", None, ("embedded", "tiny")),
            ("tiny", "local", ("embedded", "tiny")),
            ("other", None, ("ollama", "other:latest")),
            ("OTHER", "ollama", ("ollama", "other:latest")),
            ("library/other", None, ("ollama", "other:latest")),
            ("https://ollama.com/library/other", None, ("ollama", "other:latest")),
            ("hf.co/org/Other-GGUF:Q4_0", None, ("ollama", "hf.co/org/Other-GGUF:Q4_0")),
            ("hf.co/org/Tiny-GGUF:Q8_0", None, ("embedded", "org/Tiny-GGUF:Q8_0")),
            ("org/Tiny-GGUF:q8_0", "huggingface", ("embedded", "org/Tiny-GGUF:Q8_0")),
        ):
            model = await at.core.registry.find(name, None, provider)
            assert (model.runtime, model.name) == found
        for name, provider in (("other", "local"), ("tiny", "ollama"), ("org/none", "huggingface"), ("none", None)):
            with pytest.raises(ModelNotFound):
                await at.core.registry.find(name, None, provider)
        for name, provider in (("../x", None), ("x", "nobody"), ("-x", "ollama"), ("x", "huggingface"), ("a\n", None)):
            with pytest.raises(UsageError):
                await at.core.registry.find(name, None, provider)


async def test_a_provider_tells_two_models_of_one_name_apart(folder: Path, setting: Setting) -> None:
    (folder / "data/models/same:latest.gguf").write_bytes(gguf(folder, 3000))
    setting.fake.models["same:latest"] = {}
    async with catalog(folder, setting) as at:
        await at.core.models.choose("tiny")
        with pytest.raises(UsageError, match="have a model"):
            await at.core.registry.find("same:latest")
        assert (await at.core.registry.find("same:latest", None, "ollama")).runtime == "ollama"
        assert (await at.core.registry.find("same:latest", None, "local")).runtime == "embedded"
