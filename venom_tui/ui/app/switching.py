"""Switches to another model: what is going on is told while it loads, and a failure leaves the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.screen import ModalScreen
from textual.timer import Timer
from textual.worker import Worker

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.models import ModelPicker
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.dialogs.picker import Picker
from venom_tui.ui.dialogs.plan import carry_out
from venom_tui.ui.dialogs.waiting import Waiting
from venom_tui.ui.terminal.screen import close_dialogs
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ActiveModel, ModelInfo
    from venom_tui.ui.app import VenomApp

_SOON_S = 0.15
"""What takes longer is waited for in a dialog."""


class Switching:
    """The switch that is going on, if one is."""

    def __init__(self, app: VenomApp) -> None:
        self._app = app
        self._worker: Worker[None] | None = None
        self.target: ModelInfo | None = None
        """The model that is being switched to: what is asked now goes to it already."""

    # ------------------------------------------------------------------ picking

    def pick(self, words: str = "") -> None:
        """Open the picker, filtered by `words`, or close it; what is chosen becomes active when it answers."""
        app, core = self._app, self._app.core
        if isinstance(app.screen, Picker) and app.screen.name == "models":
            app.screen.dismiss(None)
        elif core is None:
            app.notify("Still starting: the models are looked for.", markup=False)
        else:
            close_dialogs(app)  # a dialog is no place to pick models from
            back = self._way_back(core)
            picker = ModelPicker("Models", core, words=words, note=back)
            app.push_screen(picker, lambda key: self._picked(picker.model(key)))

    def _picked(self, model: ModelInfo | None) -> None:
        if model is not None:
            self.switch_to(model)

    def _way_back(self, core: Core) -> str:
        name = core.settings.text("VENOM_PREVIOUS_MODEL")
        return f"f9 goes back to {name}." if name else ""

    def back(self) -> None:
        """Switch to the model that was active before."""
        core = self._app.core
        if core is None:
            self._app.notify("Still starting: the model before is not known yet.", markup=False)
        else:
            start(self._app, lambda: self._back(core), group="switch back", exclusive=True)

    async def _back(self, core: Core) -> None:
        name, runtime = (core.settings.text(key) for key in ("VENOM_PREVIOUS_MODEL", "VENOM_PREVIOUS_RUNTIME"))
        if not name:
            self._app.notify("No other model was active before.", markup=False)
            return
        self.switch_to(await core.models.find(name, runtime or None))

    # ------------------------------------------------------------------ switching

    def switch_to(self, model: ModelInfo) -> None:
        """Load a model and make it active; a switch that is going on is given up for it."""
        core = self._app.core
        if core is not None:
            self.cancel()
            self._worker = start(self._app, lambda: self._switch(core, model), group="switch")

    def cancel(self) -> bool:
        """Give up the switch that is going on; return whether one was."""
        if self._worker is None or self._worker.is_finished:
            return False
        self._worker.cancel()
        return True

    def give_up(self) -> bool:
        """Give up the switch and say so; return whether one was going on."""
        target = self.target
        if not self.cancel():
            return False
        if target is not None:
            self._app.notify(f"The switch to {target.name} was given up.", markup=False)
        return True

    async def _switch(self, core: Core, model: ModelInfo) -> None:
        app = self._app
        before = await core.models.active(settled=False)
        if before is not None and (before.name, before.runtime) == (model.name, model.runtime) and model.loaded:
            if not app.read_only:  # it may answer by itself, as the one that is loaded: now it is the chosen one
                await core.models.choose(model.name, model.runtime)
            app.notify(f"{model.name} answers already.", markup=False)
            return
        waiting = _Wait(app, model, self.give_up)
        self.target = model
        try:
            plan = await core.models.plan("switch", model.name, model.runtime or None)
            done = await carry_out(app, core, plan, status=waiting.tell, working=waiting.working)
        except VenomError as failure:
            watched = waiting.watched
            waiting.working(False)
            self._failed(model, before, failure, watched=watched)
        else:
            if done:
                app.notify(f"{model.name} answers now.", markup=False)
        finally:
            waiting.working(False)
            if self.target is model:
                self.target = None

    def _failed(self, model: ModelInfo, before: ActiveModel | None, failure: VenomError, *, watched: bool) -> None:
        """Tell why, in full where it was waited for, else in passing: somebody writes."""
        stays = "" if before is None else f"{before.name} stays active."
        title = f"{model.name} was not switched to"
        if not watched:
            self._app.complain(
                VenomError(
                    f"{title}: {failure.message}", hint=f"{failure.hint} {stays}", server_message=failure.server_message
                )
            )
            return
        lines = [failure.message, failure.server_message, failure.hint, *(["", stays] if stays else [])]
        self._app.push_screen(Notice(title, [line for line in lines if line]))


class _Wait:
    """The dialog in which a switch is waited for: shown when it takes long, and not over another dialog.

    It would take the keys of one that was opened meanwhile.
    """

    def __init__(self, app: VenomApp, model: ModelInfo, give_up: Callable[[], object]) -> None:
        self._app = app
        self._model = model
        self._give_up = give_up
        self._dialog: Waiting | None = None
        self._timer: Timer | None = None

    @property
    def watched(self) -> bool:
        """Whether somebody waits for it, and does something else no sooner."""
        dialog = self._dialog
        return dialog is None or dialog.is_attached or not (dialog.seen or self._is_elsewhere())

    def working(self, working: bool) -> None:
        """Begin to wait, or end."""
        if self._timer is not None:
            self._timer.stop()
        if self._dialog is not None:
            self._dialog.done()
        self._dialog = self._timer = None
        if working:
            dialog = Waiting(f"Switch to {self._model.name}", f"asking {self._model.runtime}", self._give_up)
            self._dialog = dialog
            self._timer = self._app.set_interval(_SOON_S, self._show)

    def _show(self) -> None:
        if self._dialog is not None and self._timer is not None and not self._is_elsewhere():
            self._timer.stop()
            self._app.push_screen(self._dialog)

    def _is_elsewhere(self) -> bool:
        return isinstance(self._app.screen, ModalScreen)

    def tell(self, text: str) -> None:
        """Say what is going on."""
        if self._dialog is not None:
            self._dialog.tell(text)
