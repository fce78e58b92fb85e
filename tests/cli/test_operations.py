"""`operations move`: what waits changes places, and what cannot says why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.shared_operations import SharedOperations, Terms
from venom_tui.core.types.operation import Operation, OperationState


async def wait_in_line(folder: Path, *names: str) -> None:
    """Write operations of this very process that wait in one queue."""
    folder.mkdir(parents=True, exist_ok=True)
    database = await Database.open(folder / "venom.db", announce=lambda text: None)
    try:
        for name in names:
            one = Operation(f"{name}0123456789", "pull", name, OperationState.QUEUED, repeatable=True)
            await SharedOperations(database).begin(one, Owner.current(), Terms("net", f"pull {name}", {"name": name}))
    finally:
        await database.close()


@pytest.fixture
def waiting(venom: Command) -> Command:
    asyncio.run(wait_in_line(venom.data, "a", "b", "c"))
    return venom


def order(venom: Command) -> list[str]:
    found = venom.json("operations", "list")
    return [one["target"] for one in sorted(found, key=lambda one: float(one["place"]))]


def test_what_waits_is_moved(waiting: Command) -> None:
    assert waiting.json("operations", "move", "c01", "-1")["target"] == "c"
    assert order(waiting) == ["a", "c", "b"]
    done = waiting("operations", "move", "a01", "+2")
    assert (done.returncode, done.stdout) == (0, "The pull of a was moved back.\n")
    assert order(waiting) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("a01", "-1"), 1, "cannot be moved: nothing that could change places waits before it"),
        (("c01", "+1"), 1, "cannot be moved: nothing that could change places waits behind it"),
        (("a01", "0"), 2, "0 moves nothing"),
        (("a01", "x"), 2, "not a valid integer"),
        (("nothing", "+1"), 1, "There is no operation 'nothing'"),
    ],
)
def test_what_cannot_be_moved_says_why(waiting: Command, arguments: tuple[str, str], status: int, words: str) -> None:
    done = waiting("operations", "move", *arguments)
    assert done.returncode == status and words in done.stderr
    assert order(waiting) == ["a", "b", "c"]


def test_read_only_moves_nothing(waiting: Command) -> None:
    done = waiting("operations", "move", "b01", "-1", VENOM_READ_ONLY="1")
    assert done.returncode == 1 and "read-only" in done.stderr
    assert order(waiting) == ["a", "b", "c"]
