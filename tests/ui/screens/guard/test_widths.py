"""Every row of the guard, in any width: a terminal may be split as narrow as it likes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.ui.screens.guard.support import GIB, HIDDEN, LOST, MODEL, NOW, OURS, THEIRS, gpu, snapshot
from venom_tui.core.types.device import LoadedModel
from venom_tui.ui.screens.guard.gpus import gpu_details, gpu_rows
from venom_tui.ui.screens.guard.host import host_details, host_rows
from venom_tui.ui.screens.guard.loaded import loaded_details, loaded_rows
from venom_tui.ui.screens.guard.view import View

DEAD = LoadedModel("llama3.2", "ollama", 2 * GIB, dead="its process 77 is gone", pids=(77,), kind="ollama")


def test_every_row_is_drawn_in_any_width() -> None:
    held = gpu(0, processes=(OURS, THEIRS, HIDDEN))
    old = gpu(1, stale_since=NOW - timedelta(minutes=2))
    look = snapshot([held, old, LOST], loaded=(MODEL, DEAD, replace(MODEL, name="pinned", pinned=True)))
    view = View(look, lambda _series: (1.0, None, 50.0), NOW)
    rows = [*gpu_rows(view), *loaded_rows(view), *host_rows(view), *host_details(view, 20)]
    rows += [row for one in look.gpus for row in gpu_details(one, view, 20)]
    rows += [row for one in look.loaded for row in loaded_details(one, view)]
    for row in rows:
        for width in range(161):
            assert "\n" not in row.render(width).plain, (row.key, width)
