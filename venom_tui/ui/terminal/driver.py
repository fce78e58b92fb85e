"""Our driver: Textual's for Linux, but input and output are on the event loop and never wait for the terminal.

What differs from `textual.drivers.linux_driver` (8.2.8), and why:

- Output goes through `Output`. The stock driver hands it to a thread with a queue of 30 entries, which blocks the event
  loop when nobody reads the terminal.
- Input is read on the event loop. The stock driver's thread wakes ten times a second, takes up to 0.2 s to end, and
  spins when the terminal is gone.
- The end of the terminal (EIO, end of file) ends the application as SIGHUP does.
- Leaving application mode takes `LEAVE_S` at most, also when nobody reads the terminal, which then finds the sequences
  that restore it when it is read again.
- A process that was stopped and continued (also by SIGSTOP) takes the terminal back and draws everything anew.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any

from textual import constants, events
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from venom_tui.ui.terminal.keys import KeyDecoder
from venom_tui.ui.terminal.output import Output, open_again

if TYPE_CHECKING:
    from textual.message import Message

    from venom_tui.ui.terminal.app import TerminalApp

LEAVE_S = 0.4
"""Seconds that the terminal is given to take what is left; then that is dropped for the sequences that restore it."""

_READ = 65_536

_KITTY_FLAGS = (
    linux_driver.KITTY_DISAMBIGUATE_ESCAPE_CODES
    | linux_driver.KITTY_REPORT_ALL_KEYS
    | linux_driver.KITTY_REPORT_ASSOCIATED_TEXT
)
_NO_OSC = ("linux", "dumb", "vt52", "vt100", "vt102", "vt220", "")
"""Terminals (TERM up to the first dash) that may print what they do not know of OSC."""
_MOUSE_MODES = (1000, 1003, 1015, 1006)


def usable() -> bool:
    """Return whether this process has a terminal that this driver can drive; if not, the stock driver has to."""
    if sys.__stdin__ is None:
        return False
    try:
        os.close(open_again(sys.__stdin__.fileno()))
        os.close(open_again(_output_descriptor()))
    except (OSError, ValueError):  # no terminal; closed
        return False
    return True


def _output_descriptor() -> int:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed and os.isatty(stream.fileno()):
            return stream.fileno()
    raise OSError("neither standard output nor standard error is a terminal")


class TerminalDriver(LinuxDriver):
    """Drives the terminal of a `TerminalApp`, which is told what happens through its `_terminal_*` methods."""

    _app: TerminalApp[Any]

    def __init__(
        self, app: TerminalApp[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.output: Output | None = None
        self._tty_in = -1
        self._tty_out = -1
        self._decoder = KeyDecoder(clock=self._loop.time, background=self._background)
        self._expiry: asyncio.TimerHandle | None = None
        self._reading = False
        self._stopped = False
        """Whether SIGTSTP made us leave application mode, so that SIGCONT has to enter it again."""
        self._in_application_mode = False

    # Output

    def write(self, data: str) -> None:
        """Write a control sequence; it is never lost or torn (but decorations are, while nobody reads)."""
        if self.output is not None:
            cosmetic = data == "\a" or data.startswith("\x1b]22;")
            self.output.write(data.encode("utf-8", "replace"), cosmetic=cosmetic)

    # Application mode

    def start_application_mode(self) -> None:
        """Take the terminal: raw input, alternate screen, mouse, paste and key protocols."""
        self._tty_in = open_again(self.fileno)
        out = _output_descriptor()
        same = os.fstat(out).st_rdev == os.fstat(self.fileno).st_rdev
        self._tty_out = self._tty_in if same else open_again(out)
        self.output = Output(self._tty_out, on_drained=self._drained, on_lost=self._lost)
        self._size = self._get_terminal_size()
        signal.signal(signal.SIGWINCH, self._on_sigwinch)
        self._enter()
        if os.environ.get("TERM", "").partition("-")[0] not in _NO_OSC:
            self.write("\x1b]11;?\x1b\\")  # which background?
        self._loop.add_reader(self._tty_in, self._readable)
        self._reading = True
        if self._must_signal_resume:
            self._must_signal_resume = False
            self.send_message(self.SignalResume())

    def _enter(self) -> None:
        self._in_application_mode = True
        try:
            attributes = termios.tcgetattr(self.fileno)
            if self.attrs_before is None:
                self.attrs_before = [*attributes[:6], list(attributes[6])]
            attributes[tty.LFLAG] = self._patch_lflag(attributes[tty.LFLAG])
            attributes[tty.IFLAG] = self._patch_iflag(attributes[tty.IFLAG])
            attributes[tty.CC][termios.VMIN] = 1
            attributes[tty.CC][termios.VTIME] = 0
            termios.tcsetattr(self.fileno, termios.TCSANOW, attributes)
        except termios.error:  # hung up just now; reading will tell
            pass
        kitty = "" if constants.DISABLE_KITTY_KEY else f"\x1b[>{_KITTY_FLAGS}u"
        # Apple's terminal prints a letter of the query for synchronized output.
        sync = "" if os.environ.get("TERM_PROGRAM") == "Apple_Terminal" else "\x1b[?2026$p"
        self.write(
            "\x1b[?1049h"  # alternate screen
            + self._mouse_sequence(self._mouse)
            + "\x1b[?25l\x1b[?1004h"  # no cursor; focus events
            + kitty
            + sync
            + "\x1b[?2048$p"  # are resizes told in band?
            + "\x1b[?2004h"  # bracketed paste
            + "\x1b[?7l"  # no line wrap
        )

    def disable_input(self) -> None:
        """Stop reading the terminal; what it has sent and nobody read is dropped."""
        if not self._reading:
            return
        self._reading = False
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self._loop.remove_reader(self._tty_in)
        if self._expiry is not None:
            self._expiry.cancel()
        self.write(self._mouse_sequence(False) if self._mouse else "")
        try:
            termios.tcflush(self.fileno, termios.TCIFLUSH)
        except termios.error:
            pass

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was; a terminal that nobody reads is left after `LEAVE_S`."""
        if not self._in_application_mode:
            return
        self._in_application_mode = False
        self.disable_input()
        restore = (
            ("\x1b[?2048l" if self._in_band_window_resize else "") + "\x1b[0m\x1b[r"  # colours and scroll region
            "\x1b[?2004l\x1b[?7h"
            "\x1b[<u"  # kitty keys, before the alternate screen is left
            "\x1b[?1049l\x1b[?25h\x1b[?1004l"
        )
        self.write(restore)
        if self.attrs_before is not None:
            try:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            except termios.error:
                pass
            self.attrs_before = None
        if self.output is not None and not self.output.flush(LEAVE_S) and not self.output.lost:
            self.output.discard()
            try:
                termios.tcflush(self._tty_out, termios.TCOFLUSH)
            except termios.error:
                return
            # CAN ends a sequence of which the terminal has read only the beginning.
            self.write(f"\x18\x1b[?2026l{self._mouse_sequence(False)}{restore}")

    def close(self) -> None:
        """Give up the terminal."""
        if self.output is not None:
            self.output.discard()
            self.output = None
            for descriptor in {self._tty_in, self._tty_out}:
                os.close(descriptor)

    def restore_in_haste(self) -> None:
        """Give the terminal back when the process is about to end without further ado."""
        self.stop_application_mode()

    def set_mouse(self, enabled: bool) -> None:
        """Switch mouse reporting on or off."""
        self._mouse = enabled
        if self._in_application_mode:
            self.write(self._mouse_sequence(enabled))
            if self._in_band_window_resize:
                self._enable_mouse_pixels()  # the decoder takes places for pixels from the first resize in band on

    @staticmethod
    def _mouse_sequence(enabled: bool) -> str:
        return (
            "".join(f"\x1b[?{mode}{'h' if enabled else 'l'}" for mode in _MOUSE_MODES)
            if enabled
            else "".join(f"\x1b[?{mode}l" for mode in (*_MOUSE_MODES, 1016))
        )

    # Input

    def send_message(self, message: Message) -> None:
        """Hand a message to the application; unlike in the stock driver this runs on its loop."""
        self._app.post_message(message)

    def _readable(self) -> None:
        try:
            data = os.read(self._tty_in, _READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # EIO: hung up
            data = b""
        if not data:
            self._lost()
            return
        self._take(self._decoder.feed(data))

    def _take(self, messages: Any) -> None:
        for message in messages:
            self.process_message(message)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._decoder.deadline is not None:
            self._expiry = self._loop.call_at(self._decoder.deadline, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self._take(self._decoder.expire())

    # What happens to the terminal

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._tty_out if self._tty_out >= 0 else _output_descriptor())
        except OSError:
            size = shutil.get_terminal_size()
        return size.columns or 80, size.lines or 24

    def _on_sigwinch(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._resized)

    def _resized(self) -> None:
        if self._reading and not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self.send_message(events.Resize(size, size))

    def _background(self, luminance: float) -> None:
        self._app._terminal_background(luminance)

    def _drained(self) -> None:
        self._app._terminal_drained()

    def _lost(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._tty_in)
        if self.output is not None:
            self.output.lost = True
            self.output.discard()
        self._app._terminal_lost()

    # Being stopped and continued

    def _sigtstp_application(self, *_: object) -> None:
        # Not here: a signal may come in the midst of a write.
        if self._loop.is_closed():
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._auto_restart and self._in_application_mode:
            self.suspend_application_mode()
            self._stopped = True
            self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._continued)

    def _continued(self) -> None:
        if not self._stopped and not self._in_application_mode:
            return  # the end of the program, or an editor has the terminal
        if not self._in_foreground():  # `bg`: wait for `fg`
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if self._stopped:
            self._stopped = False
            self.resume_application_mode()
        else:  # stopped by SIGSTOP: the shell has changed the terminal meanwhile
            self._enter()
        self._app._terminal_taken_back()

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            return True
