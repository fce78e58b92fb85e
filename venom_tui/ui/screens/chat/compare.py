"""Two answers to one prompt side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from venom_tui.core.types.alternatives import going_on
from venom_tui.ui.screens.chat.entries import entries_of, title_of
from venom_tui.ui.terminal.screen import TerminalModal
from venom_tui.ui.text import signs, truncate_middle
from venom_tui.ui.widgets.footer import FooterLine
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from venom_tui.core.types.session import Message


class Compare(TerminalModal[str | None]):
    """Shows two of several answers; `a` goes on with the one that has the focus, and answers with its id.

    Args:
        answers: the answers, at least two.
        at: id of one that is to be seen, if any.
        fps: frames a second of the transcripts.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", id="compare.leave", tooltip="Go back to the conversation"),
        Binding("tab,left,right,h,l", "other", "other one", id="compare.other", tooltip="Go to the other answer"),
        Binding("a", "choose", "go on with it", id="compare.choose", tooltip="Go on with the one that has the focus"),
        # Before those of the transcripts, in which these keys go through the answers, too: here each holds one.
        Binding(
            "n",
            "next(1)",
            "next answer",
            id="compare.next",
            tooltip="Show the next answer in this place",
            priority=True,
        ),
        Binding(
            "p",
            "next(-1)",
            "one before",
            show=False,
            id="compare.before",
            tooltip="Show the answer before in this place",
            priority=True,
        ),
    ]

    def __init__(self, answers: Sequence[Message], at: str | None, *, fps: int) -> None:
        super().__init__()
        self._answers = answers
        self._fps = fps
        last = len(answers) - 1
        place = next((index for index, answer in enumerate(answers) if answer.id == at), last)
        self._shown = [place - 1, place] if place else [0, 1]

    def compose(self) -> ComposeResult:
        """Lay out the two columns."""
        with Horizontal(id="answers"):
            for side in (0, 1):
                with Vertical(classes="answer"):
                    yield RuleLine("", id=f"answer-rule-{side}")
                    yield Transcript(fps=self._fps)
        yield FooterLine(id="footer")

    def on_mount(self) -> None:
        """Show both; the right one, which is newer, has the focus."""
        for side in (0, 1):
            self._show(side)
        self.query(Transcript)[1].focus()

    def _show(self, side: int) -> None:
        answer = self._answers[self._shown[side]]
        entry = entries_of((answer,))[0]
        transcript = self.query(Transcript)[side]
        transcript.set_entries([replace(entry, title="")])
        transcript.action_scroll_home()
        goes_on = going_on(self._answers) is answer
        place = f"{self._shown[side] + 1} of {len(self._answers)}"
        right = f"{signs().loaded} {place}, goes on" if goes_on else f"{signs().installed} {place}"
        self.query_one(f"#answer-rule-{side}", RuleLine).set_title(truncate_middle(title_of(answer), 60), right)

    @property
    def _side(self) -> int:
        """Which of the two has the focus."""
        return next((side for side, one in enumerate(self.query(Transcript)) if one.has_focus), 1)

    def on_descendant_focus(self) -> None:
        """Let the rules tell where the focus is."""
        for side in (0, 1):
            self.query_one(f"#answer-rule-{side}").set_class(side == self._side, "-focused")

    def action_other(self) -> None:
        """Go to the other answer."""
        self.set_focus(self.query(Transcript)[1 - self._side])

    def action_next(self, by: int) -> None:
        """Show the next answer, or the one before (-1), in the place of this one; never the one beside it."""
        side, other = self._side, self._shown[1 - self._side]
        around = [(self._shown[side] + by * step) % len(self._answers) for step in range(1, len(self._answers))]
        free = [index for index in around if index != other]
        if free:
            self._shown[side] = free[0]
            self._show(side)
        else:
            self.app.notify("There are only these two answers.", markup=False)

    def action_choose(self) -> None:
        """Go on with the answer that has the focus."""
        self.dismiss(self._answers[self._shown[self._side]].id)

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)
