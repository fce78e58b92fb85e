"""The report on one model: parts, verdict, table, vLLM's range, and what was assumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.models.fit.support import EIGHT_BILLION, GIB, MIB, NOW, gpu, held, machine, shape_of
from tests.sparse_models import gpt_oss
from venom_tui.core.models.fit.reporting import Subject, report, unknown, verdict_of
from venom_tui.core.models.fit.room import gpus_of, may_leave, place_of, room_of
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.resources.limits import Reserve
from venom_tui.core.types.device import GuardSnapshot, MigDevice
from venom_tui.core.types.fit import FitQuestion, FitReport, Quality, Verdict

QUALITY = Quality("llama", 3, 2.0, 4.0, 9.0)


def nothing(_shape: ModelShape, _name: str, _place: str, _plain: int) -> int:
    return 0


def subject(
    kind: str = "ollama", context: int = 8192, kv_type: str = "f16", parallel: int = 1, **more: object
) -> Subject:
    made = Subject("qwen", "ollama", kind, EIGHT_BILLION, context, FitQuestion(context, kv_type, parallel))
    return replace(made, **more)  # type: ignore[arg-type]  # fields of one dataclass


def made(snapshot: GuardSnapshot, asked: Subject | None = None) -> FitReport:
    return report(asked or subject(), snapshot, nothing, QUALITY)


def test_all_of_it_on_one_gpu() -> None:
    found = made(machine(gpu(0, free=6), gpu(1, free=20)))
    assert (found.verdict, found.place, found.chosen_gpus, found.gpu_share) == (Verdict.FITS, "gpu", (1,), 1.0)
    assert found.kv_bytes == GIB
    assert found.weights_bytes == EIGHT_BILLION.weights_bytes - EIGHT_BILLION.embedding_bytes
    assert found.likely_bytes == sum(
        part or 0 for part in (found.weights_bytes, found.kv_bytes, found.compute_bytes, found.overhead_bytes)
    )
    assert (found.low_bytes or 0) < (found.likely_bytes or 0) < (found.high_bytes or 0)
    assert (found.architecture, found.source, found.quality) == ("llama", "header of the file", QUALITY)
    assert [row.context_length for row in found.table] == [4096, 8192, 32_768, 131_072]
    assert [row.kv_bytes for row in found.table] == [GIB // 2, GIB, 4 * GIB, 16 * GIB]
    assert [row.verdict for row in found.table] == [Verdict.FITS] * 3 + [Verdict.FITS]
    assert found.batch == 1024


def test_other_peoples_memory_counts() -> None:
    found = made(machine(gpu(free=3), ram=2))
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert found.free_bytes == 3 * GIB


def test_who_would_have_to_leave() -> None:
    soon = held("soon", gpus={0: 8}, expires_at=NOW + timedelta(minutes=1))
    later = held("later", gpus={0: 8}, expires_at=NOW + timedelta(hours=1))
    pinned = held("pinned", gpus={0: 20}, pinned=True)
    found = made(machine(gpu(free=1), loaded=(pinned, later, soon)))
    assert (found.verdict, found.evicts) == (Verdict.FITS_AFTER_EVICTION, ("soon",))
    assert "soon must leave first" in found.reason
    kept = made(machine(gpu(free=1), loaded=(pinned,), ram=1))
    assert kept.verdict is Verdict.DOES_NOT_FIT, "a pinned one stays"
    assert not any(
        may_leave(held("x", **facts))
        for facts in ({"pinned": True}, {"elsewhere": True}, {"kind": "vllm"}, {"dead": "gone"})
    )


def test_what_it_holds_itself_is_free_for_it() -> None:
    itself = held("qwen", gpus={0: 8})
    found = made(machine(gpu(free=0.5), loaded=(itself,)))
    assert (found.verdict, found.loaded, found.evicts) == (Verdict.FITS, True, ())


def test_a_model_whose_gpu_is_not_measured_is_where_it_can_only_be() -> None:
    reported = held("other", reported_vram_bytes=8 * GIB, reported_bytes=8 * GIB, vram_bytes=8 * GIB)
    assert made(machine(gpu(free=0.5), loaded=(reported,))).evicts == ("other",)
    # With two GPUs it is not known which of them it would leave.
    assert made(machine(gpu(0, free=0.5), gpu(1, free=0.5), loaded=(reported,), ram=1)).evicts == ()


def test_without_a_gpu_it_is_about_ram() -> None:
    found = made(machine(ram=20))
    assert (found.place, found.verdict, found.free_bytes) == ("cpu", Verdict.FITS, 20 * GIB)
    assert found.weights_bytes == EIGHT_BILLION.weights_bytes
    assert any("laid out anew" in note for note in found.notes)
    assert made(machine(ram=2)).verdict is Verdict.DOES_NOT_FIT


def test_gpus_that_cannot_be_counted_say_why() -> None:
    forbidden = gpu(0, usable=False, unavailable={"usable": "CUDA_VISIBLE_DEVICES leaves it out"})
    stale = gpu(1, stale_since=NOW)
    lost = gpu(2, memory_free_bytes=None, unavailable={"memory_free_bytes": "the GPU is lost: it fell off the bus"})
    assert [one.reason for one in gpus_of(machine(forbidden, stale, lost))] == [
        "CUDA_VISIBLE_DEVICES leaves it out",
        "its driver does not answer",
        "the GPU is lost: it fell off the bus",
    ]
    found = made(machine(forbidden, stale, lost))
    assert found.verdict is Verdict.UNKNOWN
    assert "CUDA_VISIBLE_DEVICES" in found.reason and "fell off the bus" in found.reason
    assert place_of("ollama", machine(forbidden)) == "cpu", "a card that may not be used is no place"


def test_a_split_gpu_is_its_largest_part() -> None:
    parts = tuple(
        MigDevice(n, f"MIG-{n}", "MIG 1g", memory_total_bytes=10 * GIB, memory_free_bytes=n * GIB, usable=n != 3)
        for n in (1, 2, 3)
    )
    (found,) = gpus_of(machine(gpu(mig_mode=True, mig_devices=parts)))
    assert (found.uuid, found.free_bytes, found.total_bytes) == ("MIG-2", 2 * GIB, 10 * GIB)
    (none,) = gpus_of(machine(gpu(mig_mode=True)))
    assert none.reason == "MIG is on, and none of its parts can be used"


def test_memory_that_is_to_be_kept_free() -> None:
    (found,) = gpus_of(machine(gpu(free=5)), Reserve(2 * GIB))
    assert found.free_bytes == 3 * GIB


def test_corrections_of_earlier_loads() -> None:
    found = report(subject(), machine(gpu()), lambda *_: 300 * MIB, None)
    plain = made(machine(gpu()))
    assert found.correction_bytes == 300 * MIB
    assert (found.likely_bytes or 0) - (plain.likely_bytes or 0) == 300 * MIB
    assert any("0.29 GiB more, as earlier loads have shown" in note for note in found.notes)


def test_a_sliding_window_states_what_it_counts() -> None:
    found = made(machine(gpu()), subject("embedded", shape=shape_of(gpt_oss(layers=24))))
    assert found.sliding_window == 128
    assert any("min(context, 128 + 512 of a batch)" in note for note in found.notes)


def test_longer_than_trained_is_said() -> None:
    short = replace(EIGHT_BILLION, context_length=4096)
    assert any("longer than the 4,096 tokens" in note for note in made(machine(gpu()), subject(shape=short)).notes)


def test_parallel_sequences_and_types_of_the_cache() -> None:
    four = made(machine(gpu()), subject(parallel=4, context=2048))
    assert four.kv_bytes == GIB
    assert made(machine(gpu()), subject(kv_type="q8_0")).kv_bytes == GIB * 34 // 64
    with pytest.raises(KeyError):
        made(machine(gpu()), subject(kv_type="q9"))


def test_a_runtime_on_another_machine() -> None:
    found = made(machine(gpu()), subject(here=False))
    assert found.verdict is Verdict.UNKNOWN
    assert found.kv_bytes == GIB, "what it takes is known all the same"
    assert found.unavailable["gpus"] == "its runtime is on another machine"


def test_what_nobody_knows() -> None:
    found = unknown("x", "box", FitQuestion(), "its runtime does not tell what it is made of")
    assert (found.verdict, found.likely_bytes) == (Verdict.UNKNOWN, None)
    assert found.reason == "Its runtime does not tell what it is made of."
    assert found.unavailable["kv_bytes"] == "its runtime does not tell what it is made of"


# ---------------------------------------------------------------------- vLLM


def vllm(context: int = 8192) -> Subject:
    return subject("vllm", context, "auto", runtime="vllm")


def test_vllm_states_its_range() -> None:
    found = made(machine(gpu(free=20)), vllm())
    assert found.verdict is Verdict.FITS
    assert found.utilization is not None and found.utilization.starts
    assert found.utilization.highest == 0.83
    assert 0.2 < (found.utilization.lowest or 0) < 0.5
    assert f"gpu-memory-utilization {found.utilization.lowest:.2f} to 0.83" in found.reason


def test_vllm_with_too_little_free() -> None:
    other = held("other", gpus={0: 18})
    blocked = made(machine(gpu(free=4)), vllm())
    assert (blocked.verdict, blocked.utilization and blocked.utilization.starts) == (Verdict.DOES_NOT_FIT, False)
    found = made(machine(gpu(free=4), loaded=(other,)), vllm())
    assert (found.verdict, found.evicts) == (Verdict.FITS_AFTER_EVICTION, ("other",))
    assert found.utilization is not None and found.utilization.starts


def test_vllm_over_several_cards() -> None:
    found = made(machine(*(gpu(index, free=16) for index in range(4))), vllm(131_072))
    assert found.verdict is Verdict.FITS
    assert found.chosen_gpus == (0, 1)
    assert "tensor-parallel-size" in found.reason


# ---------------------------------------------------------------------- badges


def test_a_badge_says_what_the_report_says() -> None:
    for snapshot in (machine(gpu()), machine(gpu(free=3), ram=1), machine(ram=20), machine(gpu(free=2), ram=30)):
        verdict, likely, evicts = verdict_of(subject(), snapshot, nothing)
        whole = made(snapshot)
        assert (verdict, likely, evicts) == (whole.verdict, whole.likely_bytes, whole.evicts)


def test_who_holds_nothing_there_need_not_leave() -> None:
    in_ram = held("ram", ram=30)
    room, _ = room_of(machine(gpu(), loaded=(in_ram,)), None, place="gpu")
    assert room.held == ()
    room, _ = room_of(machine(gpu(), loaded=(in_ram,)), None, place="cpu")
    assert [one.name for one in room.held] == ["ram"]
