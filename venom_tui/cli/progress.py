"""How an operation is told while it runs: a bar on a terminal, lines or JSON for everything else."""

from __future__ import annotations

import os
import shutil
import sys
import time
from abc import ABC, abstractmethod
from datetime import timedelta

from venom_tui.cli.output import cut, json_text, size, width
from venom_tui.cli.stream import TextStream
from venom_tui.core.types.operation import Operation, OperationState

_FRAME_S = 0.2
_EVENT_S = 0.5
_LINE_S = 10.0
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LONGEST_WAIT_S = timedelta(days=2).total_seconds()


class Told(ABC):
    """Tells of one operation, or of several. Nothing here waits for whoever reads."""

    def __init__(self) -> None:
        self._stream = TextStream()

    @abstractmethod
    def tell(self, operation: Operation) -> None:
        """Tell how an operation stands."""

    async def end(self) -> None:
        """Wait until all is written."""
        await self._stream.end()


class Events(Told):
    """One JSON object a line: each change of state, and progress twice a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[OperationState, float]] = {}

    def tell(self, operation: Operation) -> None:
        state, at = self._last.get(operation.id, (None, 0.0))
        now = time.monotonic()
        if state is operation.state and (now - at < _EVENT_S or operation.state.final):
            return
        self._last[operation.id] = (operation.state, now)
        self._stream.write(json_text(operation) + "\n")


class Lines(Told):
    """A line for each change of state, each tenth and each retry, and every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[OperationState, int, int, float]] = {}

    def tell(self, operation: Operation) -> None:
        tenth = int((operation.share or 0.0) * 10)
        state, before, retries, at = self._last.get(operation.id, (None, 0, 0, 0.0))
        now = time.monotonic()
        if (state, before, retries) == (operation.state, tenth, operation.retries) and now - at < _LINE_S:
            return
        self._last[operation.id] = (operation.state, tenth, operation.retries, now)
        self._stream.write(_line(operation) + "\n")


class Bar(Told):
    """One line that is drawn again and again; a terminal that does not keep up misses some."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn_at = 0.0
        self._unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

    def tell(self, operation: Operation) -> None:
        now = time.monotonic()
        if operation.state.final or operation.state is OperationState.PAUSED:
            self._stream.write(f"\r\x1b[K{_line(operation)}\n")
        elif now - self._drawn_at >= _FRAME_S and not self._stream.behind:
            self._drawn_at = now
            columns = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{cut(self._bar(operation, columns), max(1, columns - 1))}")

    def _bar(self, operation: Operation, columns: int) -> str:
        figures = _figures(operation)
        if operation.share is None or operation.state is OperationState.QUEUED:
            return "  ".join(filter(None, (_title(operation), operation.message or operation.state.value, *figures)))
        name = cut(_title(operation), 30)
        words = operation.message if "no byte" in operation.message or operation.message.startswith("verif") else ""
        rest = "  ".join(filter(None, (f"{int(operation.share * 100):3d} %", *figures, words)))
        room = max(8, min(40, columns - width(name) - width(rest) - 6))
        return f"{name}  {self._blocks(operation.share, room)}  {rest}"

    def _blocks(self, share: float, room: int) -> str:
        if not self._unicode:
            done = int(share * room)
            return f"[{'#' * done}{'.' * (room - done)}]"
        eighths = int(share * room * 8)
        whole, part = divmod(eighths, 8)
        return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(room, "░")


def told(*, as_json: bool) -> Told:
    """Return how progress is told here."""
    if as_json:
        return Events()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Bar()
    return Lines()


def _line(operation: Operation) -> str:
    parts = [_title(operation)]
    if operation.state is OperationState.RUNNING:
        parts += [] if operation.share is None else [f"{int(operation.share * 100)} %"]
        parts += [*_figures(operation), operation.message]
    else:
        parts.append(operation.state.value)
        if operation.state is OperationState.SUCCEEDED and operation.bytes_total:
            parts.append(size(operation.bytes_total))
        elif not operation.state.final and operation.message != operation.state.value:
            parts.append(operation.message)
    return "  ".join(filter(None, parts))


def _figures(operation: Operation) -> list[str]:
    figures = []
    if operation.bytes_done is not None and operation.bytes_total:
        figures.append(f"{size(operation.bytes_done)} of {size(operation.bytes_total)}")
    if operation.rate_bytes_per_s and operation.state is OperationState.RUNNING:
        figures.append(f"{operation.rate_bytes_per_s / 1e6:.1f} MB/s")
        left = ((operation.bytes_total or 0) - (operation.bytes_done or 0)) / operation.rate_bytes_per_s
        if 0 < left < _LONGEST_WAIT_S:
            figures.append(f"{timedelta(seconds=round(left))} left")
    return figures


def _title(operation: Operation) -> str:
    return f"{operation.kind} {operation.target}"
