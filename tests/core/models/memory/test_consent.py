"""A yes covers what it was asked for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from venom_tui.core.models.memory.consent import differs
from venom_tui.core.types.fit import FitQuestion, FitReport, Verdict
from venom_tui.core.types.limits import LimitKind, LimitState, Policy
from venom_tui.core.types.memory import MemoryPlan

SHARE = LimitState(LimitKind.SHARE, "m", 50, 60, "percent", Policy.ASK, True, "m would take 60 % of the RAM")
RAM = LimitState(LimitKind.RAM, "RAM", 2, 1, "bytes", Policy.ASK, True, "RAM: 1 GiB would be free")
FIT = FitReport("m", "ollama", FitQuestion(), Verdict.FITS, "")
ASKED = MemoryPlan("load", "m", "ollama", True, fit=FIT, broken=(SHARE,), questions=(f"{SHARE.text}.",))


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (ASKED, ""),
        (replace(ASKED, broken=(replace(SHARE, now=61),), questions=("m would take 61 % of the RAM.",)), ""),
        (replace(ASKED, broken=(RAM,), questions=(f"{RAM.text}.",)), RAM.text),
        (replace(ASKED, broken=(SHARE, RAM), questions=(f"{SHARE.text}.", f"{RAM.text}.")), RAM.text),
        (replace(ASKED, broken=(SHARE, replace(RAM, policy=Policy.WARN)), warnings=(RAM.text,)), ""),
        (replace(ASKED, fit=replace(FIT, verdict=Verdict.PARTLY_ON_CPU)), "it would lie partly on the CPU now"),
        (replace(ASKED, broken=(), questions=()), ""),
    ],
)
def test_a_yes_to_one_question_is_none_to_another(now: MemoryPlan, why: str) -> None:
    assert differs(ASKED, now) == why
