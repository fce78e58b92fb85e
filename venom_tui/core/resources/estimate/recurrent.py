"""Layers that keep a state instead of a cache, as llama.cpp allocates it."""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.resources.estimate.values import Values

_ONLY = frozenset({"mamba", "mamba2", "rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"})
"""Architectures without attention."""
_BESIDE = frozenset({"falcon-h1"})
"""Architectures whose layers have both."""
_BY_HEADS = frozenset({"jamba", "granitehybrid", "lfm2", "lfm2moe", "kimi-linear", "plamo2", "nemotron_h",
                       "nemotron_h_moe"})  # fmt: skip
"""Architectures in which a layer without KV heads is recurrent."""
_BY_INTERVAL = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
"""Architecture -> every how many layers one has attention."""
_NO_FEED_FORWARD = frozenset({"nemotron_h", "nemotron_h_moe"})
"""Architectures in which a layer is recurrent only where it has no feed-forward part."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Which layers are recurrent, and what each keeps for a sequence."""

    elements: int
    """Elements of its state, 32 bits each."""
    width: int
    """Elements that it works with for each token."""
    only: bool = False
    """There is no other layer."""
    beside: bool = False
    """Its layers have attention as well."""
    interval: int = 0
    feed_forward: tuple[int, ...] = ()
    """Width of each layer's feed-forward part, where that decides."""

    def holds(self, layer: int, kv_heads: int) -> bool:
        """Return whether a layer is recurrent."""
        if self.only or self.beside:
            return True
        if self.interval:
            return (layer + 1) % self.interval != 0
        without = not self.feed_forward or layer >= len(self.feed_forward) or not self.feed_forward[layer]
        return kv_heads == 0 and without


def recurrence_of(told: Values) -> Recurrence | None:
    """Return what is recurrent in a model; None where nothing is."""
    name = told.architecture or ""
    known = name in _ONLY or name in _BESIDE or name in _BY_HEADS or name in _BY_INTERVAL
    if not known:
        return None
    elements, width = _state(told)
    interval = told.number("full_attention_interval") or _BY_INTERVAL.get(name, 0)
    feed_forward: tuple[int, ...] = ()
    if name in _NO_FEED_FORWARD:
        feed_forward = tuple(told.each("feed_forward_length", told.number("block_count")) or ())
    return Recurrence(elements, width, name in _ONLY, name in _BESIDE, interval, feed_forward)


def _state(told: Values) -> tuple[int, int]:
    """Return elements of the state of a layer, and of what it works with for each token."""
    wide = told.number("embedding_length")
    head = told.number("wkv.head_size")
    if head:
        shifts = told.number("token_shift_count") or 2
        return shifts * wide + wide * head, 6 * wide
    kept = told.number("shortconv.l_cache")
    if kept:
        return wide * (kept - 1), 4 * wide
    convolution = max(0, told.number("ssm.conv_kernel") - 1)
    head = told.number("kda.head_dim")
    if head:
        heads = told.largest("attention.head_count")
        return 3 * convolution * heads * head + head * head * heads, 8 * heads * head
    inner, state, groups = told.number("ssm.inner_size"), told.number("ssm.state_size"), told.number("ssm.group_count")
    mixed = inner + 2 * groups * state
    width = (inner + mixed + told.number("ssm.time_step_rank")) + 2 * mixed + 3 * inner
    return convolution * mixed + state * inner, width
