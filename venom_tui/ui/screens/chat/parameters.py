"""The generation parameters of a model, with their ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.text import literal
from venom_tui.ui.widgets.columns import Column

if TYPE_CHECKING:
    from venom_tui.core.types.details import ParameterSpec

_COLUMNS = (
    Column("parameter", 14, worth=10),
    Column("value", 14, worth=9),
    Column("may be", 20, worth=7),
    Column("meaning", 20, worth=3, stretch=True),
)


def parameter_picker(name: str, specs: Sequence[ParameterSpec]) -> Picker:
    """Return a dialog that shows the parameters of a model; what is picked is to be changed."""
    choices = [
        Choice(
            spec.name,
            (
                Content.styled(spec.name, "bold" if spec.used else "$text-muted"),
                _value(spec),
                Content(range_of(spec)),
                Content.styled(spec.meaning, "$text-muted"),
            ),
            f"{spec.name} {spec.meaning}",
        )
        for spec in specs
    ]
    picker = Picker(f"Parameters of {name}", _COLUMNS, choices, empty="No parameter matches.")
    if not all(spec.used for spec in specs):
        picker.set_note("Those that are dimmed are not known to its server, and not sent.")
    return picker


def ask_for(spec: ParameterSpec) -> Ask:
    """Return a dialog that asks for the value of a parameter."""
    title = f"{spec.name}: {range_of(spec)}, or off"
    return Ask(title, spec.value or "", placeholder=spec.default or "left to the model")


def range_of(spec: ParameterSpec) -> str:
    """Return what a parameter may be."""
    if spec.choices:
        return ", ".join(spec.choices)
    if spec.minimum is None or spec.maximum is None:
        return "texts, with commas"
    return f"{spec.minimum:g} to {spec.maximum:,.10g}"


def _value(spec: ParameterSpec) -> Content:
    if spec.value is not None:
        return literal(spec.value, "bold $accent")
    if spec.default is not None:
        return literal(f"{spec.default} (model)", "$text-muted")
    return Content.styled("-", "$text-muted")
