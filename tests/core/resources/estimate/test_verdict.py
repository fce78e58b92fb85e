"""Whether it fits: one GPU, several, other people's memory, who would leave, partly in RAM."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.resources.estimate.estimate import Estimate
from venom_tui.core.resources.estimate.utilization import utilization
from venom_tui.core.resources.estimate.verdict import Held, Room, judge
from venom_tui.core.types.fit import GpuFit, Parts, UtilizationRange, Verdict

GIB = 1024**3


def needs(gib: float, place: str = "gpu") -> Estimate:
    """Return an estimate of so many GiB, of which one is compute and overhead."""
    parts = Parts(round((gib - 2) * GIB), GIB, GIB // 2, GIB // 2)
    return Estimate(place, 8192, 512, parts, parts.total_bytes - GIB // 4, parts.total_bytes + GIB // 4, 0, 0)


def card(index: int, free: float | None, total: float = 24.0, **more: object) -> GpuFit:
    gpu = GpuFit(index, f"GPU-{index}", "RTX", round(total * GIB), None if free is None else round(free * GIB), True)
    return replace(gpu, **more)  # type: ignore[arg-type]  # keywords of one dataclass


def test_it_goes_where_most_is_free() -> None:
    found = judge(needs(10), Room((card(0, 8), card(1, 20), card(2, 12))))
    assert (found.verdict, found.gpus, found.gpu_share) == (Verdict.FITS, (1,), 1.0)
    assert found.reason == "10.0 of the 20.0 GiB that are free on GPU 1."
    assert found.free_bytes == 20 * GIB


def test_what_may_be_too_little_is_said() -> None:
    assert "up to 10.2 GiB" in judge(needs(10), Room((card(0, 10.1),))).reason


def test_cards_that_may_not_be_used_are_not_counted() -> None:
    gpus = (card(0, 20, usable=False), card(1, 20, reason="the GPU is lost: it fell off the bus"), card(2, None))
    found = judge(needs(10), Room(gpus, 100 * GIB))
    assert found.verdict is Verdict.UNKNOWN
    assert "fell off the bus" in found.reason


def test_several_cards_hold_it_together() -> None:
    found = judge(needs(30), Room((card(0, 20), card(1, 13), card(2, 1))))
    assert (found.verdict, found.gpus) == (Verdict.FITS, (0, 1))
    # Each card has buffers and a context of its own.
    assert found.reason.startswith("31.0 of the 33.0 GiB that are free on GPUs 0, 1 together.")
    alone = judge(needs(30), Room((card(0, 20), card(1, 13))), splits=False)
    assert alone.verdict is Verdict.DOES_NOT_FIT


def test_the_least_leave() -> None:
    first, second, third = (
        Held("first", {0: 2 * GIB}), Held("second", {0: 6 * GIB}), Held("third", {0: 9 * GIB})
    )  # fmt: skip
    room = Room((card(0, 4),), held=(first, second, third))
    found = judge(needs(10), room)
    assert (found.verdict, found.evicts, found.gpus) == (Verdict.FITS_AFTER_EVICTION, ("second",), (0,))
    assert "second must leave first" in found.reason
    # No one is enough: as many as it takes, in their order, without those that turn out not to be needed.
    assert judge(needs(14), room).evicts == ("second", "third")
    assert judge(needs(18), room).evicts == ("second", "third")
    assert judge(needs(21), room).evicts == ("first", "second", "third")
    assert judge(needs(22), room).verdict is Verdict.DOES_NOT_FIT


def test_a_part_in_ram() -> None:
    found = judge(needs(22), Room((card(0, 11),), 64 * GIB))
    assert (found.verdict, found.gpus, found.gpu_share) == (Verdict.PARTLY_ON_CPU, (0,), 0.48)
    assert found.reason == "48% of it on GPUs, 11.5 GiB in RAM: slower."
    assert judge(needs(22), Room((card(0, 11),), 2 * GIB)).verdict is Verdict.DOES_NOT_FIT
    assert judge(needs(22), Room((card(0, 11),), None)).verdict is Verdict.DOES_NOT_FIT
    assert judge(needs(22), Room((card(0, 11),), 64 * GIB), splits=False).verdict is Verdict.DOES_NOT_FIT
    nothing = judge(needs(22), Room((card(0, 0.5),), 64 * GIB))
    assert (nothing.verdict, nothing.gpu_share, nothing.gpus) == (Verdict.PARTLY_ON_CPU, 0.0, ())


def test_in_ram() -> None:
    assert judge(needs(10, "cpu"), Room(ram_bytes=12 * GIB)).verdict is Verdict.FITS
    held = (Held("large", ram_bytes=8 * GIB),)
    assert judge(needs(10, "cpu"), Room(ram_bytes=4 * GIB, held=held)).evicts == ("large",)
    missing = judge(needs(10, "cpu"), Room(ram_bytes=4 * GIB))
    assert (missing.verdict, missing.reason) == (Verdict.DOES_NOT_FIT, "6.0 GiB of RAM are missing.")
    assert judge(needs(10, "cpu"), Room()).verdict is Verdict.UNKNOWN


def test_a_freed_card_has_no_more_than_it_has() -> None:
    freed = Room((card(0, 20, total=24),), held=(Held("a", {0: 9 * GIB}),)).without((Held("a", {0: 9 * GIB}),))
    assert freed.gpus[0].free_bytes == 24 * GIB


@given(
    need=st.floats(2.5, 60), free=st.lists(st.floats(0, 24), min_size=1, max_size=8),
    held=st.lists(st.tuples(st.integers(0, 7), st.floats(0, 24)), max_size=5), ram=st.floats(0, 200),
)  # fmt: skip
def test_a_verdict_never_promises_what_is_not_there(
    need: float, free: list[float], held: list[tuple[int, float]], ram: float
) -> None:
    gpus = tuple(card(index, amount) for index, amount in enumerate(free))
    models = tuple(Held(f"m{n}", {at: round(size * GIB)}) for n, (at, size) in enumerate(held))
    room = Room(gpus, round(ram * GIB), models)
    estimate = needs(need)
    found = judge(estimate, room)
    leaving = [one for one in models if one.name in found.evicts]
    there = {gpu.index: gpu.free_bytes or 0 for gpu in room.without(leaving).gpus}
    if found.verdict in (Verdict.FITS, Verdict.FITS_AFTER_EVICTION):
        assert sum(there[index] for index in found.gpus) >= estimate.likely_bytes
        assert bool(found.evicts) == (found.verdict is Verdict.FITS_AFTER_EVICTION)
    if found.verdict is Verdict.PARTLY_ON_CPU:
        assert sum(there.values()) + round(ram * GIB) >= estimate.likely_bytes - GIB
    # More room never makes it worse.
    more = tuple(replace(gpu, free_bytes=gpu.total_bytes) for gpu in gpus)
    order = list(Verdict)
    assert order.index(judge(estimate, Room(more, 500 * GIB, models)).verdict) <= max(
        order.index(found.verdict), order.index(Verdict.PARTLY_ON_CPU)
    )


# ---------------------------------------------------------------------- vLLM


def test_the_range_of_vllm() -> None:
    found = utilization(needs(10), (card(0, 20, 24), card(1, 23, 24)), heads=32)
    assert found == UtilizationRange(0.42, 0.95, (1,), starts=True)


def test_vllm_is_spread_over_as_many_cards_as_divide_its_heads() -> None:
    gpus = tuple(card(index, 22, 24) for index in range(4))
    two = utilization(needs(40), gpus, heads=32)
    assert (two.gpus, two.starts) == ((0, 1), True)
    assert two.lowest == pytest.approx((39 / 2 + 1) / 24, abs=0.01)
    assert utilization(needs(40), gpus[:3], heads=7) == UtilizationRange(None, 0.91, (0,), starts=False)


def test_vllm_with_other_peoples_memory() -> None:
    full = utilization(needs(10), (card(0, 6, 24),), heads=32)
    assert full == UtilizationRange(0.42, 0.25, (0,), starts=False), "it is held, but does not start now"
    assert utilization(needs(10), (card(0, None),), heads=32) == UtilizationRange(None, None)
