"""The transcript in an application: what it shows always is what a fresh one would show."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection

from tests.ui.widgets.transcript.support import BITS, Chat, answer, longer, markdown, pieces, question
from venom_tui.ui.widgets.transcript import Entry, Transcript
from venom_tui.ui.widgets.transcript.history import _KEPT_ROWS
from venom_tui.ui.widgets.transcript.live import LiveView
from venom_tui.ui.widgets.transcript.rows import Pen
from venom_tui.ui.widgets.transcript.view import View

TEXT = "".join(BITS[:45])
COUNTED = "One two three four five six seven eight nine."


def window(transcript: Transcript) -> list[str]:
    """The rows that are shown."""
    return [row.text.rstrip() for row in transcript._shown]


def painted(app: Chat) -> list[str]:
    """The rows of the transcript on the screen, as the compositor has them."""
    strips = app.screen._compositor.render_strips(app.screen.size)
    return [strip.crop(0, app.transcript._width).text.rstrip() for strip in strips]


def conversation(count: int) -> list[Entry]:
    rnd = random.Random(3)
    entries = []
    for number in range(count):
        if number % 2 == 0:
            entries.append(question(f"q{number}", f"Question {number}?"))
        else:
            text = f"Answer {number}.\n\n" + "".join(rnd.choice(BITS) for _ in range(12))
            entries.append(answer(f"a{number}", text, notes=("first token 0.2 s",)))
    return entries


async def settle(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def fresh(entries: list[Entry], size: tuple[int, int], scroll: int | None = None) -> list[str]:
    """What a new transcript of the entries shows."""
    app = Chat()
    async with app.run_test(size=size) as pilot:
        app.transcript.set_entries(entries)
        await settle(pilot)
        if scroll is not None:
            app.transcript.scroll_to(y=scroll, animate=False)
        await settle(pilot)
        return window(app.transcript)


def all_rows(view: View, pen: Pen) -> list[str]:
    view.cut(pen.width)
    assert view.pieces is not None
    for index in range(len(view.pieces)):
        if view.pieces[index].rows is None:
            view.draw(index, pen)
    return [row.text for piece in view.pieces for row in piece.rows or ()]


async def test_streaming_in_any_pieces_ends_as_given_at_once() -> None:
    app = Chat()
    async with app.run_test(size=(50, 20)):
        pen = app.transcript._pen
        assert pen is not None

        @settings(max_examples=40)
        @given(markdown | longer, st.lists(st.integers(9, 300), min_size=1, max_size=6), st.text(max_size=40))
        def check(text: str, sizes: list[int], thinking: str) -> None:
            live = LiveView(answer("a", ""), pen.width)
            if thinking:
                live.write_thinking(thinking)
            for part in pieces(text, sizes):
                live.write(part)
                live.advance(pen)
            final = answer("a", text, thinking=thinking, notes=("note",))
            assert all_rows(live.finished(final, pen.width), pen) == all_rows(View(final, pen.width), pen)

        check()


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
async def test_the_screen_equals_a_fresh_one_after_anything(seed: int) -> None:
    rnd = random.Random(seed)
    app, size = Chat(), (60, 18)
    entries = conversation(rnd.randrange(0, 9))
    async with app.run_test(size=size) as pilot:
        transcript = app.transcript
        transcript.set_entries(entries)
        for turn in range(2):
            text = "".join(rnd.choice(BITS) for _ in range(rnd.randrange(30)))
            prompt, reply = question(f"p{turn}"), answer(f"r{turn}", text, thinking="Hm.", notes=("done",))
            transcript.append(prompt)
            transcript.begin(answer(f"r{turn}", ""))
            transcript.write_thinking("Hm.")
            for part in pieces(text, [rnd.randrange(1, 40) for _ in range(5)]):
                transcript.write(part)
                if rnd.random() < 0.5:
                    transcript._frame()
                match rnd.randrange(14):
                    case 0:
                        await pilot.press(rnd.choice(["up", "down", "pageup", "pagedown", "home", "end"]))
                    case 1:
                        size = (rnd.randrange(24, 90), rnd.randrange(5, 30))
                        await pilot.resize_terminal(*size)
                    case 2:
                        app.theme = rnd.choice(["venom-dark", "venom-light"])
                    case 3:
                        await pilot.press("t", "t")
                    case 4:
                        transcript.set_status(f"{rnd.random():.2f} s")
            transcript.end(reply)
            entries += [prompt, reply]
        await settle(pilot)
        assert painted(app) == window(transcript)
        await pilot.press("end")
        await settle(pilot)
        assert painted(app) == window(transcript) == await fresh(entries, size)


async def test_the_end_is_followed_until_scrolled_up_and_again_after_end() -> None:
    app = Chat()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.set_entries(conversation(20))
        transcript.begin(answer("live", ""))
        transcript.write("line\n" * 30 + "last")
        transcript._frame()
        assert "last" in window(transcript)[-1]
        await pilot.press("pageup", "up")
        assert app.received == [(False, 0)]
        before = window(transcript)
        transcript.write("\nmore" * 10)
        transcript._frame()
        assert window(transcript) == before
        await settle(pilot)
        assert app.received == [(False, 0), (False, 10)]
        await pilot.press("G")
        await settle(pilot)
        assert "more" in window(transcript)[-1]
        assert app.received[-1] == (True, 0)
        await pilot.press("pageup")
        await pilot.press("pagedown")
        assert transcript.following


async def test_rows_that_stay_are_not_painted_again() -> None:
    app = Chat()
    async with app.run_test(size=(60, 30)) as pilot:
        transcript = app.transcript
        transcript.begin(answer("a", ""))
        transcript.write("One.\n\n- two\n- thr")
        transcript._frame()
        await settle(pilot)
        before = list(transcript._shown)
        transcript.write("ee")
        transcript._frame()
        changed = [y for y, (row, was) in enumerate(zip(transcript._shown, before, strict=True)) if row is not was]
        assert [transcript._shown[y].text.strip() for y in changed] == ["• three"]
        before = list(transcript._shown)
        transcript.end(answer("a", "One.\n\n- two\n- three", notes=("note",)))
        changed = [y for y, (row, was) in enumerate(zip(transcript._shown, before, strict=True)) if row is not was]
        assert [transcript._shown[y].text.strip() for y in changed] == ["╰ note"]


async def test_nothing_ticks_at_rest() -> None:
    app = Chat()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.begin(answer("a", ""))
        transcript.write("text")
        assert transcript._timer is not None
        transcript._frame()
        assert transcript._timer is None
        transcript.set_status("1 s")
        assert transcript._timer is not None
        transcript.end(answer("a", "text"))
        assert transcript._timer is None
        transcript.write("late")
        transcript.set_status("late")
        assert transcript._timer is None
        await settle(pilot)


async def test_a_burst_is_taken_over_several_frames() -> None:
    app = Chat()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.begin(answer("a", ""))
        transcript.write("word " * 20_000)
        transcript._frame()
        assert transcript._timer is not None
        transcript.end(answer("a", "word " * 20_000 + "end"))
        await settle(pilot)
        assert window(transcript)[-1].endswith("end")


async def test_a_long_session_is_cut_near_the_window_only() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = app.transcript
        transcript.set_entries(conversation(2_000))
        await settle(pilot)
        views = transcript._history.views
        assert len(views) == 2_000
        assert sum(view.pieces is not None for view in views) < 60
        assert window(transcript)[-1] == "  ╰ first token 0.2 s"
        await pilot.press("home")
        await settle(pilot)
        assert window(transcript)[1] == "▌ Question 0?"
        assert "older" in app.received
        assert app.received.count("older") == 1


async def test_rows_are_bounded() -> None:
    app = Chat()
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = app.transcript
        transcript.set_entries([answer(str(n), "word\n" * 500) for n in range(60)])
        for _ in range(500):
            transcript.scroll_relative(y=-60, animate=False)
        await settle(pilot)
        rows = sum(len(p.rows or ()) for view in transcript._history.views for p in view.pieces or ())
        assert 100 < rows <= _KEPT_ROWS + 100


async def test_older_entries_leave_the_window_where_it_is() -> None:
    app = Chat()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        entries = conversation(40)
        transcript.set_entries(entries[20:])
        await pilot.press("home", "down", "down")
        before = window(transcript)
        transcript.prepend(entries[:20])
        await settle(pilot)
        assert window(transcript) == before == painted(app)
        await pilot.press("home")
        assert window(transcript)[1] == "▌ Question 0?"


async def test_resizing_keeps_the_text_in_the_window() -> None:
    app = Chat()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        transcript.set_entries([answer(str(n), f"Begin {n}. " + "word " * 200) for n in range(30)])
        await settle(pilot)
        transcript.go_to("11")
        for width in (90, 33, 120, 60):
            await pilot.resize_terminal(width, 12)
            await settle(pilot)
            assert any("Begin 11." in line for line in window(transcript)[:4]), width
            assert painted(app) == window(transcript)
        await pilot.press("end")
        await pilot.resize_terminal(40, 20)
        await settle(pilot)
        assert transcript.following
        assert window(transcript)[-1].endswith("word")


async def test_another_theme_draws_anew() -> None:
    app = Chat()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        transcript.set_entries(conversation(8))
        await settle(pilot)
        before, text = [list(row) for row in transcript._shown], window(transcript)
        app.theme = "venom-light"
        await settle(pilot)
        assert window(transcript) == text
        assert [list(row) for row in transcript._shown] != before


async def test_a_hit_is_shown_in_its_place_with_its_words() -> None:
    app = Chat()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        entries = conversation(40)
        entries[21] = answer("hit", "Paragraph.\n\n" * 60 + "Here is the Zanzibar word.\n\n" + "x\n\n" * 60)
        transcript.set_entries(entries)
        transcript.go_to("hit", ("zanzibar",))
        await settle(pilot)
        place = next(y for y, line in enumerate(window(transcript)) if "Zanzibar" in line)
        marked = [s.text for s in transcript._shown[place] if s.style is not None and s.style.reverse]
        assert marked == ["Zanzibar"]
        assert transcript.selected_key == "hit"
        assert not transcript.following
        transcript.go_to("nowhere")
        assert transcript.selected_key == "hit"


async def test_a_hit_that_is_asked_for_before_the_first_paint() -> None:
    class Early(Chat):
        def on_mount(self) -> None:
            super().on_mount()
            self.transcript.set_entries(conversation(40))
            self.transcript.go_to("a11", ("answer",))

    app = Early()
    async with app.run_test(size=(60, 12)) as pilot:
        await settle(pilot)
        assert any("Answer 11." in line for line in window(app.transcript))


async def test_messages_are_selected_by_keys() -> None:
    app = Chat()
    async with app.run_test(size=(60, 30)) as pilot:
        transcript = app.transcript
        transcript.set_entries([question("q"), answer("a", "Text."), question("z", "Last?")])
        await pilot.press("p")
        assert transcript.selected_key == "z"
        await pilot.press("p", "p", "p")
        assert transcript.selected_key == "q"
        assert "▸ How large is it?" in window(transcript)
        await pilot.press("n")
        await settle(pilot)
        assert transcript.selected_key == "a"
        assert "▸ qwen3:14b" in painted(app)
        assert "▌ How large is it?" in painted(app)


async def test_thinking_is_seen_then_folded_and_can_be_unfolded() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.transcript
        transcript.begin(answer("a", ""))
        transcript.write_thinking("First I thi")
        transcript._frame()
        assert any("First I thi" in line for line in window(transcript))
        transcript.write_thinking("nk.")
        transcript.write("Answer.")
        transcript._frame()
        assert [line.strip() for line in window(transcript) if line][1:] == ["▸ thought, 3 words", "Answer."]
        transcript.end(answer("a", "Answer.", thinking="First I think."))
        await pilot.press("t")
        assert [line.strip() for line in window(transcript) if line][1:3] == ["▾ thought, 3 words", "First I think."]
        await pilot.press("t")
        await settle(pilot)
        assert [line.strip() for line in painted(app) if line][1:] == ["▸ thought, 3 words", "Answer."]


async def test_the_live_line_is_last_and_goes() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)):
        transcript = app.transcript
        transcript.begin(answer("a", ""))
        transcript.set_status("waiting · 1 s · esc stops")
        transcript._frame()
        transcript.write("Text.")
        transcript._frame()
        assert [line for line in window(transcript) if line][-2:] == ["  Text.", "  ▍ waiting · 1 s · esc stops"]
        transcript.set_status("")
        transcript._frame()
        assert [line for line in window(transcript) if line][-1] == "  Text."


async def test_how_an_answer_ended_is_marked() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)):
        notes = ("first token 0.2 s", "interrupted, ^r asks again")
        app.transcript.set_entries([answer("a", "Par", state="failed", error='Refused: "[/b] no"', notes=notes)])
        assert [line for line in window(app.transcript) if line][1:] == [
            "  Par",
            '  ✕ Refused: "[/b] no"',
            "  ╰ first token 0.2 s",
            "  ▲ interrupted, ^r asks again",
        ]


async def test_entries_are_replaced_and_removed() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.transcript
        transcript.set_entries([question("q"), answer("a", "One.")])
        transcript.put_last(answer("a", "Two."))
        transcript.end(answer("b", "Three."))
        transcript.replace(answer("none", "Nothing."))
        transcript.remove_entry("q")
        transcript.remove_entry("none")
        await settle(pilot)
        assert [line.strip() for line in painted(app) if line] == ["qwen3:14b", "Two.", "qwen3:14b", "Three."]
        assert transcript.source("a") == "Two."
        assert transcript.source("q") == ""


async def test_what_is_copied_of_a_message() -> None:
    app = Chat()
    async with app.run_test(size=(60, 20)):
        transcript = app.transcript
        transcript.set_entries([answer("a", "A\n```py\nx\n\ny\n```\nb\n~~~\nz\n~~~\n```\nopen")])
        assert transcript.code_blocks("a") == ["x\n\ny", "z", "open"]
        transcript.begin(answer("b", ""))
        transcript.write("so far")
        assert transcript.source("b") == "so far"


async def test_a_prompt_is_shown_as_it_was_typed() -> None:
    app = Chat()
    async with app.run_test(size=(30, 20)):
        app.transcript.set_entries([question("q", "# no head\n  **two**\n\n[/b] " + "word " * 8)])
        assert [line for line in window(app.transcript) if line] == [
            "▌ # no head",
            "▌   **two**",
            "▌",
            "▌ [/b] word word word word",
            "▌ word word word word",
        ]


async def test_text_is_selected_by_mouse() -> None:
    app = Chat()
    async with app.run_test(size=(40, 12)) as pilot:
        app.transcript.set_entries([question("q"), answer("a", f"{COUNTED}\n\n- ten")])
        await settle(pilot)
        first = window(app.transcript).index("  One two three four five six seven")
        await pilot.mouse_down(app.transcript, offset=(6, first))
        await pilot.hover(app.transcript, offset=(10, first + 1))
        await pilot.hover(app.transcript, offset=(7, first + 3))
        await pilot.mouse_up(app.transcript, offset=(7, first + 3))
        await settle(pilot)
        assert app.screen.get_selected_text() == COUNTED[4:] + "\n\n- ten"
        assert painted(app) == window(app.transcript)
        app.screen.clear_selection()
        await settle(pilot)
        assert window(app.transcript) == painted(app)


async def test_selecting_all_gives_the_sources() -> None:
    app = Chat()
    async with app.run_test(size=(40, 12)):
        app.transcript.set_entries([question("q", "A?"), answer("a", "**B**")])
        assert app.transcript.get_selection(Selection(None, None)) == ("A?\n\n**B**", "\n")
        assert app.transcript.get_selection(Selection(Offset(0, 1), Offset(4, 1))) == ("A?", "\n")


@pytest.mark.parametrize("size", [(1, 1), (8, 3), (300, 2)])
async def test_odd_sizes(size: tuple[int, int]) -> None:
    app = Chat()
    async with app.run_test(size=size) as pilot:
        app.transcript.set_entries([question("q"), answer("a", TEXT, thinking="x", notes=("n",), error="e")])
        app.transcript.begin(answer("b", ""))
        app.transcript.write(TEXT)
        app.transcript.set_status("s")
        app.transcript._frame()
        await pilot.press("home", "t", "p", "end")
        await settle(pilot)
        assert len(window(app.transcript)) == size[1]


async def test_entries_before_there_is_a_size() -> None:
    transcript = Transcript()
    transcript.set_entries(conversation(3))
    transcript.append(question("z"))
    transcript.begin(answer("a", ""))
    transcript.write("text")
    transcript.set_status("s")
    assert transcript.source("a") == "text"
