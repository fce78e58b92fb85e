"""Notes what loaded models take beside what was estimated for them, once each, and learns from it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from venom_tui.core.errors import StoreError
from venom_tui.core.resources.estimate.correction import correction_bytes, quality
from venom_tui.core.resources.estimate.estimate import Estimate, estimate
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.store.estimates import EstimateStore
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.fit import EstimateRecord, Quality

SETTLED_S = 6.0
"""Seconds for which a model must hold the same memory before that is noted."""
_SAME = 0.02
_WHOLE = 0.985
"""Part of a model that lies on GPUs from which on it lies there wholly; the table of tokens stays in RAM."""

ShapeOf = Callable[[LoadedModel], Awaitable[ModelShape | None]]
_Load = tuple[object, ...]


@dataclass(slots=True)
class _Watched:
    """A load that is not noted yet."""

    actual: int
    since: float


class Ledger:
    """Keeps the records. `take` sees each snapshot; everything else is answered from memory."""

    def __init__(self, store: EstimateStore, shape_of: ShapeOf, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._shape_of = shape_of
        self._clock = clock
        self._records: list[EstimateRecord] = []
        self._qualities: tuple[Quality, ...] | None = None
        self._watched: dict[_Load, _Watched] = {}
        self._noted: set[_Load] = set()

    async def load(self) -> None:
        """Read what was kept; what cannot be read is not known."""
        try:
            self._records = await self._store.all()
            self._qualities = None
        except StoreError:
            return

    @property
    def records(self) -> tuple[EstimateRecord, ...]:
        """All records, the oldest first."""
        return tuple(self._records)

    def correction(self, shape: ModelShape, name: str, place: str, plain_bytes: int) -> int:
        """Return by how much an estimate is to be changed."""
        return correction_bytes(self._records, shape.architecture, name, place, plain_bytes)

    def quality(self, architecture: str) -> Quality | None:
        """Return how good estimates of an architecture have been; None where none was measured."""
        return quality(self._records, architecture)

    def qualities(self) -> tuple[Quality, ...]:
        """Return the same for every architecture that was measured, by name."""
        if self._qualities is None:
            names = sorted({record.architecture for record in self._records})
            self._qualities = tuple(found for name in names if (found := self.quality(name)) is not None)
        return self._qualities

    async def take(self, snapshot: GuardSnapshot) -> None:
        """Note the models that have been loaded long enough to be measured."""
        here: set[_Load] = set()
        for model in snapshot.loaded:
            measured = _actual(model)
            if measured is None:
                continue
            place, actual, source = measured
            load = (model.runtime, model.name, model.context_length, model.pids, place)
            here.add(load)
            if load not in self._noted and self._is_settled(load, actual):
                self._noted.add(load)
                await self._note(model, place, actual, source, snapshot)
        self._noted &= here
        for gone in self._watched.keys() - here:
            del self._watched[gone]

    def _is_settled(self, load: _Load, actual: int) -> bool:
        now, before = self._clock(), self._watched.get(load)
        if before is None or abs(actual - before.actual) > _SAME * before.actual:
            self._watched[load] = _Watched(actual, now)
            return False
        return now - before.since >= SETTLED_S

    async def _note(self, model: LoadedModel, place: str, actual: int, source: str, snapshot: GuardSnapshot) -> None:
        shape = await self._shape_of(model)
        if shape is None or not model.context_length:
            return
        kv_type, parallel = model.kv_type or "f16", model.parallel or 1
        context = max(1, model.context_length // parallel) if model.kind == "llamacpp" else model.context_length
        try:
            plain = estimate(shape, model.kind, context=context, kv_type=kv_type, parallel=parallel, place=place)
        except KeyError:
            return
        plain_bytes = _comparable(plain, source)
        correction = self.correction(shape, model.name, place, plain_bytes)
        record = EstimateRecord(
            at=snapshot.taken_at,
            architecture=shape.architecture,
            runtime=model.runtime,
            model=model.name,
            context_length=model.context_length,
            kv_type=kv_type,
            parallel=parallel,
            place=place,
            plain_bytes=plain_bytes,
            likely_bytes=max(0, plain_bytes + correction),
            actual_bytes=actual,
            source=source,
        )
        self._records.append(record)
        self._qualities = None
        try:
            await self._store.add(record)
        except StoreError:
            return  # it counts as long as this program runs


def _actual(model: LoadedModel) -> tuple[str, int, str] | None:
    """Return where a model lies wholly, what it takes there, and how that is known; None where it does not."""
    if model.elsewhere or model.dead or not model.context_length or model.kind == "vllm":
        return None  # vLLM takes a part of the card, whatever its model needs
    if model.vram_measured and model.vram_bytes and (model.gpu_share is None or model.gpu_share >= _WHOLE):
        return "gpu", model.vram_bytes, "measured"
    if model.gpus or (model.gpu_share or 0) > 0:
        return None  # a part here and a part there
    reported = 0 if model.kind == "llamacpp" else model.reported_bytes or 0  # of llama-server: the weights alone
    # Processes that have mapped the same file share it, and each has its share of the measured memory only.
    if model.measured_bytes and model.measured_bytes >= reported:
        return "cpu", model.measured_bytes, "measured"
    return ("cpu", reported, "reported") if reported else None


def _comparable(plain: Estimate, source: str) -> int:
    """Return of an estimate what is comparable: who reports, reports buffers."""
    return plain.likely_bytes if source == "measured" else plain.buffers_bytes
