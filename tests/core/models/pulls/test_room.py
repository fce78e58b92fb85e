"""The disk space that is kept free, and pulls that would take of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.core.models.pulls.support import core_with
from tests.hub import Hub, Repository
from venom_tui.core.errors import GuardRefused, NeedsYes, NoSpace, VenomError
from venom_tui.core.models.pulls.room import check, limit_text
from venom_tui.core.types.limits import Policy
from venom_tui.core.types.operation import OperationState
from venom_tui.core.types.pull import PullPreview

GIB = 1024**3


def preview(missing: int | None, free: int | None, kept: int = 10 * GIB, policy: Policy = Policy.ASK) -> PullPreview:
    return PullPreview(
        "m", "ollama", "ollama", "registry", bytes_total=missing, bytes_missing=missing, folder="/models",
        free_bytes=free, kept_bytes=kept, policy=policy,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "free", "kept", "left", "breaks"),
    [
        (4 * GIB, 20 * GIB, 10 * GIB, 16 * GIB, False),
        (10 * GIB, 20 * GIB, 10 * GIB, 10 * GIB, False),
        (10 * GIB + 1, 20 * GIB, 10 * GIB, 10 * GIB - 1, True),
        (4 * GIB, 5 * GIB, 0, 1 * GIB, False),
        (4 * GIB, 1 * GIB, 0, -3 * GIB, True),
        (0, 5 * GIB, 10 * GIB, 5 * GIB, False),
        (None, 5 * GIB, 10 * GIB, None, False),
        (4 * GIB, None, 10 * GIB, None, False),
    ],
)
def test_what_would_be_left(missing: int | None, free: int | None, kept: int, left: int | None, breaks: bool) -> None:
    found = preview(missing, free, kept)
    assert (found.left_bytes, found.breaks_limit) == (left, breaks)
    assert bool(limit_text(found)) is breaks


@pytest.mark.parametrize(
    ("policy", "yes", "force", "failure"),
    [
        (Policy.WARN, False, False, None),
        (Policy.ASK, False, False, NeedsYes),
        (Policy.ASK, True, False, None),
        (Policy.ASK, False, True, None),
        (Policy.EVICT, False, False, NeedsYes),
        (Policy.EVICT, True, False, None),
        (Policy.REFUSE, False, False, GuardRefused),
        (Policy.REFUSE, True, False, GuardRefused),
        (Policy.REFUSE, False, True, None),
    ],
)
def test_what_each_policy_does(policy: Policy, yes: bool, force: bool, failure: type[VenomError] | None) -> None:
    found = preview(8 * GIB, 12 * GIB, policy=policy)
    if failure is None:
        check(found, yes=yes, force=force)
        return
    with pytest.raises(failure) as raised:
        check(found, yes=yes, force=force)
    assert raised.value.message == "m: 4.0 GiB would be left in /models, 10.0 GiB are to be kept."
    assert ("--force" if failure is GuardRefused else "--yes") in raised.value.hint


def test_nothing_forces_what_cannot_fit() -> None:
    with pytest.raises(NoSpace, match=r"full: 1\.0 GiB more are needed"):
        check(preview(3 * GIB, 2 * GIB), yes=True, force=True)


@pytest.mark.parametrize(
    ("policy", "failure"), [("ask", NeedsYes), ("refuse", GuardRefused), ("warn", None)], ids=["ask", "refuse", "warn"]
)
async def test_a_pull_that_takes_of_what_is_kept(tmp_path: Path, policy: str, failure: type[VenomError] | None) -> None:
    with Hub(Repository("org/a", {"a-Q4_0.gguf": weights(MIB)})) as hub:
        async with core_with(tmp_path, hub=hub, VENOM_KEEP_FREE_DISK="900TiB", VENOM_POLICY_DISK=policy) as opened:
            core, _ = opened
            found = await core.models.preview_pull("org/a")
            assert found.breaks_limit and found.policy == policy and not found.short_bytes
            warned = [text for text in found.warnings if "are to be kept" in text]
            assert bool(warned) is (failure is None)
            if failure is not None:
                with pytest.raises(failure):
                    await core.models.pull("org/a", preview=found)
                assert await core.operations.list() == [] and not hub.asked_for("/cdn/*")
            operation = await core.models.pull("org/a", preview=found, yes=policy == "ask", force=policy == "refuse")
            assert (await core.operations.wait(operation.id)).state is OperationState.SUCCEEDED
            again = await core.models.preview_pull("org/a")
            assert again.bytes_missing == 0 and not again.breaks_limit, "what is here takes nothing"
