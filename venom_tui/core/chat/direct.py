"""Direct mode: the session's conversation goes to the model as it is, with one system message before it."""

from __future__ import annotations

from collections.abc import Sequence

from venom_tui.core.types.request import ChatMessage
from venom_tui.core.types.session import Message, MessageState, Role


def conversation(system: str, messages: Sequence[Message]) -> tuple[ChatMessage, ...]:
    """Return what a model is sent: the system message, then the turns in their order, as one question and one answer.

    Left out: what venom-tui answered itself together with its question, and answers that hold no text. A question whose
    answer holds none stays when it is the last one (it is being asked again), else it goes with its answer. Where an
    answer that was asked for again stands beside the first one, the later goes along, or the one that is complete. So
    roles alternate, as chat templates demand.
    """
    chosen: list[Message] = []
    for message in messages:
        if message.role in (Role.USER, Role.PROGRAM):
            if chosen and chosen[-1].role is Role.USER:
                chosen.pop()
            if message.role is Role.USER:
                chosen.append(message)
        elif _is_answer(message) and chosen:
            if chosen[-1].role is Role.USER:
                chosen.append(message)
            elif message.state is MessageState.COMPLETE or chosen[-1].state is not MessageState.COMPLETE:
                chosen[-1] = message
    sent = [ChatMessage("system", system)] if system else []
    sent.extend(ChatMessage(message.role.value, message.content) for message in chosen)
    return tuple(sent)


def _is_answer(message: Message) -> bool:
    return (
        message.role is Role.ASSISTANT and message.state is not MessageState.STREAMING and bool(message.content.strip())
    )
