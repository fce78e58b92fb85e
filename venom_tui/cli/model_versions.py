"""`venom-tui models versions`: a model with parameters, template or adapter under a name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.model_memory import carry_out, yes_options
from venom_tui.cli.options import confirm, json_option, runtime_option
from venom_tui.cli.output import pairs, show, size, table, when
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.core.types.version import Comparison, ModelVersion, VersionFigures

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_LARGEST_TEMPLATE = 256 * 1024


def add_to(group: click.Group) -> None:
    """Add the commands to the group of models."""
    group.add_command(versions)


@click.group("versions")
def versions() -> None:
    """Keep a base model with parameters, a template or an adapter under a name; activate, go back, compare."""


@versions.command("list")
@click.argument("model", required=False)
@json_option
@click.pass_obj
def list_versions(flags: dict[str, Any], model: str | None, as_json: bool) -> None:
    """List the versions, newest first; of one MODEL where it is named."""

    async def work(core: Core) -> list[tuple[ModelVersion, VersionFigures]]:
        return [(one, await core.versions.figures(one)) for one in await core.versions.list(model)]

    found = run_with_core(work, flags)
    rows = [
        (
            one.name,
            "active" if one.active else "",
            one.model,
            one.runtime,
            when(one.created_at),
            *_figures(figures),
            one.summary,
        )
        for one, figures in found
    ]
    headings = ("NAME", "STATE", "MODEL", "RUNTIME", "MADE", "ANSWERS", "FIRST ms", "TOK/S", "MEMORY", "WHAT")
    lines = table(headings, rows) if rows else ["There is no version yet; `models versions register` makes one."]
    show([asdict(one) | {"figures": asdict(figures)} for one, figures in found], lambda: lines, as_json=as_json)


def _figures(figures: VersionFigures) -> tuple[str, str, str, str]:
    return (
        str(figures.answers),
        _number(figures.first_token_ms, "{:.0f}"),
        _number(figures.tokens_per_second, "{:.1f}"),
        size(figures.memory_bytes),
    )


@versions.command("register")
@click.argument("name")
@click.argument("model")
@click.option("--param", "changes", multiple=True, metavar="PARAMETER=VALUE", help="A generation parameter of it.")
@click.option("--template", type=click.Path(dir_okay=False), help="File with a template (Ollama).")
@click.option("--adapter", type=click.Path(dir_okay=False), help="GGUF file of a LoRA adapter (Ollama).")
@click.option("--note", default="", help="What it is for.")
@runtime_option
@json_option
@click.pass_obj
def register(
    flags: dict[str, Any],
    name: str,
    model: str,
    changes: tuple[str, ...],
    template: str | None,
    adapter: str | None,
    note: str,
    runtime: str | None,
    as_json: bool,
) -> None:
    """Keep MODEL under NAME; without --param with the parameters that are saved for it now."""
    wanted: dict[str, str] = {}
    for change in changes:
        parameter, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"{change!r} is no parameter.", hint="Write PARAMETER=VALUE, such as temperature=0.2.")
        wanted[parameter] = value
    text = "" if template is None else _template(Path(template))

    async def work(core: Core) -> ModelVersion:
        return await core.versions.register(
            name,
            model,
            runtime,
            parameters=wanted or None,
            template=text,
            adapter="" if adapter is None else str(Path(adapter).absolute()),
            note=note,
        )

    made = run_with_core(work, flags)
    show(made, lambda: [f"{made.name}: {made.answers} @ {made.runtime} {made.summary}".rstrip()], as_json=as_json)


def _template(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LARGEST_TEMPLATE)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from None


@versions.command("activate")
@click.argument("name")
@yes_options
@json_option
@click.pass_obj
def activate(flags: dict[str, Any], name: str, yes: bool, force: bool, as_json: bool) -> None:
    """Let a version answer from now on; it is loaded and tried first, and if that fails, all stays as it was."""

    async def work(core: Core) -> ModelVersion:
        made: list[ModelVersion] = []

        async def do(plan: MemoryPlan, **said: Any) -> list[str]:
            told: list[str] = []
            made.append(await core.versions.activate(name, plan=plan, notice=told.append, **said))
            return told

        await carry_out(core, await core.versions.plan(name), yes=yes, force=force, quiet=as_json, do=do)
        return made[0]

    made = run_with_core(work, flags)
    show(made, lambda: [f"{made.answers} @ {made.runtime} answers, as version {made.name}."], as_json=as_json)


@versions.command("rollback")
@click.argument("model", required=False)
@yes_options
@runtime_option
@json_option
@click.pass_obj
def rollback(
    flags: dict[str, Any], model: str | None, yes: bool, force: bool, runtime: str | None, as_json: bool
) -> None:
    """Go back to what was before the last activation; of one MODEL where it is named."""

    async def work(core: Core) -> ModelVersion | None:
        back: list[ModelVersion | None] = []

        async def do(plan: MemoryPlan, **said: Any) -> list[str]:
            told: list[str] = []
            back.append(await core.versions.roll_back(model, runtime, plan=plan, notice=told.append, **said))
            return told

        plan = await core.versions.plan_back(model, runtime)
        await carry_out(core, plan, yes=yes, force=force, quiet=as_json, do=do)
        return back[0]

    back = run_with_core(work, flags)
    words = "The base model answers, as it was." if back is None else f"Version {back.name} answers again."
    show(back, lambda: [words], as_json=as_json)


@versions.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def remove(flags: dict[str, Any], name: str, yes: bool, as_json: bool) -> None:
    """Forget a version, and the model that was made for it; the base model stays."""

    async def work(core: Core) -> ModelVersion:
        version = await core.versions.get(name)
        made = f" and remove {version.made} @ {version.runtime}" if version.made else ""
        confirm(f"Forget version {version.name}{made}?", yes=yes)
        return await core.versions.remove(name)

    gone = run_with_core(work, flags)
    show(gone, lambda: [f"Version {gone.name} is forgotten."], as_json=as_json)


@versions.command("compare")
@click.argument("first")
@click.argument("second")
@json_option
@click.pass_obj
def compare(flags: dict[str, Any], first: str, second: str, as_json: bool) -> None:
    """Show what was measured of two versions: first token, tokens per second, memory."""

    async def work(core: Core) -> Comparison:
        return await core.versions.compare(first, second)

    found = run_with_core(work, flags)
    show(found, lambda: _comparison(found), as_json=as_json)


_TITLES = {"first_token_ms": "first token, ms", "tokens_per_second": "tokens per second", "memory_bytes": "memory, MiB"}


def _comparison(found: Comparison) -> list[str]:
    rows = []
    for one in found.differences:
        scale = 1 / 1024**2 if one.name == "memory_bytes" else 1.0
        values = [None if value is None else value * scale for value in (one.first, one.second)]
        difference = "?" if one.percent is None else f"{one.percent:+.1f} %"
        rows.append((_TITLES[one.name], *(_number(value, "{:,.1f}") for value in values), difference))
    counted = ("answers", str(found.first_figures.answers), str(found.second_figures.answers), "")
    lines = table(("", found.first.name, found.second.name, "DIFFERENCE"), [counted, *rows])
    return [*lines, "", *pairs([(one.name, one.summary or "as the model is") for one in (found.first, found.second)])]


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else form.format(value)
