"""What the transcript shows of one message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A function that a model wants to have called."""

    name: str
    arguments: str
    """As they are shown: JSON over several lines, or what the model wrote where that is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message."""

    key: str
    role: Literal["user", "assistant", "program"]
    title: str
    """Who speaks; shown above answers."""
    body: str
    tag: str = ""
    """What tells it from the others beside it; shown behind the title."""
    tagged_well: bool = True
    """Whether the tag says something good; else it is dimmed."""
    thinking: str = ""
    thought_s: float | None = None
    """Seconds that the thinking took."""
    calls: tuple[Call, ...] = ()
    """Functions that the model wants to have called; none was."""
    files: tuple[str, ...] = ()
    """What went along with a prompt, a line for each."""
    notes: tuple[str, ...] = ()
    """Dimmed lines under the body."""
    state: str = "complete"
    """A MessageState; what is not complete is marked."""
    error: str = ""
    plain: bool = False
    """The body is shown as it is, not as Markdown."""


def code_blocks(markdown: str) -> list[str]:
    """Return the text of the fenced code blocks, in their order; one that is not closed reaches to the end."""
    return [match[2].removesuffix("\n") for match in _FENCE.finditer(markdown)]
