"""What is known of the model under the cursor."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content
from textual.widget import Widget

from venom_tui.core.types.fit import FitBadge
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.ui.screens.catalog.row import abilities
from venom_tui.ui.text import literal, signs, size, truncate_middle
from venom_tui.ui.widgets.verdicts import who_leaves

_SEPARATOR = " · "


class ModelDetail(Widget):
    """A few lines on one model, each cut at the width; the pane keeps its height, so that the list does not move."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self._model: ModelInfo | None = None
        self._answers = self._leaves = ""

    def show(self, model: ModelInfo | None, active: ActiveModel | None, fit: FitBadge | None = None) -> None:
        """Show another model, or what has changed of it; equal facts paint nothing."""
        answers = active.reason if model is not None and active is not None and model.active else ""
        leaves = who_leaves(fit)
        if (model, answers, leaves) != (self._model, self._answers, self._leaves):
            self._model, self._answers, self._leaves = model, answers, leaves
            self.refresh()

    def render(self) -> Content:
        """Return the lines for the pane's size."""
        if self._model is None:
            return Content()
        width, height = self.size
        return Content("\n").join(lines(self._model, self._answers, width, self._leaves)[:height])


def lines(model: ModelInfo, answers: str, width: int, leaves: str = "") -> list[Content]:
    """Return what is known of a model, the most important first; `leaves` says who must leave before it fits."""
    found = []
    if model.error:
        found.append(literal(f"{signs().failed} cannot be used: {model.error}", "$error"))
    found.append(literal(_SEPARATOR.join(_measures(model))))
    found.append(literal(_SEPARATOR.join(_nature(model, answers, leaves))))
    if model.path is not None:
        found.append(literal(truncate_middle(_shown_path(model.path), width), "$text-muted"))
    found.append(literal(_identity(model, width), "$text-muted"))
    return [line.truncate(width, ellipsis=True) for line in found]


def _measures(model: ModelInfo) -> list[str]:
    context = model.context_length
    return [
        size(model.size_bytes),
        f"{model.parameter_size or '?'} parameters",
        model.quantization or "quantization ?",
        "context ?" if context is None else f"{context:,} tokens of context",
        model.architecture or "architecture ?",
    ]


def _identity(model: ModelInfo, width: int) -> str:
    exact = "? bytes" if model.size_bytes is None else f"{model.size_bytes:,} bytes"
    exact = f"runs at {model.remote_host}" if model.remote_host else exact
    room = max(12, width - len(exact) - len(_SEPARATOR) - len("digest "))
    return f"{exact}{_SEPARATOR}digest {truncate_middle(model.digest, room) if model.digest else '?'}"


def _nature(model: ModelInfo, answers: str, leaves: str) -> list[str]:
    template = {True: "chat template", False: "base model: continues text", None: "chat template ?"}
    parts = [template[model.has_chat_template]]
    if model.capabilities is None:
        parts.append("can ?" if model.has_chat_template is not False else "")
    else:
        parts.append(f"can {abilities(model)}")
    if leaves:
        parts.append(leaves)
    if model.loaded:
        held = "" if model.vram_bytes is None else f", {size(model.vram_bytes)} of GPU memory"
        parts.append(f"loaded{held}")
    if answers:
        parts.append(f"active: {answers}")
    if not model.runtime:
        parts.append("no runtime here serves it")
    parts.append(f"provider {model.provider}")
    if model.demonstration:
        parts.append("often wrong")
    return [part for part in parts if part]


def _shown_path(path: str) -> str:
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
