"""Pulls, as far as they are the same on every screen: asked for by name, and left running at the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from venom_tui.core.errors import ReadOnly, VenomError
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.ui.app.app import VenomApp
    from venom_tui.ui.dialogs.leave_pulls import Answer
    from venom_tui.ui.dialogs.pull import Wanted

_log = logging.getLogger(__name__)


def ask_to_pull(app: VenomApp, name: str, provider: str | None) -> None:
    """Ask which model is to be fetched, and fetch it after a yes."""
    core = app.core
    if core is None:
        app.notify("Still starting: nothing can be fetched yet.", markup=False)
        return
    if app.read_only:
        app.complain(ReadOnly("venom-tui runs read-only: nothing is fetched.", hint="Start it without --read-only."))
        return
    from venom_tui.ui.dialogs.pull import PullDialog

    def answered(wanted: Wanted | None) -> None:
        if wanted is not None:
            start(app, lambda: _pull(app, core, wanted), group="pull")

    app.push_screen(PullDialog(core, name, provider), answered)


async def _pull(app: VenomApp, core: Core, wanted: Wanted) -> None:
    preview = wanted.preview
    operation = await core.models.pull(
        preview.target,
        preview.provider,
        insecure=preview.insecure,
        preview=preview,
        yes=True,
        force=wanted.forced,
    )
    here = operation.id in {one.id for one in core.operations.running()}
    if here and getattr(app.screen, "NAME", "") == "operations":
        return  # its row is in sight, and a notice would lie over it
    where = "" if here else " It goes on in another venom-tui."
    app.notify(f"Pulling {operation.target}; Operations shows how far it is.{where}", markup=False)


def ask_to_quit(app: VenomApp) -> None:
    """Quit; where downloads run, ask first whether they go on without us."""
    core = app.core
    # Starts of servers go on by themselves: nobody has to be asked.
    running = [] if core is None else [one for one in core.operations.can_go_on() if one.kind == "pull"]
    if not running:
        start(app, lambda: app.quit_in_order(), group="quit")
        return
    from venom_tui.ui.dialogs.leave_pulls import LeavePulls

    if isinstance(app.screen, LeavePulls):
        return

    def answered(answer: Answer | None) -> None:
        if answer is not None:
            start(app, lambda: app.quit_in_order(leave_running=answer == "go on"), group="quit")

    app.push_screen(LeavePulls(running), answered)


async def leave_running(core: Core) -> None:
    """Let downloads go on in a process without a terminal; where that fails they are interrupted, to be resumed."""
    try:
        await core.leave_running()
    except VenomError as failure:
        _log.warning("downloads do not go on in the background: %s %s", failure.message, failure.server_message)
