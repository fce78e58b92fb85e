"""What all sections share: header, line of sections, body, footer, and the way to the core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from venom_tui.ui.terminal.screen import TerminalScreen, binding_on
from venom_tui.ui.widgets.footer import FooterLine
from venom_tui.ui.widgets.header import HeaderLine
from venom_tui.ui.widgets.sections import SECTIONS, SectionLine

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.errors import VenomError
    from venom_tui.core.events import Event
    from venom_tui.ui.bridge import CoreHost
    from venom_tui.ui.widgets.header import HeaderState


class WrittenCommand(NamedTuple):
    """A command that is written in a prompt: `/name` and what it takes."""

    name: str
    usage: str
    """What is written behind the name; "" where it takes nothing."""
    meaning: str
    action: str
    """The same as an action of the screen or the application; "" where there is none."""

    @property
    def written(self) -> str:
        """How it is written."""
        return f"/{self.name} {self.usage}".rstrip()


class SectionScreen(TerminalScreen[None]):
    """A section of the cockpit.

    Derived screens give `NAME`, `compose_body`, and take what they need of `core_ready` (once, when the core is open),
    `core_event` (each event, also while the section is hidden: only remember then) and `shown` (it came to the front).
    """

    NAME: ClassVar[str] = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "back", "Back", show=False, id="section.back", tooltip="Leave the input, else go back to the chat"
        ),
        *(
            Binding(str(n), f"app.section('{name}')", title, show=False, id=f"section.{n}", tooltip=f"Go to {title}")
            for n, (name, title) in enumerate(SECTIONS, 1)
        ),
        Binding("question_mark", "app.help", "Help", show=False, id="section.help", tooltip="Show all keys"),
        Binding(
            "colon", "app.command_palette", "Commands", show=False, id="section.commands", tooltip="Find a command"
        ),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-normal"), (140, "-wide")]  # noqa: RUF012 (Textual's variable)

    @property
    def host(self) -> CoreHost:
        """The application, as far as screens know it."""
        return cast("CoreHost", self.app)

    @property
    def core(self) -> Core | None:
        """The core, once it is open."""
        return self.host.core

    def compose(self) -> ComposeResult:
        """Lay out the frame."""
        yield HeaderLine()
        yield SectionLine(self.NAME)
        yield from self.compose_body()
        yield FooterLine(id="footer")

    def compose_body(self) -> Iterable[Widget]:
        """Return the widgets between the line of sections and the footer."""
        return ()

    def core_ready(self, core: Core) -> None:
        """Take the core when it is open."""

    def core_event(self, event: Event) -> None:
        """Take an event of the core."""

    def shown(self) -> None:
        """Take notice that this section came to the front."""

    def written_commands(self) -> Sequence[WrittenCommand]:
        """Return what can be told to the program in this section's prompt; `action_write_command` is told the name."""
        return ()

    def set_header(self, state: HeaderState) -> None:
        """Show the header's state."""
        for line in self.children:  # memory's figure may change each second: no search through all widgets
            if isinstance(line, HeaderLine):
                line.set_state(state)
            elif isinstance(line, SectionLine):
                line.set_unseen(state.unseen_answers)

    def on_mount(self) -> None:
        """Ask for the core. Textual calls this after the handlers of derived screens."""
        self.host.join(self)

    def on_screen_resume(self) -> None:
        """Tell the section that it is seen, and renew its header."""
        self.set_header(self.host.header)
        self.shown()

    def complain(self, failure: VenomError) -> None:
        """Say what went wrong and what to do."""
        self.host.complain(failure)

    def key_of(self, binding_id: str) -> str:
        """Return how the key of a binding of this screen is written, the user's own where there is one.

        It may be one that does not act now, because another widget has the focus.
        """
        for active in self.active_bindings.values():
            if active.binding.id == binding_id:
                return self.app.get_key_display(active.binding)
        binding = binding_on(self, binding_id)
        return "?" if binding is None else self.app.get_key_display(binding)

    def still_with(self, focused: Widget | None) -> bool:
        """Return whether this section is in front, and the focus where it was: keys are meant for what was asked there.

        A question that opens late would take for its answer what is typed elsewhere.
        """
        return self.is_active and self.focused is focused

    def on_section_line_picked(self, message: SectionLine.Picked) -> None:
        """Go where the mouse pointed."""
        self.host.show_section(message.section)

    def action_back(self) -> None:
        """Go back to the chat."""
        self.host.show_section("chat")
