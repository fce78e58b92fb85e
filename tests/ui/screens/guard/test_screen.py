"""The guard in the application: every kind of machine, in every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.ui.screens.guard.conftest import OpenGuard
from tests.ui.screens.guard.support import (
    GIB,
    HIDDEN,
    HOST,
    LOST,
    MODEL,
    OURS,
    THEIRS,
    Figures,
    eight,
    gpu,
    snapshot,
)
from tests.ui.shown import Shown
from venom_tui.core.types.device import Disk, GpuProcess, LoadedModel
from venom_tui.ui.screens.guard.screen import GuardRows


def rows_of(shown: Shown, name: str = "machine") -> GuardRows:
    return shown.app.screen_stack[0].query_one(f"#{name}", GuardRows)


async def facts(shown: Shown) -> str:
    """Return what the dialog of the row under the cursor says."""
    await shown.press("enter")
    await shown.until(lambda: "esc close" in shown.text)
    text = shown.squeezed
    await shown.press("escape")
    await shown.until(lambda: "esc close" not in shown.text)
    return text


async def test_without_a_driver_the_rest_is_shown(guard: OpenGuard) -> None:
    async with guard(snapshot()) as (shown, _):
        assert "── Host · gpu-07 ───" in shown.text and "64 CPUs · load 3.20 ──" in shown.lines[2]
        assert shown.line("CPU ").startswith("CPU █████░░░░░░░░░░░ 31 %")
        assert "128.0 of 512.0 GiB swap 1.0 of 8.0 GiB" in shown.line("RAM ")
        assert "40.0 GiB free of 100.0 data · /home/me" in shown.line("data ·")
        assert "500.0 GiB free of 2000.0 models · /models" in shown.line("models ·")
        assert shown.line("driver") == "? no NVIDIA driver is installed"
        assert "nothing: a model is loaded when it is asked something" in shown.text
        rows_of(shown).set_cursor("gpus")
        assert "no NVIDIA driver is installed" in await facts(shown)
        # 0 stands for nothing that is not known.
        assert " 0.0" not in shown.text


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 30), (160, 50)])
async def test_eight_gpus_in_every_size(guard: OpenGuard, columns: int, rows: int) -> None:
    async with guard(snapshot(eight(), loaded=(MODEL,)), columns, rows) as (shown, _):
        lines = shown.lines
        assert len(lines) == rows and max(len(line) for line in lines) <= columns
        assert (
            lines[2].startswith("── Host · gpu-07 ──")
            and lines[1].split()[:2] == ["1", "Chat"]
            and "enter all figures" in lines[-1]
        )
        for index in range(8):
            line = next(line for line in lines if f" {index}  H100 80GB HBM3" in line)
            figures = line.split("HBM3")[1].split()
            assert figures[1:6] == [f"{9 * index}.0", "80.0", f"{10 * index}", "54", "62"]
        assert "used GiB" in shown.text and "core %" in shown.text and "°C" in shown.text
        assert "GPU 0 · H1" in shown.text and "62 °C · 512/700 W · core 0 % · memory bus 54 %" in shown.text
        assert "qwen3:14b" in shown.text and "16,384" in shown.text
        assert "0.0 of 80.0 GiB, 59.0 free" in shown.text


async def test_up_and_down_move_between_gpus_and_the_details_follow(guard: OpenGuard) -> None:
    async with guard(snapshot(eight(), loaded=(MODEL,))) as (shown, _):
        for index, key in enumerate(["", "j", "down", "j"]):
            if key:
                await shown.press(key)
            await shown.until(lambda index=index: f"── GPU {index} · H100" in shown.text)  # type: ignore[misc]
        await shown.press("k")
        await shown.until(lambda: "── GPU 2 · H100" in shown.text)
        await shown.press("G")
        await shown.until(lambda: "reported 11.0 GiB" in shown.squeezed)
        assert "VRAM 12.0 GiB, as its runtime says" in shown.squeezed
        assert "RAM ? this user may not read it" in shown.squeezed
        await shown.press("g")
        await shown.until(lambda: "31 % of 64 CPUs" in shown.text)


async def test_one_gpu_with_processes_of_ours_and_of_others(guard: OpenGuard) -> None:
    one = gpu(processes=(THEIRS, OURS, HIDDEN))
    async with guard(snapshot([one])) as (shown, _):
        assert shown.line("H100 80GB").startswith("● 0 H100")
        assert "ours 12.0 · others 8.0 · reserved 1.0" in shown.text
        assert "20.0 of 80.0 GiB, 59.0 free" in shown.text
        assert shown.line("41877") == "● 41877 ollama 12.0 qwen3:14b @ ollama /usr/bin/ollama runner --model sha256-abc"
        assert shown.line("40112") == "40112 other 8.0 python train.py"
        assert shown.line("? ? ? ?")
        await shown.press("tab")
        assert rows_of(shown, "details").has_focus
        assert "/usr/bin/ollama runner --model sha256-abc" in await facts(shown)
        await shown.press("j")
        told = await facts(shown)
        assert "user other" in told and "none that venom-tui knows" in told
        await shown.press("j")
        assert "pid ? the process is of another container" in await facts(shown)
        await shown.press("escape")
        assert rows_of(shown).has_focus
        await shown.press("escape")
        assert shown.app.current_mode == "chat"


async def test_what_the_driver_does_not_tell_has_its_reason_one_key_away(guard: OpenGuard) -> None:
    one = gpu(
        memory_reserved_bytes=None,
        temperature_c=None,
        power_w=None,
        utilization_percent=None,
        memory_utilization_percent=None,
        mig_mode=None,
        unavailable={
            "memory_reserved_bytes": "this driver is too old to tell it",
            "temperature_c": "this user may not read it",
            "power_w": "this GPU does not tell it",
            "utilization_percent": "this GPU does not tell it",
            "memory_utilization_percent": "this GPU does not tell it",
            "processes": "this user may not read it",
        },
    )
    async with guard(snapshot([one])) as (shown, _):
        assert shown.line("H100 80GB").split("HBM3")[1].split()[1:] == ["20.0", "80.0", "?", "?", "?", "?", "700"]
        assert "? °C · ?/700 W · core ? % · memory bus ? %" in shown.text
        assert "? power, core, memory bus: this GPU does not tell it" in shown.squeezed
        assert "no process holds memory" not in shown.text
        told = await facts(shown)
        assert "temperature ? this user may not read it" in told and "power ? this GPU does not tell it" in told
        assert "reserved ? this driver is too old to tell it" in told
        assert "processes ? this user may not read it" in told and "MIG ?" in told


async def test_a_lost_gpu_stays_with_its_reason(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu(0), LOST])) as (shown, figures):
        assert shown.line("fell off") == "✕ 3 H100 80GB HBM3 the GPU is lost: it fell off the bus"
        assert "VRAM 20.0/80.0 GiB" in shown.lines[0], "that of the others"
        await shown.press("j")
        await shown.until(lambda: "── lost ──" in shown.text)
        assert "0.0" not in shown.text.partition("── GPU 3 ·")[2]
        assert "memory ? the GPU is lost" in await facts(shown)
        figures.show(snapshot([gpu(0), gpu(3)]))
        await shown.until(lambda: "fell off" not in shown.text)
        assert "── GPU 3 ·" in shown.text


async def test_mig_and_unified_memory(guard: OpenGuard) -> None:
    split = gpu(0, mig_mode=True, utilization_percent=None, unavailable={"utilization_percent": "MIG is on"})
    shared = gpu(1, name="NVIDIA GB10", memory_kind="unified", memory_reserved_bytes=None)
    async with guard(snapshot([split, shared])) as (shown, _):
        assert "HBM3 MIG" in shown.text and "── GPU 0 · H100 80GB HBM3 MIG ──" in shown.text
        assert "MIG on" in await facts(shown)
        assert "GB10 unified" in shown.text
        await shown.press("j")
        await shown.until(lambda: "unified: the host's RAM" in shown.text)
        assert "it shares the host's RAM" in await facts(shown)


async def test_stale_figures_say_how_old_they_are(guard: OpenGuard) -> None:
    silent = datetime.now(UTC) - timedelta(minutes=2, seconds=10)
    async with guard(snapshot([gpu(0, stale_since=silent), gpu(1)])) as (shown, _):
        assert shown.line("2 m old").startswith("▲ 0 H100 80GB HBM3 ▲ 2 m old 20.0 80.0 87")
        assert "▲ the driver is silent, figures are 2 m old" in shown.text
        assert "these figures are 2 m old" in await facts(shown)


async def test_the_host_may_be_unknown_too(guard: OpenGuard) -> None:
    unknown = replace(
        HOST,
        cpu_percent=None,
        load_1m=None,
        ram_available_bytes=None,
        disks=(Disk("/mnt/models", "models", None, None),),
        unavailable={"cpu_percent": "known from the second look on", "disks.models": "the file system does not answer"},
        notes=("RAM is limited to 512.0 GiB here; the machine has 1024.0 GiB",),
    )
    async with guard(snapshot(host=unknown, limits=("keep 1.5 GiB of VRAM free",))) as (shown, _):
        assert shown.line("CPU ?") == "CPU ? ?" and "load ? ──" in shown.lines[2]
        assert "? of 512.0 GiB" in shown.line("RAM ")
        assert shown.line("disk") == "disk ? ? models: the file system does not answer"
        assert "▲ RAM is limited to 512.0 GiB here" in shown.text
        assert "limit keep 1.5 GiB of VRAM free" in shown.squeezed
        told = await facts(shown)
        assert "CPU ? known from the second look on" in told and "models ? the file system does not answer" in told
        assert "the machine has 1024.0 GiB" in told


async def test_one_file_system_is_one_row_also_while_it_is_written_to(guard: OpenGuard) -> None:
    def disks(free: int) -> tuple[Disk, ...]:
        return (Disk("/data/models", "models", 100 * GIB, 40 * GIB), Disk("/data", "data", 100 * GIB, free))

    async with guard(snapshot(host=replace(HOST, disks=disks(40 * GIB)))) as (shown, figures):
        assert shown.line("disk") == "disk ▒▒▒▒▒▒▒▒▒▒░░░░░░ 40.0 GiB free of 100.0 models, data · /data"
        figures.show(snapshot(host=replace(HOST, disks=disks(40 * GIB - 10_000_000))))
        await shown.pilot.pause()
        assert shown.text.count("disk ") == 1
        figures.show(snapshot(host=replace(HOST, disks=disks(30 * GIB))))
        await shown.until(lambda: shown.text.count("disk ") == 2)


async def test_loaded_models(guard: OpenGuard) -> None:
    pinned = LoadedModel("llama3.2", "ollama", 2 * GIB, 3 * GIB, None, 8192, 77, pinned=True)
    soon = replace(MODEL, expires_at=datetime.now(UTC) + timedelta(minutes=4, seconds=30))
    unknown = LoadedModel("x", "vllm")
    async with guard(snapshot([gpu()], loaded=(pinned, soon, unknown)), 120, 40) as (shown, _):
        assert shown.line("llama3.2") == "● llama3.2 ⚑ ollama 2.0 3.0 ? ? 8,192 never 77"
        assert shown.line("● x") == "● x vllm ? ? ? ? ? - ?"
        await shown.press("j")
        await shown.until(lambda: "never: it is pinned" in shown.text)
        await shown.press("j")
        await shown.until(lambda: "expires in 4 m" in shown.squeezed)
        assert "Reported: what its runtime says that it takes." in await facts(shown)


async def test_figures_are_renewed_only_where_they_changed(guard: OpenGuard) -> None:
    gpus = eight()
    async with guard(snapshot(gpus)) as (shown, figures):
        painted: list[tuple[str, int]] = []
        for name in ("machine", "details"):
            rows = rows_of(shown, name)

            def refresh_rows(indices: Sequence[int], name: str = name, rows: GuardRows = rows) -> None:
                painted.extend((name, index) for index in indices)
                type(rows)._refresh_rows(rows, indices)

            rows._refresh_rows = refresh_rows  # type: ignore[method-assign]
        screen = shown.app.screen
        screen._renew()  # type: ignore[attr-defined]
        figures.show(replace(snapshot(gpus), taken_at=datetime.now(UTC)))
        await shown.pilot.pause()
        assert painted == []
        gpus[5] = gpu(5, utilization_percent=99, memory_used_bytes=45 * GIB)
        figures.show(snapshot(gpus))
        await shown.until(lambda: " 99 54 62 " in shown.squeezed)
        rows = rows_of(shown)
        assert painted == [("machine", list(rows.keys).index("gpu GPU-0005"))]


async def test_history_is_a_graph_of_ten_minutes(guard: OpenGuard) -> None:
    async with guard(None) as (shown, figures):
        figures.series = {"cpu": (0.0, 0.5, 1.0), "gpu.GPU-0000.utilization": (None, 0.2, 0.9)}
        figures.show(snapshot([gpu()]))
        await shown.until(lambda: "Host ·" in shown.text)
        assert shown.line("CPU ").endswith("▁▅█")
        await shown.press("g")
        await shown.until(lambda: "31 % of 64 CPUs" in shown.text)


async def test_it_is_watched_only_while_it_is_seen(guard: OpenGuard) -> None:
    async with guard(snapshot([gpu()]), section="chat") as (shown, figures):
        assert figures.watched == []
        await shown.press("f5")
        await shown.until(lambda: "GPU 0 ·" in shown.text)
        assert figures.watched[-1] is True
        await shown.press("f2")
        await shown.until(lambda: figures.watched[-1] is False)
        # Nothing is drawn meanwhile; the newest figures are there at once on the way back.
        figures.show(snapshot([gpu(utilization_percent=13)]))
        await shown.pilot.pause()
        await shown.press("f5")
        await shown.until(lambda: "core 13 %" in shown.text)
        assert figures.watched[-1] is True


async def test_before_the_first_look(guard: OpenGuard) -> None:
    async with guard(None) as (shown, figures):
        await shown.until(lambda: "looked at for the first time" in shown.text)
        await shown.press("j", "enter", "tab", "enter", "k")
        figures.show(snapshot())
        await shown.until(lambda: "Host ·" in shown.text)


HOSTILE = "[/x][@click=app.quit]x[/] \x1b[31mred\u202e"


async def test_hostile_texts_stay_texts(guard: OpenGuard) -> None:
    process = GpuProcess(7, HOSTILE, HOSTILE, GIB, HOSTILE, HOSTILE)
    machine = replace(
        HOST,
        name=HOSTILE,
        disks=(Disk(HOSTILE, HOSTILE, GIB, GIB),),
        unavailable={"load_1m": HOSTILE},
        notes=(HOSTILE,),
    )
    model = LoadedModel(HOSTILE, HOSTILE, pid=7)
    one = gpu(
        name=HOSTILE, uuid=HOSTILE, temperature_c=None, unavailable={"temperature_c": HOSTILE}, processes=(process,)
    )
    async with guard(snapshot([one], machine, loaded=(model,)), 160, 50) as (shown, figures):

        async def safe() -> None:
            await shown.until(lambda: "[@click=app.quit]" in shown.text)
            assert "\x1b" not in shown.text and "\u202e" not in shown.text

        for key in rows_of(shown).keys:
            if rows_of(shown).set_cursor(key) and rows_of(shown).cursor_key == key:
                await shown.pilot.pause()
                await safe()
                await shown.press("enter")
                await safe()
                await shown.press("escape")
        rows_of(shown).set_cursor(f"gpu {HOSTILE}")
        await shown.press("tab", "enter")
        await safe()
        await shown.press("escape")
        figures.show(snapshot(unavailable={"gpus": HOSTILE}))
        await shown.until(lambda: "GPUs ─" in shown.squeezed and "? [/x]" in shown.squeezed)
        await safe()


async def test_many_processes_can_be_scrolled(guard: OpenGuard) -> None:
    processes = tuple(GpuProcess(1000 + n, "me", f"job {n}", (40 - n) * GIB // 100) for n in range(40))
    async with guard(snapshot([gpu(processes=processes)]), 80, 24) as (shown, _):
        await shown.press("tab", "G")
        await shown.until(lambda: "job 39" in shown.text)
        assert rows_of(shown, "details").cursor_key == "process 0 1039"
        await shown.press("tab")
        assert rows_of(shown).has_focus


async def test_resizing_keeps_everything_in_its_place(guard: OpenGuard) -> None:
    async with guard(snapshot(eight(), loaded=(MODEL,)), 100, 30) as (shown, _):
        for columns, rows in ((160, 50), (80, 24), (200, 60), (60, 16), (100, 30)):
            await shown.pilot.resize_terminal(columns, rows)
            await shown.pilot.pause()
            await shown.until(lambda: "GPU 0" in shown.text)
            assert max(len(line) for line in shown.lines) <= columns
        assert "Host, 10 min" not in shown.text


def test_the_stand_in_is_asked_only_what_the_sampler_has() -> None:
    from venom_tui.core.resources.telemetry import Telemetry

    for name in ("watch", "latest", "history", "snapshot", "start", "close"):
        assert callable(getattr(Telemetry, name)) and callable(getattr(Figures, name))
