"""The GPUs of all makers, asked in a thread of their own: a driver that hangs freezes its own figures only."""

from __future__ import annotations

import time
from dataclasses import replace

from venom_tui.core.resources.amdgpu import AmdSampler
from venom_tui.core.resources.nvml import Gpus, NvmlSampler
from venom_tui.core.resources.nvml_details import DriverInfo
from venom_tui.core.resources.nvml_traffic import Traffic
from venom_tui.core.resources.pace import Pace
from venom_tui.core.resources.probe import Probe
from venom_tui.core.types.device import Gpu, MigDevice


class Driver:
    """Used from the sampler's thread."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._nvidia = NvmlSampler()
        self._amd = AmdSampler()
        self._traffic = Traffic()
        self._processes_at = float("-inf")
        self._known: dict[str | int, Gpu] = {}
        self._next = 0.0
        self._probe: Probe[Gpus] = Probe("nvml", self._question, end=self._nvidia.close)

    @property
    def answered(self) -> bool:
        """Whether it ever said something."""
        return self._probe.answer is not None

    @property
    def info(self) -> DriverInfo:
        """What NVIDIA's driver is."""
        return self._nvidia.driver

    def start(self) -> None:
        """Begin; nothing is asked yet."""
        self._probe.start()

    def stop(self) -> None:
        """Ask nothing more; returns at once."""
        self._probe.stop()

    def ask(self, patience_s: float) -> None:
        """Ask for new figures and wait for them a while; not at all where the driver is known to hang."""
        now = time.monotonic()
        if now < self._next:
            return
        answer = self._probe.ask(0.0 if self._probe.silent_s > self._pace.stale else patience_s)
        if answer is not None and not answer.value[0]:
            self._next = now + self._pace.no_driver

    def read(self) -> Gpus:
        """Return the newest figures; those of a driver that no longer answers say so."""
        answer = self._probe.answer
        silent = self._probe.silent_s
        if answer is None:
            reason = "the driver has not answered yet"
            return (), {"gpus": reason if silent < self._pace.stale else f"{reason}; it seems to hang"}
        gpus, unavailable = answer.value
        if silent > self._pace.stale:
            gpus = tuple(replace(gpu, stale_since=answer.at) for gpu in gpus)
        return gpus, unavailable

    def _question(self) -> Gpus:
        """Ask the drivers, in the probe's thread; for processes less often."""
        now = time.monotonic()
        processes = now - self._processes_at >= self._pace.processes - 0.1
        nvidia, unavailable = self._nvidia.sample(processes=processes)
        nvidia = self._traffic.add(nvidia, self._nvidia)
        amd = self._amd.sample(len(nvidia), processes=processes)
        if amd and "gpus" in unavailable:
            unavailable = {"nvidia": unavailable["gpus"]}
        gpus = (*nvidia, *amd)
        if processes:
            self._processes_at = now
            self._known = {gpu.uuid or gpu.index: gpu for gpu in gpus}
        else:
            gpus = tuple(_with_processes_of(self._known.get(gpu.uuid or gpu.index), gpu) for gpu in gpus)
        return gpus, unavailable


def _with_processes_of(before: Gpu | None, gpu: Gpu) -> Gpu:
    if before is None or "processes" in gpu.unavailable:
        return gpu
    reason = before.unavailable.get("processes")
    unavailable = gpu.unavailable if reason is None else {**gpu.unavailable, "processes": reason}
    known = {part.uuid: part for part in before.mig_devices}
    parts = tuple(_part_with_processes_of(known.get(part.uuid), part) for part in gpu.mig_devices)
    return replace(gpu, processes=before.processes, unavailable=unavailable, mig_devices=parts)


def _part_with_processes_of(before: MigDevice | None, part: MigDevice) -> MigDevice:
    return part if before is None or "processes" in part.unavailable else replace(part, processes=before.processes)
