"""The limits: what is kept free for others, what is done where one would be broken, and how they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.types.limits import ABOVE_THE_PROGRAM, LimitSetting
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.dialogs.picker import ColumnTitles
from venom_tui.ui.text import GIB, MIB, literal, signs, size
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_COLUMNS = (
    Column("limit", 16, worth=10),
    Column("set to", 14, worth=9, stretch=True),
    Column("where broken", 12, worth=8),
    Column("set by", 11, worth=4),
)
_UNITS = {"celsius": " °C", "percent": " %", "models": ""}


class LimitsDialog(Dialog[None]):
    """A list of limits; enter sets one, space goes through what is done where it would be broken."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="limits.close", tooltip="Close the limits"),
        Binding("enter", "change", "set", id="limits.change", tooltip="Set the limit"),
        Binding("space", "policy", "policy", id="limits.policy",
                tooltip="Go through what is done where the limit would be broken"),
        Binding("backspace,delete", "unset", "unset", id="limits.unset",
                tooltip="Take back what was set here: limit and policy"),
    ]  # fmt: skip

    def __init__(self, core: Core) -> None:
        super().__init__("Limits")
        self._core = core
        self._found: tuple[LimitSetting, ...] = ()

    def compose_box(self) -> Iterable[Widget]:
        """Return head, rows, and what the one under the cursor means and how it stands."""
        yield ColumnTitles(_COLUMNS)
        yield RowList(id="limits")
        yield Static(id="meaning")

    def on_mount(self) -> None:
        """Show what is set."""
        self._read()

    def _read(self) -> None:
        self._found = self._core.limits.settings()
        rows = self.query_one(RowList)
        rows.set_rows([one.name for one in self._found], self._row)
        rows.refresh()
        self._tell()

    def _row(self, index: int, width: int) -> Content:
        one = self._found[index]
        acts = "" if one.policy is None else str(one.policy)
        changed = {"default": "", "store": "here"}
        sources = {changed.get(source, source) for source in (one.source, one.policy_source) if source}
        cells = (
            literal(one.title),
            literal(value_text(one), "bold $accent" if one.is_set else "$text-muted"),
            literal(acts, "" if one.is_set else "$text-muted"),
            literal(", ".join(sorted(filter(None, sources))), "$text-muted"),
        )
        return lay_out(cells, _COLUMNS, fit_columns(_COLUMNS, width))

    @property
    def _one(self) -> LimitSetting | None:
        key = self.query_one(RowList).cursor_key
        return next((one for one in self._found if one.name == key), None)

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
        self.query_one("#meaning", Static).update(Content("\n").join(lines))

    # ------------------------------------------------------------------ changed

    def on_row_list_chosen(self) -> None:
        """Set the row that was clicked twice."""
        self.action_change()

    def action_change(self) -> None:
        """Ask for the limit under the cursor."""
        one = self._one
        if one is not None and not self._fixed(one.name, one.source):
            ask = Ask(one.title, typed(one), placeholder=one.wanted)
            self.app.push_screen(ask, lambda text: self._save({one.name: text}) if text else None)

    def action_policy(self) -> None:
        """Do the next thing where the limit under the cursor would be broken."""
        one = self._one
        if one is None:
            return
        if one.policy is None:
            self.notify("Models that are never evicted stay in any case: there is nothing to choose.", markup=False)
        elif not self._fixed(one.policy_name, one.policy_source):
            self._save({one.policy_name: str(one.next_policy)})

    def action_unset(self) -> None:
        """Take back what was set here."""
        one = self._one
        if one is not None:
            kept = {one.name: one.source, one.policy_name: one.policy_source}
            self._save({name: None for name, source in kept.items() if source == "store"})

    def _fixed(self, name: str, source: str) -> bool:
        """Say where a setting is made that wins over what would be set here."""
        where = ABOVE_THE_PROGRAM.get(source, "")
        if where:
            self.notify(f"{name} is set {where}, which wins over what is set here.", severity="warning", markup=False)
        return bool(where)

    def _save(self, values: dict[str, str | None]) -> None:
        start(self, lambda: self._saving(values), group="save")

    async def _saving(self, values: dict[str, str | None]) -> None:
        try:
            for name, text in values.items():
                await self._core.save_setting(name, text)
        finally:
            self._read()


def value_text(one: LimitSetting) -> str:
    """Return what is set, for a person."""
    if not one.is_set:
        return "none" if one.unit == "names" else "no limit"
    if one.unit == "bytes":
        return size(int(one.value or 0))
    return f"{one.value}{_UNITS.get(one.unit, '')}"


def typed(one: LimitSetting) -> str:
    """Return a value as one would type it."""
    if not one.is_set:
        return ""
    if one.unit != "bytes":
        return str(one.value)
    value = int(one.value or 0)
    for unit, factor in (("GiB", GIB), ("MiB", MIB)):
        if value >= factor and not value % factor:
            return f"{value // factor}{unit}"
    return str(value)
