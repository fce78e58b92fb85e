"""Asks whether a model fits: the dialog for one that is known, a picker first for any other; badges in pickers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.core.events import FitsChanged
from venom_tui.ui.dialogs.fit import FitDialog
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.text import gib, literal, truncate_middle
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.verdicts import FIT_COLUMN, badge
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from textual.app import App

    from venom_tui.core.core import Core
    from venom_tui.core.types.device import LoadedModel
    from venom_tui.core.types.fit import FitBadge, FitReport
    from venom_tui.core.types.model import ModelInfo

Badges = Mapping[tuple[str, str], "FitBadge"]

_COLUMNS = (
    Column("name", 24, worth=10, stretch=True),
    Column("params", 7, worth=4, right=True),
    Column("size GiB", 8, worth=6, right=True),
    Column("where", 9, worth=5),
    FIT_COLUMN,
)


def fit_dialog(core: Core, model: ModelInfo) -> FitDialog:
    """Return the dialog on a model that is here."""

    async def ask(context: int | None, kv_type: str | None, parallel: int) -> FitReport:
        return await core.fits.report_of(model, context=context, kv_type=kv_type, parallel=parallel)

    return FitDialog(model.name, core.fits.kind_of(model.runtime), ask)


def offered_fit_dialog(core: Core, name: str, provider: str, *, gguf: bool) -> FitDialog:
    """Return the dialog on a model that need not be here: its provider is asked what it is made of.

    `gguf` tells whether its weights are GGUF files, which decides the types of its cache.
    """

    async def ask(context: int | None, kv_type: str | None, parallel: int) -> FitReport:
        return await core.fits.report(name, provider=provider, context=context, kv_type=kv_type, parallel=parallel)

    asked = "Ollama's registry" if provider == "ollama" else "Hugging Face"
    return FitDialog(name, "llamacpp" if gguf or provider == "ollama" else "vllm", ask, asked=asked)


async def show_fit(app: App[None], core: Core, held: LoadedModel | None = None) -> None:
    """Say whether a loaded model fits; without one, let one be picked."""
    models = await core.models.list()
    if held is not None:
        found = [one for one in models if (one.runtime, one.name) == (held.runtime, held.name)]
        if found:
            app.push_screen(fit_dialog(core, found[0]))
            return
    picker = Picker("Does it fit?", _COLUMNS, await fit_choices(core, models, _cells))
    by_key = {key_of(model): model for model in models}

    def chosen(key: str | None) -> None:
        if key is not None:
            app.push_screen(fit_dialog(core, by_key[key]))

    app.push_screen(picker, chosen)
    follow_fits(picker, core, models, _cells)


def key_of(model: ModelInfo) -> str:
    """Return what names a model among those of all runtimes."""
    return f"{model.runtime} {model.name}"


Cells = Callable[["ModelInfo", Content], tuple[Content, ...]]
"""(model, its badge) -> the cells of its row."""


async def fit_choices(core: Core, models: Sequence[ModelInfo], cells: Cells) -> list[Choice]:
    """Return the rows of a picker of models, with the badges that are known by now."""
    badges = await core.fits.badges(models)
    return [
        Choice(key_of(model), cells(model, badge(badges.get((model.runtime, model.name)))), _text(model))
        for model in models
    ]


def follow_fits(picker: Picker, core: Core, models: Sequence[ModelInfo], cells: Cells) -> None:
    """Renew the badges of a picker as long as it is open."""

    async def follow() -> None:
        with core.events.subscribe() as events:
            async for event in events:
                if isinstance(event, FitsChanged):
                    picker.renew(await fit_choices(core, models, cells))

    start(picker, follow, group="fits")


def _cells(model: ModelInfo, fit: Content) -> tuple[Content, ...]:
    return (
        literal(truncate_middle(model.name, 60)),
        literal(model.parameter_size or "?"),
        Content("?" if model.size_bytes is None else gib(model.size_bytes)),
        literal(model.runtime or "hf cache"),
        fit,
    )


def _text(model: ModelInfo) -> str:
    parts = (model.name, model.quantization, model.parameter_size, model.runtime, model.architecture)
    return " ".join(part for part in parts if part).lower()
