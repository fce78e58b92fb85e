"""What a load or a switch needs, what it would unload, and which limits it would break; `y` does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import PlanChanged
from venom_tui.core.types.memory import Eviction, MemoryPlan
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import clean, literal, relative_time, signs, size

if TYPE_CHECKING:
    from venom_tui.core.core import Core

Do: TypeAlias = Callable[..., Awaitable[Sequence[str]]]
T = TypeVar("T")
_NAME = 8
_TOLD_S = 20.0


class PlanDialog(Dialog[str]):
    """Answers `yes`, or `force` where the guard refuses; everything else is no.

    Args:
        plan: what is asked about.
        news: what happened since it was asked before, or "".
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "yes", id="plan.yes", tooltip="Do it"),
        Binding("F", "force", "force", id="plan.force", tooltip="Try it though the guard refuses"),
        Binding("n", "no", "no", show=False, id="plan.no", tooltip="Do not"),
    ]

    def __init__(self, plan: MemoryPlan, news: str = "") -> None:
        verb = "Switch to" if plan.kind == "switch" else "Load"
        super().__init__(f"{verb} {plan.name}")
        self._plan = plan
        self._news = news

    def compose_box(self) -> Iterable[Widget]:
        """Return the plan."""
        with VerticalScroll(id="plan"):
            yield Static(Content("\n").join(plan_lines(self._plan, self._news)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what there is: a yes, or force where the guard refuses."""
        refused = bool(self._plan.refusal)
        return {"yes": not refused, "force": refused}.get(action, True)

    def action_yes(self) -> None:
        """Answer yes."""
        self.dismiss("yes")

    def action_force(self) -> None:
        """Answer that it is to be tried all the same."""
        self.dismiss("force")


def plan_lines(plan: MemoryPlan, news: str = "") -> list[Content]:
    """Return a plan as lines."""
    fit, found = plan.fit, []
    if news:
        found += [Content.styled(f"{signs().warning} ", "$warning") + literal(news), Content()]
    if fit is not None and fit.likely_bytes is not None:
        rest = (fit.compute_bytes or 0) + (fit.overhead_bytes or 0)
        cache = f"cache at {fit.context_length or 0:,} tokens {size(fit.kv_bytes)}"
        parts = f"weights {size(fit.weights_bytes)}, {cache}, rest {size(rest)}"
        found.append(_line("needs", f"{size(fit.likely_bytes)} likely ({parts})"))
        where = "on GPUs" if fit.place == "gpu" else "of RAM"
        found.append(_line("free", f"{size(fit.free_bytes)} {where}, without what is to be kept"))
    for number, one in enumerate(plan.evicts):
        found.append(_line("evicts" if not number else "", _eviction(one), "$warning" if one.asks_apart else ""))
    if fit is not None and fit.likely_bytes is not None and fit.free_bytes is not None:
        back = sum(one.held_bytes or 0 for one in plan.evicts)
        after = fit.free_bytes + back - fit.likely_bytes
        found.append(_line("after", f"{size(after)} free" if after >= 0 else f"{size(-after)} too little", ""))
    found += [_line("limit", str(state), "$error") for state in plan.broken]
    found += [_line("note", words) for words in plan.warnings]
    if plan.refusal:
        found += [Content(), literal(plan.refusal, "$error")]
    elif plan.questions:
        found += [Content(), *(literal(words) for words in plan.questions)]
    return found


def _eviction(one: Eviction) -> str:
    since = "" if one.loaded_at is None else f" {relative_time(one.loaded_at, datetime.now(UTC))} ago"
    busy = f", answers {one.answering} prompt{'s' * (one.answering != 1)} now" if one.answering else ""
    return f"{one.name} @ {one.runtime}, {size(one.held_bytes)}, {one.whose}{since}{busy}"


def _line(name: str, value: str, style: str = "") -> Content:
    return Content.assemble((f"{name:<{_NAME}}", "$text-muted"), literal(value, style))


# ---------------------------------------------------------------------- asked and done


async def carry_out(
    app: App[Any],
    core: Core,
    plan: MemoryPlan,
    *,
    status: Callable[[str], None],
    working: Callable[[bool], None] = lambda _working: None,
    do: Do | None = None,
) -> bool:
    """Ask what a plan asks, and do it; return False after a no. What changed meanwhile is told and asked again.

    Args:
        app: where the questions are shown; called from a worker.
        core: the core.
        plan: what is to be done.
        status: told what is being done.
        working: told when the work begins, and when a question interrupts it.
        do: does it, as `ModelManager.carry_out`; None: that.

    Raises:
        VenomError: see `ModelManager.carry_out`.
    """
    news = ""
    while True:
        said = await _ask(app, plan, news)
        if said is None:
            return False
        working(True)
        try:
            how = {"yes": True, "others": bool(plan.apart), "force": said == "force"}
            work: Do = core.models.carry_out if do is None else do
            told = await work(plan, **how, status=status)
        except PlanChanged as changed:
            working(False)
            if not isinstance(changed.plan, MemoryPlan):
                raise
            plan, news = changed.plan, changed.message
        else:
            for words in told:
                app.notify(clean(words), severity="warning", markup=False, timeout=_TOLD_S)
            return True


async def _ask(app: App[Any], plan: MemoryPlan, news: str) -> str | None:
    """Return `yes` or `force`, None for no; nobody is asked where there is nothing to ask."""
    said = "yes"
    if plan.questions or plan.refusal or news:
        answer = await _answer(app, PlanDialog(plan, news))
        if answer is None:
            return None
        said = answer
    if plan.apart:
        names = ", ".join(one.name for one in plan.apart)
        lines = [_eviction(one) for one in plan.apart]
        words = "Somebody wants it kept, or uses it: the next one who asks it waits until it is loaded again."
        if not await _answer(app, Confirm(f"Unload {names}, too?", [*lines, "", words])):
            return None
    return said


async def _answer(app: App[Any], dialog: Dialog[T]) -> T | None:
    try:
        return await app.push_screen_wait(dialog)
    except asyncio.CancelledError:
        while dialog.is_attached and dialog in app.screen_stack:  # with what lies over it
            app.screen.dismiss(None)
        raise
