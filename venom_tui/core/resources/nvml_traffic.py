"""What goes over the bus of each GPU, from the driver's counters between two looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from venom_tui.core.resources.nvml import NvmlSampler
from venom_tui.core.resources.nvml_questions import Questions, reason_of
from venom_tui.core.types.device import Gpu

_FIGURES = ("pcie_received_bytes_per_s", "pcie_sent_bytes_per_s")
_MOST = 512 * 1024**3
"""Bytes a second that no bus carries."""
_SHORTEST_S = 0.2


class Traffic:
    """Adds the traffic of the bus to GPUs (belongs to the sampler's thread).

    Newer drivers count bytes, which costs nothing to read. Older ones measure for 20 ms while they are asked: of these
    GPUs one is asked with each look, and its figure holds until its next turn.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted: dict[str | int, tuple[float, int, int]] = {}
        self._rates: dict[str | int, tuple[int, int]] = {}
        self._why: dict[str | int, str] = {}
        """Why a GPU has no rate."""
        self._measured: set[str | int] = set()
        """GPUs whose driver does not count."""
        self._turn = 0

    def add(self, gpus: Sequence[Gpu], sampler: NvmlSampler) -> tuple[Gpu, ...]:
        """Return the GPUs with what goes over their bus; those that are lost as they are."""
        if not sampler.is_open:
            return tuple(gpus)
        self._turn += 1
        slow = [gpu.uuid or gpu.index for gpu in gpus if (gpu.uuid or gpu.index) in self._measured]
        turn = slow[self._turn % len(slow)] if slow else None
        return tuple(self._added(gpu, sampler, turn) for gpu in gpus)

    def _added(self, gpu: Gpu, sampler: NvmlSampler, turn: str | int | None) -> Gpu:
        key = gpu.uuid or gpu.index
        try:
            handle = sampler.device(gpu.index).handle
        except sampler.errors:
            return gpu  # it is lost, as its other figures say
        if _FIGURES[0] in gpu.unavailable:
            return gpu
        if key not in self._measured:
            self._why[key] = self._count(key, sampler.questions(), handle)
        if key == turn:
            self._why[key] = self._measure(key, sampler.questions(), handle)
        why = self._why.get(key, "")
        rates = None if why else self._rates.get(key)
        if rates is None:
            unavailable = {**gpu.unavailable, **dict.fromkeys(_FIGURES, why or "known from one of the next looks on")}
            return replace(gpu, unavailable=unavailable)
        return replace(gpu, pcie_received_bytes_per_s=rates[0], pcie_sent_bytes_per_s=rates[1])

    def _count(self, key: str | int, questions: Questions, handle: Any) -> str:
        """Take the driver's counters; return why there is no rate, "" where there is one or will be."""
        nvml = questions.nvml
        try:
            fields = [nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES]
            values = nvml.nvmlDeviceGetFieldValues(handle, fields)
            failed = next((value.nvmlReturn for value in values if value.nvmlReturn != nvml.NVML_SUCCESS), None)
        except questions.errors:
            failed = -1
        if failed is not None:
            self._measured.add(key)
            return ""
        now, received, sent = self._clock(), int(values[0].value.ullVal), int(values[1].value.ullVal)
        before = self._counted.get(key)
        if before is not None and now - before[0] < _SHORTEST_S:
            return ""
        self._counted[key] = now, received, sent
        self._rates.pop(key, None)
        if before is None:
            return ""
        passed = now - before[0]
        rates = round((received - before[1]) / passed), round((sent - before[2]) / passed)
        if min(rates) < 0 or max(rates) > _MOST:
            return "the driver's counter began anew"
        self._rates[key] = rates
        return ""

    def _measure(self, key: str | int, questions: Questions, handle: Any) -> str:
        nvml = questions.nvml
        self._rates.pop(key, None)
        try:
            received = nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_RX_BYTES)
            sent = nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_TX_BYTES)
        except questions.errors as error:
            questions.failed(error)
            return reason_of(error)
        rates = int(received) * 1024, int(sent) * 1024
        if max(rates) > _MOST:
            return f"the driver said something absurd: {max(rates)} bytes a second"
        self._rates[key] = rates
        return ""
