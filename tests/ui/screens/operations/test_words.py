from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ui.screens.operations.support import GIB, MIB, operation
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.screens.operations.words import amounts, full, has_second_line, left_s, line, pane, rate, share_of

S = OperationState
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def squeezed(one: Operation, width: int = 100, in_front: Operation | None = None) -> str:
    content = line(one, width, NOW, in_front)
    assert content.cell_length <= width
    return " ".join(content.plain.split())


def pull(state: OperationState = S.RUNNING, **facts: Any) -> Operation:
    one = operation("a", state, **{"target": "mistral-small:24b", **facts})
    begun = NOW - timedelta(seconds=100)
    return replace(
        one, created_at=begun, started_at=begun, finished_at=NOW - timedelta(seconds=90) if state.final else None
    )


HALF: dict[str, Any] = {"bytes_done": 5 * GIB, "bytes_total": 10 * GIB, "rate_bytes_per_s": 64e6}


def test_a_running_pull_tells_bar_percent_bytes_and_what_is_left() -> None:
    text = squeezed(pull(**HALF))
    assert text == "↓ pull mistral-small:24b ███████░░░░░░░ 50 % 5.0 of 10.0 GiB 64 MB/s 1 m 24 s left"
    assert squeezed(pull(**HALF), 140).endswith("1 m 24 s left 1 m 40 s")
    # On the narrowest screen the rate goes first; the bar stays.
    assert squeezed(pull(**HALF), 80) == "↓ pull mistra…all:24b ████░░░░ 50 % 5.0 of 10.0 GiB 1 m 24 s left"


def test_without_figures_there_is_no_bar_but_what_it_does_and_how_long() -> None:
    text = squeezed(pull(kind="load", message="waiting for 9.3 GiB", bytes_total=10 * GIB))
    assert text == "◐ load mistral-small:24b waiting for 9.3 GiB · 10.0 GiB 1 m 40 s"
    assert squeezed(pull(kind="load")) == "◐ load mistral-small:24b running 1 m 40 s"
    assert "?" not in text


def test_percents_never_round_up_to_all() -> None:
    assert " 99 % " in squeezed(pull(bytes_done=GIB - 1, bytes_total=GIB))
    assert share_of(pull(bytes_done=3 * GIB, bytes_total=GIB)) == 1.0
    assert share_of(pull(bytes_done=3, bytes_total=0)) is None
    assert share_of(pull(bytes_total=3)) is None


@pytest.mark.parametrize(
    ("done", "total", "rate_", "seconds"),
    [
        (5 * GIB, 10 * GIB, GIB, 5.0),
        (5 * GIB, 10 * GIB, None, None),
        (5 * GIB, 10 * GIB, 0.0, None),
        (10 * GIB, 10 * GIB, GIB, None),
        (11 * GIB, 10 * GIB, GIB, None),
        (0, 10 * GIB, 1.0, None),  # years
    ],
)
def test_what_is_left(done: int, total: int, rate_: float | None, seconds: float | None) -> None:
    assert left_s(pull(bytes_done=done, bytes_total=total, rate_bytes_per_s=rate_)) == seconds


def test_units() -> None:
    assert amounts(int(5.7 * GIB), int(13.3 * GIB)) == "5.7 of 13.3 GiB"
    assert amounts(42 * MIB, 101 * MIB) == "42 of 101 MiB"
    assert amounts(0, 10) == "0 of 1 MiB"
    assert [rate(value) for value in (12, 1000, 61e6, 5.5e6, 999.6e6, 1.2e9)] == [
        "12 B/s", "1.0 kB/s", "61 MB/s", "5.5 MB/s", "1.0 GB/s", "1.2 GB/s",
    ]  # fmt: skip


def test_a_paused_one() -> None:
    assert squeezed(pull(S.PAUSED, **HALF)).endswith("50 % 5.0 of 10.0 GiB paused")


def test_a_queued_one_says_what_it_waits_for() -> None:
    queued = pull(S.QUEUED, bytes_total=5 * GIB, runtime="ollama")
    assert squeezed(queued) == "pull mistral-small:24b 5.0 GiB waits for its turn 1 m"
    in_front = pull(target="qwen3:14b", runtime="ollama")
    assert "5.0 GiB after pull of qwen3:14b" in squeezed(queued, in_front=in_front)


def test_how_they_ended() -> None:
    done = pull(S.SUCCEEDED, kind="switch", vram_before_bytes=3 * GIB, vram_after_bytes=12 * GIB)
    assert squeezed(done) == "○ switch mistral-small:24b 10 s · VRAM 3.0 → 12.0 GiB 1 m"
    failed = pull(S.FAILED, error="no space left on device", **HALF)
    assert squeezed(failed) == "✕ pull mistral-small:24b failed at 50 % no space left on device 1 m"
    assert "cancelled at 50 %" in squeezed(pull(S.CANCELLED, **HALF))
    assert "cancelled after 10 s" in squeezed(pull(S.CANCELLED))
    interrupted = pull(S.INTERRUPTED, **HALF)
    assert squeezed(interrupted).startswith("▲ pull mistral-small:24b interrupted at 50 % its venom-tui")
    assert "The venom-tui that ran it ended before it was done." in pane(interrupted, NOW, 98).plain


def test_one_side_of_the_memory_may_be_unknown() -> None:
    assert "VRAM ? → 12.0 GiB" in squeezed(pull(S.SUCCEEDED, vram_after_bytes=12 * GIB))


def test_a_second_line_only_beside_a_bar() -> None:
    assert has_second_line(pull(message="layer 1 of 5", **HALF))
    assert not has_second_line(pull(**HALF))
    assert not has_second_line(pull(message="loading"))
    assert not has_second_line(pull(S.FAILED, message="layer 1 of 5", **HALF))


def test_recent_ends_have_no_seconds() -> None:
    ended = replace(pull(S.SUCCEEDED), finished_at=NOW - timedelta(seconds=3))
    assert squeezed(ended).endswith("< 1 m")
    assert squeezed(replace(ended, finished_at=NOW + timedelta(seconds=30))).endswith("< 1 m")
    assert squeezed(replace(ended, finished_at=None, created_at=None)).endswith("?")


def test_facts() -> None:
    failed = pull(S.FAILED, runtime="ollama", cause="user", error="the server said no", message="layer 2", **HALF)
    lines = full(failed, NOW)
    assert "runtime    ollama" in lines and "cause      user" in lines and "took       10 s" in lines
    assert "bytes      5.0 of 10.0 GiB (50 %)" in lines
    assert lines[-2:] == ["", "the server said no"]
    text = pane(failed, NOW, 40).plain
    assert "the server said no" in text and "state" not in text
    assert max(len(part) for part in text.split("\n")) <= 40


@pytest.mark.parametrize(
    "hostile", ["[/x]", "[@click=app.quit]x[/]", "a\x1b[31mb", "a\u202eb", "x" * 4000, "名前" * 200]
)
def test_outside_text_is_never_markup(hostile: str) -> None:
    for state in S:
        one = pull(state, kind="load", message=hostile, error=hostile, cause=hostile, runtime=hostile)
        one = replace(one, target=hostile)
        for content in (line(one, 80, NOW, one), pane(one, NOW, 78)):
            assert "\x1b" not in content.plain and "\u202e" not in content.plain
            assert all("click" not in str(span.style) for span in content.spans)
        assert line(one, 80, NOW, one).cell_length <= 80
