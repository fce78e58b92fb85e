"""What stands around the text of a message: time of thought, calls, files, notes, which answer of several it is."""

from __future__ import annotations

import json
import time

import pytest

from tests.ui.widgets.transcript.support import Chat, PlainPen, answer, question
from tests.ui.widgets.transcript.test_widget import all_rows, settle, window
from venom_tui.ui.widgets.transcript import Call, Entry
from venom_tui.ui.widgets.transcript.live import LiveView
from venom_tui.ui.widgets.transcript.view import View

WEATHER = Call("get_weather", json.dumps({"city": "Paris", "days": 2}, indent=2))


def rows_of(entry: Entry, *, width: int = 60, unfolded: bool = False) -> list[str]:
    view = View(entry, width)
    view.unfolded = unfolded
    return [row.rstrip() for row in all_rows(view, PlainPen(width))]


def test_the_fold_tells_how_long_was_thought() -> None:
    assert "  ▸ thought for 12 s, 3 words" in rows_of(answer("a", "Yes.", thinking="Let me think", thought_s=12.0))
    assert "  ▸ thought, 1 word" in rows_of(answer("a", "Yes.", thinking="Hm"))
    shown = rows_of(answer("a", "Yes.", thinking="Let me think", thought_s=0.5), unfolded=True)
    assert shown[2:4] == ["  ▾ thought for 0.50 s, 3 words", "  Let me think"]


def test_a_call_is_shown_with_its_arguments_and_marked_as_not_run() -> None:
    shown = rows_of(answer("a", "Let me look.", calls=(WEATHER, Call("now", "")), notes=("done",)))
    assert shown[2:] == [
        "  Let me look.",
        "",
        "  ▸ get_weather is called for, not run",
        *[row for row in shown if row.lstrip().startswith("▌")],
        "",
        "  ▸ now is called for, not run",
        "  ╰ done",
    ]
    assert any('"city": "Paris"' in row for row in shown)


def test_nothing_in_a_call_can_end_the_block_that_it_stands_in() -> None:
    hostile = Call("\x1b[31mrun [b]it[/b]", "````\n# Heading\n\x1b]0;x\x07")
    shown = rows_of(answer("a", "", calls=(hostile,)))
    assert "  ▸ [31mrun [b]it[/b] is called for, not run" in shown
    assert any("# Heading" in row and row.lstrip().startswith("▌") for row in shown)
    assert not any("\x1b" in row or "\x07" in row for row in shown)


def test_files_stand_under_the_prompt_that_they_went_along_with() -> None:
    entry = Entry("q", "user", "you", "Look at @a.md", files=("a.md · text, 2 KiB", "b.png · image, 1 MiB"))
    assert rows_of(entry) == ["", "▌ Look at @a.md", "▌ a.md · text, 2 KiB", "▌ b.png · image, 1 MiB"]
    assert rows_of(Entry("q", "user", "you", "", files=("b.png · image, 1 MiB",))) == ["", "▌ b.png · image, 1 MiB"]


def test_the_tag_is_kept_where_the_title_has_no_room() -> None:
    entry = answer("a", "Yes.", tag="● 2 of 2")
    assert rows_of(entry)[1] == "  qwen3:14b  ● 2 of 2"
    long = Entry("a", "assistant", "m" * 100, "Yes.", tag="● 2 of 2")
    assert rows_of(long, width=40)[1] == f"  {'m' * 27}…  ● 2 of 2"


def test_what_is_added_while_it_streams_ends_as_given_at_once() -> None:
    pen = PlainPen(60)
    live = LiveView(answer("a", ""), 60)
    live.write("Let me look.\n\nIt is")
    live.advance(pen)
    live.add_note("top_k is not sent")
    live.add_call(WEATHER)
    live.write(" sunny.")
    live.advance(pen)
    live.set_status("4 s")
    live.advance(pen)
    assert live.pieces is not None
    kinds = [piece.kind for piece in live.pieces]
    assert kinds[-4:] == ["call", "body", "note", "status"]
    final = answer("a", live.text, calls=(WEATHER,), notes=("top_k is not sent", "first token 0.2 s"))
    assert all_rows(live.finished(final, 60), pen) == all_rows(View(final, 60), pen)


async def test_the_time_of_the_thinking_is_measured_while_it_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    live = LiveView(answer("a", ""), 60)
    live.write_thinking("Hm, let me see")
    now += 7
    live.write_thinking(" again.")
    live.write("Yes.")
    live.advance(PlainPen(60))
    assert live.pieces is not None and live.pieces[1].segment.source == "+thought for 7.0 s, 5 words"

    late = LiveView(answer("a", ""), 60)
    late.write_thinking("Hm.")
    late.write("Yes.")
    late.advance(PlainPen(60))
    assert late.pieces is not None and late.pieces[1].segment.source == "+thought, 1 word", "who looks late cannot know"


async def test_calls_and_notes_are_seen_while_the_answer_streams() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.transcript
        transcript.append(question("q"))
        transcript.begin(answer("a", ""))
        transcript.set_status("waiting")
        transcript.write("Let me look.")
        transcript.add_call(WEATHER)
        transcript.add_note("top_k is not sent")
        transcript._frame()
        await settle(pilot)
        shown = "\n".join(window(transcript))
        assert "get_weather is called for, not run" in shown
        assert shown.index("Let me look") < shown.index("get_weather") < shown.index("top_k") < shown.index("waiting")
