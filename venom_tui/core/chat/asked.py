"""What was asked for with a prompt."""

from __future__ import annotations

from dataclasses import dataclass, field

from venom_tui.core.types.memory import Consent
from venom_tui.core.types.request import GenerationParameters


@dataclass(frozen=True, slots=True)
class Asked:
    """How an answer is wanted; what is not set here is taken from the session, then from the model."""

    mode: str = "direct"
    model: str | None = None
    runtime: str | None = None
    parameters: GenerationParameters = field(default_factory=GenerationParameters)
    schema: dict[str, object] | None = None
    """JSON schema that the answer must fit; {} asks for any JSON."""
    leave_out_oldest: bool = False
    """Whether the oldest turns are left out where the conversation does not fit."""
    consent: Consent = field(default_factory=Consent)
    """What was said yes to, should the model have to be loaded."""
    without: frozenset[str] = frozenset()
    """Ids of messages that the model is not shown: answers that are asked for again."""
