"""`venom-tui operations`: what runs, what waits, what became of the others, and what is to become of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.following import all_of_them, to_its_end
from venom_tui.cli.model_pull import in_background
from venom_tui.cli.options import check_writable, confirm, json_option
from venom_tui.cli.output import data_of, or_unknown, pairs, show, size, table, when
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import OperationRefused
from venom_tui.core.types.operation import Operation, OperationState

if TYPE_CHECKING:
    from venom_tui.core.core import Core


@click.group("operations")
def command() -> None:
    """See and change operations: of this machine all, also those of another venom-tui and of the background."""


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N only.")
@json_option
@click.pass_obj
def list_operations(flags: dict[str, Any], limit: int | None, as_json: bool) -> None:
    """List the operations, newest first."""

    async def work(core: Core) -> list[Operation]:
        return await core.operations.list(limit)

    operations = run_with_core(work, flags)
    rows = [
        (
            operation.id,
            when(operation.created_at),
            operation.kind,
            operation.state.value,
            operation.runtime,
            operation.cause,
            operation.target + (f": {operation.error}" if operation.error else ""),
        )
        for operation in operations
    ]
    headings = ("ID", "BEGUN", "KIND", "STATE", "RUNTIME", "CAUSE", "TARGET")
    lines = table(headings, rows) if rows else ["There was no operation yet."]
    show(operations, lambda: lines, as_json=as_json)


@command.command("show")
@click.argument("operation_id", metavar="ID")
@json_option
@click.pass_obj
def show_operation(flags: dict[str, Any], operation_id: str, as_json: bool) -> None:
    """Show an operation. The beginning of an ID is enough."""

    async def work(core: Core) -> tuple[Operation, list[str]]:
        operation = await core.operations.get(operation_id)
        return operation, await core.operations.log(operation.id)

    operation, log = run_with_core(work, flags)
    show(data_of(operation) | {"log": log}, lambda: _details(operation, log), as_json=as_json)


def _details(operation: Operation, log: list[str]) -> list[str]:
    done = (
        size(operation.bytes_done)
        if operation.bytes_total is None
        else (f"{size(operation.bytes_done)} of {size(operation.bytes_total)}")
    )
    rows = [
        ("id", operation.id),
        ("kind", operation.kind),
        ("target", operation.target),
        ("state", operation.state.value),
        ("runtime", operation.runtime),
        ("provider", operation.provider),
        ("cause", operation.cause),
        ("bytes", "" if operation.bytes_done is None and operation.bytes_total is None else done),
        ("begun", when(operation.created_at)),
        ("started", when(operation.started_at)),
        ("finished", when(operation.finished_at)),
        ("message", operation.message),
        ("retries", str(operation.retries or "")),
        ("error", operation.error),
        ("next", operation.hint),
        ("runs on", operation.host),
        ("background", "yes" if operation.background and not operation.state.final else ""),
        ("VRAM before", "" if operation.vram_before_bytes is None else size(operation.vram_before_bytes)),
        ("VRAM after", "" if operation.vram_after_bytes is None else size(operation.vram_after_bytes)),
    ]
    lines = pairs((name, or_unknown(value)) for name, value in rows if value)
    return [*lines, *(["", *log] if log else [])]


@command.command("watch")
@click.argument("operation_id", metavar="[ID]", required=False)
@json_option
@click.pass_obj
def watch(flags: dict[str, Any], operation_id: str | None, as_json: bool) -> None:
    """Follow one operation to its end, or without ID all of them until Ctrl-C."""

    async def work(core: Core) -> None:
        if operation_id is None:
            await all_of_them(core, as_json=as_json)
        else:
            operation = await core.operations.get(operation_id)
            await to_its_end(core, operation, as_json=as_json, ours=False)

    run_with_core(work, flags)


@command.command("cancel")
@click.argument("operation_id", metavar="ID")
@json_option
@click.pass_obj
def cancel(flags: dict[str, Any], operation_id: str, as_json: bool) -> None:
    """Cancel an operation, whichever venom-tui of this machine runs it; what it has fetched is kept."""

    async def work(core: Core) -> Operation:
        check_writable(core.settings, "operations go on")
        operation = await core.operations.get(operation_id)
        if operation.state.final:
            raise OperationRefused(f"The {operation.kind} of {operation.target} has ended ({operation.state}).")
        return await core.operations.cancel(operation.id)

    _changed(flags, work, as_json=as_json)


@command.command("pause")
@click.argument("operation_id", metavar="ID")
@json_option
@click.pass_obj
def pause(flags: dict[str, Any], operation_id: str, as_json: bool) -> None:
    """Pause a download, whichever venom-tui of this machine runs it; `resume` goes on from there."""

    async def work(core: Core) -> Operation:
        check_writable(core.settings, "operations go on")
        return await core.operations.pause(operation_id)

    _changed(flags, work, as_json=as_json)


def _changed(flags: dict[str, Any], work: Callable[[Core], Awaitable[Operation]], *, as_json: bool) -> None:
    operation = run_with_core(work, flags)
    text = f"The {operation.kind} of {operation.target} is {operation.state}."
    show(operation, lambda: [text], as_json=as_json)


def _again(
    flags: dict[str, Any],
    begin: Callable[[Core], Awaitable[Operation]],
    *,
    detach: bool,
    as_json: bool,
) -> None:
    """Go on with an operation: in the foreground, or in the background with its id printed."""

    async def work(core: Core) -> Operation:
        check_writable(core.settings, "nothing is begun")
        operation = await begin(core)
        if detach:
            return await in_background(core, operation)
        return await to_its_end(core, operation, as_json=as_json)

    operation = run_with_core(work, flags)
    if detach:
        show(operation, lambda: [operation.id], as_json=as_json)


_detach = click.option("--detach", is_flag=True, help="Let it go on in the background; print its id and return.")


@command.command("resume")
@click.argument("operation_id", metavar="ID")
@_detach
@json_option
@click.pass_obj
def resume(flags: dict[str, Any], operation_id: str, detach: bool, as_json: bool) -> None:
    """Go on with what was paused or interrupted, here in the foreground."""
    _again(
        flags,
        lambda core: core.operations.resume(operation_id, waiting=detach),
        detach=detach,
        as_json=as_json,
    )


@command.command("retry")
@click.argument("operation_id", metavar="ID")
@_detach
@json_option
@click.pass_obj
def retry(flags: dict[str, Any], operation_id: str, detach: bool, as_json: bool) -> None:
    """Do once more what failed or was cancelled, here in the foreground; it goes on from what is there."""
    _again(
        flags,
        lambda core: core.operations.retry(operation_id, waiting=detach),
        detach=detach,
        as_json=as_json,
    )


@command.command("move", context_settings={"ignore_unknown_options": True})
@click.argument("operation_id", metavar="ID")
@click.argument("by", metavar="BY", type=int)
@json_option
@click.pass_obj
def move(flags: dict[str, Any], operation_id: str, by: int, as_json: bool) -> None:
    """Move what waits in its queue: BY is so many places back (+1), or forward (-1)."""
    if not by:
        raise click.UsageError("BY is so many places back (+1), or forward (-1): 0 moves nothing.")

    async def work(core: Core) -> Operation:
        check_writable(core.settings, "what waits keeps its place")
        operation = await core.operations.get(operation_id)
        what = f"The {operation.kind} of {operation.target}"
        if operation.state is not OperationState.QUEUED:
            raise OperationRefused(f"{what} does not wait: it is {operation.state}.", hint="Only what waits is moved.")
        if not await core.operations.move(operation.id, by):
            where = "before" if by < 0 else "behind"
            raise OperationRefused(f"{what} cannot be moved: nothing that could change places waits {where} it.")
        return await core.operations.get(operation.id)

    operation = run_with_core(work, flags)
    text = f"The {operation.kind} of {operation.target} was moved {'forward' if by < 0 else 'back'}."
    show(operation, lambda: [text], as_json=as_json)


@command.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def clear(flags: dict[str, Any], yes: bool, as_json: bool) -> None:
    """Remove what has ended from the history."""

    async def work(core: Core) -> int:
        check_writable(core.settings, "the history stays as it is")
        ended = await core.operations.count_ended()
        if ended:
            confirm(f"Remove {ended} ended operations from the history, for ever?", yes=yes)
        return await core.operations.clear()

    count = run_with_core(work, flags)
    show({"removed": count}, lambda: [f"Removed {count}."], as_json=as_json)
