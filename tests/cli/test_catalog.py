"""`venom-tui models`: the catalog from the shell, over a scripted Ollama, a hub on loopback and files."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.core.models.catalog import fill_cache, gguf, sha256
from tests.core.models.test_registry import FACTS, FEED, SEARCH
from tests.hub import Hub, Repository
from tests.ollama import FakeOllama
from tests.servers import serving

from .conftest import Cli


class Ollama:
    """A scripted Ollama in a thread of its own."""

    def __init__(self, fake: FakeOllama) -> None:
        self.fake = fake
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        async with serving(self.fake) as server:
            self.url = server.url
            self._started.set()
            await self._end.wait()

    def __enter__(self) -> Ollama:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    files = {"README.md": b"# x", "tiny-Q8_0.gguf": gguf(tmp_path, 5000), "tiny-Q4_K_M.gguf": gguf(tmp_path, 3000)}
    return Repository("org/Tiny-GGUF", files, facts=FACTS)


@pytest.fixture
def hub(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub(repository) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("VENOM_OLLAMA_LIBRARY", running.url)
        monkeypatch.setenv("VENOM_OLLAMA_REGISTRY", running.url)
        running.pages["/search"] = ("text/html", SEARCH.encode())
        running.pages["/blog/feed.xml"] = ("text/xml", FEED.encode())
        yield running


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    models: dict[str, dict[str, Any]] = {"smollm2:135m": {"size": 7_000_000}, "twin:135m": {"size": 7_000_000}}
    models["big:cloud"] = {"remote_host": "https://ollama.com:443", "size": 384, "digest": "ab" * 32}
    with Ollama(FakeOllama(models=models, twins={"twin:135m": "smollm2:135m"})) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running.fake


@pytest.fixture
def files(data_dir: Path, tmp_path: Path) -> Path:
    folder = data_dir / "models"
    folder.mkdir(parents=True)
    for name in ("keep", "tiny"):
        (folder / f"{name}.gguf").write_bytes(gguf(tmp_path, 50_000))
    return folder


def test_the_list_holds_every_place(
    cli: Cli, hub: Hub, fake: FakeOllama, files: Path, repository: Repository, tmp_path: Path
) -> None:
    fill_cache(tmp_path / "hf" / "hub", repository)
    rows = {row["name"]: row for row in cli("models", "list", "--json").json}
    assert set(rows) >= {"keep", "tiny", "smollm2:135m", "twin:135m", "big:cloud", "org/Tiny-GGUF:Q8_0"}
    wanted = {"name", "runtime", "provider", "size_bytes", "digest", "parameter_size", "quantization", "context_length"}
    wanted |= {"capabilities", "loaded", "vram_bytes", "active", "weights_digest", "last_used", "remote_host"}
    assert wanted <= set(rows["tiny"])
    assert rows["smollm2:135m"]["weights_digest"] == rows["twin:135m"]["weights_digest"] is not None
    assert rows["big:cloud"]["size_bytes"] is None and rows["big:cloud"]["remote_host"] == "https://ollama.com:443"
    assert [row["name"] for row in cli("models", "list", "--runtime", "ollama", "--json").json] == sorted(
        ("smollm2:135m", "twin:135m", "big:cloud"), key=list(fake.models).index
    )
    hugged = cli("models", "list", "--provider", "huggingface", "--json").json
    assert {row["provider"] for row in hugged} == {"huggingface"} and len(hugged) == 2
    assert "remote" in cli("models", "list").out
    assert cli("models", "list", "--runtime", "none").status == 2
    assert hub.asked == [], "a list asks nobody outside"


def test_show_tells_more_than_the_list(cli: Cli, hub: Hub, fake: FakeOllama, files: Path) -> None:
    found = cli("models", "show", "smollm2:135m", "--json").json
    assert found["manifest"]["licence"] == "apache-2.0" and found["update"] is None and found["notes"]
    assert {one["name"] for one in found["parameters"]} >= {"temperature", "stop"}
    cli("models", "list")
    assert cli("models", "show", "twin:135m", "--json").json["same_weights"] == [
        {"runtime": "ollama", "name": "smollm2:135m"}
    ]
    text = cli("models", "show", "smollm2:135m").out
    assert "apache-2.0" in text and "sets stop" in text and "not asked; --update asks" in text
    names = [line.split("  ")[0].strip() for line in text.splitlines() if line.strip() and "sets stop" not in line]
    told = [name for name in names if name in ("name", "size", "parameters", "header name", "header size label")]
    assert sorted(told) == sorted(set(told)) and {"name", "size", "parameters", "header size label"} <= set(told)
    assert hub.asked == []
    assert cli("models", "show", "smollm2:135m", "--update", "--json").json["update"]["state"] == "unknown"
    digest = cli("models", "show", "tiny", "--digest", "--json").json["weights_digest"]
    assert digest == sha256((files / "tiny.gguf").read_bytes())


def test_show_of_a_repository_that_is_not_here(cli: Cli, hub: Hub) -> None:
    for name in ("org/Tiny-GGUF", "hf.co/org/Tiny-GGUF", "https://huggingface.co/org/Tiny-GGUF/tree/main"):
        found = cli("models", "show", name, "--json").json
        assert found["id"] == "org/Tiny-GGUF" and {file["path"] for file in found["files"]} >= {"tiny-Q8_0.gguf"}
    text = cli("models", "show", "org/Tiny-GGUF", "--provider", "huggingface").out
    assert "Q4_K_M" in text and "tiny-Q8_0.gguf" in text and "mit" in text
    none = cli("models", "show", "org/none", "--json")
    assert none.status == 1 and none.json["error"]["code"] == "runtime_refused"
    assert cli("models", "show", "nothing", "--json").json["error"]["code"] == "model_not_found"
    hub.answers("/api/*", 403, headers={"x-error-code": "GatedRepo"})
    gated = cli("models", "show", "org/other")
    assert gated.status == 1 and "Accept them on its page, and set HF_TOKEN" in gated.err


@pytest.mark.parametrize("name", ["", "..", "../x", "-x", "a\n", "x" * 300, "a\x1b[1mb"])
@pytest.mark.parametrize("verb", ["show", "remove", "copy", "params"])
def test_an_illegal_name_is_exit_2_everywhere(cli: Cli, name: str, verb: str) -> None:
    more = ("new",) if verb == "copy" else ("--yes",) if verb == "remove" else ()
    found = cli("models", verb, *more[:0], "--json", "--", name, *(more if verb == "copy" else ()))
    assert found.status == 2 and found.json["error"]["code"] == "usage"
    assert "\x1b" not in found.err


def test_search_names_who_could_not_be_asked(cli: Cli, hub: Hub) -> None:
    rows = cli("models", "search", "tiny", "--json").json
    assert {(row["name"], row["provider"]) for row in rows} == {("org/Tiny-GGUF", "huggingface"), ("smollm2", "ollama")}
    assert all(row["asked_at"] and row["stale"] is False for row in rows)
    assert "org/Tiny-GGUF" in cli("models", "search", "tiny", "--provider", "huggingface").out
    hub.answers("/api/*", 429, headers={"retry-after": "9"})
    partly = cli("models", "search", "other", "--json")
    assert partly.status == 0 and [row["provider"] for row in partly.json] == ["ollama"] and "is busy" in partly.err
    older = cli("models", "search", "tiny", "--json")
    assert older.status == 0 and [row["stale"] for row in older.json] == [True, False] and "This is from" in older.err
    hub.answers("*", 500)
    none = cli("models", "search", "nowhere", "--json")
    assert none.status == 1 and none.json["error"]["code"] == "runtime_failure"
    assert cli("models", "search", "x").status == 2


def test_trending_and_news(cli: Cli, hub: Hub) -> None:
    assert [row["name"] for row in cli("models", "trending", "--provider", "huggingface", "--json").json] == [
        "org/Tiny-GGUF"
    ]
    assert "smollm2" in cli("models", "trending").out
    (item,) = cli("models", "news", "--json").json
    assert "herons" in item["title"] and item["stale"] is False
    assert "herons" in cli("models", "news").out
    assert cli("models", "news", "--papers", "--month", "2026-13").status == 2


def test_offline_is_told(cli: Cli, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_OFFLINE", "1")
    for arguments in (("search", "tiny"), ("trending",), ("news",), ("show", "org/Tiny-GGUF")):
        found = cli("models", *arguments, "--json")
        assert found.status == 1 and found.json["error"]["code"] == "offline"
    assert hub.asked == []


def test_copy_and_remove(cli: Cli, hub: Hub, fake: FakeOllama, files: Path) -> None:
    cli("models", "activate", "smollm2-135m")
    assert cli("models", "copy", "tiny", "tiny2", "--json").json["name"] == "tiny2"
    assert cli("models", "copy", "tiny", "tiny2", "--json").json["error"]["code"] == "usage"
    assert cli("models", "copy", "smollm2:135m", "mine", "--json").json["name"] == "mine:latest"
    refused = cli("models", "remove", "tiny", "--json")
    assert refused.status == 1 and refused.json["error"]["code"] == "declined" and (files / "tiny.gguf").exists()
    assert "It frees 0 B." in refused.err, "the copy has the same bytes"
    in_use = cli("models", "remove", "smollm2-135m", "--yes", "--json")
    assert in_use.status == 1 and in_use.json["error"]["code"] == "model_in_use"
    removed = cli("models", "remove", "tiny", "tiny2", "mine", "--yes", "--json").json
    assert [one["name"] for one in removed] == ["tiny", "tiny2", "mine:latest"]
    assert "mine:latest" not in fake.models and not (files / "tiny.gguf").exists()
    assert cli("models", "activate", "smollm2:135m").status == 0
    assert cli("models", "remove", "smollm2-135m", "--yes", "--json").json["error"]["code"] == "not_removable"
    assert cli("models", "remove", "tiny2", "--yes", "--json").json["error"]["code"] == "model_not_found"
    assert cli("models", "remove").status == 2
    assert cli("--read-only", "models", "remove", "keep", "--yes", "--json").json["error"]["code"] == "read_only"


def test_a_question_is_answered_on_a_terminal(cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    (files / "third.gguf").write_bytes((files / "tiny.gguf").read_bytes())
    cli("models", "activate", "smollm2-135m")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for answer, there in (("n\n", True), ("\n", True), ("y\n", False)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        found = cli("models", "remove", "third")
        assert (files / "third.gguf").exists() is there, found.err
        assert found.status == (1 if there else 0)


def test_params_tell_their_ranges(cli: Cli, fake: FakeOllama) -> None:
    found = cli("models", "params", "smollm2:135m", "temperature=0.5", "--json").json
    assert found["parameters"]["temperature"] == 0.5
    schema = {one["name"]: one for one in found["schema"]}
    assert (schema["temperature"]["minimum"], schema["temperature"]["maximum"]) == (0, 2)
    assert schema["temperature"]["default"] == "0" and schema["context_length"]["maximum"] == 8192
    text = cli("models", "params", "smollm2:135m").out
    assert "0 to 2" in text and "256 to 8192" in text


def test_disk(cli: Cli, hub: Hub, fake: FakeOllama, files: Path, repository: Repository, tmp_path: Path) -> None:
    fill_cache(tmp_path / "hf" / "hub", repository)
    rows = {row["id"]: row for row in cli("models", "disk", "--json").json}
    assert set(rows) == {"models", "hub", "ollama"}
    assert rows["models"]["models"] == 2 and rows["models"]["size_bytes"] >= 100_000 and rows["hub"]["models"] == 2
    assert rows["ollama"]["size_bytes"] is None and "not readable here" in rows["ollama"]["unavailable"]
    assert "not readable here" in cli("models", "disk").out
    (files / "left.gguf.part").write_bytes(b"x" * 9000)
    (orphan,) = {row["id"]: row for row in cli("models", "disk", "--json").json}["models"]["orphans"]
    assert orphan["cleanable"] is False and "within the last hour" in orphan["why"]
    nothing = cli("models", "disk", "--clean", "models", "--yes", "--json")
    assert nothing.status == 0 and (files / "left.gguf.part").exists()
    declined = cli("models", "disk", "--clean", "models", "--json")
    assert declined.status == 1 and declined.json["error"]["code"] == "declined"
    assert cli("models", "disk", "--clean", "none", "--yes").status == 2


def test_hostile_words_reach_no_terminal(cli: Cli, hub: Hub) -> None:
    evil = {"id": "org/e\x1b[31mvil\u202e", "tags": ["gguf", "license:\x1b]0;x\x07"], "downloads": 3}
    hub.answers("/api/models", 200, json.dumps([evil]))
    found = cli("models", "search", "evil", "--provider", "huggingface")
    assert "org/evil" in found.out and "\x1b" not in found.out and "\u202e" not in found.out
