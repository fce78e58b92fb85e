"""What of a model decides how much memory it takes, whatever it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What one layer keeps of the tokens before."""

    key_elements: int = 0
    """Elements of a token's key, all heads together; the compressed one where the layer caches that."""
    value_elements: int = 0
    """The same of its value; 0 where the value is a part of the compressed key."""
    window: int = 0
    """Tokens that it looks back at most; 0: all."""
    state_elements: int = 0
    """Elements of the state that a recurrent layer keeps for each sequence, however long it is."""


@dataclass(frozen=True)
class ModelShape:
    """A model as far as its memory goes. Bytes and counts are of the whole model."""

    architecture: str
    layers: tuple[LayerShape, ...]
    weights_bytes: int
    """All tensors as they are stored."""
    embedding_bytes: int = 0
    """Of these the table of tokens, which llama.cpp keeps in RAM."""
    tied: bool = False
    """The table of tokens is the output layer as well: on a GPU it is there a second time."""
    repacked_bytes: int = 0
    """Weights that llama.cpp lays out anew for a CPU, beside those that it has mapped."""
    vocabulary: int = 0
    embedding: int = 0
    """Width of the model."""
    feed_forward: int = 0
    """Width of its widest feed-forward layer."""
    expert_feed_forward: int = 0
    experts_used: int = 0
    heads: int = 0
    recurrent_width: int = 0
    """Elements that a recurrent layer works with for each token."""
    context_length: int | None = None
    """Tokens that it was trained for."""
    extra_bytes: int = 0
    """Projectors and the like that are loaded beside it."""
    cache_bits: int = 16
    """Bits of an element of the cache where nothing else is chosen."""
    source: str = ""
    notes: tuple[str, ...] = ()

    @cached_property
    def window(self) -> int:
        """The sliding window; 0 where no layer has one."""
        return max((layer.window for layer in self.layers), default=0)

    @cached_property
    def has_full_attention(self) -> bool:
        """Whether a layer looks back at everything."""
        return any(layer.key_elements and not layer.window for layer in self.layers)

    @cached_property
    def has_state(self) -> bool:
        """Whether a layer is recurrent."""
        return any(layer.state_elements for layer in self.layers)
