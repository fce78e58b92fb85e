"""Everything that is known of one model: its manifest, parameters, update, and where else its weights are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from venom_tui.core.types.model import ModelInfo


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of a model."""

    kind: str
    """`weights`, `projector`, `adapter`, `template`, `system`, `params`, `licence`, `messages`, `config`, `file`."""
    digest: str | None
    size_bytes: int | None
    shared_with: tuple[str, ...] = ()
    """Names of other models of the same place that hold it too."""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is made of, as its runtime or its files say."""

    weights_digest: str | None = None
    layers: tuple[Layer, ...] | None = None
    """None where they cannot be seen."""
    licence: str = ""
    """Its name, or the beginning of its text; "" where none is stated."""
    licence_text: str = ""
    template: str | None = None
    system: str = ""
    source: str = ""
    """Where it came from: a registry's name, a repository with its commit, a file."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Generation parameters that the model itself sets."""
    facts: tuple[tuple[str, str], ...] = ()
    """Further facts of its header: (name, value)."""
    capabilities: tuple[str, ...] | None = None
    context_length: int | None = None
    weights_path: str = ""
    """Where its runtime keeps the weights, on the machine of that runtime."""
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One generation parameter of a model at its runtime."""

    name: str
    kind: str
    """`int`, `float`, `texts`, `choice`."""
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None
    """What the model itself sets; None leaves it to the runtime."""
    value: str | None = None
    """What is saved for this runtime and model."""
    used: bool = True
    """Whether the runtime knows it; others are not sent."""


@dataclass(frozen=True, slots=True)
class Update:
    """Whether the source of a model has another version now."""

    state: str
    """`none`, `available`, `unknown`."""
    detail: str
    """One clause: what differs, or why it is not known."""
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """One model with all that is known of it."""

    model: ModelInfo
    manifest: Manifest
    parameters: tuple[ParameterSpec, ...] = ()
    same_weights: tuple[tuple[str, str], ...] = ()
    """Other models with the same weights: (runtime, name)."""
    update: Update | None = None
    """None while nobody asked."""
    notes: tuple[str, ...] = ()
    """Sentences on what could not be found out."""
