"""What is known of a server by its table and its record. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.servers.arguments import profile_arguments, shown_command
from venom_tui.core.servers.performers import RESTART, START, STOP
from venom_tui.core.servers.reasons import ending
from venom_tui.core.servers.records import Record
from venom_tui.core.settings import ControlTable
from venom_tui.core.types.server import Server, ServerState


def shown_of(control: ControlTable, url: str) -> tuple[str, ...]:
    """Return what is run, as it may be shown; () where that is not known."""
    if control.profile is None:
        return shown_command(control.command)
    try:
        return shown_command(profile_arguments(control.profile, url))
    except UsageError:
        return ()


def with_record(server: Server, record: Record | None, lives: bool | None) -> Server:
    """Return what is known of a child by its record."""
    stopped = {STOP: "it does not run"}
    if record is None or record.server is None:
        return replace(server, refused=stopped)
    begun, ended = moment(record.started_at), moment(record.ended_at)
    if lives:
        return replace(
            server, state=ServerState.RUNS, ours=True, pid=record.server.pid, started_at=begun,
            refused={START: "it runs already"},
        )  # fmt: skip
    if lives is None and ended is None:
        host = sanitize_line(record.server.host, 80) or "another machine"
        return replace(
            server, state=ServerState.ELSEWHERE, detail=f"runs on {host}", started_at=begun,
            refused=dict.fromkeys((START, STOP, RESTART), f"it runs on {host}"),
        )  # fmt: skip
    if record.asked:
        return replace(server, detail="was stopped", started_at=begun, ended_at=ended, refused=stopped)
    return replace(
        server, state=ServerState.ENDED, detail=ending(record.status), started_at=begun, ended_at=ended, refused=stopped
    )


def moment(text: str) -> datetime | None:
    """Return a moment of a record, None where none is written."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
