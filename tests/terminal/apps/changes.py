"""An application that changes its screen at random, one step a key: F8 goes on, ctrl+l draws everything anew.

python -m tests.terminal.apps.changes SEED [plain]
"""

from __future__ import annotations

import random
import sys
from typing import ClassVar

from venom_tui.ui.terminal.environment import prepare

prepare()

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.coordinate import Coordinate
from textual.geometry import Region, Size
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import DataTable, Footer, Header, Input, Log, Static

from venom_tui.ui.terminal.app import TerminalApp

WORDS = [
    "plain", "words", "of", "text", "日本語", "한국어", "naïve", "e\u0301le\u0300ve", "🚀", "👩‍💻", "❤️", "🇩🇪", "👍🏽",
    "│─┼", "▁▂▃▅▇", "नमस्ते", "x" * 9, "1234.5", "…", "tab\tin", "esc\x1b[31mred", "c1\x9b31m", "bidi\u202eabc",
]  # fmt: skip
CHANGES = [
    "words", "words", "rows", "rows", "rows", "table", "cell", "log", "toast", "no_toast", "dialog", "other",
    "narrow", "dark", "input", "focus",
]  # fmt: skip
"""What a step does, the frequent ones more than once; each is a method `change_…` of the application.

Containers are not scrolled: Textual 8.2.8 itself then forgets to paint toasts that come or go.
"""


class Rows(ScrollView):
    """Rows that the terminal scrolls, where it can."""

    DEFAULT_CSS = (
        "Rows { width: 1fr; height: 1fr; overflow-y: scroll; overflow-x: hidden; scrollbar-size-vertical: 1; }"
    )

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.top = 0

    def on_mount(self) -> None:
        self.virtual_size = Size(1, 1)

    def add(self, texts: list[str]) -> None:
        height = self.scrollable_content_region.height
        self.texts += texts
        old, self.top = self.top, max(0, len(self.texts) - height)
        by = self.top - old
        assert isinstance(self.app, TerminalApp)
        if by and abs(by) < height and self.app.terminal.scroll_rows(self, by):
            # In a window that has grown, the text comes down again, and rows are new at both ends.
            self.refresh(Region(0, height - by, self.size.width + 1, by) if by > 0 else self.size.region)
        else:
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        # Not Widget's, which keeps lines by their place in the window: rows that the terminal moved would come back.
        return [self.render_line(y).crop(crop.x, crop.right) for y in range(crop.y, crop.bottom)]

    def render_line(self, y: int) -> Strip:
        at = self.top + y
        text = self.texts[at] if at < len(self.texts) else ""
        content = Content(text.replace("\t", " "))
        strip = Strip([*content.render_segments(self.visual_style)])
        return strip.adjust_cell_length(self.size.width, self.rich_style)


class Other(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("o", "app.pop_screen", "Back")]

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("not yet", id="state")
        yield Static(Content("another screen\n" * 5))
        yield Footer()


class Dialog(ModalScreen[None]):
    DEFAULT_CSS = "Dialog { align: center middle; } Dialog Static { width: 30; height: 7; border: round red; }"

    def compose(self) -> ComposeResult:
        yield Static(Content("a dialog 日本 🚀"))


class Changes(TerminalApp[None]):
    CSS = """
    #left { width: 24; } #table { height: 8; } #log { height: 6; } Input { height: 3; }
    #words { height: 4; background: $surface; } .narrow #left { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f8", "step", "Next", priority=True),
        Binding("ctrl+l", "redraw", "Redraw", priority=True),
        Binding("ctrl+q", "quit", "Quit", priority=True),
    ]
    AUTO_FOCUS = None

    def __init__(self, seed: int, plain: bool) -> None:
        super().__init__(plain_output=plain)
        self.random = random.Random(seed)
        # Textual's own renderer sends the harmful ones to the terminal, and is lost where it disagrees on a width.
        self.vocabulary = [word for word in WORDS if not plain or (word.isprintable() and max(word) < "\u0900")]
        self.steps = 0

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("step 0 done", id="state")
        with Horizontal():
            with VerticalScroll(id="left"):
                for number in range(30):
                    yield Static(Content(f"side {number} " + "─" * 14), classes="side")
            yield Rows()
        yield Static(id="words")
        yield DataTable(id="table")
        yield Log(id="log")
        yield Input("typed 日本")
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        self.query_one(Rows).texts = [self.words() for _ in range(60)]
        table.add_columns("one", "two", "three")
        for number in range(40):
            table.add_row(str(number), "two", "日本")

    def words(self, most: int = 8) -> str:
        return " ".join(self.random.choice(self.vocabulary) for _ in range(self.random.randint(0, most)))

    @property
    def main(self) -> Screen[object]:
        return self.screen_stack[0]

    def action_step(self) -> None:
        getattr(self, f"change_{self.random.choice(CHANGES)}")()
        self.steps += 1
        self.run_worker(self.tell(), exclusive=True)

    def change_words(self) -> None:
        self.main.query_one("#words", Static).update(Content("\n".join(self.words() for _ in range(4))))

    def change_rows(self) -> None:
        for _ in range(self.random.choice([1, 1, 1, 2])):
            self.main.query_one(Rows).add([self.words() for _ in range(self.random.randint(1, 4))])

    def change_table(self) -> None:
        self.main.query_one(DataTable).move_cursor(row=self.random.randrange(40))

    def change_cell(self) -> None:
        place = Coordinate(self.random.randrange(40), 1)
        self.main.query_one(DataTable).update_cell_at(place, self.words(2).replace("\x1b", ""))

    def change_log(self) -> None:
        self.main.query_one(Log).write_line(self.words())

    def change_toast(self) -> None:
        self.notify(self.words(), timeout=600, markup=False)

    def change_no_toast(self) -> None:
        self.clear_notifications()

    def change_dialog(self) -> None:
        self.pop_screen() if len(self.screen_stack) > 1 else self.push_screen(Dialog())

    def change_other(self) -> None:
        self.pop_screen() if len(self.screen_stack) > 1 else self.push_screen(Other())

    def change_narrow(self) -> None:
        self.main.toggle_class("narrow")

    def change_dark(self) -> None:
        self.theme = self.random.choice(["textual-dark", "textual-light", "ansi-dark", "nord"])

    def change_input(self) -> None:
        self.main.query_one(Input).value = self.words(3).replace("\t", "").replace("\x1b", "")

    def change_focus(self) -> None:
        if len(self.screen_stack) == 1:
            self.screen.set_focus(self.random.choice([self.main.query_one(DataTable), None]))

    async def tell(self) -> None:
        """Say that the step is done when nothing moves any more."""
        pilot = Pilot(self)
        for _ in range(2):
            await pilot.pause()
        for screen in self.screen_stack:
            for state in screen.query("#state").results(Static):
                # A layout to come would keep the terminal from scrolling in the next step.
                state.update(f"step {self.steps} done", layout=False)


if __name__ == "__main__":
    Changes(int(sys.argv[1]), "plain" in sys.argv).run()
