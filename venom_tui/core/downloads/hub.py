"""A pull from a hub into the cache of Hugging Face: fetched, checked, linked, cleaned up after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.downloads.hub_fetch import Fetch, WantedFile
from venom_tui.core.downloads.hub_files import HubFiles
from venom_tui.core.downloads.hub_layout import HubLayout
from venom_tui.core.downloads.partial import done_of
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.downloads.space import human
from venom_tui.core.operations.progress import Progress


@dataclass(frozen=True, slots=True)
class HubPull:
    """What is pulled: some files of one commit."""

    repository: str
    commit: str
    revision: str
    """What that commit was asked for as: `main`, a branch, a tag."""
    files: tuple[WantedFile, ...]
    cache: str


async def pull(
    files: HubFiles,
    wanted: HubPull,
    progress: Progress,
    *,
    connections: int = 4,
    patience: Patience | None = None,
) -> None:
    """Fetch files into the cache; none of them is listed before all of them are whole and checked.

    Being cancelled keeps what is there, and the next pull goes on from it.

    Raises:
        RuntimeFailure: what the hub did or said.
        NoSpace: the disk is full, or would be.
    """
    layout = HubLayout(Path(wanted.cache), wanted.repository)
    fetch = Fetch(
        files,
        layout,
        wanted.repository,
        wanted.commit,
        wanted.files,
        progress,
        connections=connections,
        patience=patience or Patience(),
    )
    found = await fetch.run()
    await asyncio.to_thread(layout.link, wanted.commit, wanted.revision, found)
    freed = await asyncio.to_thread(layout.clean, set(found.values()))
    if freed:
        progress.log(f"{human(freed)} of downloads that others had left unfinished were removed")


def present(cache: Path, repository: str, files: Sequence[WantedFile]) -> tuple[list[bool], int]:
    """Return which files are there, and how many bytes are there in all, of partial ones too (in a thread).

    What is not in LFS is small, and counts as missing: its name in the cache is known only when it is asked for.
    """
    layout, there, whole = HubLayout(cache, repository), 0, []
    for file in files:
        has = bool(file.sha256) and layout.has(file.sha256, file.size)
        whole.append(has)
        if has:
            there += file.size
        elif file.sha256:
            there += done_of(layout.partial(file.sha256), file.size)
    return whole, there
