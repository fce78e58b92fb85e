"""The rows and facts of runtimes, whatever servers say of themselves."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.runtime import RuntimeFigures, RuntimeLoad, RuntimeState, RuntimeStatus
from venom_tui.core.types.server import Server, ServerState
from venom_tui.ui.screens.runtimes.details import detail_rows, fact_lines
from venom_tui.ui.screens.runtimes.rows import runtime_rows
from venom_tui.ui.screens.runtimes.view import Seen, View, latency, share_of_latency, words_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVIL = "\x1b[31m[bold]\u202e\x9b2J\x00"


def seen(text: str, state: RuntimeState = RuntimeState.READY, **facts: object) -> Seen:
    status = RuntimeStatus(
        text, "vllm", state, endpoint=text, version=text, detail=text, loaded=(text,), seen_at=NOW, latency_ms=3.0,
        origin=text, server_message=text,
    )  # fmt: skip
    known: dict[str, object] = {
        "figures": RuntimeFigures((1.0, None, 4000.0), 3, 2, RuntimeLoad(1, 2, 0.5, 3, 4, text)),
        "server": Server(text, "command", ServerState.ENDED, detail=text, command=(text,), url=text, log_path=text),
        "operation": Operation("x", "start", text, OperationState.FAILED, error=text, hint=text, runtime=text),
        "log": (text,) * 50,
    }
    return Seen(status, **(known | facts))  # type: ignore[arg-type]  # keywords of one dataclass


@given(st.one_of(st.text(max_size=60), st.just(EVIL)), st.sampled_from(list(RuntimeState)), st.integers(20, 200))
def test_nothing_drives_the_terminal(text: str, state: RuntimeState, width: int) -> None:
    one = seen(text, state)
    view = View((one,), NOW)
    rows = [row.render(width).plain for row in (*runtime_rows(view), *detail_rows(one, view, 40))]
    for line in (*rows, *(line for line in fact_lines(one, view) if line)):
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in line.replace("\t", " "))
        assert "\u202e" not in line


def test_how_it_is() -> None:
    runs = Server("box", "profile", ServerState.RUNS, ours=True, pid=7)
    gone = RuntimeState.UNREACHABLE
    doing = Operation("x", "start", "box", OperationState.RUNNING, message="box loads weights, 3 %", runtime="box")
    assert words_of(seen("box", operation=doing)) == "loads weights, 3 %"
    assert words_of(seen("box", gone, operation=None, server=runs)) == "runs and does not answer: box"
    assert words_of(seen("box", gone, operation=None, server=None)) == "box"
    stopped = Server("box", "profile", ServerState.STOPPED)
    assert words_of(seen("box", gone, operation=None, server=stopped)) == "stopped"
    failed = Operation(
        "x", "start", "box", OperationState.FAILED, error="box did not start: so. It said", runtime="box"
    )
    failed = replace(failed, server_message="It said")
    assert words_of(seen("box", gone, operation=failed)) == "did not start: so"
    assert words_of(seen("box", operation=failed)) == "box", "it answers: what failed is past"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "?"), (0.4, "<20"), (19.9, "<20"), (26, "30"), (994, "990"), (2345, "2300")]
)
def test_latency_is_steady_while_it_is_small(value: float | None, shown: str) -> None:
    one = seen("box")
    status = RuntimeStatus("box", "vllm", RuntimeState.READY, latency_ms=value)
    assert latency(Seen(status, one.figures)) == shown


def test_the_history_is_drawn_by_orders_of_magnitude() -> None:
    shares = [share_of_latency(value) for value in (1, 19, 20, 100, 1000, 3000, 1e9)]
    assert shares[0] == shares[1] == shares[2]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert shares[-1] == pytest.approx(1.0)
    assert shares[-2] == pytest.approx(1.0)
    assert share_of_latency(None) is None


def test_ages_are_no_more_exact_than_minutes() -> None:
    assert View((), NOW).age(NOW - timedelta(seconds=5)) == View((), NOW).age(NOW - timedelta(seconds=59))
    assert View((), NOW).age(NOW - timedelta(minutes=3)) == "3 m"
