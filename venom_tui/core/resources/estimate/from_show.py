"""The shape of a model by what Ollama's `/api/show` tells of it, without trusting the answer's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from venom_tui.core.resources.estimate.from_gguf import shape_from_values
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.estimate.weights import Weights, WeightsCounter

_MOST_TENSORS = 200_000


def shape_from_show(answer: Mapping[str, object], size_bytes: int | None) -> ModelShape | None:
    """Return the shape that an answer tells of; None where it tells too little.

    Args:
        answer: what `/api/show` said.
        size_bytes: size of the model on disk, all its layers together; what counts where tensors are not told.
    """
    info = answer.get("model_info")
    if not isinstance(info, Mapping):
        return None
    values = {str(key): value for key, value in info.items()}
    weights = _weights(answer.get("tensors"))
    source = "what Ollama tells"
    if weights is None:
        if not size_bytes:
            return None
        weights, source = Weights(size_bytes), "what Ollama tells, and the size on disk"
        extra = 0
    else:
        # A projector for pictures is loaded beside the model, and is a part of its size.
        extra = max(0, (size_bytes or 0) - weights.total_bytes) if answer.get("projector_info") else 0
    return shape_from_values(values, weights, source, extra_bytes=extra)


def _weights(tensors: object) -> Weights | None:
    """Return what the tensors take that an answer lists; None where it lists none."""
    if not isinstance(tensors, Sequence) or isinstance(tensors, str | bytes):
        return None
    counter = WeightsCounter()
    for tensor in tensors[:_MOST_TENSORS]:
        if not isinstance(tensor, Mapping):
            continue
        name, kind, shape = tensor.get("name"), tensor.get("type"), tensor.get("shape")
        whole = isinstance(shape, Sequence) and all(isinstance(n, int) and n > 0 for n in shape) and len(shape) <= 8
        if isinstance(name, str) and isinstance(kind, str) and whole:
            counter.add(name, list(shape), kind)  # type: ignore[arg-type]  # looked at above
    return counter.weights()
