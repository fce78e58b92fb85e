"""Whether a screen that grew out of many changes is what drawing everything anew makes."""

from __future__ import annotations

from collections.abc import Collection

from tests.terminal.emulator import Screen
from tests.terminal.harness import Terminal, Timeout

Cells = list[list[tuple[object, ...]]]


class Repaint:
    """A second screen that shows only what is written from its making on; `size` is what the terminal will have."""

    def __init__(self, terminal: Terminal, size: tuple[int, int] | None = None) -> None:
        self._terminal = terminal
        _ = terminal.screen
        self._from = len(terminal.output)
        self._size = size or (terminal.columns, terminal.rows)

    def screen(self) -> Screen:
        """What was drawn since."""
        screen = Screen(*self._size)
        screen.feed(b"\x1b[?7l" + self._terminal.output[self._from :])
        return screen

    def wait_drawn(self, timeout: float = 20.0) -> None:
        """Wait until something was written into the last row, so that all was drawn.

        Raises:
            Timeout: nothing was.
        """
        self._terminal.wait_until(lambda: self.screen().lines()[-1], timeout, "the last row")

    def wait_equal(self, cells: Cells | None = None, timeout: float = 20.0, *, ignore: Collection[int] = ()) -> None:
        """Wait until every cell that was drawn since is as in `cells`, or as the terminal shows it now.

        Rows in `ignore` may differ.

        Raises:
            Timeout: they are not; the message names the rows that differ.
        """
        differing: list[str] = []

        def equal() -> bool:
            expected, drawn = cells or self._terminal.screen.cells(), self.screen().cells()
            differing[:] = [
                f"row {y}: {text(one)!r} grew, {text(other)!r} was drawn anew"
                for y, (one, other) in enumerate(zip(expected, drawn, strict=True))
                if one != other and y not in ignore
            ]
            return not differing

        try:
            self._terminal.wait_until(equal, timeout, "the repaint")
        except Timeout as failure:
            raise Timeout("\n".join([*differing, str(failure)])) from None


def text(row: list[tuple[object, ...]]) -> str:
    """The text of a row of cells."""
    return "".join(str(cell[0]) for cell in row).rstrip()


def check_repaint(terminal: Terminal, key: str = "ctrl+l", *, ignore: Collection[int] = ()) -> None:
    """Press the key that draws everything anew and see that nothing changes by it.

    The screen must stand still, but for the rows in `ignore`.
    """
    before = terminal.screen.cells()
    repaint = Repaint(terminal)
    terminal.send(key)
    repaint.wait_equal(before, ignore=ignore)
