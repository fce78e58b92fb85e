"""GPUs: one line each, and the one under the cursor in detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from textual.content import Content

from venom_tui.core.types.device import Gpu, GpuProcess, MigDevice
from venom_tui.ui.screens.guard.view import (
    LABEL,
    View,
    amount,
    bar_in_steps,
    graph_rows,
    graph_width,
    head,
    indented,
    known,
    muted,
    reason_rows,
    reasons_of,
    seen,
    share,
)
from venom_tui.ui.text import Signs, clean, gib, literal, signs, size, sparkline, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out, titles
from venom_tui.ui.widgets.live_rows import Row, still

_BAR, _SPARK, _NAME = 3, 11, 2
_PROCESS_COLUMNS = (
    Column("", 1, worth=8),
    Column("pid", 8, worth=6, right=True),
    Column("user", 10, worth=4),
    Column("GiB", 6, worth=9, right=True),
    Column("what", 16, worth=10, stretch=True),
)


@lru_cache(maxsize=8)
def _columns(room: int) -> tuple[Column, ...]:
    return (
        Column("", 1, worth=9),
        Column("", 2, worth=8, right=True),
        Column("", 10, worth=10, stretch=True),
        Column("VRAM", 10 if room < 94 else 16, worth=4),
        Column("used GiB", 8, worth=9, right=True),
        Column("of", 5, worth=7, right=True),
        Column("core %", 6, worth=8, right=True),
        Column("bus %", 5, worth=3, right=True),
        Column("°C", 3, worth=6, right=True),
        Column("W", 4, worth=5, right=True),
        Column("limit", 5, worth=2, right=True),
        Column("10 min", 20, worth=1),
    )


@lru_cache(maxsize=8)
def _shown(room: int) -> list[tuple[int, int]]:
    return fit_columns(_columns(room), room)


@lru_cache(maxsize=8)
def _process_columns(room: int) -> list[tuple[int, int]]:
    return fit_columns(_PROCESS_COLUMNS, room)


@lru_cache(maxsize=64)
def _name(_signs: Signs, name: str, width: int) -> Content:
    return literal(truncate_middle(name, width))


def gpu_key(gpu: Gpu) -> str:
    """Return the key of a GPU's row."""
    return f"gpu {gpu.uuid or gpu.index}"


def gpu_rows(view: View) -> Iterator[Row]:
    """Return the title and a line for each GPU, or the reason why there is none."""
    gpus = view.snapshot.gpus
    title = f"GPUs {len(gpus)}" if gpus else "GPUs"

    others = view.snapshot.unavailable.get("nvidia")

    yield Row(still("gpus"), partial(_gpu_rule, title, bool(gpus)))
    if not gpus:
        why = view.snapshot.unavailable.get("gpus", "none was found")
        yield Row("gpus", lambda width: literal(f"  {signs().unknown} {why}", "$text-muted"))
    for gpu in gpus:
        age = "" if gpu.stale_since is None else view.age(gpu.stale_since)
        yield Row(gpu_key(gpu), partial(_line, gpu, seen(view.history(series(gpu, "utilization"))), age))
    if others is not None:
        yield muted(f" {signs().unknown} NVIDIA: {others}")


def _gpu_rule(title: str, heads: bool, width: int) -> Content:
    columns = _columns(width - 2)
    return head(title, columns, _shown(width - 2) if heads else (), width)


def _line(gpu: Gpu, history: Sequence[float | None], age: str, width: int) -> Content:
    columns, shown = _columns(width - 2), _shown(width - 2)
    widths = dict(shown)
    name = _name(signs(), short_name(gpu), widths.get(_NAME, 0))
    cells: list[Content | str] = [_sign(gpu), str(gpu.index), name]
    lost = lost_reason(gpu)
    if lost is not None:
        return Content.assemble(" ", lay_out(cells, columns, shown), "  ", literal(lost, "$error"))
    cells += [
        _bar(gpu, widths.get(_BAR, 0)),
        amount(gpu.memory_used_bytes),
        amount(gpu.memory_total_bytes),
        known(gpu.utilization_percent),
        known(gpu.memory_utilization_percent),
        known(gpu.temperature_c),
        known(gpu.power_w),
        known(gpu.power_limit_w),
        sparkline(history, widths.get(_SPARK, 0), 1.0),
    ]
    if gpu.stale_since is not None:
        cells[_BAR] = f"{signs().warning} {age} old"
    line = indented(lay_out(cells, columns, shown))
    return line.stylize("$text-muted") if gpu.stale_since is not None or gpu.usable is False else line


def _sign(gpu: Gpu) -> Content:
    if lost_reason(gpu) is not None:
        return Content.styled(signs().failed, "$error")
    if gpu.stale_since is not None:
        return Content.styled(signs().warning, "$warning")
    if any(_is_ours(process) for process in all_processes(gpu)):
        return Content.styled(signs().loaded, "$success")
    return Content.styled("-" if gpu.usable is False else signs().installed, "$text-muted")


def _bar(gpu: Gpu, width: int) -> Content:
    used = share(gpu.memory_used_bytes, gpu.memory_total_bytes)
    if used is None:
        return Content("?")
    ours = min(used, share(ours_bytes(gpu), gpu.memory_total_bytes) or 0.0)
    return bar_in_steps(width, ours, used - ours)


def lost_reason(gpu: Gpu) -> str | None:
    """Return why nothing is known of a GPU, None where something is."""
    if gpu.memory_total_bytes is not None:
        return None
    figures = (
        gpu.utilization_percent,
        gpu.memory_utilization_percent,
        gpu.temperature_c,
        gpu.power_w,
        gpu.power_limit_w,
        gpu.clock_core_mhz,
    )
    if any(value is not None for value in figures):
        return None
    return gpu.unavailable.get("memory_total_bytes") or "the driver tells nothing of it"


def short_name(gpu: Gpu) -> str:
    """Return a GPU's name without the maker's, with what is special about it."""
    name = clean(gpu.name or "GPU ?").removeprefix("NVIDIA ").removeprefix("GeForce ")
    extra = [" MIG"] if gpu.mig_mode else []
    extra += [" unified"] if gpu.memory_kind == "unified" else []
    return name + "".join(extra)


def series(gpu: Gpu, figure: str) -> str:
    """Return the name of a GPU's history; `figure` is `memory` or `utilization`."""
    return f"gpu.{gpu.uuid or gpu.index}.{figure}"


def ours_bytes(gpu: Gpu) -> int:
    """Return the memory of the processes that hold models of known runtimes."""
    return sum(process.memory_bytes or 0 for process in all_processes(gpu) if _is_ours(process))


def all_processes(gpu: Gpu) -> tuple[GpuProcess, ...]:
    """Return the processes of a GPU and of its parts, each once."""
    if not gpu.mig_devices:
        return gpu.processes
    known = {process.pid for process in gpu.processes if process.pid is not None}
    more = [process for part in gpu.mig_devices for process in part.processes if process.pid not in known]
    return (*gpu.processes, *more)


def _is_ours(process: GpuProcess) -> bool:
    return process.runtime is not None


# ------------------------------------------------------------------ in detail


def gpu_title(gpu: Gpu) -> str:
    """Return how the details are titled."""
    return f"GPU {gpu.index} · {short_name(gpu)}{' · not for us' if gpu.usable is False else ''}"


def gpu_figures(gpu: Gpu, view: View, room: int) -> str:
    """Return the figures at the right of the title, as many as fit."""
    if lost_reason(gpu) is not None:
        return "lost"
    if gpu.stale_since is not None:
        return f"{signs().warning} the driver is silent, figures are {view.age(gpu.stale_since)} old"
    parts = [
        f"{known(gpu.temperature_c)} °C",
        f"{known(gpu.power_w)}/{known(gpu.power_limit_w)} W",
        f"core {known(gpu.utilization_percent)} %",
        f"memory bus {known(gpu.memory_utilization_percent)} %",
    ]
    while len(parts) > 1 and len(" · ".join(parts)) > room:
        parts.pop()
    return " · ".join(parts)


def gpu_details(gpu: Gpu, view: View, height: int) -> Iterator[Row]:
    """Return memory, history and processes of a GPU; the graphs take what `height` rows leave them."""
    processes = sorted(enumerate(all_processes(gpu)), key=lambda numbered: -(numbered[1].memory_bytes or 0))
    lost = lost_reason(gpu)
    if lost is not None:
        yield Row(still("lost"), lambda width: Content.assemble("  ", (signs().failed, "$error"), " ", literal(lost)))
    else:
        reasons = reasons_of(gpu.unavailable)
        bus = _bus_words(gpu)
        others = bool(bus) + min(4, len(gpu.mig_devices)) + min(2, len(reasons))
        spare = height - 2 - min(6, max(1, len(processes))) - others
        yield Row(still("memory"), partial(_memory_line, gpu))
        yield from graph_rows("memory", "", view.history(series(gpu, "memory")), _memory_words(gpu), spare // 2)
        words = f"{known(gpu.utilization_percent)} % · 10 min"
        yield from graph_rows("core", "core", view.history(series(gpu, "utilization")), words, spare - spare // 2)
        if bus:
            yield muted(f" {bus}", "bus")
        for number, part in enumerate(gpu.mig_devices):
            yield muted(f" {part_words(part)}", f"part {number}")
        yield from _process_rows(processes, gpu)
        yield from reason_rows(gpu.unavailable)


def _bus_words(gpu: Gpu) -> str:
    """Return clocks, bus and what goes over it, as far as they are known."""
    parts = []
    if gpu.clock_core_mhz is not None:
        most = "" if gpu.clock_core_max_mhz is None else f"/{gpu.clock_core_max_mhz}"
        parts.append(f"{gpu.clock_core_mhz}{most} MHz")
    if gpu.clock_memory_mhz is not None:
        parts.append(f"memory {gpu.clock_memory_mhz} MHz")
    if gpu.pcie_generation is not None:
        parts.append(f"PCIe {gpu.pcie_generation} x{known(gpu.pcie_width)}")
    if gpu.pcie_received_bytes_per_s is not None:
        parts.append(f"in {size(gpu.pcie_received_bytes_per_s)}/s, out {size(gpu.pcie_sent_bytes_per_s)}/s")
    return " · ".join(parts)


def part_words(part: MigDevice) -> str:
    """Return what is known of a part of a GPU."""
    name = clean(part.name or "part").rpartition(" MIG ")[2]
    mine = "" if part.usable is not False else " · not for us"
    memory = f"{amount(part.memory_used_bytes)} of {amount(part.memory_total_bytes)} GiB"
    return f"MIG {known(part.gpu_instance, '{}')}/{known(part.compute_instance, '{}')} · {name} · {memory}{mine}"


def _memory_line(gpu: Gpu, width: int) -> Content:
    room = graph_width(width)
    label = "VRAM" if gpu.memory_kind == "dedicated" else "RAM"
    words = f"{amount(gpu.memory_used_bytes)} of {amount(gpu.memory_total_bytes)} GiB"
    free = f", {gib(gpu.memory_free_bytes)} free" if gpu.memory_free_bytes is not None else ""
    bar = _bar(gpu, room)
    return Content.assemble(f" {label:<{LABEL - 1}}", bar.pad_right(room - bar.cell_length), f"  {words}{free}")


def _memory_words(gpu: Gpu) -> str:
    if gpu.memory_kind != "dedicated":
        return "unified: the host's RAM"
    ours, used = ours_bytes(gpu), gpu.memory_used_bytes
    parts = [f"ours {gib(ours)}", f"others {gib(max(0, used - ours))}"] if used is not None else []
    if gpu.memory_reserved_bytes is not None:
        parts.append(f"reserved {gib(gpu.memory_reserved_bytes)}")
    return " · ".join(parts)


def _process_rows(processes: Sequence[tuple[int, GpuProcess]], gpu: Gpu) -> Iterator[Row]:
    if "processes" in gpu.unavailable:
        return  # the reason follows
    if not processes:
        yield muted("  no process holds memory here")
        return
    yield Row(still("processes"), _process_head)
    for number, process in processes:
        yield Row(process_key(gpu, number), partial(_process_line, process))


def process_key(gpu: Gpu, number: int) -> str:
    """Return the key of the row of a GPU's process; its pid, where that is known, so that the cursor follows it."""
    pid = all_processes(gpu)[number].pid
    return f"process {gpu.index} {f'at {number}' if pid is None else pid}"


def _process_head(width: int) -> Content:
    heads = [title.stylize("$text-muted") for title in titles(_PROCESS_COLUMNS)]
    return Content.assemble(" ", lay_out(heads, _PROCESS_COLUMNS, _process_columns(width - 2)))


def _process_line(process: GpuProcess, width: int) -> Content:
    ours = _is_ours(process)
    command = literal(process.command or "?")
    if ours:
        name = literal(f"{process.model or '?'} @ {process.runtime}")
        what = Content.assemble(name, "  ", command.stylize("$text-muted"))
    else:
        what = command
    cells = [
        Content.styled(signs().loaded, "$success") if ours else Content(" "),
        Content(known(process.pid, "{}")),
        literal(process.user or "?"),
        Content(amount(process.memory_bytes)),
        what,
    ]
    return indented(lay_out(cells, _PROCESS_COLUMNS, _process_columns(width - 2)))
