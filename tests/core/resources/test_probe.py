"""A question that hangs holds nobody up."""

from __future__ import annotations

import threading

from venom_tui.core.resources.probe import Probe

LIMIT_S = 10.0


def test_an_answer() -> None:
    ended = threading.Event()
    counter = iter(range(10))
    probe = Probe("test", lambda: next(counter), end=ended.set)
    probe.start()
    assert probe.answer is None
    for expected in range(3):
        answer = probe.ask(LIMIT_S)
        assert answer is not None
        assert answer.value == expected
        assert answer.at.tzinfo is not None
        assert probe.silent_s == 0
    probe.stop()
    assert ended.wait(LIMIT_S)


def test_a_question_that_hangs() -> None:
    hung, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    answers = iter(["first", "second", "third"])

    def question() -> str:
        value = next(answers)
        if value == "second":
            hung.set()
            assert go_on.wait(LIMIT_S)
        return value

    probe = Probe("test", question, end=ended.set)
    probe.start()
    assert probe.ask(LIMIT_S) is not None
    first = probe.ask(0.0)
    assert hung.wait(LIMIT_S)
    for _ in range(3):
        assert probe.ask(0.01) is first, "the last answer, and no second question"
    assert first is not None
    assert (first.value, probe.silent_s > 0) == ("first", True)
    probe.stop()
    assert not ended.wait(0.05)
    go_on.set()
    assert ended.wait(LIMIT_S)
    assert probe.answer is not None
    assert probe.answer.value == "second"


def test_one_that_never_answered() -> None:
    go_on = threading.Event()
    probe = Probe("test", lambda: go_on.wait(LIMIT_S))
    probe.start()
    assert probe.ask(0.01) is None
    assert probe.answer is None
    go_on.set()
    assert probe.ask(LIMIT_S) is not None
    probe.stop()


def test_stopped_before_it_was_asked() -> None:
    ended = threading.Event()
    probe = Probe("test", lambda: 1, end=ended.set)
    probe.start()
    probe.stop()
    assert ended.wait(LIMIT_S)
    assert probe.answer is None
