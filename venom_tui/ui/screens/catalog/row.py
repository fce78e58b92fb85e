"""One row of the catalog: a model, with what its filter and its order need worked out once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len

from venom_tui.core.types.fit import FitBadge
from venom_tui.core.types.model import ModelInfo

_DIGITS = re.compile(r"[0-9]{1,18}")
_PARAMETERS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([kmbt])", re.IGNORECASE)
_THOUSANDS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_WORDS = {"completion": "chat", "thinking": "think", "vision": "see", "embedding": "embed"}
"""How a capability is called on the screen; the others keep their names."""


class Row(NamedTuple):
    """A model as the list, its filter and its order know it; thousands are made while somebody waits."""

    key: str
    """Names it among all models of all runtimes."""
    model: ModelInfo
    text: str
    """What plain words are looked for in, folded."""
    places: str
    """Runtime and provider, folded, each on its line: plain words are looked for where these begin."""
    name_order: str
    width: int
    """Cells of the name."""
    parameters: float | None
    """Number of parameters; None where it is not known or is not one number."""
    fit: FitBadge | None = None
    """Whether it fits, as it was judged last; None where that was not asked yet."""

    def judged(self, fit: FitBadge) -> Row:
        """Return the row with whether its model fits."""
        return Row(*self[:-1], fit)


def key_of(model: ModelInfo) -> str:
    """Return what names a model among those of all runtimes."""
    return f"{model.runtime} {model.name}"


def place_of(model: ModelInfo) -> str:
    """Return where a model is, as it is called on the screen: its runtime, or the cache that no runtime here serves."""
    return model.runtime or "hf cache"


def renewed(models: Iterable[ModelInfo], known: Mapping[str, Row]) -> list[Row]:
    """Return the rows of models, by name; a row whose model is what it was is taken from the `known` ones."""
    rows = []
    for model in models:
        row = known.get(key_of(model))
        rows.append(row if row is not None and row.model == model else row_of(model))
    rows.sort(key=lambda row: (row.name_order, row.key))
    return rows


def row_of(model: ModelInfo) -> Row:
    """Work out the row of one model."""
    facts = (model.quantization, model.architecture, model.parameter_size, *(model.capabilities or ()))
    return Row(
        key=key_of(model),
        model=model,
        text=f"{model.name.casefold()}\n{_folded(*facts, abilities(model))}",
        # Else `llama` would find all that ollama has.
        places=_folded("", place_of(model), model.provider),
        name_order=order_of(model.name),
        width=len(model.name) if model.name.isascii() else cell_len(model.name),
        parameters=parameters_of(model.parameter_size),
    )


@lru_cache(maxsize=4096)
def _folded(*parts: str | None) -> str:
    """Return what thousands of models have in common, a line each."""
    return "\n".join([part for part in parts if part is not None]).casefold()


def order_of(text: str) -> str:
    """Return what texts with numbers in them are sorted by, so that `b10` comes after `b9`."""
    return _DIGITS.sub(_padded, text.casefold())


def _padded(digits: re.Match[str]) -> str:
    return digits[0].zfill(18)


@lru_cache(maxsize=4096)
def parameters_of(text: str | None) -> float | None:
    """Return `8.0B` as a number; None for what is not known or not one number (`8x7B`)."""
    found = _PARAMETERS.fullmatch(text.strip()) if text else None
    return float(found[1]) * _THOUSANDS[found[2].lower()] if found else None


def abilities(model: ModelInfo) -> str:
    """Return in words what a model can do: `?` where nobody could be asked, `-` for nothing that has a name."""
    if model.capabilities is None:
        return "base" if model.has_chat_template is False else "?"
    more = [_WORDS.get(name, name) for name in model.capabilities if name != "completion"]
    if more:
        return " ".join(more)
    return _WORDS["completion"] if model.capabilities else "-"
