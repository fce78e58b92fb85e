"""Versions of a model: a base model with parameters, a template or an adapter, under one name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

from venom_tui.core.types.request import GenerationParameters


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version."""

    name: str
    model: str
    """The base model."""
    runtime: str
    created_at: datetime
    parameters: GenerationParameters = field(default_factory=GenerationParameters)
    template: str = ""
    """Template of the prompt in its runtime's own language, "" for the model's own."""
    adapter: str = ""
    """File of an adapter, "" for none."""
    note: str = ""
    made: str = ""
    """Name of the model that was made for it in its runtime; "" where the base model itself answers."""
    active: bool = False

    @property
    def answers(self) -> str:
        """Name of the model that answers for it."""
        return self.made or self.model

    @property
    def summary(self) -> str:
        """What makes it a version, in a line: parameters, template, adapter's file, note; "" for nothing."""
        chosen = {one.name: getattr(self.parameters, one.name) for one in fields(self.parameters)}
        parts = [f"{name}={value}" for name, value in chosen.items() if value is not None]
        parts += ["template" if self.template else "", Path(self.adapter).name, self.note]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """What was measured while a version was active; None where nothing was."""

    answers: int = 0
    """Complete answers that count."""
    first_token_ms: float | None = None
    """Median from the model's start to its first token."""
    tokens_per_second: float | None = None
    """Median."""
    memory_bytes: int | None = None
    """What its last load took, measured."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two versions."""

    name: str
    first: float | None
    second: float | None
    percent: float | None = None
    """By how much the second differs from the first; None where one is not known, or the first is 0."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions beside each other."""

    first: ModelVersion
    second: ModelVersion
    first_figures: VersionFigures
    second_figures: VersionFigures
    differences: tuple[Difference, ...]
