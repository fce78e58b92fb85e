"""GPUs: one line each, and the one under the cursor in detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from textual.content import Content

from venom_tui.core.types.device import Gpu, GpuProcess
from venom_tui.ui.screens.guard.view import (
    LABEL,
    Fact,
    View,
    amount,
    fact_lines,
    graph_rows,
    graph_width,
    head,
    known,
    muted,
    reason_rows,
    reasons_of,
    said,
    share,
)
from venom_tui.ui.text import clean, gib, literal, signs, sparkline, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out, titles
from venom_tui.ui.widgets.figures import bar_of
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


def gpu_key(gpu: Gpu) -> str:
    """Return the key of a GPU's row."""
    return f"gpu {gpu.uuid or gpu.index}"


def gpu_rows(view: View) -> Iterator[Row]:
    """Return the title and a line for each GPU, or the reason why there is none."""
    gpus = view.snapshot.gpus
    title = f"GPUs {len(gpus)}" if gpus else "GPUs"

    def rule(width: int) -> Content:
        columns = _columns(width - 2)
        return head(title, columns, fit_columns(columns, width - 2) if gpus else (), width)

    yield Row(still("gpus"), rule)
    if not gpus:
        why = view.snapshot.unavailable.get("gpus", "none was found")
        yield Row("gpus", lambda width: literal(f"  {signs().unknown} {why}", "$text-muted"))
    for gpu in gpus:
        yield Row(gpu_key(gpu), partial(_line, gpu, view))


def _line(gpu: Gpu, view: View, width: int) -> Content:
    columns = _columns(width - 2)
    shown = fit_columns(columns, width - 2)
    widths = dict(shown)
    name = literal(truncate_middle(short_name(gpu), widths.get(_NAME, 0)))
    cells = [_sign(gpu), Content(str(gpu.index)), name]
    lost = lost_reason(gpu)
    if lost is not None:
        return Content.assemble(" ", lay_out(cells, columns, shown[:3]), "  ", literal(lost, "$error"))
    cells += [
        _bar(gpu, widths.get(_BAR, 0)),
        Content(amount(gpu.memory_used_bytes)),
        Content(amount(gpu.memory_total_bytes)),
        Content(known(gpu.utilization_percent)),
        Content(known(gpu.memory_utilization_percent)),
        Content(known(gpu.temperature_c)),
        Content(known(gpu.power_w)),
        Content(known(gpu.power_limit_w)),
        Content(sparkline(view.history(series(gpu, "utilization")), widths.get(_SPARK, 0), 1.0)),
    ]
    if gpu.stale_since is not None:
        cells[_BAR] = Content(f"{signs().warning} {view.age(gpu.stale_since)} old")
        return Content.assemble(" ", lay_out(cells, columns, shown)).stylize("$text-muted")
    return Content.assemble(" ", lay_out(cells, columns, shown))


def _sign(gpu: Gpu) -> Content:
    if lost_reason(gpu) is not None:
        return Content.styled(signs().failed, "$error")
    if gpu.stale_since is not None:
        return Content.styled(signs().warning, "$warning")
    if any(_is_ours(process) for process in gpu.processes):
        return Content.styled(signs().loaded, "$success")
    return Content.styled(signs().installed, "$text-muted")


def _bar(gpu: Gpu, width: int) -> Content:
    used = share(gpu.memory_used_bytes, gpu.memory_total_bytes)
    if used is None:
        return Content("?")
    ours = min(used, share(ours_bytes(gpu), gpu.memory_total_bytes) or 0.0)
    return bar_of(width, ours, used - ours)


def lost_reason(gpu: Gpu) -> str | None:
    """Return why nothing is known of a GPU, None where something is."""
    figures = (gpu.memory_total_bytes, gpu.utilization_percent, gpu.temperature_c, gpu.power_w)
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
    return sum(process.memory_bytes or 0 for process in gpu.processes if _is_ours(process))


def _is_ours(process: GpuProcess) -> bool:
    return process.runtime is not None


# ------------------------------------------------------------------ in detail


def gpu_title(gpu: Gpu) -> str:
    """Return how the details are titled."""
    return f"GPU {gpu.index} · {short_name(gpu)}"


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
    processes = sorted(enumerate(gpu.processes), key=lambda numbered: -(numbered[1].memory_bytes or 0))
    lost = lost_reason(gpu)
    if lost is not None:
        yield Row(still("lost"), lambda width: Content.assemble("  ", (signs().failed, "$error"), " ", literal(lost)))
    else:
        reasons = reasons_of(gpu.unavailable)
        spare = height - 2 - min(6, max(1, len(processes))) - min(2, len(reasons))
        yield Row(still("memory"), partial(_memory_line, gpu))
        yield from graph_rows("memory", "", view.history(series(gpu, "memory")), _memory_words(gpu), spare // 2)
        words = f"{known(gpu.utilization_percent)} % · 10 min"
        yield from graph_rows("core", "core", view.history(series(gpu, "utilization")), words, spare - spare // 2)
        yield from _process_rows(processes, gpu)
        yield from reason_rows(gpu.unavailable)


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
    pid = gpu.processes[number].pid
    return f"process {gpu.index} {f'at {number}' if pid is None else pid}"


def _process_head(width: int) -> Content:
    heads = [title.stylize("$text-muted") for title in titles(_PROCESS_COLUMNS)]
    return Content.assemble(" ", lay_out(heads, _PROCESS_COLUMNS, fit_columns(_PROCESS_COLUMNS, width - 2)))


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
    return Content.assemble(" ", lay_out(cells, _PROCESS_COLUMNS, fit_columns(_PROCESS_COLUMNS, width - 2)))


def gpu_facts(gpu: Gpu, view: View) -> list[str]:
    """Return all that is known of a GPU and why the rest is not, as lines of a dialog."""
    why = gpu.unavailable

    def fact(name: str, field: str, text: str | None) -> Fact:
        return (name, text) if text is not None else said(name, why, field)

    def text(value: float | None, form: str) -> str | None:
        return None if value is None else form.format(value)

    def memory(value: int | None) -> str | None:
        return None if value is None else f"{gib(value)} GiB"

    facts = [
        fact("name", "name", gpu.name),
        fact("UUID", "uuid", gpu.uuid),
        fact("memory", "memory_total_bytes", memory(gpu.memory_total_bytes)),
        fact("used", "memory_used_bytes", memory(gpu.memory_used_bytes)),
        fact("free", "memory_free_bytes", memory(gpu.memory_free_bytes)),
        fact("reserved", "memory_reserved_bytes", memory(gpu.memory_reserved_bytes)),
        ("kind", "unified: it shares the host's RAM" if gpu.memory_kind == "unified" else gpu.memory_kind),
        fact("core", "utilization_percent", text(gpu.utilization_percent, "{} %")),
        fact("memory bus", "memory_utilization_percent", text(gpu.memory_utilization_percent, "{} %")),
        fact("temperature", "temperature_c", text(gpu.temperature_c, "{} °C")),
        fact("power", "power_w", text(gpu.power_w, "{:.1f} W")),
        fact("limit", "power_limit_w", text(gpu.power_limit_w, "{:.0f} W")),
        fact("MIG", "mig_mode", None if gpu.mig_mode is None else "on" if gpu.mig_mode else "off"),
        fact("processes", "processes", None if "processes" in why else str(len(gpu.processes))),
    ]
    lines = fact_lines(facts)
    if gpu.stale_since is not None:
        lines += ["", f"The driver does not answer: these figures are {view.age(gpu.stale_since)} old."]
    return lines


def process_facts(process: GpuProcess) -> list[str]:
    """Return all that is known of a process, as lines of a dialog."""
    elsewhere = "?   it is a process of another container or of another system"
    memory = process.memory_bytes
    facts = [
        ("pid", elsewhere if process.pid is None else str(process.pid)),
        ("user", process.user or "?"),
        ("memory", "?   the driver does not tell it" if memory is None else f"{gib(memory)} GiB"),
        ("runtime", process.runtime or "none that venom-tui knows"),
        ("model", process.model or ("?" if process.runtime else "none that venom-tui knows")),
    ]
    return [*fact_lines(facts), "", process.command or "Its command is not known."]
