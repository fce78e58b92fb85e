"""Whether a plan may be carried out: what was said yes to, and whether it still says how things stand."""

from __future__ import annotations

from datetime import datetime

from venom_tui.core.errors import GuardRefused, NeedsYes
from venom_tui.core.resources.limits import gib
from venom_tui.core.types.fit import Verdict
from venom_tui.core.types.limits import Policy
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.core.types.operation import Operation

_MOVES = frozenset({"load", "unload", "switch"})


def numbers(plan: MemoryPlan) -> list[str]:
    """Return in sentences what is needed, and what who leaves holds."""
    fit, found = plan.fit, []
    if fit is not None and fit.likely_bytes is not None:
        free = "" if fit.free_bytes is None else f", {gib(fit.free_bytes)} GiB are free"
        found.append(f"{plan.name} needs {gib(fit.likely_bytes)} GiB{free}.")
    held = [f"{one.name} {gib(one.held_bytes)} GiB" for one in plan.evicts if one.held_bytes is not None]
    return [*found, f"Held now: {', '.join(held)}."] if held else found


def check(plan: MemoryPlan, *, yes: bool, others: bool, force: bool) -> None:
    """Refuse what was not said yes to.

    Raises:
        NeedsYes, GuardRefused: see `ModelMemory.carry_out`.
    """
    failure: NeedsYes | GuardRefused
    if plan.refusal and not force:
        failure = GuardRefused(plan.refusal, hint="Unload something, or pick a smaller one; force (--force) tries it.")
    elif plan.questions and not yes:
        failure = NeedsYes(" ".join([*plan.questions, *numbers(plan)]), hint="A yes (--yes) does it.")
    elif plan.apart and not others:
        names = ", ".join(f"{one.name} ({one.whose})" for one in plan.apart)
        words = " ".join([f"{names} would have to leave.", *numbers(plan)])
        failure = NeedsYes(words, hint="That needs a yes of its own (--force).")
    else:
        return
    failure.plan = plan
    raise failure


def warned(plan: MemoryPlan) -> tuple[str, ...]:
    """Return in sentences which limits are broken by a load that only warn."""
    return tuple(f"{plan.name} is loaded over a limit: {one.text}." for one in plan.broken if one.policy is Policy.WARN)


def differs(plan: MemoryPlan, now: MemoryPlan) -> str:
    """Return what a plan does not say any more, "" when it still holds."""
    if plan.kind == "switch" and now.before != plan.before:
        active = "none answers" if now.before is None else f"{now.before[1]} answers now"
        return f"another model was made active: {active}"
    before = {(one.runtime, one.name, one.asks_apart) for one in plan.evicts}
    new = [one.name for one in now.evicts if (one.runtime, one.name, one.asks_apart) not in before]
    if new:
        return f"{', '.join(new)} would have to leave now"
    if now.refusal and not plan.refusal:
        return now.refusal.rstrip(".")
    if now.questions and not plan.questions:
        return now.questions[0].rstrip(".")
    return _asks_more(plan, now) if now.questions else ""


def _asks_more(plan: MemoryPlan, now: MemoryPlan) -> str:
    """Return what a yes was not asked for: the numbers in a question may have moved, its reasons must be the same."""
    before = {(one.kind, one.subject) for one in plan.broken}
    for one in now.broken:
        if one.policy is not Policy.WARN and (one.kind, one.subject) not in before:
            return one.text
    partly = [fit is not None and fit.verdict is Verdict.PARTLY_ON_CPU for fit in (plan.fit, now.fit)]
    return "it would lie partly on the CPU now" if partly == [False, True] else ""


def since(operation: Operation, moment: datetime | None) -> bool:
    """Return whether an operation changed what is loaded, and ended after a moment."""
    ended = operation.finished_at
    return operation.kind in _MOVES and moment is not None and ended is not None and ended >= moment


def told(operation: Operation) -> str:
    """Return an operation as one clause."""
    return f"{operation.kind} {operation.target} {operation.state}"
