"""Ends every server that venom-tui started on this machine, whatever config.toml says of it now; nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from venom_tui.core.errors import VenomError
from venom_tui.core.owner import Owner
from venom_tui.core.servers import units
from venom_tui.core.servers.ending import end
from venom_tui.core.servers.performers import ENDS_WITHIN_S
from venom_tui.core.servers.records import Record, forget, read_record


async def end_all(folder: Path) -> tuple[list[str], list[str]]:
    """End them, all at once; return the sentences of those that ended, and of those that did not."""
    here, records = await asyncio.to_thread(_look, folder)
    results = await asyncio.gather(*(_end(folder, record, here) for record in records))
    return [one for one, _ in results if one], [one for _, one in results if one]


def _look(folder: Path) -> tuple[Owner, list[Record]]:
    names = sorted(path.stem for path in folder.glob("*.json"))
    return Owner.current(), [record for name in names if (record := read_record(folder, name)) is not None]


async def _end(folder: Path, record: Record, here: Owner) -> tuple[str, str]:
    name = record.name
    try:
        if record.unit:
            unit = units.Unit(record.unit, record.user_unit)
            state = await units.look(unit)
            # Another run of the unit is somebody else's.
            if state.active not in ("active", "activating") or state.invocation != record.invocation:
                return "", ""
            await units.order(unit, "stop")
            await asyncio.to_thread(forget, folder, name)
            return f"{name} ({unit.name}) was stopped.", ""
        if record.server is None or not await asyncio.to_thread(record.alive, here):
            return "", ""
        await end(folder, name, ENDS_WITHIN_S)
    except VenomError as failure:
        return "", f"{name}: {failure.message}"
    except OSError as error:
        return "", f"{name}: {error.strerror or type(error).__name__}."  # whatever it is, the others end
    return f"{name} (process {record.server.pid}) was ended.", ""
