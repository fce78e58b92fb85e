"""`venom-tui doctor`: what works here and what does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option
from venom_tui.cli.output import data_of, paint, show
from venom_tui.cli.running import run_with_core, settings_of
from venom_tui.core.errors import UsageError, VenomError
from venom_tui.core.settings import Settings
from venom_tui.core.types.session import MessageState
from venom_tui.core.types.turn import TurnEnded

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.doctor import Check

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Also load the model that answers and ask it something.")
@json_option
@click.pass_obj
def command(flags: dict[str, Any], deep: bool, as_json: bool) -> int:
    """Check this machine and say for each thing that is wrong what to do next."""
    from venom_tui.core.doctor import State, examine

    problem: VenomError | None = None
    try:
        settings = settings_of(flags)
    except UsageError as failure:
        problem, settings = failure, _folders_only()
    found = examine(settings, os.environ, problem)
    if deep:
        found.append(_answers(flags))
    failed = any(check.state is State.FAIL for check in found)
    summary = {"ok": not failed, "checks": data_of(found)}
    show(summary, lambda: _lines(found), as_json=as_json)
    return 1 if failed else 0


def _folders_only() -> Settings:
    """Return the defaults with the folders of the environment, for when the rest cannot be read."""
    names = ("VENOM_DATA_DIR", "VENOM_CONFIG_DIR")
    return Settings({"environment": {name: os.environ[name] for name in names if os.environ.get(name)}})


def _answers(flags: dict[str, Any]) -> Check:
    from venom_tui.core.doctor.check import fail, ok

    async def ask(core: Core) -> Check:
        session = await core.sessions.create(temporary=True)
        request_id = await core.chat.send(session.id, "Say hello.")
        async for event in core.chat.follow(request_id):
            if isinstance(event, TurnEnded):
                message = event.message
                if message.state is MessageState.COMPLETE and message.content.strip():
                    first = message.timings.submit_to_first_token_ms or 0
                    return ok(
                        "answer", f"{message.model} began to answer after {first / 1000:.1f} s, its load included"
                    )
                words = " ".join(filter(None, (event.error, event.server_message))) or "it said nothing"
                return fail("answer", words, event.hint or "`venom-tui models list` shows what else could answer.")
        return fail("answer", "the turn did not end", "Try `venom-tui chat hello`.")

    try:
        return run_with_core(ask, flags)
    except VenomError as failure:
        return fail("answer", failure.message, failure.hint or "See above.")


def _lines(found: list[Check]) -> list[str]:
    widest = max(len(check.name) for check in found)
    lines = []
    for check in found:
        mark = paint(_MARKS[check.state], check.state.value)
        lines.append(f"{mark}  {check.name.ljust(widest)}  {_line(check.found)}")
        if check.next_step:
            lines.append(f"{' ' * (widest + 8)}{_line(check.next_step)}")
    return lines


def _line(text: str) -> str:
    """Return text as one harmless line."""
    from venom_tui.core.sanitize import sanitize

    return " ".join(sanitize(text).split())
