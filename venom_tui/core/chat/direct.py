"""Direct mode: the session's conversation goes to the model as it is, with one system message before it."""

from __future__ import annotations

from collections.abc import Sequence

from venom_tui.core.types.request import ChatMessage
from venom_tui.core.types.session import Message, MessageState, Role


def conversation(system: str, messages: Sequence[Message]) -> tuple[ChatMessage, ...]:
    """Return what a model is sent: the system message, then the turns in their order.

    Left out: what venom-tui answered itself together with its question, and answers that hold no text. A question whose
    answer failed without a word stays when it is the last one (it is being asked again), else it goes with its answer,
    so that roles alternate as chat templates demand.
    """
    chosen: list[Message] = []
    for message in messages:
        if message.role is Role.PROGRAM:
            _drop_question(chosen)
        elif message.role is Role.ASSISTANT:
            if message.state is MessageState.STREAMING:
                continue
            if message.content.strip():
                chosen.append(message)
            else:
                _drop_question(chosen)
        elif message.role is Role.USER:
            chosen.append(message)
    sent = [ChatMessage("system", system)] if system else []
    sent.extend(ChatMessage(message.role.value, message.content) for message in chosen)
    return tuple(sent)


def _drop_question(chosen: list[Message]) -> None:
    if chosen and chosen[-1].role is Role.USER:
        chosen.pop()
