"""The host: CPUs, RAM, swap, disks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from textual.content import Content

from venom_tui.core.types.device import Disk, HostInfo
from venom_tui.ui.screens.guard.view import (
    View,
    amount,
    bar_in_steps,
    fact_lines,
    graph_rows,
    indented,
    known,
    muted,
    reason_rows,
    said,
    seen,
    share,
)
from venom_tui.ui.text import MIB, clean, gib, literal, signs, sparkline, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.live_rows import Row, still
from venom_tui.ui.widgets.sections import rule

_COLUMNS = (
    Column("", 4, worth=10),
    Column("", 16, worth=6),
    Column("", 26, worth=9),
    Column("", 20, worth=5, stretch=True),
)
_EXTRA = 3
_SLOTS = 60
_MEANWHILE = 256 * MIB


def host_rows(view: View) -> Iterator[Row]:
    """Return the title and a line for each thing that the host has."""
    host = view.snapshot.host
    title = f"Host · {clean(host.name)}"
    yield Row(still("host"), partial(_rule, title, f"{_cpus(host)} · load {known(host.load_1m, '{:.2f}')}"))
    yield Row("cpu", partial(_cpu, host.cpu_percent, seen(view.history("cpu"))))
    yield Row("ram", partial(_ram, _used(host), host.ram_total_bytes, _ours(view), _swap(host)))
    for labels, disk in merged(host.disks):
        reason = host.unavailable.get(f"disks.{disk.label}", "its size is not known")
        yield Row(f"disk {disk.label}", partial(_disk, labels, disk, reason))


def _rule(title: str, right: str, width: int) -> Content:
    return rule(title, width, right)


def _cpus(host: HostInfo) -> str:
    return f"{known(host.cpu_count, '{}')} CPU{'' if host.cpu_count == 1 else 's'}"


@lru_cache(maxsize=8)
def _shown(room: int) -> list[tuple[int, int]]:
    return fit_columns(_COLUMNS, room)


def _line(width: int, label: str, bar: Content, value: Content, extra: Content) -> Content:
    return indented(lay_out([label, bar, value, extra], _COLUMNS, _shown(width - 2)))


def _bar(ours: float | None, others: float = 0.0, style: str = "$success") -> Content:
    return Content("?") if ours is None else bar_in_steps(_COLUMNS[1].width, ours, others, style)


def _cpu(percent: float | None, history: Sequence[float | None], width: int) -> Content:
    room = min(_SLOTS, dict(_shown(width - 2)).get(_EXTRA, 0))
    line = sparkline(history, room, 1.0)
    value = Content(f"{known(percent)} %" if percent is not None else "?")
    bar = _bar(None if percent is None else percent / 100, style="$primary")
    return _line(width, "CPU", bar, value, Content.styled(line, "$primary"))


def _ram(used: int | None, total: int | None, models: int, swap: str, width: int) -> Content:
    whole = share(used, total)
    ours = min(whole or 0.0, share(models, total) or 0.0)
    bar = Content("?") if whole is None else _bar(ours, whole - ours)
    return _line(width, "RAM", bar, Content(f"{amount(used)} of {amount(total)} GiB"), literal(swap))


def _used(host: HostInfo) -> int | None:
    if host.ram_total_bytes is None or host.ram_available_bytes is None:
        return None
    return host.ram_total_bytes - host.ram_available_bytes


def _ours(view: View) -> int:
    """Return the measured memory of loaded models."""
    return sum(model.measured_bytes or 0 for model in view.snapshot.loaded)


def _swap(host: HostInfo) -> str:
    if host.swap_total_bytes == 0:
        return "no swap"
    return f"swap {amount(host.swap_used_bytes)} of {amount(host.swap_total_bytes)} GiB"


def _disk(labels: str, disk: Disk, reason: str, width: int) -> Content:
    free = share(disk.free_bytes, disk.total_bytes)
    if free is None or disk.free_bytes is None:
        return _line(width, "disk", Content("?"), Content("?"), literal(f"{labels}: {reason}", "$text-muted"))
    value = Content(f"{gib(disk.free_bytes)} GiB free of {amount(disk.total_bytes)}")
    room = dict(_shown(width - 2)).get(_EXTRA, 0) - len(labels) - 3
    where = f"{labels} · {truncate_middle(clean(disk.path), room)}" if room > 4 else labels
    return _line(width, "disk", _bar(0.0, 1 - free), value, literal(where, "$text-muted"))


def merged(disks: Sequence[Disk]) -> list[tuple[str, Disk]]:
    """Return (labels, disk); those that are one file system by all that is told of them are one."""
    found: list[list[Disk]] = []
    for disk in disks:
        same = next((others for others in found if _is_same(others[0], disk)), None)
        if same is None:
            found.append([disk])
        else:
            same.append(disk)
    return [(", ".join(clean(d.label) for d in same), min(same, key=lambda d: len(d.path))) for same in found]


def _is_same(one: Disk, other: Disk) -> bool:
    if one.total_bytes is None or one.free_bytes is None or other.free_bytes is None:
        return False
    # They were asked one after the other, while something may have been written.
    return one.total_bytes == other.total_bytes and abs(one.free_bytes - other.free_bytes) <= _MEANWHILE


# ------------------------------------------------------------------ in detail


def host_history(view: View, height: int) -> Iterator[Row]:
    """Return graphs of CPU and RAM in about `height` rows."""
    host = view.snapshot.host
    words = f"{known(host.cpu_percent)} % of {_cpus(host)}"
    yield from graph_rows("cpu", "CPU", view.history("cpu"), words, height - height // 2)
    words = f"{amount(_used(host))} of {amount(host.ram_total_bytes)} GiB · {_swap(host)}"
    yield from graph_rows("ram", "RAM", view.history("ram"), words, height // 2)


def host_details(view: View, height: int) -> Iterator[Row]:
    """Return the history of CPU and RAM, the disks, and what must be known of the figures."""
    host = view.snapshot.host
    limits = view.snapshot.limits
    others = len(host.disks) + len(host.notes) + len(limits) + len(host.unavailable)
    yield from host_history(view, height - others)
    wide = max((len(disk.label) for disk in host.disks), default=0)
    for disk in host.disks:
        free = f"{amount(disk.free_bytes)} of {amount(disk.total_bytes)} GiB free"
        yield muted(f"{clean(disk.label):<{wide}} {free}   {disk.path}", f"disk {disk.label}")
    for note in host.notes:
        yield Row(still(note), partial(_note, note))
    for limit in limits:
        yield muted(f"limit  {limit}")
    yield from reason_rows(host.unavailable)


def _note(note: str, _width: int) -> Content:
    return Content.assemble(" ", (signs().warning, "$warning"), " ", literal(note))


def host_facts(view: View) -> list[str]:
    """Return all that is known of the host and why the rest is not, as lines of a dialog."""
    host, why = view.snapshot.host, view.snapshot.host.unavailable
    percent, load = host.cpu_percent, host.load_1m
    facts = [("name", host.name), ("CPUs", known(host.cpu_count, "{}"))]
    facts.append(said("CPU", why, "cpu_percent") if percent is None else ("CPU", f"{percent:.1f} %"))
    facts.append(said("load", why, "load_1m") if load is None else ("load", f"{load:.2f} in one minute"))
    if host.ram_available_bytes is None:
        facts.append(said("RAM", why, "ram_available_bytes", "ram_total_bytes"))
    else:
        facts.append(("RAM", f"{gib(host.ram_available_bytes)} of {amount(host.ram_total_bytes)} GiB available"))
    facts.append(("models", f"{gib(_ours(view))} GiB of it are loaded models, as measured"))
    facts.append(("swap", _swap(host)))
    for disk in host.disks:
        if disk.free_bytes is None:
            facts.append(said(disk.label, why, f"disks.{disk.label}"))
        else:
            facts.append((disk.label, f"{gib(disk.free_bytes)} of {amount(disk.total_bytes)} GiB free, {disk.path}"))
    facts.extend(("limit", limit) for limit in view.snapshot.limits)
    return [*fact_lines(facts), *(line for note in host.notes for line in ("", note))]
