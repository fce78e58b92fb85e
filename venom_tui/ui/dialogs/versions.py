"""Versions of a model: made, made active, gone back from, forgotten, with what was measured of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.dialogs.picker import ColumnTitles
from venom_tui.ui.dialogs.plan import carry_out
from venom_tui.ui.terminal.keys import hand_on
from venom_tui.ui.text import gib, literal, relative_time, signs
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.memory import MemoryPlan
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.core.types.version import Comparison, ModelVersion, VersionFigures

_COLUMNS = (
    Column("", 1, worth=10),
    Column("version", 14, worth=10, stretch=True),
    Column("answers", 7, worth=4, right=True),
    Column("first ms", 8, worth=7, right=True),
    Column("tok/s", 7, worth=8, right=True),
    Column("GiB", 5, worth=6, right=True),
    Column("made", 9, worth=3, right=True),
)
_WITHOUT_ROWS = ("no", "register", "roll_back")
"""Actions that are about no row."""
_TITLES = {"first_token_ms": "first token", "tokens_per_second": "tokens per second", "memory_bytes": "memory"}


class VersionsDialog(Dialog[None]):
    """Versions as rows, newest first; below them what the one under the cursor is, and how it compares.

    Args:
        core: the core.
        model: the model that is their base, of a runtime.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="versions.close", tooltip="Close the view of versions"),
        Binding("enter", "activate", "let it answer", id="versions.activate", tooltip="Let this version answer"),
        Binding("n", "register", "new", id="versions.new", tooltip="Keep the parameters saved now as a version"),
        Binding("b", "roll_back", "back", id="versions.back", tooltip="Go back to what was before the last one"),
        Binding("d", "forget", "forget", id="versions.forget", tooltip="Forget this version, after a yes"),
    ]

    def __init__(self, core: Core, model: ModelInfo) -> None:
        super().__init__(f"Versions of {model.name}")
        self._core = core
        self._model = model
        self._found: Sequence[tuple[ModelVersion, VersionFigures]] = ()
        self._was_read = False
        self._held: list[events.Key] = []
        """Keys that came before there were rows for them."""

    def compose_box(self) -> Iterable[Widget]:
        """Return head, rows and the pane of the one under the cursor."""
        yield ColumnTitles(_COLUMNS)
        yield RowList(id="model-versions")
        yield Static(id="version")

    def on_mount(self) -> None:
        """Read them."""
        start(self, self._read_first, group="read", exclusive=True)

    def on_key(self, event: events.Key) -> None:
        """Let keys that are about a row wait until the versions have been read."""
        if self._was_read:
            return
        active = self.active_bindings.get(event.key)
        if active is None or (active.node is not self.app and active.binding.action not in _WITHOUT_ROWS):
            event.stop()
            event.prevent_default()
            self._held.append(event)

    async def _read_first(self) -> None:
        try:
            await self._read()
        finally:
            self._was_read = True
        rows = self.query_one(RowList)
        for event in self._held:
            hand_on(event, rows)

    async def _read(self) -> None:
        core, model = self._core, self._model
        versions = [one for one in await core.versions.list(model.name) if one.runtime == model.runtime]
        self._found = [(one, await core.versions.figures(one)) for one in versions]
        rows = self.query_one(RowList)
        rows.set_rows([one.name for one, _ in self._found], self._row)
        rows.refresh()
        await self._tell()

    def _row(self, index: int, width: int) -> Content:
        one, measured = self._found[index]
        cells = (
            Content.styled(signs().loaded, "$success") if one.active else Content(signs().installed),
            literal(one.name, "bold $accent" if one.active else ""),
            Content(f"{measured.answers:,}"),
            _number(measured.first_token_ms, ",.0f"),
            _number(measured.tokens_per_second, ",.1f"),
            Content("?" if measured.memory_bytes is None else gib(measured.memory_bytes)),
            Content(relative_time(one.created_at, datetime.now(UTC))),
        )
        return lay_out(cells, _COLUMNS, fit_columns(_COLUMNS, width))

    @property
    def _version(self) -> ModelVersion | None:
        key = self.query_one(RowList).cursor_key
        return next((one for one, _ in self._found if one.name == key), None)

    def on_row_list_highlighted(self) -> None:
        """Tell of the one under the cursor."""
        start(self, self._tell, group="tell", exclusive=True)

    async def _tell(self) -> None:
        version = self._version
        if version is None:
            words = "There is no version yet. n keeps the parameters that are saved for the model now under a name."
            lines = [literal(words, "$text-muted")]
        else:
            lines = [literal(version.summary or "as the model is")]
            if version.made:
                lines.append(literal(f"answers as {version.made}", "$text-muted"))
            active = next((one for one, _ in self._found if one.active and one.name != version.name), None)
            if active is not None:
                lines.append(comparison_line(await self._core.versions.compare(active.name, version.name)))
        self.query_one("#version", Static).update(Content("\n").join(lines))

    # ------------------------------------------------------------------ verbs

    def on_row_list_chosen(self) -> None:
        """Let the one answer that was clicked twice."""
        self.action_activate()

    def action_activate(self) -> None:
        """Let the version under the cursor answer from now on."""
        version = self._version
        if version is not None:
            # Of the application: it goes on when this dialog is closed.
            start(self.app, lambda: self._activate(version.name), group="versions")

    async def _activate(self, name: str) -> None:
        app = self.app
        made: list[ModelVersion] = []

        async def do(plan: MemoryPlan, **said: Any) -> list[str]:
            told: list[str] = []
            made.append(await self._core.versions.activate(name, plan=plan, notice=told.append, **said))
            return told

        done = await carry_out(app, self._core, await self._core.versions.plan(name), status=self._status, do=do)
        if done:
            version = made[0]
            app.notify(f"{version.answers} @ {version.runtime} answers, as version {name}.", markup=False)
        await self._read_again()

    def action_register(self) -> None:
        """Keep the parameters that are saved now under a name."""

        def named(name: str | None) -> None:
            if name:
                start(self, lambda: self._register(name), group="verb", exclusive=True)

        self.app.push_screen(Ask(f"New version of {self._model.name}", placeholder="a-z, 0-9, . _ -"), named)

    async def _register(self, name: str) -> None:
        await self._core.versions.register(name, self._model.name, self._model.runtime)
        await self._read()
        self.query_one(RowList).set_cursor(name)

    def action_roll_back(self) -> None:
        """Go back to what was before the last activation."""
        start(self.app, self._roll_back, group="versions")

    async def _roll_back(self) -> None:
        app = self.app
        versions, key = self._core.versions, (self._model.name, self._model.runtime)
        found: list[ModelVersion | None] = []

        async def do(plan: MemoryPlan, **said: Any) -> list[str]:
            told: list[str] = []
            found.append(await versions.roll_back(*key, plan=plan, notice=told.append, **said))
            return told

        if await carry_out(app, self._core, await versions.plan_back(*key), status=self._status, do=do):
            back = found[0]
            words = "The model answers, as it was." if back is None else f"Version {back.name} answers again."
            app.notify(words, markup=False)
        await self._read_again()

    def _status(self, text: str) -> None:
        for pane in self.query("#version").results(Static):  # none where the dialog was closed
            pane.update(literal(f"{text} {signs().ellipsis}", "$text-muted"))

    async def _read_again(self) -> None:
        if self.is_attached:
            await self._read()

    def action_forget(self) -> None:
        """Forget the version under the cursor, after a yes."""
        version = self._version
        if version is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._forget(version.name), group="verb", exclusive=True)

        lines = [f"{version.name}: {version.summary or 'as the model is'}"]
        if version.made:
            lines.append(f"{version.made} is removed from {version.runtime}; {version.model} stays.")
        self.app.push_screen(Confirm("Forget a version", lines), answered)

    async def _forget(self, name: str) -> None:
        await self._core.versions.remove(name)
        await self._read()


def comparison_line(found: Comparison) -> Content:
    """Return how the second of two versions differs from the first, in percent of what was measured."""
    parts = [f"{_TITLES[one.name]} {one.percent:+.0f} %" for one in found.differences if one.percent is not None]
    words = ", ".join(parts) if parts else "nothing was measured of both yet"
    return literal(f"beside {found.first.name}, which answers: {words}", "$text-muted")


def _number(value: float | None, form: str) -> Content:
    return Content("?" if value is None else format(value, form))
