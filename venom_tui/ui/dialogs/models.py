"""Picks a model of all runtimes, filtered while typing; runtimes that do not answer say why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer

from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import SILENT, RuntimeStatus
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.text import gib, literal, signs, tokens, truncate_middle
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_COLUMNS = (
    Column("", 1, worth=12),
    Column("name", 24, worth=11, stretch=True),
    Column("params", 7, worth=4, right=True),
    Column("quant", 8, worth=5),
    Column("size GiB", 8, worth=7, right=True),
    Column("context", 7, worth=6, right=True),
    Column("can", 15, worth=3),
    Column("where", 10, worth=9),
)
_ABILITIES = {"tools": "tools", "thinking": "think", "vision": "see", "embedding": "embed"}
_RUNTIME = "\0"
"""What the key of a runtime's row begins with."""
_RESTS_S = 0.1
"""So long the cursor rests on a row before its model is looked at."""
_RENEW_S = 0.4
"""Seconds between two looks at what is known while the runtimes are asked."""


class ModelPicker(Picker):
    """Shows what is known at once, and asks the runtimes meanwhile.

    Args:
        title: what the model is picked for.
        core: the core.
        words: what the filter begins with.
        without: leaves models out.
        note: said below the models.
    """

    def __init__(
        self,
        title: str,
        core: Core,
        *,
        words: str = "",
        without: Callable[[ModelInfo], bool] = lambda _model: False,
        note: str = "",
    ) -> None:
        empty = f"No model matches. GGUF files belong into {core.settings.models_dir}."
        super().__init__(title, _COLUMNS, (), empty=empty, words=words, name="models")
        self._core = core
        self._without = without
        self._said = note
        self._models: dict[str, ModelInfo] = {}
        self._began = False
        self._rests: Timer | None = None
        self.filling = True

    def model(self, key: str | None) -> ModelInfo | None:
        """Return the model of a row."""
        return self._models.get(key) if key is not None else None

    def on_mount(self) -> None:
        """Show what is known, and look again."""
        start(self, lambda: self._look(), group="models", exclusive=True)

    async def _look(self, runtime: str | None = None) -> None:
        await self._show(asking=True)
        looking = asyncio.ensure_future(self._core.runtimes.look(runtime))
        try:
            while not looking.done():
                await asyncio.wait({looking}, timeout=_RENEW_S)
                await self._show(asking=not looking.done())
        finally:
            looking.cancel()
        await self._core.models.list(refresh=True)
        await self._show(asking=False)

    async def _show(self, *, asking: bool) -> None:
        models = [model for model in await self._core.models.list() if model.runtime and not self._without(model)]
        models.sort(key=_order)
        self._models = {f"{model.runtime} {model.name}": model for model in models}
        rows = [Choice(key, _cells(model), _text(model)) for key, model in self._models.items()]
        silent = [status for status in await self._core.runtimes.statuses() if status.state in SILENT]
        rows += [_silent_row(status) for status in sorted(silent, key=lambda status: status.origin == "default")]
        self.filling = asking
        self.set_choices(rows, f"asking the runtimes {signs().ellipsis}" if asking else self._said)
        if not self._began and models and self.query(RowList):
            self._began = True
            active = next((key for key, model in self._models.items() if model.active), None)
            if active is not None:
                self.query_one(RowList).set_cursor(active)

    def on_row_list_highlighted(self) -> None:
        """Look at the model on which the cursor rests: what it needs is then known when it is picked."""
        if self._rests is not None:
            self._rests.stop()
        self._rests = self.set_timer(_RESTS_S, self._learn)

    def _learn(self) -> None:
        rows = next(iter(self.query(RowList)), None)
        model = None if rows is None else self.model(rows.cursor_key)
        if model is not None and model.runtime == "embedded" and not model.error:  # a file here: no server is asked
            start(self, lambda: self._core.fits.report_of(model), group="learning", exclusive=True)

    def _pick(self, rows: RowList) -> None:
        key = rows.cursor_key
        if key is not None and key.startswith(_RUNTIME):
            start(self, lambda: self._look(key.removeprefix(_RUNTIME)), group="models", exclusive=True)
        else:
            super()._pick(rows)


def _order(model: ModelInfo) -> tuple[object, ...]:
    """What is used comes first: the active one, those in memory, those used lately, then by name."""
    used = -model.last_used.timestamp() if model.last_used is not None else 0.0
    return not model.active, bool(model.error), model.loaded is not True, used, model.name.lower()


def _cells(model: ModelInfo) -> tuple[Content, ...]:
    name = literal(truncate_middle(model.name, 60), "bold $accent" if model.active else "")
    return (
        _sign(model),
        Content.assemble(name, ("  active", "$text-muted")) if model.active else name,
        literal(model.parameter_size or "?"),
        literal(model.quantization or "?"),
        Content("?" if model.size_bytes is None else gib(model.size_bytes)),
        Content(tokens(model.context_length)),
        Content(_abilities(model.capabilities)),
        literal(truncate_middle(model.runtime, 10)),
    )


def _sign(model: ModelInfo) -> Content:
    if model.error:
        return Content.styled(signs().failed, "$error")
    if model.remote_host:
        return Content.styled(signs().remote, "$warning")
    if model.loaded is None:
        return Content(signs().unknown)
    return Content.styled(signs().loaded, "$success") if model.loaded else Content(signs().installed)


def _abilities(capabilities: Sequence[str] | None) -> str:
    if capabilities is None:
        return "?"
    return " ".join(word for name, word in _ABILITIES.items() if name in capabilities)


def _text(model: ModelInfo) -> str:
    """Return what the filter looks at."""
    state = "loaded" if model.loaded else "active" if model.active else ""
    parts = (model.name, model.quantization, model.parameter_size, model.runtime, model.architecture, state)
    return " ".join(part for part in (*parts, _abilities(model.capabilities)) if part).lower()


def _silent_row(status: RuntimeStatus) -> Choice:
    """Return the row of a runtime that does not answer; one that nobody asked for is no failure."""
    usual = status.origin == "default"
    sign = Content(signs().installed) if usual else Content.styled(signs().failed, "$error")
    where = status.endpoint.removeprefix("http://").removeprefix("https://")
    words = f"{status.id} at {where}: {status.detail or status.state.value}"
    retry = Content.styled("  enter asks again", "$text-muted")
    text = Content.assemble(sign, "  ", literal(words, "$text-muted" if usual else ""), retry)
    return Choice(_RUNTIME + status.id, (text,), words.lower())
