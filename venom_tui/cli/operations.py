"""`venom-tui operations`: what was loaded, switched and unloaded, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import check_writable, confirm, json_option
from venom_tui.cli.output import or_unknown, pairs, show, size, table, when
from venom_tui.cli.running import run_with_core
from venom_tui.core.types.operation import Operation

if TYPE_CHECKING:
    from venom_tui.core.core import Core


@click.group("operations")
def command() -> None:
    """See the history of operations."""


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

    async def work(core: Core) -> Operation:
        return await core.operations.get(operation_id)

    operation = run_with_core(work, flags)
    show(operation, lambda: _details(operation), as_json=as_json)


def _details(operation: Operation) -> list[str]:
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
        ("error", operation.error),
        ("VRAM before", "" if operation.vram_before_bytes is None else size(operation.vram_before_bytes)),
        ("VRAM after", "" if operation.vram_after_bytes is None else size(operation.vram_after_bytes)),
    ]
    return pairs((name, or_unknown(value)) for name, value in rows if value)


@command.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def clear(flags: dict[str, Any], yes: bool, as_json: bool) -> None:
    """Remove what has ended from the history."""

    async def work(core: Core) -> int:
        check_writable(core.settings, "the history stays as it is")
        ended = sum(operation.state.final for operation in await core.operations.list())
        if ended:
            confirm(f"Remove {ended} ended operations from the history, for ever?", yes=yes)
        return await core.operations.clear()

    count = run_with_core(work, flags)
    show({"removed": count}, lambda: [f"Removed {count}."], as_json=as_json)
