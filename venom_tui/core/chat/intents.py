"""Prompts that are about venom-tui itself, which the program answers and no model is asked.

Only whole prompts count: "help" does, "help me write a letter" goes to the model.
"""

from __future__ import annotations

import re

_STATIC: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("help", re.compile(r"/?help|/\?|\?|what can (you|i) do( here)?|how does this work|which keys( are there)?")),
    ("quit", re.compile(r"/?(quit|exit|bye)|:q!?|:wq?|logout")),
    (
        "infra",
        re.compile(
            r"/?status|what is (loaded|running|active)|which models? (is|are) (loaded|active|here)"
            r"|what fits( here| on this machine)?|how much (vram|memory|ram) is (free|left)"
        ),
    ),
    ("time", re.compile(r"/time|what time is it|what is the time|what day is it( today)?|what is today'?s date")),
)


def static_intent(text: str) -> str | None:
    """Return `help`, `quit`, `infra` or `time` when the whole prompt asks for that, else None."""
    if len(text) > 80 or "\n" in text.strip():
        return None
    prompt = " ".join(text.lower().split())
    for intent, pattern in _STATIC:
        if pattern.fullmatch(prompt) or pattern.fullmatch(prompt.rstrip("?!. ")):
            return intent
    return None
