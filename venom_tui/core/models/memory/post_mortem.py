"""After a failure for want of memory: who held what at that moment."""

from __future__ import annotations

import re
from collections.abc import Sequence

from venom_tui.core.errors import OutOfMemory, VenomError
from venom_tui.core.runtimes.child import KILLED_HINT
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import GuardSnapshot

_WORDS = re.compile(
    r"out of memory|outofmemory|\boom\b|failed to allocate|unable to allocate|cannot allocate|cudamalloc|"
    r"requires more system memory|not enough memory|insufficient memory|bad_alloc|no available memory|"
    r"\bstatus -9\b|\bsignal 9\b|signal: killed",
    re.IGNORECASE,
)
_SHOWN = 5


def for_want_of_memory(failure: VenomError) -> bool:
    """Return whether a failure says that there was not memory enough."""
    return bool(_WORDS.search(f"{failure.message} {failure.server_message}"))


def who_held(snapshot: GuardSnapshot, processes: Sequence[tuple[int, str, int]]) -> tuple[str, ...]:
    """Return who held what, each a line.

    Args:
        snapshot: the machine at that moment.
        processes: the largest processes of the machine: pid, command and bytes.
    """
    lines = []
    for gpu in snapshot.gpus:
        used, total = _gib(gpu.memory_used_bytes), _gib(gpu.memory_total_bytes)
        lines.append(f"GPU {gpu.index}: {used} of {total} GiB used")
        held = sorted(gpu.processes, key=lambda one: -(one.memory_bytes or 0))
        for one in held[:_SHOWN]:
            what = f", {one.model} @ {one.runtime}" if one.model else ""
            lines.append(
                f"  {one.pid or '?'} {one.user or '?'} {(one.command or '?')[:60]}{what}: {_gib(one.memory_bytes)} GiB"
            )
    host = snapshot.host
    lines.append(f"RAM: {_gib(host.ram_available_bytes)} of {_gib(host.ram_total_bytes)} GiB available")
    for model in snapshot.loaded:
        size = model.measured_bytes if model.measured_bytes is not None else model.reported_bytes
        lines.append(f"  model {model.name} @ {model.runtime}: {_gib(size)} GiB")
    lines += [f"  process {pid} {command[:60]}: {_gib(size)} GiB" for pid, command, size in processes]
    return tuple(sanitize_line(line, 200) for line in lines)


def largest_processes(count: int = _SHOWN) -> list[tuple[int, str, int]]:
    """Return the processes with the most resident memory: pid, command, bytes (reads /proc: not for the event loop)."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "name", "memory_info"]):
        memory = process.info["memory_info"]
        if memory is not None:
            found.append((int(process.info["pid"]), sanitize_line(process.info["name"] or "?", 60), int(memory.rss)))
    found.sort(key=lambda one: -one[2])
    return found[:count]


def shortly(held: Sequence[str]) -> str:
    """Return who held what in one sentence: the models and what is left free."""
    chosen = [line.strip() for line in held if line.strip().startswith(("model ", "RAM", "GPU"))]
    return f"Then: {'; '.join(chosen[:6])}." if chosen else ""


def told(failure: VenomError, held: Sequence[str]) -> OutOfMemory:
    """Return a failure with who held what."""
    killed = f"{KILLED_HINT} " if KILLED_HINT in failure.hint else ""
    hint = "Unload something, or pick a smaller model or context; `venom-tui operations show` tells who held what."
    return OutOfMemory(
        failure.message,
        hint=killed + hint,
        server_message=failure.server_message,
        held=tuple(held),
    )


def _gib(size: int | None) -> str:
    return "?" if size is None else f"{size / 1024**3:.1f}"
