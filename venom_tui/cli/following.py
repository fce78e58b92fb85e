"""Follows an operation in the foreground: to its end, to a Ctrl-C, or into the background when the terminal is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from venom_tui.cli.failures import error_kinds
from venom_tui.cli.progress import Events, Lines, Told, told
from venom_tui.cli.running import hung_up
from venom_tui.core.errors import Interrupted, OperationRefused, VenomError
from venom_tui.core.events import OperationChanged
from venom_tui.core.types.operation import Operation, OperationState

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_S = OperationState
_NEWEST = 500


async def to_its_end(core: Core, operation: Operation, *, as_json: bool, ours: bool = True) -> Operation:
    """Tell of an operation until it has succeeded, and return it.

    A signal cancels it where this process runs it (`ours`: and where that is what the command is for); the end of the
    terminal lets it go on in the background. What another process runs goes on there.

    Raises:
        VenomError: it failed, with what it failed with.
        Interrupted: it was cancelled, or a signal ended the command.
        OperationRefused: it was paused.
    """
    output = told(as_json=as_json)
    try:
        while True:
            async for now in core.operations.follow(operation.id):
                operation = now
                output.tell(operation)
            if operation.state is not _S.INTERRUPTED or not (ours and operation.repeatable):
                break
            # Whoever ran it is gone: it goes on here.
            operation = await core.operations.resume(operation.id)
    except asyncio.CancelledError:
        raise await _interrupted(core, operation, ours=ours) from None
    finally:
        await asyncio.shield(_end(output))
    if operation.state is not _S.SUCCEEDED:
        raise failure_of(operation)
    return operation


async def all_of_them(core: Core, *, as_json: bool) -> None:
    """Tell of all operations that go on, until the command is interrupted."""
    output = Events() if as_json else Lines()
    try:
        with core.events.subscribe() as events:
            core.operations.noticed()
            for operation in await core.operations.list(_NEWEST):
                if not operation.state.final:
                    output.tell(operation)
            async for event in events:
                if isinstance(event, OperationChanged):
                    output.tell(event.operation)
    finally:
        await asyncio.shield(_end(output))


async def _end(output: Told) -> None:
    try:
        await output.end()
    except OSError:
        return  # nobody reads any more


async def _interrupted(core: Core, operation: Operation, *, ours: bool) -> Interrupted:
    title = f"The {operation.kind} of {operation.target}"
    here = any(one.id == operation.id for one in core.operations.running())
    if not here:
        return Interrupted(
            f"{title} goes on where it runs.", hint=f"`venom-tui operations cancel {operation.id}` ends it."
        )
    if hung_up():
        try:
            await core.leave_running()
        except OperationRefused as failure:
            return Interrupted(f"{title} was interrupted.", hint=failure.message)
        return Interrupted(f"{title} goes on in the background.")
    if not ours:
        return Interrupted("Interrupted.")
    ended = await core.operations.cancel(operation.id)
    if ended.state is not _S.CANCELLED:
        return Interrupted(f"{title} had {ended.state} already.")
    if operation.kind != "pull":
        return Interrupted(f"{title} was cancelled.")
    return Interrupted(f"{title} was cancelled; what came is kept.", hint="The same command goes on from there.")


def failure_of(operation: Operation) -> VenomError:
    """Return how an operation ended as the failure of the command that follows it."""
    title = f"The {operation.kind} of {operation.target}"
    if operation.state is _S.FAILED:
        kind = next((kind for kind in error_kinds() if kind.code == operation.error_code), VenomError)
        message = operation.error.removesuffix(operation.server_message).rstrip() or f"{title} failed."
        return kind(message, hint=operation.hint, server_message=operation.server_message)
    if operation.state is _S.PAUSED:
        return OperationRefused(
            f"{title} was paused.", hint=f"`venom-tui operations resume {operation.id}` goes on with it."
        )
    return Interrupted(
        f"{title} was {operation.state}.", hint=f"`venom-tui operations retry {operation.id}` does it again."
    )
