"""What a model is sent of a conversation: roles alternate, whatever happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.chat.direct import conversation
from venom_tui.core.types.request import ChatMessage
from venom_tui.core.types.session import Message, MessageState, Role

S = MessageState
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def message(role: str, content: str, state: MessageState = S.COMPLETE) -> Message:
    return Message("id", "s", 1, Role(role), content, state, NOW)


def u(text: str) -> Message:
    return message("user", text)


def a(text: str, state: MessageState = S.COMPLETE) -> Message:
    return message("assistant", text, state)


def p(text: str = "program") -> Message:
    return message("program", text)


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ([], []),
        ([u("one")], ["one"]),
        ([u("one"), a("1"), u("two")], ["one", "1", "two"]),
        ([u("one"), a("1", S.STOPPED), u("two")], ["one", "1", "two"]),
        ([u("one"), a("1", S.INTERRUPTED), u("two")], ["one", "1", "two"]),
        ([u("one"), a("1", S.FAILED), u("two")], ["one", "1", "two"]),
        ([u("one"), a("", S.FAILED), u("two")], ["two"]),
        ([u("one"), a(" \n", S.STOPPED), u("two")], ["two"]),
        ([u("one"), a("so far", S.STREAMING)], ["one"]),
        ([u("help"), p(), u("two")], ["two"]),
        ([u("one"), a("1"), u("help"), p(), u("status"), p(), u("two")], ["one", "1", "two"]),
        ([p("a notice"), u("one")], ["one"]),
        ([u("one"), a("1"), p("a notice"), u("two")], ["one", "1", "two"]),
        # An answer that was asked for again and cut stands beside the old one: only one of them goes along.
        ([u("one"), a("old"), a("cut", S.INTERRUPTED), u("two")], ["one", "old", "two"]),
        ([u("one"), a("cut", S.FAILED), a("new"), u("two")], ["one", "new", "two"]),
        ([u("one"), a("old", S.STOPPED), a("cut", S.FAILED), u("two")], ["one", "cut", "two"]),
        # A question that is left alone (its answer was written elsewhere, or is lost) is no turn.
        ([u("one"), u("two")], ["two"]),
        ([a("out of nothing"), u("one")], ["one"]),
        ([message("tool", "result"), u("one")], ["one"]),
        ([message("system", "obey"), u("one")], ["one"]),
    ],
)
def test_what_is_sent(messages: list[Message], sent: list[str]) -> None:
    assert [m.content for m in conversation("", messages)] == sent


def test_the_system_message_comes_first_where_there_is_one() -> None:
    assert conversation("Be brief.", [u("one")]) == (ChatMessage("system", "Be brief."), ChatMessage("user", "one"))
    assert conversation("", [u("one")]) == (ChatMessage("user", "one"),)


messages = st.builds(
    message,
    st.sampled_from(["user", "assistant", "program", "system", "tool"]),
    st.sampled_from(["text", "other", "", " "]),
    st.sampled_from(list(MessageState)),
)


@given(st.lists(messages, max_size=12))
def test_roles_alternate_and_the_prompt_is_last(before: list[Message]) -> None:
    said = [replace(m, content="hm") if m.role == "user" else m for m in before]
    sent = conversation("system", [*said, u("now")])
    roles = [m.role for m in sent]
    assert roles[0] == "system"
    assert roles[1:] == ["user", "assistant"] * ((len(roles) - 2) // 2) + ["user"]
    assert sent[-1].content == "now"
    assert all(m.content.strip() for m in sent)
