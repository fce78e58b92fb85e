"""How full a model's context is, and which others could be chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContextUse:
    """What a conversation takes of the context of the model that answers next. None means "not known"."""

    used_tokens: int | None
    """Tokens of the conversation so far, as its last answer was counted, with what came after it."""
    context_length: int | None
    """Tokens of context that the model is loaded with, or is to be loaded with in this session."""
    estimated: bool = False
    """Whether something of `used_tokens` was not counted by the model that answers next."""


@dataclass(frozen=True, slots=True)
class ContextChoice:
    """A larger context that a conversation could go on with."""

    context_length: int
    """Its tokens."""
    fits_model: bool | None
    """Whether the model was trained for as much; None where that is not known."""
    reloads: bool
    """Whether the model is loaded now, and has to be loaded again for it."""
    kv_bytes: int | None
    """Bytes of memory that it takes for one conversation, with keys and values of 16 bits; None where not known."""
