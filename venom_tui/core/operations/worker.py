"""The process without a terminal: goes on with operations when the one that began them ends.

    python -m venom_tui.core.operations.worker MODULE:NAME ID…

MODULE:NAME is what opens everything that the operations need; nothing here knows what they do. The process belongs to
no terminal and no session, has an owner identity of its own, answers requests through the store like any other
venom-tui, and ends when nothing is left to do, or on SIGTERM.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and os.fork():
    # Nobody's child from now on, and no leader of a session that could get a terminal. Before anything is imported.
    os._exit(0)

import asyncio
import importlib
import logging
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from venom_tui.core.errors import OperationRefused, VenomError
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.settings import Settings, load_settings

Host = Callable[[Settings], AbstractAsyncContextManager[OperationRunner]]
"""Opens what the operations need."""

_log = logging.getLogger(__name__)

_STARTS_WITHIN_S = 10.0
_LARGEST_LOG = 1024 * 1024


async def spawn(host: str, settings: Settings, operation_ids: Sequence[str]) -> None:
    """Start the process for some operations; returns when it is on its own.

    Raises:
        OperationRefused: it cannot be started.
    """
    await asyncio.to_thread(_spawn, host, settings, operation_ids)


def _spawn(host: str, settings: Settings, operation_ids: Sequence[str]) -> None:
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, **settings.passed_on(), "PYTHONPATH": paths}
    command = [sys.executable, "-m", "venom_tui.core.operations.worker", host, *operation_ids]
    try:
        log = _open_log(settings.data_dir / "logs" / "background.log")
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
            status = process.wait(_STARTS_WITHIN_S)
        finally:
            os.close(log)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationRefused(
            "No process could be started for the background.", server_message=str(error)[:200]
        ) from error
    if status != 0:
        raise OperationRefused("The process for the background ended at once.", hint="logs/background.log says why.")


def _open_log(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LARGEST_LOG:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


async def work(host: Host, operation_ids: Sequence[str]) -> None:
    """Adopt operations and go on until none of them runs here, or the process is told to end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with host(load_settings()) as operations:
        adopting = asyncio.gather(*(operations.adopt(one) for one in operation_ids))
        working = asyncio.ensure_future(_until_done(adopting, operations))
        ending = asyncio.create_task(told.wait())
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, ending):
            task.cancel()
        await asyncio.wait({working, ending})
        if working.done() and not working.cancelled() and (failure := working.exception()) is not None:
            raise failure


async def _until_done(adopting: asyncio.Future[list[bool]], operations: OperationRunner) -> None:
    await adopting
    await operations.until_idle()


def main(arguments: Sequence[str]) -> int:
    """Do the work; return the exit status."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    module, _, name = arguments[0].partition(":")
    try:
        asyncio.run(work(getattr(importlib.import_module(module), name), arguments[1:]))
    except VenomError as failure:
        _log.error("%s %s", failure.message, failure.server_message)
        return 1
    except Exception:  # noqa: BLE001 (the last one who can say something)
        _log.exception("the background failed with a defect")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
