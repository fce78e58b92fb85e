"""Picks the model that answers next, over all runtimes, and switches to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.text import gib, literal, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.app import VenomApp

_COLUMNS = (
    Column("", 1, worth=9),
    Column("name", 20, worth=10, stretch=True),
    Column("params", 7, worth=4, right=True),
    Column("quant", 8, worth=5),
    Column("size GiB", 8, worth=6, right=True),
    Column("context", 8, worth=3, right=True),
    Column("where", 9, worth=7),
)


def pick_model(app: VenomApp) -> None:
    """Open the picker; what is chosen becomes active when it is loaded and answers."""
    core = app.core
    if isinstance(app.screen, Picker) and app.screen.id == "models":
        app.screen.dismiss(None)
    elif core is None:
        app.notify("Still starting: the models are looked for.", markup=False)
    else:
        start(app, lambda: _pick(app, core), group="pick model", exclusive=True)


async def _pick(app: VenomApp, core: Core) -> None:
    models = await core.models.list(refresh=True)
    choices = {f"{model.runtime} {model.name}": model for model in models if model.runtime}
    rows = [Choice(key, _cells(model), _text(model)) for key, model in choices.items()]
    current = next((key for key, model in choices.items() if model.active), None)
    empty = f"No model matches. GGUF files belong into {core.settings.models_dir}."
    picker = Picker("Models", _COLUMNS, rows, current=current, empty=empty, id="models")

    def chosen(key: str | None) -> None:
        model = choices.get(key) if key is not None else None
        if model is not None:
            switch_to(app, model)

    app.push_screen(picker, chosen)


def switch_to(app: VenomApp, model: ModelInfo) -> None:
    """Load a model and make it active; where that fails, the one before stays and the runtime's words are shown."""
    core = app.core
    if core is not None:
        start(app, lambda: _switch(app, core, model), group="switch")


async def _switch(app: VenomApp, core: Core, model: ModelInfo) -> None:
    before = await core.models.active()
    try:
        active = await core.models.activate(model.name, model.runtime or None)
    except VenomError as failure:
        stays = [] if before is None else ["", f"{before.name} stays active."]
        lines = [failure.message, failure.server_message, failure.hint, *stays]
        app.push_screen(Notice(f"{model.name} was not switched to", [line for line in lines if line]))
        return
    app.notify(f"{active.name} answers now.", markup=False)


def _cells(model: ModelInfo) -> tuple[Content, ...]:
    sign = Content.styled(signs().loaded, "$success") if model.loaded else Content(signs().installed)
    if model.error:
        sign = Content.styled(signs().failed, "$error")
    style = "bold $accent" if model.active else ""
    return (
        sign,
        literal(truncate_middle(model.name, 60), style),
        literal(model.parameter_size or "?"),
        literal(model.quantization or "?"),
        Content("?" if model.size_bytes is None else gib(model.size_bytes)),
        Content("?" if model.context_length is None else f"{model.context_length:,}"),
        literal(model.runtime),
    )


def _text(model: ModelInfo) -> str:
    parts = (model.name, model.quantization, model.parameter_size, model.runtime, model.architecture)
    return " ".join(part for part in parts if part).lower()
