"""How a pull is done from what is written of it: by the TUI, a command, or a process without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from venom_tui.core.clients.addresses import shown_address
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.huggingface import HuggingFaceClient
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.downloads import hub, ollama
from venom_tui.core.downloads.hub_fetch import WantedFile
from venom_tui.core.downloads.hub_files import HubFiles
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.models.names import ollama_name
from venom_tui.core.models.outside import check_hub, check_registry
from venom_tui.core.models.pulls.fetching import check_turn, missing_of, missing_of_ollama
from venom_tui.core.models.pulls.unfinished import PULL, UnfinishedPulls
from venom_tui.core.operations.runner import Kind, OperationRunner, Progress
from venom_tui.core.settings import Settings, key_of, read_runtimes


def register(operations: OperationRunner, settings: Settings, pool: HttpPool) -> None:
    """Let a runner do pulls."""
    pulls = UnfinishedPulls(operations)

    async def work(arguments: Mapping[str, Any], progress: Progress) -> None:
        # What was so when it was begun may be long ago: it has waited, was paused, or is retried.
        if arguments["provider"] == "ollama":
            client = await _ollama(arguments, settings, pool)
            if not progress.joins:
                check_registry(settings, ollama_name(arguments["model"]).host)
                await check_turn(arguments, await missing_of_ollama(client, arguments), progress, settings, pulls)
            await _from_ollama(arguments, client, progress, settings)
        else:
            check_hub(settings)
            missing = sum((await asyncio.to_thread(missing_of, arguments)).values())
            await check_turn(arguments, missing, progress, settings, pulls)
            await _from_hub(arguments, progress, settings, pool)

    # Two may ask an Ollama for the same: it fetches once. A file of ours has one who writes it.
    operations.register(Kind(PULL, work, overlaps=lambda arguments: bool(arguments["provider"] == "ollama")))


def patience_of(settings: Settings) -> Patience:
    """Return how patient the settings want a download to be."""
    return Patience(stalled_s=settings.float("VENOM_PULL_STALL_S"), tries=settings.int("VENOM_PULL_TRIES"))


async def _ollama(arguments: Mapping[str, Any], settings: Settings, pool: HttpPool) -> OllamaClient:
    endpoint = arguments["endpoint"]
    key = await asyncio.to_thread(_key, settings, arguments["runtime"])
    return OllamaClient(pool, endpoint, who=f"Ollama at {shown_address(endpoint)}", api_key=key)


async def _from_ollama(
    arguments: Mapping[str, Any], client: OllamaClient, progress: Progress, settings: Settings
) -> None:
    wanted = ollama.OllamaPull(
        arguments["model"],
        insecure=arguments["insecure"],
        total=arguments.get("total"),
        layers=arguments.get("layers"),
        folder=arguments.get("folder"),
    )
    await ollama.pull(client, wanted, progress, patience_of(settings))


def _key(settings: Settings, runtime: str) -> str | None:
    for table in read_runtimes(settings.config_dir / "config.toml"):
        if table.name == runtime:
            return key_of(table)
    return None


async def _from_hub(arguments: Mapping[str, Any], progress: Progress, settings: Settings, pool: HttpPool) -> None:
    client = HuggingFaceClient(settings.text("HF_ENDPOINT"), settings.text("HF_TOKEN"))
    token = await asyncio.to_thread(client.token)
    wanted = hub.HubPull(
        repository=arguments["repository"],
        commit=arguments["commit"],
        revision=arguments["revision"],
        files=tuple(WantedFile(path, size, sha256) for path, size, sha256 in arguments["files"]),
        cache=arguments["cache"],
    )
    await hub.pull(
        HubFiles(pool, client.endpoint, token, who=client.who),
        wanted,
        progress,
        connections=settings.int("VENOM_PULL_CONNECTIONS"),
        patience=patience_of(settings),
    )
