"""What pulls still have to fetch, and whether there is room when the turn of one comes.

What is no coroutine reads the disk: call it in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.downloads.hub_layout import HubLayout
from venom_tui.core.downloads.partial import done_of
from venom_tui.core.downloads.space import disk_of, free_bytes, partial_bytes
from venom_tui.core.errors import RuntimeFailure
from venom_tui.core.models.pulls.room import check, limit_text
from venom_tui.core.models.pulls.unfinished import UnfinishedPull, UnfinishedPulls
from venom_tui.core.operations.runner import Progress
from venom_tui.core.resources.limits import Limits
from venom_tui.core.settings import Settings
from venom_tui.core.types.limits import LimitKind, Policy
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.pull import PullPreview


def folder_of(arguments: Mapping[str, Any]) -> str | None:
    """Return where a pull writes, None where that is not on this machine or not known."""
    return arguments.get("cache") or arguments.get("folder")


def missing_of(arguments: Mapping[str, Any]) -> dict[str, int]:
    """Return what of each file or layer of a pull is not there yet; nothing where its layers are not known."""
    folder = folder_of(arguments)
    if folder is None:
        return {}
    if "cache" in arguments:
        layout = HubLayout(Path(folder), arguments["repository"])
        return {f"{layout.folder} {sha or path}": _of_file(layout, size, sha) for path, size, sha in arguments["files"]}
    return {f"{folder} {digest}": _of_layer(folder, digest, size) for digest, size in arguments.get("digests") or ()}


def _of_file(layout: HubLayout, size: int, sha256: str) -> int:
    if not sha256:
        return size  # what is not in LFS is small
    return 0 if layout.has(sha256, size) else size - done_of(layout.partial(sha256), size)


def _of_layer(folder: str, digest: str, size: int) -> int:
    there = os.path.exists(Path(folder) / digest.replace(":", "-"))
    return 0 if there else max(0, size - partial_bytes(folder, [digest]))


def others_bytes(pulls: Collection[UnfinishedPull], arguments: Mapping[str, Any]) -> int:
    """Return what other pulls still fetch to the disk of one, without what both need."""
    place = folder_of(arguments)
    if place is None:
        return 0
    own, disk = missing_of(arguments).keys(), disk_of(place)
    left: dict[str, int] = {}
    for pull in pulls:
        folder = folder_of(pull.terms.arguments)
        if folder is None or not (folder == place or (disk is not None and disk_of(folder) == disk)):
            continue
        if pull.operation.host and "cache" not in pull.terms.arguments:
            continue  # a server of another machine, whose folder is called as one of this machine
        missing = missing_of(pull.terms.arguments)
        if missing.keys() <= own and missing:
            continue  # the same, or a part of it
        total, done = pull.operation.bytes_total, pull.operation.bytes_done or 0
        told = max(0, total - done) if total is not None else 0
        tells_more = not missing or (total is not None and told < sum(missing.values()))
        if "cache" not in pull.terms.arguments and tells_more:
            left[pull.operation.id] = told  # the server tells more than its folder, which we may not look into
        else:
            left |= {key: size for key, size in missing.items() if key not in own}
    return sum(left.values())


async def check_turn(
    arguments: Mapping[str, Any], missing: int | None, progress: Progress, settings: Settings, pulls: UnfinishedPulls
) -> None:
    """Refuse a pull whose turn has come, and for which there is no room any more.

    Raises:
        NoSpace, GuardRefused, NeedsYes: see `room.check`; what was said yes to when it was begun is not asked again.
    """
    folder = folder_of(arguments)
    if folder is None or not missing:
        return
    mine = progress.operation
    running = [
        one
        for one in await pulls.all()
        if one.operation.state is OperationState.RUNNING and one.operation.id != mine.id
    ]
    limits = Limits(settings)
    found = PullPreview(
        name=mine.target,
        provider=mine.provider,
        runtime=mine.runtime,
        source="",
        bytes_missing=missing,
        folder=folder,
        free_bytes=await asyncio.to_thread(free_bytes, folder),
        others_bytes=await asyncio.to_thread(others_bytes, running, arguments),
        kept_bytes=limits.kept_disk,
        policy=limits.policy(LimitKind.DISK),
    )
    check(found, yes=bool(arguments.get("yes")), force=bool(arguments.get("force")))
    if found.breaks_limit:
        progress.log(f"{limit_text(found)}{'' if found.policy is Policy.WARN else ', which was agreed to'}")


async def missing_of_ollama(client: OllamaClient, arguments: Mapping[str, Any]) -> int | None:
    """Return what an Ollama still has to fetch for a pull, None where that cannot be told."""
    folder, digests = arguments.get("folder"), arguments.get("digests")
    if folder is None or digests is None:
        return None
    try:
        absent: dict[str, int] = {digest: size for digest, size in digests if not await client.has_blob(digest)}
    except RuntimeFailure:
        return None  # the pull itself will tell
    return max(0, sum(absent.values()) - await asyncio.to_thread(partial_bytes, folder, absent))
