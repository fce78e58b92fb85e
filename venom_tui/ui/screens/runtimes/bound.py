"""Stopping and restarting the embedded llama.cpp: what it holds leaves, and the model that answers is loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import App

from venom_tui.core.errors import OperationRefused
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.memory import load, unload
from venom_tui.ui.text import clean

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_ID = "embedded"


async def change(app: App[Any], core: Core, verb: str) -> None:
    """Do `stop` or `restart` after a question; called from a worker.

    Raises:
        OperationRefused: no model of it answers, that could be loaded again.
        VenomError: a model did not leave, or was not loaded.
    """
    active = await core.models.active()
    again = active.name if active is not None and active.runtime == _ID else ""
    if verb == "restart" and not again:
        raise OperationRefused(
            f"{_ID} is not restarted: the model that answers is none of it.", hint="Stop it; a prompt starts it again."
        )
    held = [one for one in core.runtimes.loaded() if one.runtime == _ID]
    lines = [f"{clean(one.name)} leaves memory, once it answers nobody." for one in held]
    if verb == "restart":
        lines.append(f"{clean(again)} is loaded again." if held else f"{clean(again)} is loaded.")
    if not await app.push_screen_wait(Confirm(f"{verb.capitalize()} {_ID}", lines)):
        return
    for one in held:
        if not await unload(app, core, one.name, _ID):
            return
    pinned = any(one.name == again and one.pinned for one in held)
    if verb == "restart" and await load(app, core, again, _ID) and pinned:
        await core.models.pin(again, _ID)
