"""The limits: what is kept free for others, what is done where one would be broken, and how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.types.limits import ABOVE_THE_PROGRAM, LimitSetting
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.dialogs.picker import ColumnTitles
from venom_tui.ui.terminal.screen import is_there
from venom_tui.ui.text import literal, signs
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.rows import VerbRows
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_COLUMNS = (
    Column("limit", 16, worth=10),
    Column("set to", 14, worth=8, stretch=True),
    Column("where broken", 12, worth=9),
    Column("set by", 11, worth=4),
)
_RENEW_S = 1.0
"""Between two looks at what others set, and at how the limits stand."""


class LimitRows(VerbRows):
    """The limits; the verbs are the dialog's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.change", "set", id="limits.change", tooltip="Set the limit"),
        Binding("space", "screen.policy", "policy", id="limits.policy",
                tooltip="Go through what is done where the limit would be broken"),
        Binding("backspace,delete", "screen.unset", "unset", id="limits.unset",
                tooltip="Take back what was set here: limit and policy"),
    ]  # fmt: skip


class LimitsDialog(Dialog[None]):
    """A list of limits; enter sets one, space goes through what is done where it would be broken."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="limits.close", tooltip="Close the limits"),
    ]

    def __init__(self, core: Core) -> None:
        super().__init__("Limits")
        self._core = core
        self._found: tuple[LimitSetting, ...] = ()
        self._said = Content()
        self._saves = asyncio.Lock()

    def compose_box(self) -> Iterable[Widget]:
        """Return head, rows, and what the one under the cursor means and how it stands."""
        yield ColumnTitles(_COLUMNS)
        yield LimitRows(id="limits")
        yield Static(id="meaning")

    def on_mount(self) -> None:
        """Show what is set, also by others meanwhile."""
        self._read()
        self.set_interval(_RENEW_S, self._read)

    def _read(self) -> None:
        found = self._core.limits.settings()
        if found != self._found:
            self._found = found
            rows = self.query_one(LimitRows)
            rows.set_rows([one.name for one in found], self._row)
            rows.refresh()
        self._tell()

    def _row(self, index: int, width: int) -> Content:
        one = self._found[index]
        quiet = "" if one.is_set else "$text-muted"
        cells = (
            literal(one.title),
            literal(one.text, "bold $accent" if one.is_set else "$text-muted"),
            literal("" if one.policy is None else str(one.policy), quiet),
            literal(one.set_by, "$text-muted"),
        )
        return lay_out(cells, _COLUMNS, fit_columns(_COLUMNS, width))

    @property
    def _one(self) -> LimitSetting | None:
        """The limit under the cursor as it is set now."""
        key = self.query_one(LimitRows).cursor_key
        return next((one for one in self._core.limits.settings() if one.name == key), None)

    def on_row_list_highlighted(self) -> None:
        """Tell about the row under the cursor."""
        self._tell()

    def _tell(self) -> None:
        one, snapshot = self._one, self._core.guard.latest()
        if one is None:
            return
        names = ", ".join(filter(None, (one.name, one.policy_name)))
        lines = [literal(f"{one.meaning.replace('`', '')}.", "$text-muted"), literal(names, "$text-muted")]
        for state in () if snapshot is None else self._core.limits.states(snapshot):
            if state.kind is one.kind:
                mark = f"{signs().warning} " if state.broken else ""
                lines.append(literal(f"{mark}{state.text}", "$error" if state.broken else ""))
        said = Content("\n").join(lines)
        if said != self._said:
            self._said = said
            self.query_one("#meaning", Static).update(said)

    # ------------------------------------------------------------------ changed

    def on_row_list_chosen(self) -> None:
        """Set the row that was clicked twice."""
        self.action_change()

    def action_change(self) -> None:
        """Ask for the limit under the cursor."""
        one = self._one
        if one is not None and not self._fixed(one.name, one.source):
            ask = Ask(one.title, one.typed, placeholder=one.wanted)
            self.app.push_screen(ask, lambda text: self._save(lambda: {one.name: text}) if text else None)

    def action_policy(self) -> None:
        """Do the next thing where the limit under the cursor would be broken."""
        one = self._one
        if one is None:
            return
        if one.policy is None:
            self.notify("Models that are never evicted stay in any case: there is nothing to choose.", markup=False)
        elif not self._fixed(one.policy_name, one.policy_source):
            self._save(lambda: self._next_policy(one.name))

    def _next_policy(self, name: str) -> dict[str, str | None]:
        """Return the change to the policy that follows the one in force: keys may come faster than they are saved."""
        now = next(one for one in self._core.limits.settings() if one.name == name)
        return {now.policy_name: str(now.next_policy)}

    def action_unset(self) -> None:
        """Take back what was set here."""
        one = self._one
        if one is None:
            return
        if one.stored:
            self._save(lambda: dict.fromkeys(one.stored))
        else:
            self.notify(f"Nothing of it was set here: it is set by {one.set_by}.", markup=False)

    def _fixed(self, name: str, source: str) -> bool:
        """Say where a setting is made that wins over what would be set here."""
        where = ABOVE_THE_PROGRAM.get(source, "")
        if where:
            self.notify(f"{name} is set {where}, which wins over what is set here.", severity="warning", markup=False)
        return bool(where)

    def _save(self, change: Callable[[], Mapping[str, str | None]]) -> None:
        # Of the application: closing the dialog neither cuts it off nor hides that it failed.
        start(self.app, lambda: self._saving(change), group="limits")

    async def _saving(self, change: Callable[[], Mapping[str, str | None]]) -> None:
        try:
            async with self._saves:  # what is changed depends on what was saved before
                await self._core.save_settings(change())
        finally:
            if is_there(self):
                self._read()
