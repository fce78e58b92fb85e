"""One line for each runtime that does not answer, with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from venom_tui.core.types.runtime import SILENT, RuntimeState, RuntimeStatus
from venom_tui.ui.text import literal, signs

_MOST = 4


class Troubles(Widget):
    """Hidden while all runtimes answer."""

    def __init__(self) -> None:
        super().__init__(id="troubles")
        self._lines: tuple[str, ...] = ()
        self._key = ""

    def on_mount(self) -> None:
        """Begin hidden."""
        self.display = False

    def show(self, statuses: Sequence[RuntimeStatus], key: str) -> None:
        """Show who does not answer; the same as before paints nothing."""
        found = tuple(line for status in statuses if (line := trouble(status)))
        if len(found) > _MOST:
            found = (*found[: _MOST - 1], f"and {len(found) - _MOST + 1} more runtimes do not answer")
        if (found, key) != (self._lines, self._key):
            self._lines, self._key = found, key
            self.display = bool(found)
            self.styles.height = len(found)
            self.refresh(layout=True)

    def render(self) -> Content:
        """Return the lines for the widget's width."""
        return Content("\n").join(self._line(text, self.size.width) for text in self._lines)

    def _line(self, text: str, width: int) -> Content:
        right = Content.assemble((self._key, "bold"), " retries")
        room = max(10, width - right.cell_length - 2)
        left = Content.assemble((signs().failed, "$error"), " ", literal(text)).truncate(room, ellipsis=True)
        return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)


def trouble(status: RuntimeStatus) -> str:
    """Return what is to be said of a runtime, "" for one that answers, or that nobody said is there."""
    if status.state not in SILENT:
        return ""
    if status.origin == "default" and status.seen_at is None:
        return ""  # the usual address of an Ollama that was never there
    place = status.endpoint.partition("://")[2]
    seen = "never answered" if status.seen_at is None else f"last answered {status.seen_at.astimezone():%H:%M}"
    state = "is unreachable" if status.state is RuntimeState.UNREACHABLE else "failed"
    return f"{status.id}{f' at {place}' if place else ''} {state} ({seen}): {status.detail}"
