"""What folders of models hold: Ollama's, that of GGUF files, the Hugging Face cache; what is shared and left over."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub import Hub, Repository
from tests.real.servers.ollama_store import OllamaModel, lay
from venom_tui.core.models.disk import GRACE_S, clean, hub_storage, models_storage, ollama_storage
from venom_tui.core.models.ollama_folder import OllamaFolder, read_folder, read_layers, root_of
from venom_tui.core.types.storage import Storage

BIG = random.Random(7).randbytes(3_000_000)
OTHER_BYTES = 2_000_000
OTHER = random.Random(8).randbytes(2_000_000)


def later() -> float:
    """Return a moment at which what was just written is old enough."""
    return time.time() + GRACE_S + 60


def du(folder: Path) -> int:
    """Return what a folder takes on the disk, each file once."""
    found = {}
    for path in folder.rglob("*"):
        stat = path.lstat()
        if not path.is_dir() or path.is_symlink():
            found[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(found.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of Ollama: two models that share their weights, one of its own."""
    folder = tmp_path / "models"
    lay(folder, OllamaModel("one:1b", BIG))
    lay(folder, OllamaModel("two:1b", BIG, "thinking", options=(("temperature", 1),)))
    lay(folder, OllamaModel("three", OTHER, "tools"))
    return folder


def blob(folder: Path, name: str = "ab" * 32, data: bytes = b"x" * 50_000, ending: str = "") -> Path:
    path = folder / "blobs" / f"sha256-{name}{ending}"
    path.write_bytes(data)
    return path


# ---------------------------------------------------------------------- a folder of Ollama


def test_manifests_name_layers_and_tell_who_shares_them(root: Path) -> None:
    folder = read_folder(root)
    assert sorted(model.name.short for model in folder.models.values()) == ["one:1b", "three:latest", "two:1b"]
    one = folder.get("ONE:1b")
    assert one is not None and one == folder.get("registry.ollama.ai/library/one:1b")
    layers = folder.layers_of(one)
    assert [(layer.kind, layer.size_bytes) for layer in layers][:1] == [("weights", 3_000_000)]
    assert layers[0].shared_with == ("two:1b",) and layers[1].kind == "template" and layers[1].shared_with == ()
    assert folder.get("none") is None and folder.get("../x") is None


def test_what_removing_would_free_counts_shared_layers_once(root: Path) -> None:
    folder = read_folder(root)
    one, two, three = (folder.models[key] for key in sorted(folder.models, key=lambda k: k.replace("three", "u")))
    assert folder.freed_by([one]) < 100_000, "its weights stay for the other"
    assert 3_000_000 <= folder.freed_by([one, two]) < 3_100_000
    assert folder.freed_by([one, two, three]) == sum(folder.taken(digest) for digest in folder.named())


def test_the_folder_is_found_by_where_the_weights_are(root: Path, tmp_path: Path) -> None:
    weights = next((root / "blobs").iterdir())
    assert root_of(str(weights)) == root
    for nowhere in (
        "",
        "relative/blobs/sha256-" + "a" * 64,
        "/nowhere/blobs/sha256-" + "a" * 64,
        str(root),
        "/etc/passwd",
    ):
        assert root_of(nowhere) is None
    assert root_of(str(root / "blobs" / ("sha256-" + "0" * 64))) is None, "another machine's path"


def test_what_a_folder_holds(root: Path) -> None:
    held = ollama_storage("ollama", "Ollama", read_folder(root))
    assert held.size_bytes == du(root)
    assert held.models == 3 and held.orphans == () and held.unavailable == ""
    assert 3_000_000 <= (held.shared_bytes or 0) < 3_100_000
    assert 3_000_000 <= (held.saved_bytes or 0) < 3_200_000
    assert held.free_bytes and held.total_bytes and held.free_bytes < held.total_bytes


def test_what_nothing_needs(root: Path) -> None:
    unused = blob(root)
    partial = blob(root, "cd" * 32, b"", "-partial")
    with partial.open("r+b") as file:
        file.truncate(500_000_000)  # sparse, as Ollama's are
        file.write(b"y" * 20_000)
    blob(root, "cd" * 32, b'{"N":0}', "-partial-0")
    (root / "blobs" / "notes.txt").write_bytes(b"mine")
    held = ollama_storage("ollama", "Ollama", read_folder(root), now=later)
    assert [(one.kind, Path(one.path).name[:13]) for one in held.orphans] == [
        ("unused blob", "sha256-ababab"), ("partial download", "sha256-cdcdcd"), ("partial download", "sha256-cdcdcd"),
    ]  # fmt: skip
    sparse = held.orphans[1]
    assert sparse.length_bytes == 500_000_000 and sparse.size_bytes < 100_000
    assert all(one.cleanable for one in held.orphans)
    assert held.cleanable_bytes == held.orphaned_bytes == sum(one.size_bytes for one in held.orphans) < 200_000
    assert unused.exists()


def test_what_changed_lately_may_be_in_use(root: Path) -> None:
    blob(root)
    (orphan,) = ollama_storage("ollama", "Ollama", read_folder(root)).orphans
    assert not orphan.cleanable and "within the last hour" in orphan.why


def test_a_manifest_that_cannot_be_read_may_name_any_blob(root: Path) -> None:
    blob(root)
    broken = root / "manifests" / "registry.ollama.ai" / "library" / "broken" / "latest"
    broken.parent.mkdir()
    for text in (
        "",
        "{",
        "[]",
        '{"layers": 3}',
        '{"layers": [], "config": {"digest": "../../x"}}',
        '{"layers": [{"digest": 3}]}',
    ):
        broken.write_text(text)
        folder = read_folder(root)
        assert folder.unreadable == (str(broken),)
        (orphan,) = ollama_storage("ollama", "Ollama", folder, now=later).orphans
        assert not orphan.cleanable and "a manifest cannot be read" in orphan.why


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[" * 99_999, json.dumps({"layers": [{"digest": "sha256:../x"}], "config": {}}).encode()]
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no |Expecting"):
        read_layers(data)


def cleaned(root: Path, storage: Callable[[], Storage]) -> tuple[int, list[str], int]:
    """Clean everything; return what that gave back by its own word, why others stayed, and what really came back."""
    before = du(root)
    freed, left = clean(root, storage().orphans, storage)
    return freed, left, before - du(root)


def test_cleaning_deletes_what_nothing_needs_and_nothing_else(root: Path) -> None:
    blob(root)
    blob(root, "cd" * 32, b"z" * 9000, "-partial")
    folder = read_folder(root)

    def storage() -> Storage:
        return ollama_storage("ollama", "Ollama", read_folder(root), now=later)

    announced = storage().cleanable_bytes
    freed, left, really = cleaned(root, storage)
    assert freed == announced == really and left == []
    assert read_folder(root).models == folder.models and storage().orphans == ()


def test_what_is_named_meanwhile_stays(root: Path) -> None:
    path = blob(root, data=OTHER)
    before = ollama_storage("ollama", "Ollama", read_folder(root), now=later)
    manifest = root / "manifests" / "registry.ollama.ai" / "library" / "new" / "latest"
    manifest.parent.mkdir()
    row = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{'ab' * 32}", "size": 2_000_000}
    manifest.write_text(json.dumps({"layers": [row], "config": row}))
    freed, left = clean(root, before.orphans, lambda: ollama_storage("o", "", read_folder(root), now=later))
    assert freed == 0 and path.exists() and "not left over any more" in left[0]


def test_a_link_among_the_blobs_leads_nowhere(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"p" * 10_000)
    (root / "blobs" / f"sha256-{'ef' * 32}").symlink_to(precious)
    cleaned(root, lambda: ollama_storage("o", "", read_folder(root), now=later))
    assert precious.exists() and not (root / "blobs" / f"sha256-{'ef' * 32}").is_symlink()


# ---------------------------------------------------------------------- GGUF files, the Hugging Face cache


def test_the_folder_of_gguf_files(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.gguf").write_bytes(BIG)
    os.link(folder / "a.gguf", folder / "sub" / "b.gguf")
    (folder / "left.gguf.part").write_bytes(b"x" * 30_000)
    (folder / "away.gguf").symlink_to("/etc/hostname")
    held = models_storage(folder, 2, now=later)
    assert held.size_bytes == du(folder) and held.models == 2
    assert held.shared_bytes == held.saved_bytes == (folder / "a.gguf").stat().st_blocks * 512
    (orphan,) = held.orphans
    assert orphan.kind == "partial download" and orphan.cleanable
    freed, left, really = cleaned(folder, lambda: models_storage(folder, 2, now=later))
    assert freed == really and left == [] and (folder / "a.gguf").exists()
    assert models_storage(tmp_path / "none", 0).size_bytes == 0


def test_what_a_killed_copy_left_can_be_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".x.gguf.copying").write_bytes(b"x" * 30_000)
    assert not models_storage(tmp_path, 0).orphans[0].cleanable, "a copy may be writing it"
    (orphan,) = models_storage(tmp_path, 0, now=later).orphans
    assert (orphan.kind, orphan.cleanable) == ("partial copy", True)
    freed, left, really = cleaned(tmp_path, lambda: models_storage(tmp_path, 0, now=later))
    assert freed == really == orphan.size_bytes and left == [] and not list(tmp_path.iterdir())


def test_a_table_of_progress_goes_with_its_partial_file(tmp_path: Path) -> None:
    blobs = tmp_path / "models--org--x" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / ("12" * 32 + ".venom.incomplete")).write_bytes(b"x" * 70_000)
    (blobs / ("12" * 32 + ".venom.incomplete.json")).write_bytes(b"y" * 8192)
    (blobs / ("34" * 32 + ".venom.incomplete.json")).write_bytes(b"y" * 100)
    held = hub_storage(tmp_path, 0, now=later)
    assert [one.kind for one in held.orphans] == ["incomplete download", "incomplete download"]
    assert held.orphaned_bytes == du(tmp_path)
    kept = hub_storage(tmp_path, 0, now=later, kept=lambda path: "it is needed" if path.name.startswith("12") else "")
    assert [(one.cleanable, one.why) for one in kept.orphans] == [(False, "it is needed"), (True, "")]
    freed, left, really = cleaned(tmp_path, lambda: hub_storage(tmp_path, 0, now=later))
    assert freed == really > 70_000 and left == [] and not list(blobs.iterdir())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with two revisions of a repository that share a file."""
    from huggingface_hub import snapshot_download

    folder = tmp_path / "hub"
    for files in ({"a.gguf": BIG, "b.gguf": OTHER}, {"a.gguf": BIG, "b.gguf": OTHER[:1_000_000]}):
        with Hub(Repository("org/x", files)) as hub:
            snapshot_download("org/x", cache_dir=folder, endpoint=hub.url, token=False)
    return folder


def test_the_hugging_face_cache(cache: Path) -> None:
    held = hub_storage(cache, 3, now=later)
    assert held.size_bytes == du(cache)
    (old,) = held.orphans
    assert (old.kind, old.cleanable) == ("old revision", True)
    assert OTHER_BYTES <= old.size_bytes < OTHER_BYTES + 20_000, "what both revisions have counts nothing"
    assert 3_000_000 <= (held.shared_bytes or 0) < 3_100_000, "both revisions have it"
    blobs = cache / "models--org--x" / "blobs"
    (blobs / ("12" * 32 + ".a1b2c3d4.incomplete")).write_bytes(b"x" * 70_000)
    (blobs / ("34" * 32)).write_bytes(b"y" * 40_000)
    held = hub_storage(cache, 3, now=later)
    assert [(one.kind, one.cleanable) for one in held.orphans] == [
        ("old revision", True), ("incomplete download", True), ("unused blob", True),
    ]  # fmt: skip
    assert not any(one.cleanable for one in hub_storage(cache, 3).orphans), "a download may be writing them"
    freed, left, really = cleaned(cache, lambda: hub_storage(cache, 3, now=later))
    assert freed == really == held.cleanable_bytes > OTHER_BYTES + 110_000 and left == []
    assert len(list(blobs.iterdir())) == 2 and len(list(blobs.parent.glob("snapshots/*"))) == 1
    assert (cache / "models--org--x" / "snapshots").exists() and hub_storage(cache, 3, now=later).orphans == ()
    for path in blobs.parent.glob("snapshots/*/*"):
        assert path.read_bytes() in (BIG, OTHER[:1_000_000])


@pytest.mark.parametrize("weights", ["c.gguf", "model-00002-of-00002.safetensors"])
def test_another_quantization_that_was_fetched_before_is_no_old_revision(cache: Path, weights: str) -> None:
    (old,) = hub_storage(cache, 3, now=later).orphans
    (Path(old.path) / weights).symlink_to(next(Path(old.path).glob("*.gguf")).resolve())
    assert hub_storage(cache, 3, now=later).orphans == (), "no revision that stays has it"


def test_a_revision_that_something_names_stays(cache: Path) -> None:
    repository = cache / "models--org--x"
    (old,) = hub_storage(cache, 3, now=later).orphans
    pinned = repository / "refs" / "refs" / "pr" / "1"
    pinned.parent.mkdir(parents=True)
    pinned.write_text(Path(old.path).name)
    assert hub_storage(cache, 3, now=later).orphans == ()
    pinned.write_text("no commit")
    assert hub_storage(cache, 3, now=later).orphans == (), "what cannot be read may name it"
    pinned.unlink()
    kept = hub_storage(cache, 3, now=later, kept=lambda path: "a pull goes on from it").orphans
    assert [(one.cleanable, one.why) for one in kept] == [(False, "a pull goes on from it")]
    freed, left = clean(cache, kept, lambda: hub_storage(cache, 3, now=later, kept=lambda path: "it is needed"))
    assert freed == 0 and "stays: it is needed" in left[0] and Path(old.path).exists()


def test_an_old_revision_takes_nothing_with_it_from_outside(cache: Path, tmp_path: Path) -> None:
    (old,) = hub_storage(cache, 3, now=later).orphans
    precious = tmp_path / "precious"
    precious.write_bytes(b"p" * 10_000)
    (Path(old.path) / "way.json").symlink_to(precious)
    freed, left = clean(cache, [old], lambda: hub_storage(cache, 3, now=later))
    assert left == [] and freed > OTHER_BYTES and precious.exists() and not Path(old.path).exists()


def test_what_two_old_revisions_hold_counts_once(cache: Path) -> None:
    repository = cache / "models--org--x"
    (old,) = hub_storage(cache, 3, now=later).orphans
    again = repository / "snapshots" / ("0" * 40)
    shutil.copytree(old.path, again, symlinks=True)
    held = hub_storage(cache, 3, now=later)
    assert [one.kind for one in held.orphans] == ["old revision"] * 2
    assert held.cleanable_bytes < OTHER_BYTES + 40_000
    freed, left, really = cleaned(cache, lambda: hub_storage(cache, 3, now=later))
    assert freed == really == held.cleanable_bytes and left == []


def test_what_belongs_to_somebody_else_cannot_be_cleaned(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob(root)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    (orphan,) = ollama_storage("o", "", read_folder(root), now=later).orphans
    assert not orphan.cleanable and "somebody else" in orphan.why


def test_an_empty_folder_is_none(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == OllamaFolder(tmp_path)
    assert hub_storage(tmp_path / "none", 0).size_bytes == 0
