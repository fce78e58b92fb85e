"""The hub of the tests, held to the real huggingface_hub: what that library finds, asks for and fetches from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.hub import Hub, Repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi

WEIGHTS = bytes(range(256)) * 4096
FILES = {"config.json": b'{"model_type": "llama"}', "README.md": b"# tiny\n", "sub/tiny-Q4_K_M.gguf": WEIGHTS}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(
        Repository("org/tiny", FILES, facts={"tags": ["gguf"], "downloads": 7}),
        Repository("org/other", {"config.json": b"{}"}, facts={"downloads": 9}),
        Repository("org/gated", FILES, gated="manual"),
        Repository("org/granted", FILES, gated="granted"),
    ) as running:
        yield running


@pytest.fixture
def api(hub: Hub) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=False)


def test_it_is_searched_and_sorted(hub: Hub, api: HfApi) -> None:
    assert [model.id for model in api.list_models(search="tiny")] == ["org/tiny"]
    assert [model.id for model in api.list_models(sort="downloads", limit=2)] == ["org/other", "org/tiny"]
    assert [model.id for model in api.list_models(filter="gguf")] == ["org/tiny"]
    assert hub.asked_for("/api/models")[0].query["search"] == ["tiny"]


def test_a_repository_tells_its_files_and_sizes(api: HfApi) -> None:
    info = api.model_info("org/tiny", files_metadata=True)
    assert info.siblings is not None
    assert {one.rfilename: one.size for one in info.siblings} == {name: len(data) for name, data in FILES.items()}
    (weights,) = [one.lfs for one in info.siblings if one.lfs is not None]
    assert weights.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert {entry.path for entry in api.list_repo_tree("org/tiny", recursive=True)} == set(FILES)


def test_it_is_fetched_into_a_cache_that_the_library_knows(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download

    folder = snapshot_download("org/tiny", cache_dir=tmp_path, endpoint=hub.url, token=False)
    assert (Path(folder) / "sub/tiny-Q4_K_M.gguf").read_bytes() == WEIGHTS
    (repository,) = scan_cache_dir(tmp_path).repos
    assert (repository.repo_id, repository.nb_files) == ("org/tiny", 3)
    assert hub.asked_for("/cdn/*"), "weights come from another host"


def test_what_it_refuses(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    for repository, name, token, error in (
        ("org/tiny", "gone", False, RemoteEntryNotFoundError),
        ("org/none", "config.json", False, RepositoryNotFoundError),
        ("org/gated", "config.json", False, GatedRepoError),
        ("org/gated", "config.json", hub.token, GatedRepoError),
        ("org/granted", "config.json", "hf_other", GatedRepoError),
    ):
        with pytest.raises(error):
            hf_hub_download(repository, name, endpoint=hub.url, token=token, cache_dir=tmp_path)
    assert hf_hub_download("org/granted", "config.json", endpoint=hub.url, token=hub.token, cache_dir=tmp_path)
    hub.answers("/api/models/*", 403, '{"error": "no"}', times=1)
    with pytest.raises(HfHubHTTPError):
        api.model_info("org/tiny")
    assert api.model_info("org/tiny").sha == hub.repositories["org/tiny"].commit


def test_ranges_and_orders(hub: Hub) -> None:
    url = f"{hub.url}/cdn/org/tiny/sub/tiny-Q4_K_M.gguf"
    part = httpx.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, WEIGHTS[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(WEIGHTS)}"
    assert httpx.get(url, headers={"range": f"bytes={len(WEIGHTS) - 3}-"}).content == WEIGHTS[-3:]
    assert httpx.get(url, headers={"range": f"bytes={len(WEIGHTS)}-"}).status_code == 416
    assert httpx.head(f"{hub.url}/org/tiny/resolve/main/config.json").headers["content-length"] == "23"
    hub.pages["/feed.xml"] = ("application/rss+xml", b"<rss/>")
    hub.answers("/feed.xml", 503, "busy", headers={"content-type": "text/html"})
    assert httpx.get(f"{hub.url}/feed.xml").text == "busy"
    hub.behaves()
    assert httpx.get(f"{hub.url}/feed.xml").content == b"<rss/>"
