"""`venom-tui runtimes`: the servers that hold models, and control of those that this machine may start and stop."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.failures import writing
from venom_tui.cli.following import to_its_end
from venom_tui.cli.model_pull import in_background
from venom_tui.cli.options import asked, check_writable, confirm, json_option
from venom_tui.cli.output import data_of, json_text, note, or_unknown, pairs, put, show, table, when
from venom_tui.cli.running import ALL_ASKED_WITHIN_S, run_with_core
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.runtime import RuntimeFigures, RuntimeStatus
from venom_tui.core.types.server import Server, ServerState

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_FOLLOW_S = 0.3
_KEPT = 2000


@click.group("runtimes")
def command() -> None:
    """See the runtimes and how they are; start and stop those that config.toml says how."""


@command.command("list")
@json_option
@click.pass_obj
def list_runtimes(flags: dict[str, Any], as_json: bool) -> None:
    """List the runtimes with their health. What the embedded one holds belongs to the process that holds it."""

    async def work(core: Core) -> list[tuple[RuntimeStatus, RuntimeFigures, Server | None]]:
        await core.runtimes.settled(ALL_ASKED_WITHIN_S)
        await core.runtimes.measure()
        await core.servers.look()
        return [
            (one, core.runtimes.figures(one.id), core.servers.get(one.id)) for one in await core.runtimes.statuses()
        ]

    found = run_with_core(work, flags)
    rows = [
        (
            one.id,
            one.kind,
            one.state.value,
            or_unknown(one.version),
            "?" if one.latency_ms is None else f"{one.latency_ms:.0f}",
            _queue(figures),
            _cache(figures),
            _controlled(server),
            one.endpoint,
            one.detail,
        )
        for one, figures, server in found
    ]
    headings = ("ID", "KIND", "STATE", "VERSION", "MS", "QUEUE", "CACHE", "CONTROL", "ENDPOINT", "DETAIL")
    whole = [
        data_of(one) | {"load": data_of(figures.load), "server": None if server is None else data_of(server)}
        for one, figures, server in found
    ]
    show(whole, lambda: table(headings, rows), as_json=as_json)


def _queue(figures: RuntimeFigures) -> str:
    load = figures.load
    if load.running is None and load.waiting is None:
        return "?"
    return f"{or_unknown(load.running)}+{or_unknown(load.waiting)}"


def _cache(figures: RuntimeFigures) -> str:
    return "?" if figures.load.kv_share is None else f"{100 * figures.load.kv_share:.0f} %"


def _controlled(server: Server | None) -> str:
    if server is None:
        return "-"
    runs = server.state is ServerState.RUNS
    return f"{server.way}{', ours' if server.ours else ', runs' if runs else ''}"


_force_option = click.option("--force", is_flag=True, help="The same, also where the limit refuses it.")


def _warn(words: str) -> None:
    note(f"venom-tui: {words}")


@command.command("start")
@click.argument("name", metavar="ID")
@click.option("--detach", is_flag=True, help="Let the background wait for its first answer; print the operation's id.")
@click.option("--yes", is_flag=True, help="Start it though a limit would be broken that asks.")
@_force_option
@json_option
@click.pass_obj
def start(flags: dict[str, Any], name: str, detach: bool, yes: bool, force: bool, as_json: bool) -> None:
    """Start a runtime and wait until it answers.

    Ctrl-C ends it again. It outlives this command, and `stop` or `venom-tui stop` end it. Limits that are broken, or a
    share of a GPU that is not free, warn, ask or refuse before, as their policies say.
    """

    async def work(core: Core) -> Operation:
        operation = await asked(
            lambda said: core.servers.start(name, waiting=detach, yes=said, force=force, notice=_warn), yes=yes
        )
        if detach:
            return await in_background(core, operation)
        return await to_its_end(core, operation, as_json=as_json)

    operation = run_with_core(work, flags)
    if detach:
        show(operation, lambda: [operation.id], as_json=as_json)


@command.command("stop")
@click.argument("name", metavar="ID")
@click.option("--yes", is_flag=True, help="Stop it also while it answers somebody.")
@json_option
@click.pass_obj
def stop(flags: dict[str, Any], name: str, yes: bool, as_json: bool) -> None:
    """Stop a runtime that venom-tui started, or a unit of systemd; nothing else is ever ended."""

    async def work(core: Core) -> None:
        await _ask(core, name, "Stop", yes=yes)
        await to_its_end(core, await core.servers.stop(name), as_json=as_json, ours=False)

    run_with_core(work, flags)


@command.command("restart")
@click.argument("name", metavar="ID")
@click.option("--yes", is_flag=True, help="Restart it also while it answers somebody, or where a limit asks.")
@_force_option
@json_option
@click.pass_obj
def restart(flags: dict[str, Any], name: str, yes: bool, force: bool, as_json: bool) -> None:
    """Stop a runtime where it runs, start it, and wait until it answers. What it holds itself breaks no limit."""

    async def work(core: Core) -> None:
        await _ask(core, name, "Restart", yes=yes)
        operation = await asked(lambda said: core.servers.restart(name, yes=said, force=force, notice=_warn), yes=yes)
        await to_its_end(core, operation, as_json=as_json)

    run_with_core(work, flags)


async def _ask(core: Core, name: str, verb: str, *, yes: bool) -> None:
    """Ask before requests that are being answered are lost."""
    check_writable(core.settings, "no server is started or stopped")
    await core.runtimes.look(name)
    await core.runtimes.measure()
    load = core.runtimes.figures(name).load
    if load.running or load.waiting:
        waiting = f", {load.waiting} wait" if load.waiting else ""
        await asyncio.to_thread(
            confirm, f"{name} answers {load.running or 0} requests{waiting}; they will fail. {verb} it?", yes=yes
        )


@command.command("logs")
@click.argument("name", metavar="ID")
@click.option("--lines", type=click.IntRange(1, _KEPT), default=50, show_default=True, metavar="N", help="How many.")
@click.option("--follow", is_flag=True, help="Go on with what is added, until it is interrupted.")
@json_option
@click.pass_obj
def logs(flags: dict[str, Any], name: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the end of a runtime's log; of a unit that of its journal."""

    async def work(core: Core) -> None:
        shown = await core.servers.log(name, lines)
        if as_json and not follow:
            put(json_text(shown))
            return
        _print(shown, as_json=as_json)
        mark = await core.servers.log_mark(name)
        while follow:
            await asyncio.sleep(_FOLLOW_S)
            now = await core.servers.log_mark(name)
            if now != mark or now is None:
                mark = now
                newest = await core.servers.log(name, _KEPT)
                _print(_added(shown, newest), as_json=as_json)
                shown = newest

    run_with_core(work, flags)


def _print(lines: list[str], *, as_json: bool) -> None:
    for line in lines:
        put(json_text({"line": line}) if as_json else line)
    with writing():
        sys.stdout.flush()  # whoever follows reads them now


def _added(before: list[str], now: list[str]) -> list[str]:
    """Return what of the end of a log is new: all behind the last lines that were there before."""
    for length in range(min(len(before), 20), 0, -1):
        last = before[-length:]
        for end in range(len(now), length - 1, -1):
            if now[end - length : end] == last:
                return now[end:]
    return now


@command.command("profiles")
@json_option
@click.pass_obj
def profiles(flags: dict[str, Any], as_json: bool) -> None:
    """List what may be started here, and with which arguments."""

    async def work(core: Core) -> list[Server]:
        await core.servers.look()
        return list(core.servers.all())

    found = run_with_core(work, flags)
    none = ["Nothing may be started here: no table of config.toml has a unit, a command or a profile."]
    show(found, lambda: _profile_lines(found) or none, as_json=as_json)


def _profile_lines(servers: list[Server]) -> list[str]:
    lines: list[str] = []
    for one in servers:
        facts = [
            (one.id, f"{one.way}, {one.state.value}{f' ({one.detail})' if one.detail else ''}"),
            ("  address", one.url),
            ("  unit", one.unit),
            ("  runs", " ".join(one.command)),
            ("  started", when(one.started_at)),
            ("  log", one.log_path),
        ]
        lines += pairs((name, value) for name, value in facts if value)
    return lines
