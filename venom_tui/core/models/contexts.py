"""Which contexts a model could be loaded with, and what each would cost."""

from __future__ import annotations

from venom_tui.core.models.parameters import takes
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.types.context import ContextChoice
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters

_SHORTEST = 2048
_DOUBLINGS = 3
"""Contexts that are offered where nobody knows what the model was trained for."""


class Contexts:
    """Looks at the contexts of models; loads nothing."""

    def __init__(self, runtimes: LlmServerController) -> None:
        self._runtimes = runtimes

    def loaded(self, model: ModelInfo) -> LoadedModel | None:
        """Return a model as its runtime holds it, None where it does not."""
        held = self._runtimes.loaded()
        return next((one for one in held if (one.runtime, one.name) == (model.runtime, model.name)), None)

    async def choices(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[ContextChoice, ...]:
        """Return the larger contexts up to what a model was trained for; none where its server decides that alone.

        Args:
            model: the model.
            parameters: how it would be asked now.

        Raises:
            RuntimeFailure: its server cannot be asked.
        """
        runtime = self._runtimes.runtime(model.runtime)
        if not takes(runtime.kind, "context_length"):
            return ()
        plan, _ = await runtime.prepare(model, parameters)
        now = plan.context_length or 0
        trained = model.context_length
        per_token = await runtime.kv_bytes_per_token(model)
        return tuple(
            ContextChoice(
                context_length=length,
                fits_model=None if trained is None else length <= trained,
                reloads=self.loaded(model) is not None,
                kv_bytes=None if per_token is None else length * per_token,
            )
            for length in larger(now, trained)
        )


def larger(now: int, trained: int | None) -> list[int]:
    """Return the powers of two above `now` up to `trained`, and that itself; three of them where it is not known."""
    lengths: list[int] = []
    length = _SHORTEST
    while len(lengths) < _DOUBLINGS if trained is None else length < trained:
        if length > now:
            lengths.append(length)
        length *= 2
    if trained is not None and trained > now:
        lengths.append(trained)
    return lengths
