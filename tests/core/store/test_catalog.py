"""What is kept of models: uses, manifests, digests, answers of others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from venom_tui.core.store import catalog
from venom_tui.core.store.catalog import CatalogStore, FileDigest

from .support import ended, open_store
from .test_migrations import make_format


async def test_what_an_older_file_knows_of_uses_is_taken_over(folder: Path) -> None:
    make_format(2, folder / "venom.db")
    async with open_store(folder) as store:
        assert await CatalogStore(store.database).uses() == {}, "no answer of that file names a model"
    async with open_store(folder) as store:
        assert (await store.database.read("PRAGMA user_version"))[0][0] >= 3


async def test_a_stored_file_of_format_3_works(folder: Path) -> None:
    make_format(3, folder / "venom.db")
    async with open_store(folder) as store:
        assert not store.notices
        kept = CatalogStore(store.database)
        assert await kept.uses() == {("embedded", "tiny"): datetime(2026, 3, 1, 12, 0, 0, 3000, UTC)}
        (manifest,) = await kept.manifests()
        assert (manifest.runtime, manifest.model, manifest.digest) == ("ollama", "tiny:latest", "sha256:ab")
        assert manifest.value == {"licence": "MIT"}
        assert await kept.digests() == {"/models/tiny.gguf": FileDigest("/models/tiny.gguf", 3, 7, "sha256:cd")}
        answer = await kept.answer("search huggingface tiny")
        assert answer is not None and answer.value == []


async def test_an_answer_is_a_use_of_its_model(folder: Path) -> None:
    async with open_store(folder) as store:
        kept = CatalogStore(store.database)
        session = await store.sessions.create()
        for text in ("one", "two"):
            _, answer = await store.sessions.begin_turn(session.id, text, request_id=text)
            await store.sessions.finish(ended(answer, text, model="tiny", runtime="embedded"), None)
        uses = await kept.uses()
        messages = await store.sessions.messages(session.id)
        assert uses == {("embedded", "tiny"): messages[-1].created_at}
        await store.sessions.delete(session.id)
        assert await kept.uses() == uses, "when a model was used stays known"
        await kept.forget_model("embedded", "tiny")
        assert await kept.uses() == {}


async def test_the_newest_word_on_a_model_stands(folder: Path) -> None:
    async with open_store(folder) as store:
        kept = CatalogStore(store.database, store.clock)
        await kept.save_manifest("ollama", "a:latest", "sha256:1", {"licence": "old"})
        await kept.save_manifest("ollama", "a:latest", "sha256:2", {"licence": "ü"})
        (manifest,) = await kept.manifests()
        assert (manifest.digest, manifest.value) == ("sha256:2", {"licence": "ü"})
        await kept.forget_model("ollama", "a:latest")
        assert await kept.manifests() == []


async def test_digests_are_kept_by_path(folder: Path) -> None:
    async with open_store(folder) as store:
        kept = CatalogStore(store.database)
        for digest in (FileDigest("/a", 1, 2, "x"), FileDigest("/b", 1, 2, "y"), FileDigest("/a", 3, 4, "z")):
            await kept.save_digest(digest)
        await kept.forget_digests(["/b", "/never"])
        assert await kept.digests() == {"/a": FileDigest("/a", 3, 4, "z")}


async def test_only_the_newest_answers_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_MOST_ANSWERS", 3)
    async with open_store(folder) as store:
        kept = CatalogStore(store.database, store.clock)
        for number in range(5):
            await kept.save_answer(f"search {number}", [number])
        assert await kept.answer("search 1") is None
        found = await kept.answer("search 2")
        assert found is not None and found.value == [2]
        again = await kept.save_answer("search 2", ["new"])
        assert await kept.answer("search 2") == again
