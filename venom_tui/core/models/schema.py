"""Which generation parameters a model has at its runtime, with ranges, its own defaults and what is saved."""

from __future__ import annotations

from dataclasses import asdict

from venom_tui.core.models.parameters import SCHEMA, Parameter, wire_parameters
from venom_tui.core.types.details import Manifest, ParameterSpec
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters

_OLLAMA = {"num_predict": "max_tokens", "num_ctx": "context_length"}
"""Names in a Modelfile that have another generic name."""


def specs(model: ModelInfo, kind: str, saved: GenerationParameters, manifest: Manifest) -> tuple[ParameterSpec, ...]:
    """Return the parameters of a model whose runtime is of a kind."""
    given: dict[str, list[str]] = {}
    for name, value in manifest.parameters:
        given.setdefault(_OLLAMA.get(name, name), []).append(value)
    values = asdict(saved)
    unknown = _unknown(kind)
    return tuple(
        _spec(one, model, kind, given.get(one.name), values.get(one.name), one.name not in unknown) for one in SCHEMA
    )


def _spec(
    one: Parameter, model: ModelInfo, kind: str, given: list[str] | None, value: object, used: bool
) -> ParameterSpec:
    maximum = one.maximum
    if one.name == "context_length" and model.context_length:
        maximum = model.context_length
    # Others are sent it whatever the model can: their templates pass over what they do not know.
    cannot = model.capabilities is not None and "thinking" not in model.capabilities
    if one.name == "think" and kind == "ollama" and cannot:
        used = False
    return ParameterSpec(
        name=one.name,
        kind=one.kind,
        meaning=one.meaning,
        minimum=one.minimum,
        maximum=maximum,
        choices=one.choices,
        default=", ".join(given) if given else None,
        value=None if value is None else _text(value),
        used=used,
    )


def _text(value: object) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, tuple) else f"{value}"


def _unknown(kind: str) -> frozenset[str]:
    """Return the parameters that a kind of runtime is not sent."""
    everything = GenerationParameters(
        temperature=0, top_p=0, top_k=0, min_p=0, repeat_penalty=0, max_tokens=1, seed=0, stop=("x",),
        context_length=256, think="on",
    )  # fmt: skip
    return frozenset(wire_parameters(everything, kind)[1])
