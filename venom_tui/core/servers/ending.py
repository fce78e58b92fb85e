"""Ends a server that venom-tui started, and no other process: each signal goes to a process just identified."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from venom_tui.core.errors import OperationRefused, StartFailed
from venom_tui.core.owner import Owner, start_time
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers.records import Record, mark_asked, read_record

_EVERY_S = 0.1
_AFTER_KILL_S = 10.0
_KEEPER_S = 10.0
"""So long the keeper may take to end what the server left behind."""


def is_ours(record: Record | None, here: Owner) -> bool:
    """Return whether the process of a record lives on this machine, in this boot (reads /proc)."""
    return record is not None and record.alive(here) is True


def send(process: Owner, number: signal.Signals, *, group: bool = False) -> bool:
    """Send a signal to a process if it is the one that is meant; return whether it was (system calls only).

    The process is held by a descriptor while it is identified, so that its pid cannot become somebody else's meanwhile.
    """
    if not hasattr(os, "pidfd_open"):
        if start_time(process.pid) != process.start_time:
            return False
        os.kill(process.pid, number)
        return True
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if start_time(process.pid) != process.start_time:
            return False
        if group and os.getpgid(process.pid) == process.pid:
            # Its leader lives, so that the group is the one that we made.
            os.killpg(process.pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


async def end(folder: Path, name: str, limit_s: float) -> bool:
    """End a server of ours and return when it and what belonged to it are gone; False when none ran.

    It gets SIGTERM, and SIGKILL with its process group when it does not end within `limit_s` seconds.

    Raises:
        OperationRefused: it runs on another machine.
        StartFailed: it did not end.
    """
    here = await asyncio.to_thread(Owner.current)
    record = await asyncio.to_thread(read_record, folder, name)
    if record is None or record.server is None:
        return False
    lives = await asyncio.to_thread(record.alive, here)
    if lives is None and not record.ended_at:
        host = sanitize_line(record.server.host, 80) or "another machine"
        raise OperationRefused(f"{name} runs on {host}.", hint="What another machine does is left alone.")
    if not lives:
        await _keeper_gone(record, here)
        return False
    with suppress(OSError):  # a full disk: it only says how the end is to be called, and the server ends all the same
        await asyncio.to_thread(mark_asked, folder, record)
    # Whatever the server leaves its keeper ends; where that was killed, all of them are told now.
    alone = record.keeper is None or not await asyncio.to_thread(record.keeper.alive, here)
    await asyncio.to_thread(partial(send, record.server, signal.SIGTERM, group=alone))
    if not await _gone(record.server, here, limit_s):
        await asyncio.to_thread(partial(send, record.server, signal.SIGKILL, group=True))
        if not await _gone(record.server, here, _AFTER_KILL_S):
            raise StartFailed(
                f"{name} (process {record.server.pid}) has not ended after SIGKILL.",
                hint="The kernel holds it, mostly in a driver; it ends when that lets go.",
            )
    await _keeper_gone(record, here)
    return True


async def _keeper_gone(record: Record, here: Owner) -> None:
    if record.keeper is not None:
        await _gone(record.keeper, here, _KEEPER_S)


async def _gone(process: Owner, here: Owner, limit_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + limit_s
    while await asyncio.to_thread(process.alive, here):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_EVERY_S)
    return True
