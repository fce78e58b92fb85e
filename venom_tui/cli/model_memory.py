"""`venom-tui models activate|load|unload|pin|unpin|extend`: what is in memory, how long, and which one answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from venom_tui.cli.options import asked, confirm, json_option, runtime_option, somebody
from venom_tui.cli.output import data_of, note, show, size
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import PlanChanged, UsageError
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.memory import Freed, MemoryPlan
from venom_tui.core.types.model import ActiveModel, ModelInfo

if TYPE_CHECKING:
    from venom_tui.core.core import Core

Do: TypeAlias = Callable[..., Awaitable[Sequence[str]]]
_TRIES = 5
"""How often a plan that changed meanwhile is asked again."""


def add_to(group: click.Group) -> None:
    """Add the commands to the group of models."""
    for one in (activate, load, unload, pin, unpin, extend):
        group.add_command(one)


def yes_options(command: Any) -> Any:
    """Give a command --yes and --force."""
    command = click.option("--force", is_flag=True, help="Go on though the guard refuses, and whoever has to leave.")(
        command
    )
    return click.option("--yes", is_flag=True, help="Unload models of venom-tui that have to leave, without asking.")(
        command
    )


@click.command("activate")
@click.argument("name")
@yes_options
@runtime_option
@json_option
@click.pass_obj
def activate(flags: dict[str, Any], name: str, yes: bool, force: bool, runtime: str | None, as_json: bool) -> None:
    """Make a model the one that answers; it is loaded and tried first, and if that fails, all stays as it was."""

    async def work(core: Core) -> ActiveModel | None:
        plan = await core.models.plan("switch", name, runtime)
        await carry_out(core, plan, yes=yes, force=force, quiet=as_json)
        return await core.models.active()

    active = run_with_core(work, flags)
    assert active is not None
    show(active, lambda: [f"{active.name} of runtime {active.runtime} answers from now on."], as_json=as_json)


@click.command("load")
@click.argument("name")
@yes_options
@runtime_option
@json_option
@click.pass_obj
def load(flags: dict[str, Any], name: str, yes: bool, force: bool, runtime: str | None, as_json: bool) -> None:
    """Load a model into the memory of its runtime."""

    async def work(core: Core) -> ModelInfo:
        model = await core.models.find(name, runtime)
        if model.runtime == "embedded":
            raise UsageError(
                f"{model.name} cannot be loaded from here: the embedded llama.cpp ends with the command that started "
                "it.",
                hint="The TUI and `venom-tui chat` load it when they need it and hold it as long as they live.",
            )
        plan = await core.models.plan("load", model.name, model.runtime)
        if plan.must_load:
            await carry_out(core, plan, yes=yes, force=force, quiet=as_json)
        return await core.models.find(model.name, model.runtime)

    model = run_with_core(work, flags)
    show(model, lambda: [f"{model.name} is loaded at runtime {model.runtime}."], as_json=as_json)


@click.command("unload")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Unload it also where somebody else pinned it.")
@runtime_option
@json_option
@click.pass_obj
def unload(flags: dict[str, Any], name: str, yes: bool, runtime: str | None, as_json: bool) -> None:
    """Take a model out of the memory of its runtime, and say how much came back."""

    async def work(core: Core) -> tuple[Freed, ModelInfo]:
        model = await core.models.find(name, runtime)
        status = _status(as_json)
        freed = await asked(
            lambda said: core.models.unload(model.name, model.runtime, yes=said, status=status), yes=yes
        )
        return freed, await core.models.find(model.name, model.runtime)

    freed, model = run_with_core(work, flags)

    def lines() -> list[str]:
        if freed.runtime == "embedded":
            held = "a TUI that holds it lets it go when it ends, or by the Catalog's unload"
            return [f"{freed.name} is not loaded by this command; {held}."]
        return [f"{freed.name} was not loaded."] if freed.reason == "it was not loaded" else [freed.text]

    show({**data_of(model), **data_of(freed)}, lines, as_json=as_json)


@click.command("pin")
@click.argument("name")
@runtime_option
@json_option
@click.pass_obj
def pin(flags: dict[str, Any], name: str, runtime: str | None, as_json: bool) -> None:
    """Have a loaded model kept until somebody says otherwise."""

    async def work(core: Core) -> LoadedModel:
        model = await _elsewhere(core, name, runtime)
        return await core.models.pin(model.name, model.runtime)

    held = run_with_core(work, flags)
    show(held, lambda: [f"{held.name} stays loaded at runtime {held.runtime}."], as_json=as_json)


@click.command("unpin")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Also where somebody else pinned it.")
@runtime_option
@json_option
@click.pass_obj
def unpin(flags: dict[str, Any], name: str, yes: bool, runtime: str | None, as_json: bool) -> None:
    """Let a pinned model leave as usual."""

    async def work(core: Core) -> LoadedModel:
        model = await _elsewhere(core, name, runtime)
        return await asked(lambda said: core.models.unpin(model.name, model.runtime, yes=said), yes=yes)

    held = run_with_core(work, flags)
    show(held, lambda: [f"{held.name} leaves {_when(held)}."], as_json=as_json)


@click.command("extend")
@click.argument("name")
@click.argument("duration")
@click.option("--yes", is_flag=True, help="Also where somebody else pinned it.")
@runtime_option
@json_option
@click.pass_obj
def extend(flags: dict[str, Any], name: str, duration: str, yes: bool, runtime: str | None, as_json: bool) -> None:
    """Have a loaded model kept so long from now: seconds, or 90s, 10m, 1h30m."""

    async def work(core: Core) -> LoadedModel:
        model = await _elsewhere(core, name, runtime)
        return await asked(lambda said: core.models.extend(model.name, duration, model.runtime, yes=said), yes=yes)

    held = run_with_core(work, flags)
    show(held, lambda: [f"{held.name} leaves {_when(held)}."], as_json=as_json)


# ---------------------------------------------------------------------- what they share


async def carry_out(
    core: Core,
    plan: MemoryPlan,
    *,
    yes: bool,
    force: bool,
    quiet: bool,
    do: Do | None = None,
) -> None:
    """Show a plan, ask what it asks, and do it; what changed meanwhile is told and asked again where somebody is there.

    Args:
        core: the core.
        plan: what is to be done.
        yes: whether yes was said beforehand.
        force: go on though the guard refuses.
        quiet: show nothing.
        do: does it, as `ModelManager.carry_out`; None: that.

    Raises:
        NeedsYes, GuardRefused, PlanChanged, Declined: it was not done.
    """
    for _ in range(_TRIES):
        if not quiet and not plan.quiet:
            for line in plan_lines(plan):
                note(line)
        said, apart = _ask(plan, yes=yes or force, others=force, force=force)
        try:
            how = {"yes": said, "others": apart, "force": force}
            work: Do = core.models.carry_out if do is None else do
            told = await work(plan, **how, status=_status(quiet))
        except PlanChanged as changed:
            if not somebody() or not isinstance(changed.plan, MemoryPlan):
                raise
            note(f"venom-tui: {changed.message}")
            plan = changed.plan
            if plan.quiet:
                verb = "Switch to" if plan.kind == "switch" else "Load"
                confirm(f"{verb} {plan.name} all the same?", yes=False)
        else:
            for words in told:
                note(f"venom-tui: {words}")
            return
    raise PlanChanged(f"{plan.name} was not loaded: others change what is loaded again and again.")


def _ask(plan: MemoryPlan, *, yes: bool, others: bool, force: bool) -> tuple[bool, bool]:
    """Ask what was not answered beforehand; return whether ours, and whether others' and pinned ones may leave.

    Raises:
        Declined: the answer is no.
    """
    if not somebody() or (plan.refusal and not force):
        return yes, others
    if plan.questions and not yes:
        confirm(f"{' '.join(plan.questions)} Go on?", yes=False)
        yes = True
    if plan.apart and not others:
        names = ", ".join(f"{one.name} ({one.whose})" for one in plan.apart)
        confirm(f"Unload {names}, too?", yes=False)
        others = True
    return yes, others


async def _elsewhere(core: Core, name: str, runtime: str | None) -> ModelInfo:
    """Return a model that a server holds, not this command."""
    model = await core.models.find(name, runtime)
    if model.runtime == "embedded":
        raise UsageError(
            f"{model.name} is held by no server: the embedded llama.cpp ends with the command that started it.",
            hint="The TUI can pin what it holds.",
        )
    return model


def plan_lines(plan: MemoryPlan) -> list[str]:
    """Return a plan as lines."""
    fit, lines = plan.fit, [f"{plan.kind.capitalize()} {plan.name} @ {plan.runtime}"]
    if fit is not None and fit.likely_bytes is not None:
        parts = f"weights {size(fit.weights_bytes)}, cache {size(fit.kv_bytes)} at {fit.context_length or 0:,} tokens"
        lines.append(f"  needs   {size(fit.likely_bytes)} likely ({parts})")
        lines.append(f"  free    {size(fit.free_bytes)} {'on GPUs' if fit.place == 'gpu' else 'of RAM'}")
    for one in plan.evicts:
        busy = f", answers {one.answering} now" if one.answering else ""
        lines.append(f"  evicts  {one.name} @ {one.runtime}, {size(one.held_bytes)}, {one.whose}{busy}")
    lines += [f"  limit   {state}" for state in plan.broken]
    lines += [f"  note    {words}" for words in plan.warnings]
    return [*lines, *([f"  refused {plan.refusal}"] if plan.refusal else [])]


def _status(quiet: bool) -> Callable[[str], None]:
    said: list[str] = []

    def tell(text: str) -> None:
        if not quiet and said[-1:] != [text]:
            said.append(text)
            note(f"{text} …")

    return tell


def _when(held: LoadedModel) -> str:
    if held.pinned:
        return "only when it is told to"
    return "as usual" if held.expires_at is None else f"at {held.expires_at.astimezone():%H:%M:%S} if nobody asks it"
