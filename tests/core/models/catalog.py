"""A core with models of every kind: an Ollama that is a script, GGUF files, a filled Hugging Face cache, a hub."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.core.support import open_core
from tests.gguf_files import Writer, write_gguf
from tests.hub import Hub, Repository
from tests.ollama import FakeOllama
from tests.servers import Server, serving
from venom_tui.core.core import Core

PADDING = random.Random(3)


def gguf(folder: Path, size: int = 0, **values: object) -> bytes:
    """Return the bytes of a small model, filled up to a size."""
    data = write_gguf(folder / "made" / "made.gguf", **values).read_bytes()
    return data + PADDING.randbytes(max(0, size - len(data)))


def taken(*folders: Path) -> int:
    """Return what folders take on the disk, each file once."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        stat = path.lstat()
        if path.is_symlink() or not path.is_dir():
            found[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(found.values())


def fill_cache(folder: Path, *repositories: Repository) -> None:
    """Let the real library put repositories into a cache."""
    from huggingface_hub import constants, snapshot_download

    constants.HF_HUB_DISABLE_TELEMETRY = True  # else it asks the usual hub about itself
    with Hub(*repositories) as hub:
        for one in repositories:
            snapshot_download(one.id, cache_dir=folder, endpoint=hub.url, token=False)


@dataclass
class Catalog:
    """An open core, and what it asks."""

    core: Core
    folder: Path
    fake: FakeOllama
    ollama: Server
    hub: Hub

    @property
    def models(self) -> Path:
        """The folder of GGUF files."""
        return self.folder / "data" / "models"

    @property
    def cache(self) -> Path:
        """The Hugging Face cache."""
        return self.folder / "hf" / "hub"

    def asked(self) -> list[str]:
        """Return method and path of all that the Ollama was asked, but for the looks at it."""
        looks = ("/api/version", "/api/tags", "/api/ps")
        return [one.target for one in self.ollama.asked if not one.target.endswith(looks)]


@dataclass
class Setting:
    """What a catalog begins with."""

    fake: FakeOllama = field(default_factory=lambda: FakeOllama(models={}))
    repositories: tuple[Repository, ...] = ()


@asynccontextmanager
async def catalog(folder: Path, setting: Setting | None = None, **values: object) -> AsyncIterator[Catalog]:
    """Open a core over a scripted Ollama and a hub on loopback."""
    setting = setting or Setting()
    with Hub(*setting.repositories) as hub:
        async with serving(setting.fake) as server:
            places = {"HF_HOME": str(folder / "hf"), "HF_ENDPOINT": hub.url, "OLLAMA_HOST": server.url}
            places |= {"VENOM_OLLAMA_LIBRARY": hub.url, "VENOM_OLLAMA_REGISTRY": hub.url}
            async with open_core(folder, **{**places, **values}) as core:
                await core.runtimes.settled(5)
                yield Catalog(core, folder, setting.fake, server, hub)


def big_vocabulary(count: int) -> bytes:
    """Return a header of some megabytes: what is read of a file with a large vocabulary."""
    return Writer().header({"general.architecture": "llama", "tokenizer.ggml.tokens": ["x" * 20] * count})


def sha256(data: bytes) -> str:
    """Return a digest as the catalog writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
