"""A core with a hub, and with an Ollama that replays, for pulls."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.core.support import open_core
from tests.hub import Hub
from tests.ollama import FakeOllama
from tests.servers import Exchange, Script, Server, head, serving
from venom_tui.core.core import Core

MANIFEST = {
    "schemaVersion": 2,
    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": f"sha256:{'c' * 64}",
               "size": 209},
    "layers": [
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{'a' * 64}", "size": 260_000_000},
        {"mediaType": "application/vnd.ollama.image.license", "digest": f"sha256:{'b' * 64}", "size": 14_000},
        {"mediaType": "application/vnd.ollama.image.params", "digest": f"sha256:{'d' * 64}", "size": 17},
    ],
}  # fmt: skip
"""The manifest of the model of the recorded pulls."""


def registry(hub: Hub, name: str = "library/big", tag: str = "latest", manifest: Mapping[str, Any] = MANIFEST) -> None:
    """Let a hub be a registry too."""
    hub.pages[f"/v2/{name}/manifests/{tag}"] = (
        "application/vnd.docker.distribution.manifest.v2+json",
        json.dumps(manifest).encode(),
    )


def ollama(pull: Script, *, blobs: tuple[str, ...] = (), modelfile: str = "") -> FakeOllama:
    """Return an Ollama that answers a pull so and has some blobs already; `modelfile` is that of its models."""
    fake = FakeOllama()
    fake.instead["POST /api/pull"] = pull
    for digest in "abcd":
        there = digest in blobs
        fake.instead[f"HEAD /api/blobs/sha256:{digest * 64}"] = answers(200 if there else 404)
    if modelfile:
        fake.instead["POST /api/show"] = shows(modelfile)
    return fake


def answers(status: int) -> Script:
    """Return a script that answers with a status alone."""

    async def script(exchange: Exchange) -> None:
        await exchange.write(head(f"{status} Whatever", content_length="0"))

    return script


def shows(modelfile: str) -> Script:
    """Return a script that describes a model by its modelfile."""

    async def script(exchange: Exchange) -> None:
        await exchange.write(head(kind="application/json") + json.dumps({"modelfile": modelfile}).encode())

    return script


@asynccontextmanager
async def core_with(
    folder: Path, *, hub: Hub | None = None, ollama: FakeOllama | None = None, **values: object
) -> AsyncIterator[tuple[Core, Server | None]]:
    """Open a core whose hub, registry and Ollama are these."""
    settings: dict[str, object] = {"HF_HUB_CACHE": str(folder / "hub"), **values}
    if hub is not None:
        settings |= {"HF_ENDPOINT": hub.url, "VENOM_OLLAMA_REGISTRY": hub.url}
    if ollama is None:
        async with open_core(folder, **settings) as core:
            yield core, None
        return
    async with serving(ollama) as server, open_core(folder, OLLAMA_HOST=server.url, **settings) as core:
        await core.runtimes.settled(10)
        yield core, server
