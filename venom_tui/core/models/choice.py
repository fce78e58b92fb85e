"""Which model answers when none is asked for. None is a silent stand-in for another: the reason says why this one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.runtime import RuntimeState

_THERE = frozenset({RuntimeState.READY, RuntimeState.BUSY, RuntimeState.LOADING, RuntimeState.IDLE})
Name = tuple[str, str]
"""Id of a runtime, name of a model."""


def choose(
    models: Sequence[ModelInfo], wanted: Name, loaded: Collection[Name], states: Mapping[str, RuntimeState]
) -> ActiveModel | None:
    """Return the model that answers the next prompt, and why; None when there is none.

    The last one used, also where its runtime does not answer now (that is then the answer); else one that is loaded
    already; else an installed one; the demonstration model only where nothing else is.

    Args:
        models: all models, in the order in which they are to be preferred.
        wanted: the last one used; a runtime of "" is any, a name of "" is none.
        loaded: what is in memory.
        states: runtime -> how it is.
    """
    usable = [model for model in models if model.runtime and not model.error and answers_prompts(model)]
    runtime, name = wanted
    gone = ""
    if name:
        for model in usable:
            if model.name == name and runtime in ("", model.runtime):
                return _active(model, "the last one used")
        if runtime not in ("", "embedded") and states.get(runtime) not in _THERE:
            return ActiveModel(name, runtime, f"the last one used; {sanitize_line(runtime, 40)} does not answer")
        gone = f"{sanitize_line(name, 60)} is gone; "
    for model in usable:
        if (model.runtime, model.name) in loaded and not model.demonstration:
            return _active(model, gone + "it is loaded already")
    for model in usable:
        if not model.demonstration:
            file = (model.runtime, model.provider) == ("embedded", "local")
            return _active(model, gone + ("the newest file in the models folder" if file else "it is installed"))
    for model in usable:
        return _active(model, gone + "no other model is here")
    return None


def answers_prompts(model: ModelInfo) -> bool:
    """Return whether a model can be talked to, as far as is known: one that only embeds cannot."""
    return model.capabilities is None or not model.capabilities or "completion" in model.capabilities


def _active(model: ModelInfo, reason: str) -> ActiveModel:
    return ActiveModel(model.name, model.runtime, reason, model.demonstration)
