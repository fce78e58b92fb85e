"""What the header says, gathered from the core's events."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from venom_tui.core.sanitize import sanitize_line
from venom_tui.ui.text import signs
from venom_tui.ui.widgets.header import HeaderState

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.core.types.device import GuardSnapshot
    from venom_tui.core.types.model import ActiveModel
    from venom_tui.core.types.operation import Operation

_QUANTUM = 1024**3 // 10
"""Memory is shown with one decimal of a GiB: what differs by less is the same header."""


class Headline:
    """Keeps the header's state; `show` is called with each state that differs from the one before.

    `later` runs work that waits (the application's workers).
    """

    def __init__(
        self,
        show: Callable[[HeaderState], None],
        later: Callable[[Callable[[], Awaitable[None]]], object],
        *,
        read_only: bool,
    ) -> None:
        self._show = show
        self._later = later
        self._core: Core | None = None
        self._running: dict[str, Operation] = {}
        self.state = HeaderState(host=sanitize_line(socket.gethostname()), note="read-only" if read_only else "")

    async def core_ready(self, core: Core) -> None:
        """Take what is known when the core is open."""
        self._core = core
        guard = core.guard.latest()
        if guard is not None:
            self._take_guard(guard)
        self._put(mode=core.settings.text("AI_MODE"))
        await self._renew_active()

    async def _renew_active(self) -> None:
        """Ask again which model answers: that changes with what the runtimes say."""
        if self._core is not None:
            self._take_active(await self._core.models.active(settled=False))

    def core_event(self, event: Event) -> None:
        """Take an event of the core."""
        # Here, as wherever events are taken in what is painted first: they are imported with the core.
        from venom_tui.core.events import (
            ActiveModelChanged,
            GuardSampled,
            ModelsChanged,
            OperationChanged,
            RuntimeChanged,
        )

        match event:
            case GuardSampled(snapshot=snapshot):
                self._take_guard(snapshot)
            case ActiveModelChanged() | ModelsChanged() | RuntimeChanged():
                self._later(self._renew_active)
            case OperationChanged(operation=operation):
                self._take_operation(operation)
            case _:
                pass

    def note(self, text: str) -> None:
        """Say something that must be seen; "" takes it back."""
        self._put(note=text)

    def unseen_answers(self, count: int) -> None:
        """Say in how many sessions an answer has ended that nobody looked at yet."""
        self._put(unseen_answers=count)

    def alarm(self, text: str) -> None:
        """Say that a limit is broken; "" takes it back."""
        self._put(alarm=text)

    def _put(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type]  # keywords of one dataclass
        if state != self.state:
            self.state = state
            self._show(state)

    def _take_active(self, active: ActiveModel | None) -> None:
        if active is None:
            self._put(known=True, model=None, runtime="", demonstration=False)
        else:
            self._put(known=True, model=active.name, runtime=active.runtime, demonstration=active.demonstration)

    def _take_guard(self, snapshot: GuardSnapshot) -> None:
        host = snapshot.host
        # One that is lost has no memory that could be had.
        gpus = [gpu for gpu in snapshot.gpus if gpu.memory_total_bytes is not None]
        ram_used = _difference(host.ram_total_bytes, host.ram_available_bytes)
        self._put(
            vram_used_bytes=_quantized(_sum([gpu.memory_used_bytes for gpu in gpus])),
            vram_total_bytes=_sum([gpu.memory_total_bytes for gpu in gpus]),
            ram_used_bytes=_quantized(ram_used),
            ram_total_bytes=host.ram_total_bytes,
        )

    def _take_operation(self, operation: Operation) -> None:
        if operation.state.final:
            self._running.pop(operation.id, None)
        else:
            self._running[operation.id] = operation
        self._put(running=tuple(dict.fromkeys(_words(self._running.values()))))


def _words(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield what runs: what one waits for first, then how far the downloads are, together."""
    pulls = []
    for one in operations:
        if one.kind == "pull":
            pulls.append(one)
        else:
            yield one.message or f"{one.kind} {one.target}"
    running = [one for one in pulls if one.state == "running"]
    if running:
        totals = [one.bytes_total for one in running]
        known = sum(total for total in totals if total) if all(totals) else 0
        done = sum((one.share or 0.0) * (one.bytes_total or 0) for one in running)
        share = f" {int(100 * done / known)} %" if known else ""
        yield f"{signs().pulling} {len(running)} pull{'s' * (len(running) > 1)}{share}"


def _sum(values: Sequence[int | None]) -> int | None:
    """Return the sum, None when there is none or one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _difference(total: int | None, free: int | None) -> int | None:
    return None if total is None or free is None else total - free


def _quantized(value: int | None) -> int | None:
    return None if value is None else round(value / _QUANTUM) * _QUANTUM
