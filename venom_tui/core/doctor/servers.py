"""The servers that answer prompts: are those there that the settings name?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.doctor.check import Check, fail, ok, warn
from venom_tui.core.errors import VenomError
from venom_tui.core.runtimes.configured import configured
from venom_tui.core.settings import Settings
from venom_tui.core.types.runtime import SILENT, RuntimeState, RuntimeStatus

LIMIT_S = 5.0
"""Seconds that all of them together are given."""


def checks(settings: Settings) -> Iterator[Check]:
    """Ask each of them once."""
    try:
        statuses = asyncio.run(_asked(settings))
    except VenomError as failure:
        yield fail("runtimes", failure.message, failure.hint)
        return
    for status in statuses:
        yield _check(status)


async def _asked(settings: Settings) -> list[RuntimeStatus]:
    pool = HttpPool()
    try:
        runtimes = configured(settings, pool)
        try:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*(one.look() for one in runtimes))
        except TimeoutError:
            pass  # those that did not answer are told so
        return [one.status() for one in runtimes]
    finally:
        await pool.close()


def _check(status: RuntimeStatus) -> Check:
    name, where = f"runtime {status.id}", f"{status.kind} at {status.endpoint}"
    if status.state is RuntimeState.UNKNOWN:
        return warn(name, f"{where} did not answer within {LIMIT_S:.0f} s", "Start it, or name another address.")
    if status.state not in SILENT:
        version = f" {status.version}" if status.version else ""
        return ok(name, f"{status.kind}{version} at {status.endpoint}: {status.detail or status.state.value}")
    if status.origin == "default":
        return ok(name, f"nothing answers at {status.endpoint}, where Ollama usually is")
    found = f"{where} (named by {status.origin}): {status.detail or status.state.value}"
    return warn(name, found, "Start it, or name another address; the rest works without it.")
