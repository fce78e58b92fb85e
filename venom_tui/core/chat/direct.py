"""Direct mode: the session's conversation goes to the model as it is, with one system message before it."""

from __future__ import annotations

from collections.abc import Sequence

from venom_tui.core.chat.attachments import images_of, told_text
from venom_tui.core.types.alternatives import goes_before
from venom_tui.core.types.content import AttachmentKind
from venom_tui.core.types.request import ChatMessage
from venom_tui.core.types.session import Message, MessageState, Role


def conversation(system: str, messages: Sequence[Message], *, images: bool = True) -> tuple[ChatMessage, ...]:
    """Return what a model is sent: the system message, then the turns in their order, as one question and one answer.

    Left out: what venom-tui answered itself together with its question, and answers that hold no text. A question whose
    answer holds none stays when it is the last one (it is being asked again), else it goes with its answer. Where
    several answers stand beside each other, the one that the user chose goes along, else the last that is complete,
    else the last. So roles alternate, as chat templates demand.

    Calls of functions are not passed back: nothing runs them in this mode, so there is no result to pass with them, and
    templates that know no functions refuse such messages or drop them. An answer that is made of calls alone is thus
    one without text. Thinking goes along; a wire that does not take it back leaves it out.

    Args:
        system: the system message, or "".
        messages: the session.
        images: whether they are passed; without it their names are.
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
            elif goes_before(message, chosen[-1]):
                chosen[-1] = message
    sent = [ChatMessage("system", system)] if system else []
    sent.extend(_sent(message, images=images) for message in chosen)
    return tuple(sent)


def _sent(message: Message, *, images: bool) -> ChatMessage:
    text = told_text(message.content, message.attachments)
    if images:
        return ChatMessage(message.role.value, text, images=images_of(message.attachments), thinking=message.thinking)
    hidden = [f"(Image {one.name})" for one in message.attachments if one.kind is AttachmentKind.IMAGE]
    return ChatMessage(message.role.value, "\n\n".join(filter(None, (text, *hidden))), thinking=message.thinking)


def _is_answer(message: Message) -> bool:
    return (
        message.role is Role.ASSISTANT and message.state is not MessageState.STREAMING and bool(message.content.strip())
    )
