from __future__ import annotations

from dataclasses import replace

from tests.ui.screens.operations.support import operation
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.screens.operations.ledger import Group, Ledger

S = OperationState


def ended(name: str, hours: float) -> Operation:
    return operation(name, S.SUCCEEDED, hours=hours)


def history(ledger: Ledger) -> list[str]:
    return ledger.groups()[Group.HISTORY]


def test_pages_follow_each_other() -> None:
    ledger = Ledger()
    ledger.ask()
    ledger.take_newest([ended("a", 1), ended("b", 2)], 2)
    assert not ledger.complete and ledger.oldest is not None and ledger.oldest.id == "b"
    ledger.take_older([ended("c", 3)], 2)
    assert ledger.complete and history(ledger) == ["a", "b", "c"]


def test_what_is_no_longer_listed_is_gone() -> None:
    ledger = Ledger()
    ledger.take_newest([ended("a", 1), ended("b", 2), ended("c", 3)], 2)
    ledger.take_older([ended("d", 4)], 2)
    # Another venom-tui cleared two and began one; what is older than the page stays.
    ledger.ask()
    ledger.take_newest([ended("new", 0.5), ended("c", 3)], 2)
    assert history(ledger) == ["new", "c", "d"] and ledger.complete
    ledger.ask()
    ledger.take_newest([], 2)
    assert len(ledger) == 0 and ledger.complete


def test_a_gap_is_not_hidden() -> None:
    ledger = Ledger()
    ledger.take_newest([ended("a", 1)], 2)
    assert ledger.complete
    # So much is new that the page does not reach what was known.
    ledger.ask()
    ledger.take_newest([ended("x", 0.1), ended("y", 0.2)], 2)
    assert history(ledger) == ["x", "y"] and not ledger.complete


def test_an_event_is_newer_than_a_page_that_was_asked_for_before_it() -> None:
    ledger = Ledger()
    running = operation("a", S.RUNNING)
    ledger.tell(running)
    ledger.ask()
    ledger.tell(replace(running, state=S.SUCCEEDED))
    new = operation("b", S.QUEUED, hours=0)
    ledger.tell(new)
    ledger.take_newest([running], 10)
    assert history(ledger) == ["a"] and ledger.get("b") == new and not ledger.running


def test_groups_and_their_order() -> None:
    ledger = Ledger()
    for one in (
        operation("q2", S.QUEUED, hours=1),
        operation("q1", S.QUEUED, hours=2),
        operation("r1", S.RUNNING, hours=3, runtime="ollama"),
        operation("r2", S.RUNNING, hours=2, runtime="ollama"),
        operation("p", S.PAUSED, hours=4),
        *(operation(state.value, state, hours=10) for state in S if state.final),
    ):
        ledger.tell(one)
    groups = ledger.groups()
    assert groups[Group.RUNNING] == ["r2", "r1", "p"]
    assert groups[Group.QUEUED] == ["q1", "q2"]
    assert set(groups[Group.HISTORY]) == {"succeeded", "failed", "cancelled", "interrupted"}
    in_front = ledger.in_front_of(operation("x", S.QUEUED, runtime="ollama"))
    assert in_front is not None and in_front.id == "r1"
    assert ledger.in_front_of(operation("x", S.QUEUED)) is None


def test_plain_words_filter() -> None:
    ledger = Ledger()
    ledger.tell(operation("a", S.FAILED, target="qwen3:32b", error="No space left on device"))
    ledger.tell(operation("b", S.SUCCEEDED, target="qwen3:14b", kind="load"))
    for words, found in (
        (("qwen3",), {"a", "b"}),
        (("space", "pull"), {"a"}),
        (("load",), {"b"}),
        (("failed",), {"a"}),
        (("[/x]",), set()),
    ):
        ledger.words = words
        assert set(history(ledger)) == found


def test_counts_go_along_with_events() -> None:
    ledger = Ledger()
    ledger.tell(operation("a", S.RUNNING))
    ledger.ended = 7
    ledger.tell(operation("a", S.SUCCEEDED))
    ledger.tell(operation("a", S.SUCCEEDED))
    ledger.tell(operation("b", S.FAILED))
    assert ledger.ended == 9
    ledger.tell(operation("c", S.RUNNING))
    ledger.forget_ended()
    assert ledger.ended == 0 and len(ledger) == 1 and ledger.running


def test_ten_thousand_are_grouped_at_once() -> None:
    import time

    ledger = Ledger()
    ledger.take_newest([operation(f"{n:05}", S.SUCCEEDED, hours=n / 60) for n in range(10_000)], 10_000)
    begun = time.process_time()
    assert len(history(ledger)) == 10_000
    assert time.process_time() - begun < 0.2
