"""`venom-tui route`: where a prompt would go, without sending it."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.chat import target
from venom_tui.cli.options import json_option, runtime_option
from venom_tui.cli.output import json_text, pairs, put, show
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.request import Route

if TYPE_CHECKING:
    from venom_tui.core.core import Core


@click.command("route")
@click.argument("text", required=False)
@click.option("--mode", type=click.Choice(("direct", "normal", "complex")), default="direct", show_default=True)
@click.option("--model", metavar="NAME", help="Which model is asked for.")
@runtime_option
@click.option("--batch", is_flag=True, help="Read one prompt a line from standard input; print one object a line.")
@json_option
@click.pass_obj
def command(
    flags: dict[str, Any],
    text: str | None,
    mode: str,
    model: str | None,
    runtime: str | None,
    batch: bool,
    as_json: bool,
) -> None:
    """Show which way a prompt would go, and why. Nothing is sent."""
    if batch == (text is not None):
        raise UsageError("Give either a prompt or --batch.")
    prompts = _lines_of_stdin() if batch else [text or ""]

    async def decide(core: Core) -> list[Route]:
        return [
            await core.chat.route(prompt, mode=mode, model=model, runtime=runtime)
            for prompt in prompts
            if prompt.strip() or not batch
        ]

    for route in run_with_core(decide, flags):
        if batch:
            put(json_text(_object(route)))
        else:
            show(_object(route), partial(_lines, route), as_json=as_json)


def _lines_of_stdin() -> list[str]:
    if sys.stdin is None:
        raise UsageError("There is no standard input to read prompts from.")
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    return [line.rstrip("\n") for line in sys.stdin]


def _object(route: Route) -> dict[str, object]:
    return {
        "kind": route.kind,
        "intent": route.intent,
        "mode": route.mode,
        "source": route.source,
        "target": target(route.target),
        "runtime": route.runtime or None,
        "model": route.model or None,
        "sensitive": route.sensitive,
        "reason": route.reason,
    }


def _lines(route: Route) -> list[str]:
    return pairs((name, "none" if value is None else str(value)) for name, value in _object(route).items())
