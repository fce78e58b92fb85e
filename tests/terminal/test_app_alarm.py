"""A limit that is broken while the program runs: seen in the header and the window's title, and heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terminal.venom import Venom

pytestmark = pytest.mark.usefixtures("demonstration_model")


def test_an_alarm_is_seen_and_heard_and_the_title_is_given_back(tmp_path: Path) -> None:
    with Venom(tmp_path / "home", env={"VENOM_KEEP_FREE_RAM": "9TiB"}) as venom:
        venom.wait_for(r"▲ RAM [\d.]+ GiB free, limit 9216\.0", 40)
        venom.wait_for("A limit is broken: RAM: ")
        venom.wait_until(lambda: b"\x1b]2;\xe2\x96\xb2 RAM" in venom.output, what="the title")
        assert b"\x07" in venom.output, "the bell"
        assert venom.output.count(b"\x1b[22;2t") == 1 and b"\x1b[23;2t" not in venom.output
        venom.send("ctrl+q")
        assert venom.wait_exit() == 0
        assert venom.output.count(b"\x1b[23;2t") == 1, "the title is as it was"
