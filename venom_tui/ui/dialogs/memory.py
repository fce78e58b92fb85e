"""What one key does with a model's memory: load or unload it, pin or unpin it, keep it for a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import App

from venom_tui.core.errors import NeedsYes, RuntimeRefused
from venom_tui.core.types.device import LoadedModel
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.plan import carry_out

if TYPE_CHECKING:
    from venom_tui.core.core import Core

T = TypeVar("T")
_USUAL = "30m"


async def load(app: App[Any], core: Core, name: str, runtime: str) -> None:
    """Load a model after the questions that this needs; called from a worker.

    Raises:
        VenomError: it was not loaded.
    """
    plan = await core.models.plan("load", name, runtime)
    if not plan.must_load:
        app.notify(f"{name} is loaded already.", markup=False)
    elif await carry_out(app, core, plan, status=lambda _text: None):
        app.notify(f"{name} is loaded.", markup=False)


async def unload(app: App[Any], core: Core, name: str, runtime: str) -> bool:
    """Unload a model and say how much came back; return False after a no. Called from a worker.

    Raises:
        VenomError: it stays.
    """
    freed = await _asked(app, f"Unload {name}", lambda yes: core.models.unload(name, runtime, yes=yes))
    if freed is not None:
        app.notify(freed.text if freed.reason != "it was not loaded" else f"{name} is not loaded.", markup=False)
    return freed is not None


async def toggle_pin(app: App[Any], core: Core, name: str, runtime: str) -> None:
    """Pin a loaded model, or unpin it; called from a worker.

    Raises:
        VenomError: its runtime takes no pins.
    """
    held = next((one for one in core.runtimes.loaded() if (one.name, one.runtime) == (name, runtime)), None)
    after: LoadedModel | None
    if held is not None and held.pinned:
        after = await _asked(app, f"Unpin {name}", lambda yes: core.models.unpin(name, runtime, yes=yes))
    else:
        after = await core.models.pin(name, runtime)
    if after is not None:
        app.notify(f"{name} stays loaded." if after.pinned else f"{name} may leave again.", markup=False)


async def extend(app: App[Any], core: Core, name: str, runtime: str) -> None:
    """Ask how long a model is to be kept, and have it kept so long; called from a worker.

    Raises:
        RuntimeRefused: its runtime keeps no time, or it is not loaded.
        VenomError: that is no time, or its runtime refused it.
    """
    if words := core.runtimes.runtime(runtime).cannot("extend"):
        raise RuntimeRefused(words)
    if not any((one.name, one.runtime) == (name, runtime) for one in core.runtimes.loaded()):
        raise RuntimeRefused(f"{name} is not loaded.", hint="Load it first.")
    answer = await app.push_screen_wait(Ask(f"Keep {name} for", _USUAL, placeholder="90s, 10m, 1h30m"))
    if answer is None:
        return
    held = await _asked(app, f"Keep {name}", lambda yes: core.models.extend(name, answer, runtime, yes=yes))
    if held is not None:
        when = "" if held.expires_at is None else f", until {held.expires_at.astimezone():%H:%M:%S} if nobody asks it"
        app.notify(f"{name} is kept{when}.", markup=False)


async def _asked(app: App[Any], title: str, work: Callable[[bool], Awaitable[T]]) -> T | None:
    """Do something that may need a yes; None after a no."""
    try:
        return await work(False)
    except NeedsYes as question:
        if not await app.push_screen_wait(Confirm(title, [question.message])):
            return None
        return await work(True)
