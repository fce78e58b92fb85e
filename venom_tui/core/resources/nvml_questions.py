"""Questions to NVML about one GPU: a value that is not given stays None, with its reason; it is never zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from venom_tui.core.resources.processes import ProcessNames
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import GpuProcess

_REASONS = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver is installed",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
    "NVMLError_LibRmVersionMismatch": "driver and library have different versions; a reboot mends that",
    "NVMLError_NoPermission": "this user may not read it",
    "NVMLError_NotSupported": "this GPU does not tell it",
    "NVMLError_FunctionNotFound": "this driver is too old to tell it",
    "NVMLLibraryMismatchError": "this driver is too old to tell it",
    "NVMLError_GpuIsLost": "the GPU is lost: it fell off the bus",
    "NVMLError_GpuNotFound": "the GPU is not found any more",
    "NVMLError_ResetRequired": "the GPU needs a reset",
    "NVMLError_Timeout": "the driver did not answer in time",
    "NVMLError_InsufficientSize": "the driver's list grew while it was read",
    "NVMLError_NoData": "the driver has no value at the moment",
    "NVMLError_OperatingSystem": "the operating system refused the driver's request",
    "NVMLError_Unknown": "the driver failed without a reason",
}

_NOT_AVAILABLE = 2**64 - 1
"""What NVML writes where a process's memory cannot be told."""


def reason_of(error: Exception) -> str:
    """Return why a value is not there, in plain words."""
    return _REASONS.get(type(error).__name__) or sanitize_line(str(error), 120) or type(error).__name__


class Questions:
    """Asks the driver about one GPU, and notes why something is not answered.

    Args:
        nvml: the library.
        errors: what it raises.
        failed: told of each failure.
        names: users and commands of processes.
    """

    def __init__(
        self,
        nvml: Any,
        errors: tuple[type[Exception], ...],
        failed: Callable[[Exception], None],
        names: ProcessNames,
    ) -> None:
        self.nvml = nvml
        self.errors = errors
        self.failed = failed
        self.why: dict[str, str] = {}
        """Field -> why its value is not known."""
        self.draws = True
        """Whether a process may draw with the GPU: False once that list was empty."""
        self._names = names

    def ask(self, figures: str, question: Callable[..., Any], *arguments: Any) -> Any:
        """Return the driver's answer, or None with the reason noted for each of the figures."""
        try:
            return question(*arguments)
        except self.errors as error:
            self.failed(error)
            self.why.update(dict.fromkeys(figures.split(), reason_of(error)))
            return None

    def quietly(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Return the driver's answer, or None; nobody asks why."""
        try:
            return question(*arguments)
        except self.errors as error:
            self.failed(error)
            return None

    def number(self, figure: str, most: int, question: Callable[..., Any], *arguments: Any) -> int | None:
        """Return a number from 0 to `most`; what is larger is absurd, and so not known."""
        return self.checked(figure, self.ask(figure, question, *arguments), most)

    def checked(self, figure: str, value: int | None, most: int) -> int | None:
        """Return a number that is not absurd."""
        if value is None or 0 <= value <= most:
            return value
        self.why[figure] = f"the driver said something absurd: {value}"
        return None

    def processes(self, handle: Any, total: int | None, graphics: bool = True) -> tuple[GpuProcess, ...]:
        """Return the processes on a GPU, or on a part of one, that has `total` bytes of memory.

        `graphics`: whether those that draw are asked for, too.
        """
        nvml = self.nvml
        found: dict[int, Any] = {}
        unknown: list[Any] = []
        failures: list[Exception] = []
        questions = [nvml.nvmlDeviceGetComputeRunningProcesses]
        if graphics:
            questions.append(nvml.nvmlDeviceGetGraphicsRunningProcesses)
        for question in questions:
            try:
                listed = self._listed(question, handle)
                if question is not questions[0]:
                    self.draws = bool(listed)
                for process in listed:
                    if process.pid:
                        found.setdefault(process.pid, process)
                    else:
                        unknown.append(process)
            except self.errors as error:
                self.failed(error)
                failures.append(error)
        # Some GPUs know no graphics; what the other list says holds all the same.
        told = [error for error in failures if type(error).__name__ != "NVMLError_NotSupported"]
        if told or len(failures) == 2:
            self.why["processes"] = reason_of((told or failures)[0])
        return tuple(self._process(process, total) for process in (*found.values(), *unknown))

    def _listed(self, question: Callable[[Any], Any], handle: Any) -> Any:
        # The list may grow between the question for its length and that for itself.
        for _ in range(3):
            try:
                return question(handle)
            except self.nvml.NVMLError_InsufficientSize:
                continue
        return question(handle)

    def _process(self, process: Any, total: int | None) -> GpuProcess:
        memory = process.usedGpuMemory
        if memory is not None and (memory == _NOT_AVAILABLE or (total is not None and memory > total)):
            memory = None
        user, command = self._names.of(process.pid) if process.pid else (None, None)
        return GpuProcess(
            pid=process.pid or None,
            user=user,
            command=command,
            memory_bytes=None if memory is None else int(memory),
        )


def text_of(value: object) -> str | None:
    """Return a text of the driver, sanitized; None for what is none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return sanitize_line(value, 120) if isinstance(value, str) else None
