"""Downloads from a hub on loopback, as the tests of the engine make them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.core.downloads.recorded import Followed
from tests.hub import Hub, Repository, is_lfs
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.downloads.hub import HubPull, pull
from venom_tui.core.downloads.hub_fetch import WantedFile
from venom_tui.core.downloads.hub_files import HubFiles
from venom_tui.core.downloads.patience import Patience

MIB = 1024 * 1024
QUICK = Patience(quiet_s=0.2, tries=3, first_wait_s=0.01, longest_wait_s=0.05)


def weights(size: int, seed: int = 7) -> bytes:
    """Return bytes that look like weights."""
    return random.Random(seed).randbytes(size)


def wanted(repository: Repository, cache: Path, *names: str) -> HubPull:
    """Return a pull of files, by default of all."""
    files = []
    for name in names or repository.files:
        data = repository.files[name]
        assert isinstance(data, bytes)
        files.append(WantedFile(name, len(data), repository.etag(name) if is_lfs(name) else ""))
    return HubPull(repository.id, repository.commit, "main", tuple(files), str(cache))


@asynccontextmanager
async def hub_files(hub: Hub, token: str = "") -> AsyncIterator[HubFiles]:
    """Return the way to a hub's files."""
    pool = HttpPool()
    try:
        yield HubFiles(pool, hub.url, token, who="The hub")
    finally:
        await pool.close()


async def fetched(
    hub: Hub,
    what: HubPull,
    *,
    patience: Patience = QUICK,
    connections: int = 4,
    token: str = "",
    followed: Followed | None = None,
) -> Followed:
    """Pull, and return what was told; a failure is kept in it."""
    followed = followed or Followed()
    async with hub_files(hub, token) as files, asyncio.timeout(100):
        try:
            await pull(files, what, followed.progress, connections=connections, patience=patience)
        except Exception as failure:  # noqa: BLE001 (the test looks at it)
            followed.failure = failure
    return followed


def content(cache: Path, what: HubPull) -> dict[str, bytes]:
    """Return the files of a snapshot."""
    snapshot = cache / f"models--{what.repository.replace('/', '--')}" / "snapshots" / what.commit
    return {path.relative_to(snapshot).as_posix(): path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}


def left_over(cache: Path) -> list[str]:
    """Return what lies among the blobs that is no whole file."""
    return sorted(path.name for path in cache.rglob("*incomplete*"))
