"""Says on stderr which servers did not answer: what a list leaves out is not nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venom_tui.cli.output import note
from venom_tui.core.types.runtime import SILENT

if TYPE_CHECKING:
    from venom_tui.core.core import Core


async def tell_silent(core: Core, runtime: str | None = None) -> None:
    """Name the runtimes that do not answer, but for one that nobody asked for; or only `runtime`."""
    for status in await core.runtimes.statuses():
        asked_for = status.origin != "default" and runtime in (None, status.id)
        if asked_for and status.state in SILENT:
            note(f"venom-tui: {status.id} at {status.endpoint} is left out: {status.detail or status.state.value}.")
