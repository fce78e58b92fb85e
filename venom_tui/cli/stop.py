"""`venom-tui stop`: a clean end of what venom-tui started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option
from venom_tui.cli.output import show
from venom_tui.cli.running import run_with_settings

if TYPE_CHECKING:
    from venom_tui.core.stop import StopReport


@click.command("stop")
@json_option
@click.pass_obj
def command(flags: dict[str, Any], as_json: bool) -> int:
    """Unload what venom-tui loaded and end the runtimes that it started, and nothing else."""
    from venom_tui.core.stop import stop

    report = run_with_settings(stop, flags)
    show(report, lambda: _lines(report), as_json=as_json)
    return 1 if report.left or report.failed else 0


def _lines(report: StopReport) -> list[str]:
    lines = [
        f"The {one.kind} of {one.target} was stopped; `operations resume {one.id}` goes on with it."
        for one in report.interrupted
    ]
    lines += [*report.stopped, *report.spared, *report.failed]
    lines += [
        f"The embedded llama.cpp {worker.pid} belongs to venom-tui {worker.parent_pid} and ends with it."
        for worker in report.held
    ]
    lines += [
        f"The embedded llama.cpp {worker.pid} goes on though its venom-tui is gone; `kill {worker.pid}` ends it."
        for worker in report.left
    ]
    return lines or ["Nothing to stop."]
