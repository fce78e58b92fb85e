"""The generation parameters of one model at its runtime: ranges, what the model sets, what is saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.dialogs.picker import ColumnTitles
from venom_tui.ui.text import literal
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.rows import RowList, VerbRows
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.details import ParameterSpec
    from venom_tui.core.types.model import ModelInfo

_COLUMNS = (
    Column("parameter", 15, worth=10),
    Column("saved", 10, worth=9),
    Column("model sets", 12, worth=5),
    Column("range", 22, worth=6),
    Column("meaning", 20, worth=2, stretch=True),
)


class ParameterRows(VerbRows):
    """The parameters; the verbs are the dialog's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.change", "change", id="parameters.change", tooltip="Change the parameter"),
        Binding("backspace,delete", "screen.unset", "unset", id="parameters.unset",
                tooltip="Leave it to the model again"),
    ]  # fmt: skip


class ModelParameters(Dialog[None]):
    """A list of parameters; enter changes one, backspace leaves it to the model and its runtime again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="parameters.close", tooltip="Close the parameters"),
    ]

    def __init__(self, core: Core, model: ModelInfo) -> None:
        super().__init__(f"Parameters of {model.name}")
        self._core = core
        self._model = model
        self._specs: tuple[ParameterSpec, ...] = ()

    def compose_box(self) -> Iterable[Widget]:
        """Return head, list and the line of meaning."""
        yield ColumnTitles(_COLUMNS)
        yield ParameterRows(id="parameters")
        yield Static(id="meaning")

    def on_mount(self) -> None:
        """Read them."""
        start(self, self._read, group="parameters", exclusive=True)

    async def _read(self) -> None:
        found = await self._core.registry.details(self._model.name, self._model.runtime or None)
        self._specs = found.parameters
        rows = self.query_one(RowList)
        rows.set_rows([spec.name for spec in self._specs], self._row)
        rows.refresh()
        self._tell()
        if not self._specs:
            self.query_one("#meaning", Static).update(Content("No runtime here serves it, so that nothing can be set."))

    def _row(self, index: int, width: int) -> Content:
        spec = self._specs[index]
        style = "" if spec.used else "$text-muted"
        cells = (
            literal(spec.name, style),
            literal(spec.value or "", "bold $accent"),
            literal(spec.default or "", style),
            literal(range_of(spec), style),
            literal(spec.meaning, "$text-muted"),
        )
        return lay_out(cells, _COLUMNS, fit_columns(_COLUMNS, width))

    @property
    def _spec(self) -> ParameterSpec | None:
        key = self.query_one(RowList).cursor_key
        return next((spec for spec in self._specs if spec.name == key), None)

    def on_row_list_highlighted(self) -> None:
        """Tell the meaning of the row under the cursor."""
        self._tell()

    def _tell(self) -> None:
        spec = self._spec
        if spec is not None:
            used = "" if spec.used else " This runtime does not know it, or the model cannot: it is not sent."
            self.query_one("#meaning", Static).update(literal(f"{spec.meaning}.{used}", "$text-muted"))

    def on_row_list_chosen(self) -> None:
        """Change the row that was clicked twice."""
        self.action_change()

    def action_change(self) -> None:
        """Ask for the value of the parameter under the cursor."""
        spec = self._spec
        if spec is not None:
            ask = Ask(f"{spec.name}: {range_of(spec)}", spec.value or spec.default or "", placeholder=range_of(spec))
            self.app.push_screen(ask, lambda text: self._save(spec.name, text) if text else None)

    def action_unset(self) -> None:
        """Leave the parameter under the cursor to the model and its runtime."""
        spec = self._spec
        if spec is not None and spec.value is not None:
            self._save(spec.name, None)

    def _save(self, name: str, text: str | None) -> None:
        start(self, lambda: self._saving(name, text), group="save")

    async def _saving(self, name: str, text: str | None) -> None:
        await self._core.models.set_parameters(self._model.name, self._model.runtime, {name: text})
        await self._read()


def range_of(spec: ParameterSpec) -> str:
    """Return what a parameter may be, in words."""
    if spec.choices:
        return "|".join(spec.choices)
    if spec.minimum is None or spec.maximum is None:
        return "texts, by commas" if spec.kind == "texts" else ""
    return f"{spec.minimum:g} to {spec.maximum:.10g}"
