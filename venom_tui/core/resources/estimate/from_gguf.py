"""The shape of a model by the values of a GGUF header, or by what Ollama tells of it: the keys are the same.

Everything in them is untrusted: numbers are checked before they are used, and what makes no sense counts as not told.
The layers are those of llama.cpp's own tables (llama-hparams, llama-model) for each architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from venom_tui.core.resources.estimate.recurrent import recurrence_of
from venom_tui.core.resources.estimate.shape import LayerShape, ModelShape
from venom_tui.core.resources.estimate.values import Values
from venom_tui.core.resources.estimate.weights import Weights
from venom_tui.core.sanitize import sanitize_line

_MOST_LAYERS = 4096
_PERIODS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "cohere2": 4, "gpt-oss": 2, "llama4": 4, "exaone4": 4, "olmo2": 4,
    "smallthinker": -4, "afmoe": 4, "plamo3": 8,
}  # fmt: skip
"""Architecture -> every how many layers one looks back at everything; negative where it is the first of them."""
_KEPT_LAYERS = {"gemma3n": 20}
"""Architecture -> layers from the beginning that have a cache of their own; the others use theirs."""
_CHUNK = {"llama4": 8192}
"""Architecture -> its window, where the header does not tell it."""
_NO_CACHE = frozenset({"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert", "t5encoder", "clip"})


def shape_from_values(
    values: Mapping[str, object], weights: Weights | None, source: str, *, extra_bytes: int = 0
) -> ModelShape | None:
    """Return the shape that a header tells of; None where it tells too little.

    Args:
        values: keys and values of the header, or Ollama's `model_info`; arrays as sequences of numbers.
        weights: its tensors.
        source: what it was read from, for people.
        extra_bytes: what is loaded beside it (a projector).
    """
    told = Values(values)
    if weights is None or told.architecture is None:
        return None
    count = told.number("block_count")
    if not 0 < count <= _MOST_LAYERS:
        return None
    # Layers that only guess tokens ahead have no cache in the model's own context.
    count -= min(told.number("nextn_predict_layers"), count - 1)
    notes: list[str] = []
    layers = _layers(told, count, notes)
    if layers is None:
        return None
    if weights.unknown:
        notes.append(f"{weights.unknown} tensors are of a type that is not known and are not counted")
    experts = told.number("expert_used_count")
    dense = told.largest("feed_forward_length")
    recurrence = recurrence_of(told)
    return ModelShape(
        architecture=sanitize_line(told.architecture, 60),
        layers=layers,
        weights_bytes=weights.total_bytes,
        embedding_bytes=weights.embedding_bytes,
        tied=weights.tied,
        repacked_bytes=weights.repacked_bytes,
        vocabulary=weights.vocabulary or told.number("vocab_size"),
        embedding=told.number("embedding_length"),
        feed_forward=0 if experts and not told.number("leading_dense_block_count") else dense,
        expert_feed_forward=told.number("expert_feed_forward_length") or dense if experts else 0,
        experts_used=experts,
        heads=told.largest("attention.head_count"),
        recurrent_width=recurrence.width if recurrence is not None else 0,
        context_length=told.number("context_length") or None,
        extra_bytes=extra_bytes,
        source=source,
        notes=tuple(notes),
    )


def _layers(told: Values, count: int, notes: list[str]) -> tuple[LayerShape, ...] | None:
    architecture = told.architecture or ""
    if architecture in _NO_CACHE:
        return tuple(LayerShape() for _ in range(count))
    recurrence = recurrence_of(told)
    heads, kv_heads = told.each("attention.head_count", count), told.each("attention.head_count_kv", count)
    if recurrence is not None and recurrence.only:
        return tuple(LayerShape(state_elements=recurrence.elements) for _ in range(count))
    if heads is None:
        return None
    windows = _windows(told, count, notes)
    own = _own_cache(told, count)
    layers: list[LayerShape] = []
    for number in range(count):
        state = 0
        at = heads[number] if kv_heads is None else kv_heads[number]
        if recurrence is not None and recurrence.holds(number, at):
            state = recurrence.elements
            if not recurrence.beside:
                layers.append(LayerShape(state_elements=state))
                continue
        elements = _elements(told, at, max(heads), windowed=windows[number] > 0)
        if elements is None:
            return None
        keys, values = elements if own[number] else (0, 0)
        layers.append(LayerShape(keys, values, windows[number], state))
    return tuple(layers)


def _elements(told: Values, kv_heads: int, heads: int, *, windowed: bool) -> tuple[int, int] | None:
    """Return the elements of a token's key and value in one layer; None where that is not told."""
    if kv_heads == 0:
        return 0, 0
    of_one = told.number("embedding_length") // heads if heads else 0
    ending = "_swa" if windowed and told.number("attention.key_length_swa") else ""
    key = told.number(f"attention.key_length{ending}") or of_one
    value = told.number(f"attention.value_length{ending}") or of_one
    if not key or not value:
        return None
    if told.number("attention.key_length_mla") and told.number("attention.value_length_mla"):
        # The compressed key is cached; the value is a part of it.
        return key * kv_heads, 0
    return key * kv_heads, value * kv_heads


def _windows(told: Values, count: int, notes: list[str]) -> Sequence[int]:
    """Return for each layer its window, 0 for those that look back at everything."""
    architecture = told.architecture or ""
    window = told.number("attention.sliding_window") or _CHUNK.get(architecture, 0)
    if not window:
        return [0] * count
    pattern = told.raw("attention.sliding_window_pattern")
    if isinstance(pattern, Sequence) and not isinstance(pattern, str | bytes):
        return [window if number < len(pattern) and pattern[number] else 0 for number in range(count)]
    period = told.number("attention.sliding_window_pattern") or _PERIODS.get(architecture, 0)
    if not period:
        notes.append("its sliding window is not used by llama.cpp and not counted")
        return [0] * count
    if period < 0:
        return [window if number % -period else 0 for number in range(count)]
    return [window if number % period < period - 1 else 0 for number in range(count)]


def _own_cache(told: Values, count: int) -> Sequence[bool]:
    """Return for each layer whether it has a cache of its own."""
    kept = _KEPT_LAYERS.get(told.architecture or "", count)
    shared = told.number("attention.shared_kv_layers")
    if shared:
        kept = max(1, count - shared)
    return [number < kept for number in range(count)]
