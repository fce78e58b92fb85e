"""Asks something that may hang, in a thread of its own, so that whoever wants the answer goes on without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was said, and when."""

    value: T
    at: datetime


class Probe(Generic[T]):
    """A question that is asked again and again; at most one is under way.

    A thread that hangs is left behind when the probe ends: it is a daemon and dies with the process.
    """

    def __init__(self, name: str, question: Callable[[], T], *, end: Callable[[], None] = lambda: None) -> None:
        """`question` and, once at the end, `end` are called in the probe's thread. Neither may raise."""
        self._question = question
        self._end = end
        self._wanted = threading.Event()
        self._there = threading.Event()
        self._stop = False
        self._asked_at: float | None = None
        self._answer: Answer[T] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def answer(self) -> Answer[T] | None:
        """The last answer, or None before the first."""
        return self._answer

    @property
    def silent_s(self) -> float:
        """Seconds for which the question that is under way has not been answered; 0 when none is."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else time.monotonic() - asked_at

    def start(self) -> None:
        """Begin; nothing is asked yet."""
        self._thread.start()

    def stop(self) -> None:
        """Ask nothing more; returns at once."""
        self._stop = True
        self._wanted.set()

    def ask(self, patience_s: float) -> Answer[T] | None:
        """Ask, unless a question is under way; wait for its answer so long. Return the last answer there is."""
        if self._asked_at is None:
            self._there.clear()
            self._asked_at = time.monotonic()
            self._wanted.set()
        self._there.wait(patience_s)
        return self._answer

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stop:
                break
            value = self._question()
            self._answer = Answer(value, datetime.now(UTC))
            self._asked_at = None
            self._there.set()
        self._end()
