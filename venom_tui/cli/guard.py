"""`venom-tui guard`: what this machine has, what is free of it, and who holds the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import Seconds, Size, json_option
from venom_tui.cli.output import json_text, or_unknown, pairs, show, size, table, when
from venom_tui.cli.running import run_with_settings
from venom_tui.cli.silent import tell_silent_of
from venom_tui.cli.stream import TextStream
from venom_tui.core.errors import UsageError
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import Gpu, GuardSnapshot, HostInfo, LoadedModel

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("guard")
@click.option("--watch", is_flag=True, help="Look again and again, until it is interrupted.")
@click.option(
    "--interval",
    type=Seconds(0.2, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="From one look of --watch to the next.",
)
@click.option("--pick", type=click.IntRange(1, 1024), metavar="N", help="Print the indices of N GPUs for a script.")
@click.option(
    "--free", "free_bytes", type=Size(), default="0", metavar="SIZE", help="What each GPU of --pick must have free."
)
@click.option("--limits", "show_limits", is_flag=True, help="Show the limits: what is kept free, and what is done.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Set a limit, by the name of its setting.")
@click.option("--unset", "taken", multiple=True, metavar="NAME", help="Take a limit back that was set here.")
@click.option("--uuid", is_flag=True, help="Print UUIDs instead of the indices of --pick.")
@json_option
@click.pass_obj
def command(
    flags: dict[str, Any],
    watch: bool,
    interval: float,
    pick: int | None,
    free_bytes: int,
    show_limits: bool,
    given: tuple[str, ...],
    taken: tuple[str, ...],
    uuid: bool,
    as_json: bool,
) -> None:
    """Show GPUs with their processes and models, memory, CPUs and disks. With --watch and --json: one object a line.

    With --pick the indices of GPUs with the most free memory, separated by commas, and exit status 1 when there are
    fewer: CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$(venom-tui guard --pick 2 --free 40GiB) python train.py

    Limits are settings: venom-tui guard --set VENOM_KEEP_FREE_VRAM=4GiB --set VENOM_POLICY_VRAM=refuse
    """
    changes = show_limits or given or taken
    if changes and (watch or pick is not None or uuid or free_bytes):
        raise UsageError("--limits, --set and --unset go with nothing but --json.")
    if changes:
        from venom_tui.cli.limits import limits

        limits(flags, given, taken, as_json=as_json)
        return
    if pick is not None:
        if watch:
            raise UsageError("--pick is one look, and --watch is many.")
        _pick(flags, pick, free_bytes, uuid=uuid, as_json=as_json)
        return
    if uuid or free_bytes:
        raise UsageError("--free and --uuid belong to --pick.")
    if watch:
        run_with_settings(lambda settings: _watch(settings, interval, as_json), flags)
        return
    from venom_tui.core.guard import look

    snapshot = run_with_settings(lambda settings: look(settings, tell_silent_of), flags)
    show(snapshot, lambda: _lines(snapshot), as_json=as_json)


def _pick(flags: dict[str, Any], count: int, free_bytes: int, *, uuid: bool, as_json: bool) -> None:
    from venom_tui.core.guard import pick

    gpus = run_with_settings(lambda settings: pick(settings, count, free_bytes), flags)
    names = [gpu.uuid or "" for gpu in gpus] if uuid else [str(gpu.index) for gpu in gpus]
    chosen = {"indices": [gpu.index for gpu in gpus], "uuids": [gpu.uuid for gpu in gpus]}
    show(chosen, lambda: [",".join(names)], as_json=as_json)


async def _watch(settings: Settings, interval: float, as_json: bool) -> None:
    from venom_tui.core.guard import looks

    async with aclosing(looks(settings, interval, tell_silent_of)) as found:
        async for snapshot in found:
            lines = [json_text(snapshot)] if as_json else ["", *_lines(snapshot)]
            stream = TextStream()
            stream.write("\n".join(lines) + "\n")
            await stream.end()


def _lines(snapshot: GuardSnapshot) -> Iterator[str]:
    yield from _host(snapshot.host, f"{snapshot.taken_at.astimezone():%H:%M:%S}")
    yield ""
    yield from _gpus(snapshot.gpus, snapshot.unavailable)
    rows = [
        (f"GPU {gpu.index}", or_unknown(p.pid), p.user or "?", size(p.memory_bytes), p.model or "", p.command or "?")
        for gpu in snapshot.gpus
        for p in gpu.processes
    ]
    if rows:
        yield ""
        yield from table(("ON", "PID", "USER", "MEMORY", "MODEL", "COMMAND"), rows)
    if snapshot.loaded:
        yield ""
        loaded = [
            (
                m.name,
                m.runtime,
                size(m.reported_bytes),
                size(m.measured_bytes),
                size(m.vram_bytes) + ("" if m.vram_measured or m.vram_bytes is None else " (reported)"),
                ",".join(str(one.index) for one in m.gpus) or "-",
                or_unknown(m.context_length),
                ",".join(map(str, m.pids)) or or_unknown(m.pid),
                _leaves(m, snapshot.taken_at),
            )
            for m in snapshot.loaded
        ]
        yield from table(
            ("LOADED", "RUNTIME", "REPORTED", "RAM", "VRAM", "GPU", "CONTEXT", "PID", "UNTIL"),
            loaded,
        )
        for model in snapshot.loaded:
            reason = model.unavailable.get("pid")
            if reason is not None:
                yield from pairs([(f"process of {model.name}", reason)])
    yield from (f"limit: {limit}" for limit in snapshot.limits)


def _leaves(model: LoadedModel, now: datetime) -> str:
    """Return until when a model stays."""
    if model.dead:
        return f"dead: {model.dead}"
    if model.elsewhere:
        return "another venom-tui holds it"
    if model.pinned:
        return "for ever"
    if model.expires_at is None:
        return ""
    left = (model.expires_at - now).total_seconds()
    return "now" if left <= 0 else f"{left / 60:.0f} min" if left >= 60 else f"{left:.0f} s"


def _host(host: HostInfo, time: str) -> list[str]:
    def free(free_bytes: int | None, total_bytes: int | None) -> str:
        return f"{size(free_bytes)} of {size(total_bytes)} free"

    def known(field: str, text: str) -> str:
        reason = host.unavailable.get(field)
        return text if reason is None else f"{text} ({reason})"

    swap_free = None
    if host.swap_total_bytes is not None and host.swap_used_bytes is not None:
        swap_free = host.swap_total_bytes - host.swap_used_bytes
    busy = "?" if host.cpu_percent is None else f"{host.cpu_percent:.0f}"
    rows = [
        ("host", f"{host.name}, {time}"),
        ("CPUs", known("cpu_percent", f"{or_unknown(host.cpu_count)}, {busy} % busy, load {or_unknown(host.load_1m)}")),
        ("RAM", known("ram_total_bytes", free(host.ram_available_bytes, host.ram_total_bytes))),
    ]
    if host.swap_total_bytes != 0:
        rows.append(("swap", known("swap_total_bytes", free(swap_free, host.swap_total_bytes))))
    for disk in host.disks:
        text = f"{free(disk.free_bytes, disk.total_bytes)}, {disk.path}"
        rows.append((f"disk of {disk.label}", known(f"disks.{disk.label}", text)))
    rows += [("note", note) for note in host.notes]
    return pairs(rows)


def _gpus(gpus: Sequence[Gpu], unavailable: dict[str, str]) -> Iterator[str]:
    if not gpus:
        yield from pairs([("GPU", f"none: {unavailable.get('gpus', 'none was found')}")])
        return
    rows = [
        (
            str(gpu.index),
            gpu.name or "?",
            size(gpu.memory_used_bytes),
            size(gpu.memory_total_bytes),
            size(gpu.memory_free_bytes) + (" (host's RAM)" if gpu.memory_kind == "unified" else ""),
            _with(gpu.utilization_percent, " %"),
            _with(gpu.temperature_c, " °C"),
            _with(gpu.power_w, " W"),
            {True: "on", False: "off", None: "?"}[gpu.mig_mode],
        )
        for gpu in gpus
    ]
    yield from table(("GPU", "NAME", "USED", "TOTAL", "FREE", "BUSY", "TEMPERATURE", "POWER", "MIG"), rows)
    for gpu in gpus:
        reasons: dict[str, list[str]] = {}
        for field, reason in gpu.unavailable.items():
            reasons.setdefault(reason, []).append(field)
        for reason, fields in reasons.items():
            yield from pairs([(f"GPU {gpu.index} does not tell {', '.join(sorted(fields))}", reason)])
        if gpu.stale_since is not None:
            yield from pairs([(f"GPU {gpu.index}", f"the driver does not answer; figures of {when(gpu.stale_since)}")])


def _with(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{value:g}{unit}"
