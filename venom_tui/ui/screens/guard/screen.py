"""The guard section: what the machine holds, live."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widget import Widget

from venom_tui.core.events import GuardSampled
from venom_tui.ui.dialogs.fits import show_fit
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.screens.guard.estimates import KEY as ESTIMATES
from venom_tui.ui.screens.guard.estimates import estimate_lines, estimate_rows
from venom_tui.ui.screens.guard.gpu_facts import gpu_facts, process_facts
from venom_tui.ui.screens.guard.gpus import (
    all_processes,
    gpu_details,
    gpu_figures,
    gpu_key,
    gpu_rows,
    gpu_title,
    process_key,
)
from venom_tui.ui.screens.guard.host import host_details, host_facts, host_history, host_rows
from venom_tui.ui.screens.guard.loaded import counts_down, loaded_details, loaded_facts, loaded_key, loaded_rows
from venom_tui.ui.screens.guard.view import View, muted
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.text import clean
from venom_tui.ui.widgets.live_rows import LiveRows, Row, still
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine, rule
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.types.device import GuardSnapshot, LoadedModel

_RENEW_S = 5.0
"""Between two looks at what changes without a new snapshot: ages, graphs that move on."""
_FRESH_S = 1.5
"""For how long what was shown needs no such look."""
_COUNTDOWN_S = 1.0
"""The same while a model is about to leave."""
_LEAST_HISTORY = 4
"""Rows below the list from which the history of the host is worth showing."""


class GuardRows(LiveRows):
    """A list of figures."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "choose", "all figures", id="guard.details", tooltip="Show all figures, and why one is not known"
        ),
        Binding("f", "screen.fit", "fit", id="guard.fit", tooltip="Does it fit? Ask for this model, or pick one"),
        Binding("b", "app.better_models", "better models", id="guard.better", tooltip="Better models that fit"),
        Binding(
            "l", "screen.limits", "limits", id="guard.limits", tooltip="What is kept free for others, and what is done"
        ),
        Binding("u", "screen.unload", "unload", id="guard.unload", tooltip="Take the loaded model out of memory"),
        Binding("P", "screen.pin", "Pin", show=False, id="guard.pin", tooltip="Keep the loaded model, or not"),
        Binding("E", "screen.extend", "Extend", show=False, id="guard.extend", tooltip="Keep it loaded for a time"),
    ]

    class Resized(Message):
        """The list has another size: what fits into it is another matter."""

    def on_resize(self) -> None:
        """Tell whoever decides what is shown."""
        self.post_message(self.Resized())

    def action_choose(self) -> None:
        """Choose the row under the cursor; in details without rows to choose, what they are about."""
        self.post_message(self.Chosen(self, self.cursor_key or ""))


class DetailRows(GuardRows):
    """The details: from their first row on, and without a cursor, until one goes into them."""

    @property
    def cursor_style(self) -> str:
        """Nothing marks a row of details that nobody is in."""
        return super().cursor_style if self.has_focus else ""

    def _show_cursor(self) -> None:
        if self.has_focus:
            super()._show_cursor()
        elif self.scroll_offset.y:
            self.scroll_to(y=0, animate=False, force=True)

    def on_focus(self) -> None:
        """Bring the cursor's row into sight."""
        self._show_cursor()


class GuardScreen(SectionScreen):
    """Host, GPUs and loaded models at one side, the one under the cursor in detail at the other."""

    NAME = "guard"
    AUTO_FOCUS = "#machine"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab",
            "other_side",
            "details",
            id="guard.side",
            tooltip="Go between the machine and the details with the processes",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._placed = False
        self._shown_at = float("-inf")

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the machine and the details."""
        with Container(id="board"):
            yield GuardRows(id="machine")
            with Vertical(id="side"):
                yield RuleLine("", id="side-rule")
                yield DetailRows(id="details")

    def on_mount(self) -> None:
        """Begin with what is known: nothing."""
        self._timer = self.set_interval(_RENEW_S, self._renew_old)
        self._countdown = self.set_interval(_COUNTDOWN_S, self._renew, pause=True)
        self._show()

    # ------------------------------------------------------------------ figures

    def core_ready(self, core: Core) -> None:
        """Look more often while this section is seen."""
        if self.is_current:
            core.guard.watch(True)
        self._renew()

    def shown(self) -> None:
        """Look more often, and show the newest figures at once."""
        self._timer.resume()
        if self.core is not None:
            self.core.guard.watch(True)
        self._renew()

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        self._timer.pause()
        self._countdown.pause()
        if self.core is not None:
            self.core.guard.watch(False)

    def core_event(self, event: Event) -> None:
        """Show new figures while somebody looks."""
        if isinstance(event, GuardSampled) and self.is_current:
            self._take(event.snapshot)

    def _renew_old(self) -> None:
        """Renew what is shown where no snapshot did that a moment ago."""
        if time.monotonic() - self._shown_at > _FRESH_S:
            self._renew()

    def _renew(self) -> None:
        """Show the newest figures with their age."""
        snapshot = None if self.core is None else self.core.guard.latest()
        if snapshot is not None:
            self._take(snapshot)

    def _take(self, snapshot: GuardSnapshot) -> None:
        core = self.core
        if core is not None:
            self._view = View(
                snapshot, core.guard.history, datetime.now(UTC), core.fits.qualities(), core.runtimes.unanswering()
            )
            self._shown_at = time.monotonic()
            if counts_down(self._view) and self.is_current:
                self._countdown.resume()
            else:
                self._countdown.pause()
            self._show()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        view, machine = self._view, self.query_one("#machine", GuardRows)
        if view is None:
            machine.show_rows([muted("  The machine is looked at for the first time.")])
            return
        rows = [*host_rows(view), *gpu_rows(view), *loaded_rows(view), *estimate_rows(view)]
        spare = machine.size.height - len(rows) - 2
        if self.has_class("-wide") and view.snapshot.gpus and spare >= _LEAST_HISTORY:
            # The list stands beside the details, over the whole height: there is room for more. Without GPUs the
            # details are the host's and show this already.
            rows += [muted(""), Row(still("history"), partial(rule, "Host, 10 min")), *host_history(view, spare)]
        machine.show_rows(rows)
        if not self._placed and view.snapshot.gpus:
            # The GPUs come a moment after the host; they are what one looks for here.
            self._placed = True
            machine.set_cursor(gpu_key(view.snapshot.gpus[0]))
        self._show_details()

    def _show_details(self) -> None:
        view = self._view
        if view is None:
            return
        details = self.query_one("#details", DetailRows)
        title, right, rows = self._details(view, self.query_one("#machine", GuardRows).cursor_key, details.size.height)
        self.query_one("#side-rule", RuleLine).set_title(title, right)
        details.show_rows(rows)

    def _details(self, view: View, key: str | None, height: int) -> tuple[str, str, Sequence[Row]]:
        """Return title, what stands at its right, and the rows of what is under the cursor."""
        for gpu in view.snapshot.gpus:
            if gpu_key(gpu) == key:
                title = gpu_title(gpu)
                room = self.query_one("#side-rule").size.width - len(title) - 8
                return title, gpu_figures(gpu, view, room), list(gpu_details(gpu, view, height))
        for model in view.snapshot.loaded:
            if loaded_key(model) == key:
                return clean(model.name), clean(model.runtime), list(loaded_details(model, view))
        return "Host", "10 min", list(host_details(view, height))

    def on_guard_rows_resized(self) -> None:
        """Let the graphs have the room that is there now."""
        self._show()

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        """Show the details of the row under the cursor."""
        if message.rows.id == "machine":
            self._placed = self._placed or (message.rows.has_focus and message.key not in (None, "cpu"))
            self._show_details()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Show all figures of a row, with the reasons of those that are not known."""
        if self._view is not None:
            key = message.key or self.query_one("#machine", GuardRows).cursor_key or ""
            title, lines = self._facts(self._view, key)
            self.app.push_screen(Notice(title, lines))

    def _facts(self, view: View, key: str) -> tuple[str, Sequence[str]]:
        for gpu in view.snapshot.gpus:
            if gpu_key(gpu) == key:
                return gpu_title(gpu), gpu_facts(gpu, view)
            for number, process in enumerate(all_processes(gpu)):
                if process_key(gpu, number) == key:
                    return f"Process {'?' if process.pid is None else process.pid}", process_facts(process)
        for model in view.snapshot.loaded:
            if loaded_key(model) == key:
                return f"{model.name} @ {model.runtime}", loaded_facts(model, view)
        if key == ESTIMATES and self.core is not None:
            return "Estimates of memory", estimate_lines(view.qualities, self.core.fits.records())
        if key == "gpus":
            return "No GPU", [view.snapshot.unavailable.get("gpus", "None was found.")]
        return f"Host {view.snapshot.host.name}", host_facts(view)

    # ------------------------------------------------------------------ keys

    def action_fit(self) -> None:
        """Say whether the model under the cursor fits; elsewhere let one pick a model first."""
        core = self.core
        if core is None:
            self.notify("Still starting: the machine is looked at.", markup=False)
            return
        held = self._held()
        start(self, lambda: show_fit(self.app, core, held), group="fit", exclusive=True)

    def action_limits(self) -> None:
        """Show what is kept free for others, and let that be set."""
        from venom_tui.ui.dialogs.limits import LimitsDialog

        if self.core is None:
            self.notify("Still starting: the settings are read.", markup=False)
        else:
            self.app.push_screen(LimitsDialog(self.core))

    def _held(self) -> LoadedModel | None:
        """Return the loaded model under the cursor."""
        key = self.query_one("#machine", GuardRows).cursor_key
        loaded = () if self._view is None else self._view.snapshot.loaded
        return next((one for one in loaded if loaded_key(one) == key), None)

    def _do(self, verb: Callable[[App[Any], Core, str, str], Awaitable[object]]) -> None:
        """Do something with the loaded model under the cursor."""
        core, held = self.core, self._held()
        if held is None:
            self.notify("The cursor is on no loaded model.", markup=False)
        elif held.elsewhere:
            self.notify(f"Another program holds {held.name}; it is left alone.", markup=False)
        elif core is not None:
            start(self, lambda: verb(self.app, core, held.name, held.runtime), group="memory")

    def action_unload(self) -> None:
        """Take the loaded model under the cursor out of memory."""
        from venom_tui.ui.dialogs.memory import unload

        self._do(unload)

    def action_pin(self) -> None:
        """Pin the loaded model under the cursor, or unpin it."""
        from venom_tui.ui.dialogs.memory import toggle_pin

        self._do(toggle_pin)

    def action_extend(self) -> None:
        """Keep the loaded model under the cursor for a time."""
        from venom_tui.ui.dialogs.memory import extend

        self._do(extend)

    def action_other_side(self) -> None:
        """Go to the details, or back to the machine."""
        details = self.query_one("#details", DetailRows)
        self.set_focus(self.query_one("#machine", GuardRows) if details.has_focus else details)

    def action_back(self) -> None:
        """Esc: leave the details, else go back to the chat."""
        if self.query_one("#details", DetailRows).has_focus:
            self.action_other_side()
        else:
            super().action_back()

    def on_descendant_focus(self) -> None:
        """Let the rule tell where the focus is."""
        self.query_one("#side-rule", RuleLine).set_class(self.query_one("#details", DetailRows).has_focus, "-focused")
