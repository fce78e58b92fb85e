"""Says on stderr which servers did not answer: what a list leaves out is not nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from venom_tui.cli.output import note

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.runtime import RuntimeStatus


async def tell_silent(core: Core, runtime: str | None = None) -> None:
    """Name the runtimes that do not answer, but for one that nobody asked for; or only `runtime`."""
    tell_silent_of(one for one in await core.runtimes.statuses() if runtime in (None, one.id))


def tell_silent_of(statuses: Iterable[RuntimeStatus]) -> None:
    """Name those of these runtimes that do not answer, but for one that nobody asked for."""
    for status in statuses:
        if status.unanswering:
            note(f"venom-tui: {status.id} at {status.endpoint} is left out: {status.detail or status.state.value}.")
