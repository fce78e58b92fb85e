"""What the header shows where not all of it fits."""

from __future__ import annotations

import pytest

from venom_tui.ui.widgets.header import HeaderLine, HeaderState

GIB = 1024**3
STATE = HeaderState(
    host="gpubox",
    known=True,
    model="smollm2-135m",
    runtime="embedded",
    demonstration=True,
    ram_used_bytes=2 * GIB,
    ram_total_bytes=24 * GIB,
    running=("↓ 1 pull 0 %",),
    mode="LOCAL",
)
WHOLE = " gpubox · smollm2-135m @ embedded demonstration · RAM 2.0/24.0 GiB · ↓ 1 pull 0 % · LOCAL"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, WHOLE.strip()),
        (80, "smollm2-135m @ embedded demonstration · RAM 2.0/24.0 GiB · ↓ 1 pull 0 % · LOCAL"),
        (78, "gpubox · smollm2-135m @ embedded · RAM 2.0/24.0 GiB · ↓ 1 pull 0 % · LOCAL"),
        (66, "smollm2-135m @ embedded · RAM 2.0/24.0 GiB · ↓ 1 pull 0 % · LOCAL"),
        (60, "smollm2-135m @ embedded · RAM 2.0/24.0 GiB · ↓ 1 pull 0 %"),
        (24, "smollm2-135m @ embedded"),
        (12, "smollm2-135…"),
    ],
)
def test_the_least_worth_goes_first(width: int, shown: str) -> None:
    header = HeaderLine()
    header.set_state(STATE)
    assert header.fit(width).plain == shown
