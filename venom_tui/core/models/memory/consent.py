"""Whether a plan may be carried out: what was said yes to, and whether it still says how things stand."""

from __future__ import annotations

from datetime import datetime

from venom_tui.core.errors import GuardRefused, NeedsYes
from venom_tui.core.types.memory import MemoryPlan
from venom_tui.core.types.operation import Operation

_MOVES = frozenset({"load", "unload", "switch"})


def check(plan: MemoryPlan, *, yes: bool, others: bool, force: bool) -> None:
    """Refuse what was not said yes to.

    Raises:
        NeedsYes, GuardRefused: see `ModelMemory.carry_out`.
    """
    failure: NeedsYes | GuardRefused
    if plan.refusal and not force:
        failure = GuardRefused(plan.refusal, hint="Unload something, or pick a smaller one; force (--force) tries it.")
    elif plan.questions and not yes:
        failure = NeedsYes(" ".join(plan.questions), hint="A yes (--yes) does it.")
    elif plan.apart and not others:
        names = ", ".join(f"{one.name} ({one.whose})" for one in plan.apart)
        failure = NeedsYes(f"{names} would have to leave.", hint="That needs a yes of its own (--force).")
    else:
        return
    failure.plan = plan
    raise failure


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
    return ""


def since(operation: Operation, moment: datetime | None) -> bool:
    """Return whether an operation changed what is loaded, and ended after a moment."""
    ended = operation.finished_at
    return operation.kind in _MOVES and moment is not None and ended is not None and ended >= moment


def told(operation: Operation) -> str:
    """Return an operation as one clause."""
    return f"{operation.kind} {operation.target} {operation.state}"
