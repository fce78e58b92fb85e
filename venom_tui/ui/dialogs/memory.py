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


async def load(app: App[Any], core: Core, name: str, runtime: str, *, say: bool = True) -> bool:
    """Load a model after the questions that this needs; return False after a no. Called from a worker.

    Raises:
        VenomError: it was not loaded.
    """
    plan = await core.models.plan("load", name, runtime)
    done = not plan.must_load or await carry_out(app, core, plan, status=lambda _text: None)
    if done and say:
        app.notify(f"{name} is loaded{'' if plan.must_load else ' already'}.", markup=False)
    return done


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
    pinned = held is None or not held.pinned
    if await set_pin(app, core, name, runtime, pinned):
        app.notify(f"{name} {pinned_word(pinned)}", markup=False)


async def set_pin(app: App[Any], core: Core, name: str, runtime: str, pinned: bool) -> bool:
    """Pin a loaded model or unpin it; return False after a no. Called from a worker.

    Raises:
        VenomError: its runtime takes no pins, or it is not loaded.
    """
    after: LoadedModel | None
    if pinned:
        after = await core.models.pin(name, runtime)
    else:
        after = await _asked(app, f"Unpin {name}", lambda yes: core.models.unpin(name, runtime, yes=yes))
    return after is not None


def pinned_word(pinned: bool, *, several: bool = False) -> str:
    """Return what becomes of models that were pinned, or unpinned."""
    if pinned:
        return "stay loaded." if several else "stays loaded."
    return "may leave again."


async def extend(app: App[Any], core: Core, name: str, runtime: str) -> None:
    """Ask how long a model is to be kept, and have it kept so long; called from a worker.

    Raises:
        RuntimeRefused: its runtime keeps no time, or it is not loaded.
        VenomError: that is no time, or its runtime refused it.
    """
    check_extends(core, name, runtime)
    answer = await ask_how_long(app, name)
    held = None if answer is None else await keep(app, core, name, runtime, answer)
    if held is not None:
        when = "" if held.expires_at is None else f", until {held.expires_at.astimezone():%H:%M:%S} if nobody asks it"
        app.notify(f"{name} is kept{when}.", markup=False)


def check_extends(core: Core, name: str, runtime: str) -> None:
    """Find out whether a model can be kept for a time at all.

    Raises:
        RuntimeRefused: its runtime keeps no time, or it is not loaded.
    """
    if words := core.runtimes.runtime(runtime).cannot("extend"):
        raise RuntimeRefused(words)
    if not any((one.name, one.runtime) == (name, runtime) for one in core.runtimes.loaded()):
        raise RuntimeRefused(f"{name} is not loaded.", hint="Load it first.")


async def ask_how_long(app: App[Any], what: str) -> str | None:
    """Ask how long something is to be kept; None where nobody says. Called from a worker."""
    return await app.push_screen_wait(Ask(f"Keep {what} for", _USUAL, placeholder="90s, 10m, 1h30m"))


async def keep(app: App[Any], core: Core, name: str, runtime: str, duration: str) -> LoadedModel | None:
    """Have a model kept so long; None after a no. Called from a worker.

    Raises:
        VenomError: that is no time, or its runtime refused it.
    """
    return await _asked(app, f"Keep {name}", lambda yes: core.models.extend(name, duration, runtime, yes=yes))


async def _asked(app: App[Any], title: str, work: Callable[[bool], Awaitable[T]]) -> T | None:
    """Do something that may need a yes; None after a no."""
    try:
        return await work(False)
    except NeedsYes as question:
        if not await app.push_screen_wait(Confirm(title, [question.message])):
            return None
        return await work(True)
