"""Several answers to one prompt: which of them a conversation goes on with."""

from __future__ import annotations

from collections.abc import Iterable

from venom_tui.core.types.session import Message, MessageState


def goes_before(later: Message, earlier: Message) -> bool:
    """Return whether the later of two answers to one prompt is the one to go on with.

    The one that the user chose, else the last that is complete, else the last.
    """
    if later.chosen or earlier.chosen:
        return later.chosen
    return later.state is MessageState.COMPLETE or earlier.state is not MessageState.COMPLETE


def going_on(answers: Iterable[Message]) -> Message | None:
    """Return the answer that a conversation goes on with, of those to one prompt in their order that hold a text."""
    found: Message | None = None
    for answer in answers:
        if answer.content.strip() and (found is None or goes_before(answer, found)):
            found = answer
    return found
