"""The operations section: what runs, what waits, what became of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from venom_tui.core.errors import ReadOnly
from venom_tui.core.events import OperationChanged, SessionsChanged
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.screens.operations.ledger import Ledger, group_of
from venom_tui.ui.screens.operations.rows import OperationRows
from venom_tui.ui.screens.operations.words import full, has_second_line, pane, title
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.widgets.line_input import LineInput
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event

PAGE = 500
"""Operations that are read at once."""
_RECENT = 50
"""Operations that are read again when another venom-tui wrote something."""
_LOOK_S = 0.5
"""Seconds between two repaints of progress."""
_RUNNING_LOOKS = 2
"""Every so many looks the time of what runs is renewed …"""
_AGE_LOOKS = 10
"""… and that of what ended."""


class OperationsScreen(SectionScreen):
    """Shows all operations and cancels them."""

    NAME = "operations"
    AUTO_FOCUS = "OperationRows"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall"), (40, "-high")]  # noqa: RUF012 (Textual's variable)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "cancel", id="operations.cancel", tooltip="Cancel what runs or waits"),
        Binding("space", "pause", "pause", id="operations.pause", tooltip="Pause a download, or go on with it"),
        Binding("R", "retry", "retry", id="operations.retry", tooltip="Do it once more; what is there is kept"),
        Binding("K", "move(-1)", "sooner", show=False, id="operations.sooner", tooltip="Let it wait less long"),
        Binding("J", "move(1)", "later", show=False, id="operations.later", tooltip="Let another one go before it"),
        Binding("p", "pull", "pull", id="operations.pull", tooltip="Fetch a model"),
        # With priority, so that what is typed right after it reaches the filter.
        Binding(
            "slash",
            "filter",
            "filter",
            id="operations.filter",
            tooltip="Show only what holds these words",
            priority=True,
        ),
        Binding("down", "found", "To the rows", show=False, id="operations.found", tooltip="Go to what was found"),
        Binding("C", "clear", "clear", id="operations.clear", tooltip="Remove what ended from the history"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._ledger = Ledger()
        self._looks = 0
        self._progressed = False
        self._read_once = False

    def compose_body(self) -> Iterable[Widget]:
        """Lay out filter, list and details."""
        field = LineInput(placeholder="words that a row must hold", id="filter")
        yield field
        rows = OperationRows(self._ledger)
        rows.display = False
        yield rows
        yield Static(id="empty")
        yield RuleLine("", id="detail-rule")
        yield Static(id="detail")

    def on_mount(self) -> None:
        """Begin with what is known: nothing."""
        self._arrange()
        self._timer = self.set_interval(_LOOK_S, self._look)

    # ------------------------------------------------------------------ what is known

    def core_ready(self, core: Core) -> None:
        """Read the newest operations."""
        self._read_newest(PAGE)

    def shown(self) -> None:
        """Read again what another venom-tui may have changed, and go on looking."""
        self._timer.resume()
        self._arrange()
        if self._read_once:
            self._read_newest(PAGE)

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        self._timer.pause()

    def core_event(self, event: Event) -> None:
        """Take what an operation tells of itself."""
        match event:
            case OperationChanged(operation=operation):
                self._told(operation)
            case SessionsChanged(session_id=None):
                if self._read_once and self.is_current:
                    self._read_newest(_RECENT)

    def _told(self, operation: Operation) -> None:
        before = self._ledger.tell(operation)
        if not self.is_current:
            return
        if before is not None and _shape(before) == _shape(operation):
            self._progressed = True
        else:
            self._arrange()

    def _read_newest(self, limit: int) -> None:
        start(self, lambda: self._reading(limit), group="read", exclusive=True)

    async def _reading(self, limit: int) -> None:
        core = self.core
        if core is None:
            return
        self._ledger.ask()
        page = await core.operations.list(limit)
        ended = await core.operations.count_ended()
        self._ledger.take_newest(page, limit)
        self._ledger.ended = ended
        self._read_once = True
        self._arrange()
        if self._ledger.words:
            await self._read_older(whole=True)

    def on_operation_rows_more_wanted(self, message: OperationRows.MoreWanted) -> None:
        """Read older operations."""
        start(self, lambda: self._more(whole=message.whole), group="older")

    async def _more(self, *, whole: bool) -> None:
        if await self._read_older(whole=whole) and whole:
            self.query_one(OperationRows).action_jump(-1)

    async def _read_older(self, *, whole: bool) -> bool:
        """Read the next page, or all there are; return whether anything was read."""
        core, ledger = self.core, self._ledger
        something = False
        while core is not None and not ledger.complete and (oldest := ledger.oldest) is not None:
            page = await core.operations.list(PAGE, before=oldest)
            if ledger.complete or ledger.oldest is not oldest:
                continue  # another page came meanwhile, or the history was cleared
            ledger.take_older(page, PAGE)
            something = True
            if not whole:
                break
        if something:
            self._arrange()
        return something

    # ------------------------------------------------------------------ what is shown

    def _arrange(self) -> None:
        """Show the operations that there are now, or why there are none."""
        self._progressed = False
        rows = self.query_one(OperationRows)
        rows.renew_all()
        why = self._why_empty()
        rows.display = not why
        if not why and self.focused is None:
            self.set_focus(rows)
        self.query_one("#empty", Static).display = bool(why)
        if why:
            self.query_one("#empty", Static).update(Content(why))
        self._show_details()

    def _why_empty(self) -> str:
        words = self._ledger.words
        if words and self.query_one(OperationRows).cursor_key is None and self._ledger.complete:
            return f"No operation holds all of: {' '.join(words)}.   {self.key_of('section.back')} clears the filter"
        if len(self._ledger):
            return ""
        if not self._read_once:
            # A history that is there in a moment is not worth a word that flickers.
            return "The history is being read." if self._looks else " "
        return (
            "Nothing was run yet.\n\n"
            "What takes time stands here while it runs, and stays as history: models that are fetched, loaded, "
            f"switched to, unloaded.\n{self.key_of('operations.pull')} fetches a model, "
            f"{self.key_of('app.model')} picks one to load.\n\n"
            "What fails keeps the server's own words. What another venom-tui here does is shown too."
        )

    def _look(self) -> None:
        """Paint the progress that came since the last look; renew times every few looks."""
        self._looks += 1
        if not self._read_once and self._looks == 1:
            self._arrange()
        running = bool(self._ledger.running)
        if self._progressed or self._looks % (_RUNNING_LOOKS if running else _AGE_LOOKS) == 0:
            self._progressed = False
            self.query_one(OperationRows).renew()
            if running:
                self._show_details()

    @property
    def chosen(self) -> Operation | None:
        """The operation under the cursor."""
        return self._ledger.get(self.query_one(OperationRows).cursor_key)

    def _show_details(self) -> None:
        operation = self.chosen
        rule, detail = self.query_one("#detail-rule", RuleLine), self.query_one("#detail", Static)
        if operation is None:
            rule.set_title("")
            content = Content()
        else:
            rule.set_title(title(operation), operation.state.value)
            content = pane(operation, datetime.now(UTC), self.size.width - 2)
        if detail.content != content:
            detail.update(content, layout=False)

    def on_resize(self) -> None:
        """Lay the details out anew."""
        self._show_details()

    def on_row_list_highlighted(self, _message: RowList.Highlighted) -> None:
        """Show the details of the row under the cursor."""
        self._show_details()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Show all that is known of an operation."""
        operation = self._ledger.get(message.key)
        if operation is not None:
            start(self, lambda: self._tell_all(operation), group="details", exclusive=True)

    async def _tell_all(self, operation: Operation) -> None:
        log = [] if self.core is None else await self.core.operations.log(operation.id)
        self.app.push_screen(Notice(title(operation), full(operation, datetime.now(UTC), log)))

    # ------------------------------------------------------------------ filter

    def action_filter(self) -> None:
        """Open the filter."""
        field = self.query_one("#filter", Input)
        field.add_class("-open")
        self.set_focus(field)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the filter a slash is a slash."""
        return not (action == "filter" and isinstance(self.focused, Input))

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter by what is typed; the whole history is searched."""
        words = tuple(message.value.lower().split())
        if words != self._ledger.words:
            self._ledger.words = words
            self._arrange()
            if words and not self._ledger.complete:
                start(self, lambda: self._read_older(whole=True), group="older")

    def on_input_submitted(self) -> None:
        """Go to what was found."""
        self.action_found()

    def action_found(self) -> None:
        """Go from the filter to the rows."""
        self.query_one(OperationRows).focus()

    def action_back(self) -> None:
        """Esc: clear and close the filter, else go back to the chat."""
        field = self.query_one("#filter", Input)
        if field.has_class("-open"):
            field.value = ""
            field.remove_class("-open")
            self.query_one(OperationRows).focus()
        else:
            super().action_back()

    # ------------------------------------------------------------------ verbs

    def action_cancel(self) -> None:
        """Cancel the operation under the cursor."""
        operation = self.chosen
        if operation is None or operation.state.final:
            self.notify("Only what runs or waits can be cancelled.", markup=False)
        else:
            self._change(lambda core: core.operations.cancel(operation.id))

    def action_pause(self) -> None:
        """Pause the download under the cursor, or go on with it."""
        operation = self.chosen
        if operation is None or operation.state.final:
            self.notify("Only a download that runs or waits can be paused.", markup=False)
        elif operation.state is OperationState.PAUSED:
            self._change(lambda core: core.operations.resume(operation.id))
        else:
            self._change(lambda core: core.operations.pause(operation.id))

    def action_retry(self) -> None:
        """Do what has ended once more, or go on with what was interrupted."""
        operation = self.chosen
        if operation is None or not (operation.state.final or operation.state is OperationState.PAUSED):
            self.notify("Only what has ended can be done once more.", markup=False)
        elif operation.state is OperationState.SUCCEEDED:
            self.notify("It has succeeded: nothing is left to do.", markup=False)
        elif not operation.repeatable:
            self.notify("It cannot be done again from here: begin it as it was begun before.", markup=False)
        else:
            self._change(lambda core: core.operations.retry(operation.id))

    def action_move(self, by: int) -> None:
        """Move what waits in its queue."""
        operation = self.chosen
        if operation is None or operation.state is not OperationState.QUEUED:
            self.notify("Only what waits can be moved.", markup=False)
        else:
            self._change(lambda core: self._move(core, operation, by))

    async def _move(self, core: Core, operation: Operation, by: int) -> None:
        if not await core.operations.move(operation.id, by):
            where = "before" if by < 0 else "behind"
            self.notify(f"It cannot be moved: nothing that could change places with it waits {where} it.", markup=False)

    def action_pull(self) -> None:
        """Ask which model is to be fetched."""
        self.host.pull()

    def _change(self, change: Callable[[Core], Awaitable[object]]) -> None:
        """Change something, where that is allowed."""
        core = self.core
        if core is None:
            return
        if self.host.read_only:
            self.complain(
                ReadOnly("venom-tui runs read-only: operations stay as they are.", hint="Start it without --read-only.")
            )
        else:
            start(self, lambda: change(core), group="verbs")

    def action_clear(self) -> None:
        """Remove what ended, after a yes."""
        core = self.core
        if core is None:
            self.notify("Still starting: the operations are being read.", markup=False)
            return
        if core.settings.flag("VENOM_READ_ONLY"):
            self.complain(
                ReadOnly("venom-tui runs read-only: the history stays.", hint="Start it without --read-only.")
            )
        else:
            focused = self.focused
            start(self, lambda: self._ask_to_clear(core, focused), group="verbs")

    async def _ask_to_clear(self, core: Core, focused: Widget | None) -> None:
        ended = await core.operations.count_ended()
        if not ended:
            self.notify("The history is empty already.", markup=False)
            return
        if not self.still_with(focused):
            key = self.key_of("operations.clear")
            self.notify(f"The history stays without a yes. {key} in Operations asks again.", markup=False)
            return
        what = "1 operation that has ended is" if ended == 1 else f"{ended:,} operations that have ended are"
        lines = [f"{what} removed for good, with the words of their failures.", "Models and files stay as they are."]

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._clear(core), group="verbs")

        self.app.push_screen(Confirm("Clear the history", lines), answered)

    async def _clear(self, core: Core) -> None:
        removed = await core.operations.clear()
        self._ledger.forget_ended()
        self._arrange()
        self._read_newest(_RECENT)  # in place of a read that began before and still knows what was removed
        self.notify(f"{removed:,} removed.", markup=False)


def _shape(operation: Operation) -> tuple[object, ...]:
    """Return what decides where the rows of an operation stand."""
    return group_of(operation), operation.state, operation.place, has_second_line(operation)
