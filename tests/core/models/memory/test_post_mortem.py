"""Which failures say that there was not memory enough, and what is told of them."""

from __future__ import annotations

import pytest

from venom_tui.core.errors import LoadFailed
from venom_tui.core.models.memory.post_mortem import for_want_of_memory, told
from venom_tui.core.runtimes.child import KILLED_HINT, how_it_ended


@pytest.mark.parametrize(
    ("message", "server_message", "expected"),
    [
        (f"a could not be loaded: its process ended ({how_it_ended(-9)}).", "load_model: loading", True),
        ("The process ended with status -9.", "", True),
        ("one could not be loaded.", "llama runner process has terminated: signal: killed", True),
        ("one could not be loaded.", "CUDA error: out of memory", True),
        (f"a could not be loaded: its process ended ({how_it_ended(-6)}).", "", False),
        (f"a could not be loaded: its process ended ({how_it_ended(1)}).", "status -90, signal 99", False),
    ],
)
def test_what_speaks_for_a_want_of_memory(message: str, server_message: str, expected: bool) -> None:
    assert for_want_of_memory(LoadFailed(message, server_message=server_message)) is expected


def test_that_the_kernel_may_have_ended_it_stays_in_the_hint() -> None:
    killed = told(LoadFailed("a could not be loaded.", hint=KILLED_HINT), ["RAM: 0.1 of 8.0 GiB available"])
    assert killed.hint.startswith(f"{KILLED_HINT} Unload something, or pick a smaller model or context;")
    other = told(LoadFailed("a could not be loaded.", hint="The file may be damaged."), [])
    assert other.hint.startswith("Unload something") and "damaged" not in other.hint
