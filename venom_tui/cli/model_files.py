"""`venom-tui models copy|remove|disk`: what changes files of models, and what they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import confirm, json_option, provider_option, runtime_option
from venom_tui.cli.output import data_of, note, paint, show, size, table
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import VenomError
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.storage import Removal, RemovalItem, Removed, Storage

if TYPE_CHECKING:
    from venom_tui.core.core import Core


def add_to(group: click.Group) -> None:
    """Add the commands to the group of models."""
    for one in (copy, remove, disk):
        group.add_command(one)


@click.command("copy")
@click.argument("name")
@click.argument("new_name")
@runtime_option
@json_option
@click.pass_obj
def copy(flags: dict[str, Any], name: str, new_name: str, runtime: str | None, as_json: bool) -> None:
    """Give a model another name too; of files the bytes are shared where the file system can."""

    async def work(core: Core) -> ModelInfo:
        return await core.registry.copy(name, new_name, runtime)

    copied = run_with_core(work, flags)
    show(copied, lambda: [f"{copied.name} is there now, at runtime {copied.runtime}."], as_json=as_json)


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@runtime_option
@provider_option
@json_option
@click.pass_obj
def remove(
    flags: dict[str, Any], names: tuple[str, ...], yes: bool, runtime: str | None, provider: str | None, as_json: bool
) -> None:
    """Remove models from this machine; it says first what that frees, and asks."""

    async def work(core: Core) -> list[Removed]:
        plan = await core.registry.plan_removal([(name, runtime) for name in names], provider)
        if not yes:
            for line in _costs(plan):
                note(line)
        confirm(f"Remove {_count(len(plan.items))}? {freed(plan)}", yes=yes)
        return await core.registry.remove(plan)

    results = run_with_core(work, flags)
    failed = [one for one in results if one.error]
    if failed:
        gone = len(results) - len(failed)
        others = f" {_count(gone)} of {len(results)} removed." if len(results) > 1 else ""
        raise VenomError(failed[0].error + others, hint=failed[0].hint, server_message=failed[0].server_message)
    show(results, lambda: [f"{one.name} is removed." for one in results], as_json=as_json)


def _costs(plan: Removal) -> list[str]:
    rows = [
        (
            item.name,
            item.runtime or "-",
            size(item.size_bytes),
            "?" if item.frees_bytes is None else size(item.frees_bytes),
            "; ".join(_notes(item)),
        )
        for item in plan.items
    ]
    return table(("NAME", "RUNTIME", "TAKES", "FREES", ""), rows)


def _notes(item: RemovalItem) -> list[str]:
    loaded = ["is unloaded first"] if item.loaded else []
    shared = [f"shares with {', '.join(item.shared_with)}, which stay"] if item.shared_with else []
    return [*loaded, *shared, *item.notes]


def freed(plan: Removal) -> str:
    """Return in a sentence what a removal frees."""
    if plan.frees_bytes is not None:
        return f"It frees {size(plan.frees_bytes)}."
    return f"It frees at most {size(plan.at_most_bytes)}; how much is shared is not known here."


def _count(number: int) -> str:
    return "1 model" if number == 1 else f"{number:,} models"


@click.command("disk")
@click.option("--clean", metavar="FOLDER", help="Delete what nothing needs in this folder (ID of the table).")
@click.option("--yes", is_flag=True, help="Clean without asking.")
@json_option
@click.pass_obj
def disk(flags: dict[str, Any], clean: str | None, yes: bool, as_json: bool) -> None:
    """Show what folders of models hold, what is shared, and what nothing needs; clean that."""

    async def work(core: Core) -> tuple[list[Storage], int, list[str]]:
        found = await core.registry.storage()
        if clean is None:
            return found, 0, []
        orphans = [orphan for one in found if one.id == clean for orphan in one.orphans if orphan.cleanable]
        if any(one.id == clean for one in found):
            words = f"{len(orphans):,} files" if len(orphans) != 1 else "1 file"
            taken = size(sum(orphan.size_bytes for orphan in orphans))
            confirm(f"Delete {words} that no model needs in {clean}? It frees {taken}.", yes=yes)
        freed_bytes, left = await core.registry.clean(clean, orphans)
        return await core.registry.storage(), freed_bytes, left

    found, freed_bytes, left = run_with_core(work, flags)
    for words in left:
        note(f"venom-tui: {words}")
    if clean is not None and not as_json:
        note(f"{size(freed_bytes)} are free again.")
    rows = [{**data_of(one), "cleanable_bytes": one.cleanable_bytes} for one in found]
    show(rows, lambda: _lines(found), as_json=as_json)


def _lines(found: Sequence[Storage]) -> list[str]:
    rows = [
        (
            one.id,
            f"{one.models:,}",
            size(one.size_bytes),
            size(one.shared_bytes),
            "?" if one.unavailable else size(one.cleanable_bytes),
            size(one.free_bytes),
            one.unavailable or one.folder,
        )
        for one in found
    ]
    lines = table(("ID", "MODELS", "TAKES", "SHARED", "CLEANABLE", "FREE", "FOLDER"), rows)
    for one in found:
        for orphan in one.orphans:
            why = f" ({orphan.why})" if orphan.why else ""
            lines.append(paint(f"  {one.id}: {orphan.kind}, {size(orphan.size_bytes)}: {orphan.path}{why}", "dim"))
    return lines
