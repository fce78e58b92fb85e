"""The buffers in which llama.cpp calculates, with flash attention.

Found by fitting what llama.cpp (build 11549) reports for models of many shapes, and right within a few percent for
each (benchmarks/estimates.py prints them): the largest moment of the graph holds five rows of the model's width and
three of the feed-forward layer's for each token of a batch; besides there are the masks of the attention in 16 bits and
a row of logits for each sequence.
"""

from __future__ import annotations

from venom_tui.core.resources.estimate.cache import Cells
from venom_tui.core.resources.estimate.shape import ModelShape

_WIDE, _INNER = 5, 3
_F32, _F16 = 4, 2


def compute_bytes(shape: ModelShape, cells: Cells, batch: int, parallel: int) -> int:
    """Return the bytes of graph, masks and results."""
    return batch * _token_bytes(shape) + mask_bytes(shape, cells, batch) + output_bytes(shape, parallel)


def mask_bytes(shape: ModelShape, cells: Cells, batch: int) -> int:
    """Return the bytes of the masks: one for the layers that look at all, one for those with a window."""
    columns = cells.full if shape.has_full_attention else 0
    columns += cells.windowed if shape.window else 0
    return batch * columns * _F16


def output_bytes(shape: ModelShape, parallel: int) -> int:
    """Return the bytes of the logits."""
    return parallel * shape.vocabulary * _F32


def _token_bytes(shape: ModelShape) -> int:
    """Return the bytes that the largest moment of the graph holds for each token."""
    dense = _INNER * shape.feed_forward
    experts = shape.experts_used * (_INNER * shape.expert_feed_forward + shape.embedding)
    return _F32 * max(_WIDE * shape.embedding + max(dense, experts), 2 * shape.embedding + shape.recurrent_width)
