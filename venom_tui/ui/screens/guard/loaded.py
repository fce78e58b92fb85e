"""Loaded models: what their runtimes report beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.content import Content

from venom_tui.core.types.device import LoadedModel
from venom_tui.ui.screens.guard.view import View, amount, fact_lines, head, known, muted
from venom_tui.ui.text import clean, duration, gib, literal, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.live_rows import Row, still

_NAME = 1
_COLUMNS = (
    Column("", 1, worth=9),
    Column("", 16, worth=10, stretch=True),
    Column("runtime", 9, worth=6),
    Column("reported", 8, worth=7, right=True),
    Column("measured", 8, worth=8, right=True),
    Column("VRAM", 6, worth=5, right=True),
    Column("context", 8, worth=4, right=True),
    Column("pid", 7, worth=3, right=True),
)


def loaded_key(model: LoadedModel) -> str:
    """Return the key of a model's row."""
    return f"loaded {model.runtime} {model.name}"


def loaded_rows(view: View) -> Iterator[Row]:
    """Return the title and a line for each model in memory."""
    loaded = view.snapshot.loaded
    title = f"Loaded {len(loaded)} · GiB" if loaded else "Loaded"

    def rule(width: int) -> Content:
        return head(title, _COLUMNS, fit_columns(_COLUMNS, width - 2) if loaded else (), width)

    yield Row(still("loaded"), rule)
    if not loaded:
        yield muted("  nothing: a model is loaded when it is asked something")
    for model in loaded:
        yield Row(loaded_key(model), partial(_line, model, view))


def _line(model: LoadedModel, view: View, width: int) -> Content:
    shown = fit_columns(_COLUMNS, width - 2)
    pin = f" {signs().pinned}" if model.pinned else ""
    name = truncate_middle(clean(model.name), dict(shown).get(_NAME, 0) - len(pin))
    cells = [
        Content.styled(signs().loaded, "$success"),
        literal(name + pin),
        literal(model.runtime),
        Content(amount(model.reported_bytes)),
        Content(amount(model.measured_bytes)),
        Content(_vram(model, view)),
        Content(known(model.context_length, "{:,}")),
        Content(known(model.pid, "{}")),
    ]
    return Content.assemble(" ", lay_out(cells, _COLUMNS, shown))


def _vram(model: LoadedModel, view: View) -> str:
    # Without a GPU there is none that it could hold: that is known.
    return "-" if model.vram_bytes is None and not view.snapshot.gpus else amount(model.vram_bytes)


def _facts(model: LoadedModel, view: View) -> list[tuple[str, str]]:
    untold = "?   its runtime does not tell it"
    no_process = "?   its process is not known here" if model.pid is None else "?   this user may not read it"
    vram = "none: there is no GPU" if _vram(model, view) == "-" else "?   not measured"
    return [
        ("runtime", model.runtime),
        ("reported", _memory(model.reported_bytes, untold)),
        ("measured", _memory(model.measured_bytes, no_process)),
        ("VRAM", _memory(model.vram_bytes, vram)),
        ("context", untold if model.context_length is None else f"{model.context_length:,} tokens"),
        ("pid", untold if model.pid is None else str(model.pid)),
        ("expires", _expiry(model, view)),
    ]


def _memory(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else f"{gib(value)} GiB"


def _expiry(model: LoadedModel, view: View) -> str:
    """Return when a model leaves by itself."""
    if model.pinned:
        return "never: it is pinned"
    if model.expires_at is None:
        return "not by itself, as far as its runtime tells"
    left = (model.expires_at - view.now).total_seconds()
    return "now" if left <= 0 else f"in {duration(round(left))}"


def loaded_details(model: LoadedModel, view: View) -> Iterator[Row]:
    """Return what is known of a loaded model."""
    for name, value in _facts(model, view):
        yield Row(still(name), partial(_fact_line, name, value))


def _fact_line(name: str, value: str, _width: int) -> Content:
    return Content.assemble((f"  {name:<12}", "$text-muted"), literal(value))


def loaded_facts(model: LoadedModel, view: View) -> list[str]:
    """Return all that is known of a loaded model, as lines of a dialog."""
    return [
        *fact_lines(_facts(model, view)),
        "",
        "Reported: what its runtime says. Measured: the memory of its process on the host, shared pages in shares.",
    ]
