"""The limits of `venom-tui guard`: shown with --limits, changed with --set and --unset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from venom_tui.cli.output import note, show, table
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Key, parse_value
from venom_tui.core.types.limits import ABOVE_THE_PROGRAM, LimitSetting

if TYPE_CHECKING:
    from venom_tui.core.core import Core


def limits(flags: dict[str, Any], given: Sequence[str], taken: Sequence[str], *, as_json: bool) -> None:
    """Set limits, take some back, and show all; nothing is changed where one of them is wrong.

    Args:
        flags: those of the program.
        given: `NAME=VALUE`, with the names of settings.
        taken: names whose value is to be the default again.
        as_json: whether programs read it.
    """

    async def work(core: Core) -> Sequence[LimitSetting]:
        names = [name for one in core.limits.settings() for name in (one.name, one.policy_name) if name]
        known = {name: core.settings.lookup(name).key for name in names}
        changes = _changes(given, taken, known)
        if changes:
            await core.save_settings(changes)
        for name, value in changes.items():
            source = core.settings.lookup(name).source
            if value is not None and source in ABOVE_THE_PROGRAM:
                note(f"venom-tui: {name} is set {ABOVE_THE_PROGRAM[source]}, which wins over what is set here.")
        return core.limits.settings()

    found = run_with_core(work, flags)
    show(found, lambda: _lines(found), as_json=as_json)


def _changes(given: Sequence[str], taken: Sequence[str], known: Mapping[str, Key]) -> dict[str, str | None]:
    """Return what is to be changed.

    Raises:
        UsageError: a name is none of a limit, or a value is not of its kind.
    """
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--set takes NAME=VALUE, not {sanitize_line(text, 80)!r}.")
        key = _key(name, known)
        parse_value(key, value)
        found[key.name] = value
    return found | {_key(name.strip(), known).name: None for name in taken}


def _key(name: str, known: Mapping[str, Key]) -> Key:
    key = known.get(name.upper())
    if key is None:
        raise UsageError(f"{sanitize_line(name, 80)!r} is no limit.", hint=f"There are: {', '.join(known)}.")
    return key


def _lines(found: Sequence[LimitSetting]) -> Iterator[str]:
    rows = [
        (one.title, one.text, one.policy or "-", one.set_by, ", ".join(filter(None, (one.name, one.policy_name))))
        for one in found
    ]
    yield from table(("LIMIT", "SET TO", "WHERE BROKEN", "SET BY", "SETTINGS"), rows)
