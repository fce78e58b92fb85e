"""The runtimes section: the servers that hold models, how they are, and control of those that are started from here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from venom_tui.core.errors import OperationRefused, ReadOnly
from venom_tui.core.events import OperationChanged, RuntimeChanged, ServerChanged
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.guarded import guarded
from venom_tui.ui.dialogs.log import LogView
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.screens.runtimes.bound import change
from venom_tui.ui.screens.runtimes.details import detail_rows, fact_lines
from venom_tui.ui.screens.runtimes.rows import runtime_rows
from venom_tui.ui.screens.runtimes.view import VERBS, Seen, View
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.text import clean
from venom_tui.ui.widgets.live_rows import LiveRows, Row, still
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start, start_when_idle

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event

_TICK_S = 1.0
_WAIT = "The runtimes are looked at for the first time."
_LOG_LINES = 60
_WHOLE_LOG = 2000
_NEWEST = 200
"""Operations among which the last one of each server is looked for."""


class RuntimeRows(LiveRows):
    """The list of runtimes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "all figures", id="runtimes.details", tooltip="Show all that is known of it"),
        Binding("s", "screen.verb('start')", "start", id="runtimes.start", tooltip="Start it and wait for its answer"),
        Binding("x", "screen.verb('stop')", "stop", id="runtimes.stop", tooltip="Stop it, or cancel its start"),
        Binding("R", "screen.verb('restart')", "restart", id="runtimes.restart", tooltip="Stop it and start it again"),
        Binding("l", "screen.log", "log", id="runtimes.log", tooltip="Show its log and follow it"),
        Binding("r", "screen.look", "look again", id="runtimes.look", tooltip="Ask it now how it is"),
    ]

    class Resized(Message):
        """The list has another size: what fits below it is another matter."""

    def on_resize(self) -> None:
        """Tell whoever decides what is shown."""
        self.post_message(self.Resized())


class RuntimesScreen(SectionScreen):
    """All runtimes at the top, the one under the cursor in detail below."""

    NAME = "runtimes"
    AUTO_FOCUS = "#runtimes"

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._operations: dict[str, Operation] = {}
        """Runtime -> what is done with it, or was done last."""
        self._logs: dict[str, tuple[object, list[str]]] = {}
        """Runtime -> mark of its log, and its end."""
        self._stale = False
        """Whether something was told since a look began."""

    def compose_body(self) -> Iterable[Widget]:
        """Lay out list and details."""
        yield RuntimeRows(id="runtimes")
        with Vertical(id="side"):
            yield RuleLine("", id="side-rule")
            yield LiveRows(id="details")

    def on_mount(self) -> None:
        """Begin with what is known: nothing."""
        self._timer = self.set_interval(_TICK_S, self._tick)
        self.query_one("#details", LiveRows).can_focus = False
        rows = self.query_one("#runtimes", RuntimeRows)
        rows.show_rows([Row(still("wait"), lambda _: Content.styled(f" {_WAIT}", "$text-muted"))])

    # ------------------------------------------------------------------ what is known

    def core_ready(self, core: Core) -> None:
        """Look more often while this section is seen, and read what was done last."""
        if self.is_current:
            core.runtimes.watch(True)
        start(self, self._read_operations, group="operations")
        self._renew()

    def shown(self) -> None:
        """Look more often, and show at once what is known."""
        self._timer.resume()
        if self.core is not None:
            self.core.runtimes.watch(True)
        self._renew()

    def on_screen_suspend(self) -> None:
        """Nobody looks."""
        self._timer.pause()
        if self.core is not None:
            self.core.runtimes.watch(False)

    def core_event(self, event: Event) -> None:
        """Take what concerns runtimes."""
        match event:
            case OperationChanged(operation=operation) if operation.kind in VERBS:
                self._operations[operation.runtime] = operation
            case RuntimeChanged() | ServerChanged():
                pass
            case _:
                return
        if self.is_current:
            self._stale = True
            self._tick()

    async def _read_operations(self) -> None:
        assert self.core is not None
        for one in await self.core.operations.list(_NEWEST):
            if one.kind in VERBS:
                self._operations.setdefault(one.runtime, one)
        self._renew()  # what was shown meanwhile did not know of them

    def _renew(self) -> None:
        """Look anew, for what the user did: what was being read is given up."""
        if self.core is not None:
            start(self, self._look_until_fresh, group="renew", exclusive=True)

    def _tick(self) -> None:
        """Look, unless that is being done: a journal may take longer to read than a tick."""
        if self.core is not None:
            start_when_idle(self, self._look_until_fresh, group="renew")

    async def _look_until_fresh(self) -> None:
        self._stale = True
        while self._stale:
            self._stale = False
            await self._look()

    async def _look(self) -> None:
        """Gather what is known, and show it."""
        core = self.core
        if core is None:
            return
        chosen = self.query_one("#runtimes", RuntimeRows).cursor_key
        found = []
        for status in await core.runtimes.statuses():
            server = core.servers.get(status.id)
            found.append(
                Seen(
                    status,
                    core.runtimes.figures(status.id),
                    server,
                    {} if server is None else core.servers.refused(server),
                    self._operations.get(status.id),
                    await self._log_of(core, status.id) if status.id == chosen else (),
                )
            )
        self._view = View(tuple(found), datetime.now(UTC))
        self._show()

    async def _log_of(self, core: Core, runtime_id: str) -> list[str]:
        """Return the end of a runtime's log; read only where it says more than before."""
        server = core.servers.get(runtime_id)
        if server is None:
            held = [model.name for model in core.runtimes.loaded() if model.runtime == runtime_id]
            # What held a model last tells why it holds none.
            return [line for name in held or [""] for line in core.runtimes.log(name, runtime_id)][-_LOG_LINES:]
        mark = await core.servers.log_mark(runtime_id)
        known = self._logs.get(runtime_id)
        if known is None or mark is None or mark != known[0]:
            if mark is None and known is not None:
                return known[1]  # a journal: asked for once, all of it by its key
            known = self._logs[runtime_id] = mark, await core.servers.log(runtime_id, _LOG_LINES)
        return known[1]

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        if self._view is not None:
            self.query_one("#runtimes", RuntimeRows).show_rows(list(runtime_rows(self._view)))
            self._show_details()

    def _show_details(self) -> None:
        seen = self._chosen()
        details = self.query_one("#details", LiveRows)
        if seen is None or self._view is None:
            return
        self.query_one("#side-rule", RuleLine).set_title(clean(seen.id), clean(seen.status.endpoint))
        details.show_rows(detail_rows(seen, self._view, details.size.height))

    def _chosen(self) -> Seen | None:
        return None if self._view is None else self._view.get(self.query_one("#runtimes", RuntimeRows).cursor_key)

    def on_runtime_rows_resized(self) -> None:
        """Let the log have the room that is there now."""
        self._show_details()

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        """Show the details of the row under the cursor."""
        if message.rows.id == "runtimes":
            self._show_details()
            self._renew()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Show all that is known of a runtime."""
        if self._view is not None and (seen := self._view.get(message.key)) is not None:
            self.app.push_screen(Notice(clean(seen.id), fact_lines(seen, self._view)))

    # ------------------------------------------------------------------ keys

    def _asked_for(self) -> Seen | None:
        """Return the runtime that a key is about; where there is none, say so."""
        seen = self._chosen()
        if seen is None:
            hint = _WAIT if self._view is None else "Put the cursor on one."
            self.complain(OperationRefused("No runtime is under the cursor.", hint=hint))
        return seen

    def action_look(self) -> None:
        """Ask a runtime now."""
        core, seen = self.core, self._asked_for()
        if core is not None and seen is not None:
            start(self, lambda: core.runtimes.look(seen.id), group="look", exclusive=True)

    def action_log(self) -> None:
        """Show a runtime's log."""
        core, seen = self.core, self._asked_for()
        if core is None or seen is None:
            return
        if seen.server is None:

            async def lines() -> list[str]:
                return await self._log_of(core, seen.id)

            async def mark() -> object:
                return None

            if seen.status.kind != "embedded":
                self.complain(OperationRefused(f"The log of {seen.id} is not known here.", hint=seen.why_not("start")))
                return
            self.app.push_screen(LogView(f"Log of {clean(seen.id)}", lines, mark))
            return
        servers, name = core.servers, seen.id
        self.app.push_screen(
            LogView(f"Log of {clean(name)}", lambda: servers.log(name, _WHOLE_LOG), lambda: servers.log_mark(name))
        )

    def action_verb(self, verb: str) -> None:
        """Start, stop or restart the runtime under the cursor, after a question where something may be lost.

        The embedded one is stopped by unloading what it holds.
        """
        core, seen = self.core, self._asked_for()
        if core is None or seen is None:
            return
        if self.host.read_only:
            self.complain(
                ReadOnly(
                    "venom-tui runs read-only: no server is started or stopped.", hint="Start it without --read-only."
                )
            )
            return
        starting = seen.working is not None and seen.working.kind != "stop"
        if (why := seen.why_not(verb)) and not (verb == "stop" and starting):
            self.complain(OperationRefused(f"{seen.id} cannot be {_DONE[verb]}: {why}."))
            return

        if seen.status.kind == "embedded":
            start(self, lambda: change(self.app, core, verb), group="control")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._do(core, verb, seen.id), group="control")

        if verb == "start":
            answered(True)
        else:
            self.app.push_screen(Confirm(f"{verb.capitalize()} {clean(seen.id)}", _cost(seen, verb)), answered)

    async def _do(self, core: Core, verb: str, name: str) -> None:
        if verb == "stop":
            operation: Operation | None = await core.servers.stop(name)
        else:
            begin = core.servers.start if verb == "start" else core.servers.restart

            async def work(yes: bool, force: bool) -> Operation:
                return await begin(name, yes=yes, force=force, notice=self._warn)

            operation = await guarded(self.app, f"{verb.capitalize()} {clean(name)}", work)
        if operation is None:
            return
        self._operations[name] = operation
        self._renew()

    def _warn(self, words: str) -> None:
        self.app.notify(words, severity="warning", markup=False)


_DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


def _cost(seen: Seen, verb: str) -> list[str]:
    """Return what is lost when a server is stopped."""
    if seen.working is not None:
        return ["It is still starting; what it has read so far is lost."]
    load, status = seen.figures.load, seen.status
    if status.state is RuntimeState.READY and load.running is not None:
        waiting = f", {load.waiting:,} wait" if load.waiting else ""
        lost = (
            f"It answers {load.running:,} requests{waiting}; they fail."
            if load.running or load.waiting
            else ("It answers nobody now.")
        )
    else:
        lost = "Whoever it answers now gets no more."
    models = ", ".join(clean(name) for name in status.loaded)
    lines = [lost]
    if models:
        lines.append(f"{models} leaves memory{' and is loaded again' if verb == 'restart' else ''}.")
    if seen.server is not None and seen.server.unit and not seen.server.ours:
        lines.append(f"venom-tui did not start this run of {seen.server.unit}: others may count on it.")
    return lines
