from __future__ import annotations

import json
import resource
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from venom_tui.core.errors import UsageError
from venom_tui.core.store.export import export_text, parse_json, write_new
from venom_tui.core.types.content import Attachment, AttachmentKind, ToolCall
from venom_tui.core.types.session import Message, MessageState, Overflow, Role, Session, SessionOptions, Timings, Usage

NOW = datetime(2026, 3, 1, 12, 30, 5, 123456, tzinfo=UTC)
OPTIONS = SessionOptions(8192, "high", '{"type": "object"}', leave_out_oldest=True)
SESSION = Session(
    "0123456789abcdef", "A [title] with `signs`", NOW, NOW, 2, "a draft", system="Be brief.", options=OPTIONS
)


def message(seq: int, role: Role, content: str, state: MessageState = MessageState.COMPLETE) -> Message:
    return Message(f"m{seq}", SESSION.id, seq, role, content, state, NOW)


MESSAGES = [
    message(1, Role.USER, "Show me\n\n```python\nprint('hi')\n```"),
    replace(
        message(2, Role.ASSISTANT, "Here:\n\n````md\n```\ninner\n```\n````\ndone"),
        model="tiny",
        thinking="let me see",
        usage=Usage(1, 2, 3.5),
        timings=Timings(1.0, None, 3.0, 4.0),
        demonstration=True,
        tool_calls=(ToolCall("get_weather", '{"city":\n"Rome`"}', "call_1"),),
        chosen=True,
    ),
    replace(
        message(3, Role.USER, "And more?"),
        attachments=(
            Attachment("notes `1`.txt", AttachmentKind.TEXT, "text/plain", 5, "hello"),
            Attachment("cat.png", AttachmentKind.IMAGE, "image/png", 2048, "aGVsbG8="),
        ),
    ),
    replace(message(4, Role.ASSISTANT, "```c\nint main(", MessageState.INTERRUPTED), model="tiny"),
    message(5, Role.PROGRAM, "F1 is help"),
    replace(
        message(6, Role.ASSISTANT, "", MessageState.FAILED),
        error="The server is gone.",
        notices=("box does not know top_k: left out.",),
        overflow=Overflow(900, 512, "too long"),
    ),
]


def test_json_can_be_read_back() -> None:
    text = export_text(SESSION, MESSAGES, "json")
    assert parse_json(text) == (SESSION, MESSAGES)
    assert json.loads(text)["version"] == 3


def test_json_of_the_first_format_is_read() -> None:
    document = json.loads(export_text(SESSION, MESSAGES, "json"))
    document["version"] = 1
    del document["session"]["options"]
    for fields in document["messages"]:
        for name in ("attachments", "tool_calls", "chosen", "notices", "overflow"):
            del fields[name]
        del fields["usage"]["estimated"]
    session, messages = parse_json(json.dumps(document))
    assert session == replace(SESSION, options=SessionOptions())
    without = {"attachments": (), "tool_calls": (), "chosen": False, "notices": (), "overflow": None}
    assert messages == [replace(m, **without) for m in MESSAGES]  # type: ignore[arg-type]  # keywords


@given(st.text(), st.sampled_from(list(Role)), st.sampled_from(list(MessageState)))
def test_any_text_survives_json(content: str, role: Role, state: MessageState) -> None:
    one = message(1, role, content.encode("utf-8", "replace").decode(), state)
    assert parse_json(export_text(SESSION, [one], "json")) == (SESSION, [one])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no exported session"),
        ("[]", "no exported session"),
        ("{}", "no exported session"),
        ('{"format": "something else", "version": 1}', "no exported session"),
        ('{"format": "venom-tui session", "version": 4}', "format 4"),
        ('{"format": "venom-tui session", "version": 1, "session": {}, "messages": []}', "no exported session"),
        ('{"format": "venom-tui session", "version": 1, "session": 3, "messages": null}', "no exported session"),
    ],
)
def test_other_json_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_json(text)


def test_markdown_keeps_fences_and_headings() -> None:
    text = export_text(SESSION, MESSAGES, "md")
    tokens = MarkdownIt().parse(text)
    headings = [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["A [title] with `signs`", "System", "You", "tiny", "You", "tiny", "venom-tui", "Answer"]
    fences = [(token.info, token.content) for token in tokens if token.type == "fence"]
    assert fences == [("python", "print('hi')\n"), ("md", "```\ninner\n```\n"), ("c", "int main(\n")]
    assert "*interrupted*" in text
    assert "> The server is gone." in text
    assert "2026-03-01T12:30:05+00:00" in text
    assert "- `notes '1'.txt`, text/plain, 5 bytes" in text
    assert "- `cat.png`, image/png, 2,048 bytes" in text
    assert """- called `get_weather` with `{"city": "Rome'"}`""" in text
    assert "aGVsbG8=" not in text


@pytest.mark.parametrize(
    ("content", "closed"),
    [
        ("~~~\nx\n~~~", "~~~\nx\n~~~"),
        ("~~~\nx\n```", "~~~\nx\n```\n~~~"),
        ("````\n```\n", "````\n```\n````"),
        ("```\n``` not closing", "```\n``` not closing\n```"),
        ("``inline``", "``inline``"),
    ],
)
def test_open_fences_are_closed(content: str, closed: str) -> None:
    text = export_text(replace(SESSION, system=""), [message(1, Role.USER, content)], "md")
    assert text.split("## You\n\n")[1] == closed + "\n"


def test_half_a_file_is_not_left_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(UsageError, match="cannot be written"):
            write_new(tmp_path / "a.md", "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "a.md").exists()


def test_another_format() -> None:
    with pytest.raises(UsageError, match="'doc'"):
        export_text(SESSION, [], "doc\x1b")
