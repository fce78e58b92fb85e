"""Makes models in an Ollama out of others: with a template, with an adapter."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

_PIECE = 1024 * 1024
Told = Callable[[str], None]


async def create(
    client: OllamaClient,
    name: str,
    base: str,
    *,
    template: str = "",
    adapter: tuple[str, str] | None = None,
    told: Told,
) -> None:
    """Make a model; one of the same name is replaced.

    Args:
        client: of the server.
        name: the new one.
        base: one that is installed.
        template: its prompt's template, "" for the base's own.
        adapter: name and digest of a file that was uploaded.
        told: takes Ollama's words about what it does.

    Raises:
        RuntimeFailure: what the server did or said.
    """
    body: dict[str, object] = {"model": name, "from": base}
    if template:
        body["template"] = template
    if adapter is not None:
        body["adapters"] = dict([adapter])
    async with client.streamed("/api/create", body) as response:
        async for line in client.lines(response):
            told(sanitize_line(str(line.get("status", "")), 120))


async def upload(client: OllamaClient, path: Path, digest: str) -> None:
    """Give a file to the server, unless it has it.

    Raises:
        RuntimeFailure: what the server did or said.
    """
    if not await client.has_blob(digest):
        await client.give(f"/api/blobs/{digest}", _pieces(path), path.stat().st_size)


def digest_of(path: Path) -> str:
    """Return a file's digest as Ollama writes it (reads all of it).

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise UsageError(f"{sanitize_line(str(path), 200)} cannot be read: {error.strerror}.") from None


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
