"""`venom-tui models params`: how a model generates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option, runtime_option
from venom_tui.cli.output import paint, show, table
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.details import ModelDetails, ParameterSpec
from venom_tui.core.types.request import GenerationParameters

if TYPE_CHECKING:
    from venom_tui.core.core import Core


def add_to(group: click.Group) -> None:
    """Add the command to the group of models."""
    group.add_command(params)


@click.command("params")
@click.argument("name")
@click.argument("changes", nargs=-1, metavar="[PARAMETER=VALUE]...")
@click.option("--unset", multiple=True, metavar="PARAMETER", help="Leave a parameter to the runtime again.")
@runtime_option
@json_option
@click.pass_obj
def params(
    flags: dict[str, Any],
    name: str,
    changes: tuple[str, ...],
    unset: tuple[str, ...],
    runtime: str | None,
    as_json: bool,
) -> None:
    """Show or change the generation parameters saved for a model.

    Without a change it lists them with their ranges and what the model itself sets.
    """
    wanted: dict[str, str | None] = dict.fromkeys(unset)
    for change in changes:
        parameter, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"{change!r} is no change.", hint="Write PARAMETER=VALUE, such as temperature=0.2.")
        wanted[parameter] = value

    async def work(core: Core) -> tuple[ModelDetails, GenerationParameters]:
        model = await core.registry.find(name, runtime)
        if wanted:
            await core.models.set_parameters(model.name, model.runtime, wanted)
        found = await core.registry.details(model.name, model.runtime)
        return found, await core.models.parameters(model.name, model.runtime)

    found, saved = run_with_core(work, flags)
    data = {
        "name": found.model.name,
        "runtime": found.model.runtime,
        "parameters": asdict(saved),
        "schema": found.parameters,
    }
    show(data, lambda: _lines(found), as_json=as_json)


def _lines(found: ModelDetails) -> list[str]:
    rows = [(one.name, one.value or "", one.default or "", range_of(one), _meaning(one)) for one in found.parameters]
    lines = table(("PARAMETER", "SAVED", "MODEL SETS", "RANGE", "MEANING"), rows)
    return [*lines, paint("What is not saved is left to the model and its runtime.", "dim")]


def _meaning(one: ParameterSpec) -> str:
    return one.meaning if one.used else f"{one.meaning} (not known there, and not sent)"


def range_of(one: ParameterSpec) -> str:
    """Return what a parameter may be, in words."""
    if one.choices:
        return "|".join(one.choices)
    if one.minimum is None or one.maximum is None:
        return "texts, separated by commas" if one.kind == "texts" else ""
    return f"{one.minimum:g} to {one.maximum:.10g}"
