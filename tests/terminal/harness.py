"""A terminal for tests: runs a program in a pseudo-terminal, shows its screen, types, resizes, stalls and hangs up.

    with Terminal([sys.executable, "-m", "venom_tui"], columns=100, rows=30) as terminal:
        terminal.wait_for("Chat")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
        assert terminal.restored

The environment holds a fresh HOME, VENOM_DATA_DIR and VENOM_CONFIG_DIR (below `terminal.home`), no proxy, no SSH.
Reading goes on in a thread; `pause()` makes a terminal that nobody reads, `rate` one that reads slowly.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.terminal.emulator import Screen

REPOSITORY = Path(__file__).resolve().parents[2]

_ESC = "\x1b"
_FUNCTION_KEYS = ["OP", "OQ", "OR", "OS", "[15~", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~"]
KEYS = {
    "enter": "\r", "tab": "\t", "escape": _ESC, "backspace": "\x7f", "space": " ", "shift+tab": "\x1b[Z",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
    "insert": "\x1b[2~", "delete": "\x1b[3~", "pageup": "\x1b[5~", "pagedown": "\x1b[6~",
    "shift+up": "\x1b[1;2A", "shift+down": "\x1b[1;2B", "ctrl+home": "\x1b[1;5H", "ctrl+end": "\x1b[1;5F",
    "ctrl+up": "\x1b[1;5A", "ctrl+down": "\x1b[1;5B", "ctrl+left": "\x1b[1;5D", "ctrl+right": "\x1b[1;5C",
    **{f"f{number}": _ESC + code for number, code in enumerate(_FUNCTION_KEYS, 1)},
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
    **{f"alt+{letter}": _ESC + letter for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip
"""Key names as Textual has them -> what an xterm sends."""

_QUERY = re.compile(
    rb"\x1b\[(?P<da1>0?)c|\x1b\[>(?P<da2>0?)c|\x1b\[(?P<dsr>[56])n|\x1b\[\?(?P<mode>\d+)\$p|\x1b\[\?(?P<kitty>)u"
    rb"|\x1b\](?P<color>1[01]);\?(?:\x07|\x1b\\)"
)
_KNOWN_MODES = frozenset({1, 7, 12, 25, 1000, 1002, 1003, 1004, 1006, 1049, 2004, 2026})
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")


class Timeout(AssertionError):
    """What was waited for did not come; the message holds the screen."""


class Terminal:
    """A program in a pseudo-terminal.

    Args:
        argv: the program and its arguments.
        columns, rows: size of the terminal in cells.
        env: variables on top of the clean environment; None as a value removes one.
        home: folder that holds HOME, data/ and config/; a temporary one, removed at the end, when not given.
        rate: bytes a second that the terminal reads; 0: as many as come.
        answers: whether the terminal answers queries, as an xterm does.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str | None] | None = None,
        home: Path | None = None,
        cwd: Path | None = None,
        rate: int = 0,
        answers: bool = True,
    ) -> None:
        self.argv = list(argv)
        self.columns, self.rows = columns, rows
        self.rate = rate
        self.home = home or Path(tempfile.mkdtemp(prefix="venom-tui-test-"))
        self._remove_home = home is None
        self._answers = answers
        self.background = b"rgb:1e1e/1e1e/1e1e"
        """The colour that it tells when it is asked for it."""
        self._cwd = cwd
        self._env = self._environment(env or {})
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._closed = False
        self._ended = False
        self._log = bytearray()
        self._shown = 0
        self._answered = 0
        self._screen = Screen(columns, rows)
        self.started_at = 0.0
        self.last_output_at = 0.0
        self.arrivals: list[tuple[float, int]] = []
        """When something was read, and how many bytes had been read by then."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the program."""
        self.master, slave = pty.openpty()
        self._set_size()
        self.termios_before = termios.tcgetattr(slave)
        self.started_at = time.monotonic()

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            self.argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._env,
            cwd=self._cwd,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(slave)
        self._thread = threading.Thread(target=self._read, name="terminal-reader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the program and whatever it left, and forget the terminal."""
        left = self.processes()
        self.hangup()
        try:
            self.process.wait(0.2 if not left else 1.0)
        except subprocess.TimeoutExpired:
            pass
        for pid in {*left, self.process.pid} - {0}:
            if pid != self.process.pid or self.process.poll() is None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait(10)
        self._thread.join(5)
        if self._remove_home:
            shutil.rmtree(self.home, ignore_errors=True)

    # What the terminal shows

    @property
    def output(self) -> bytes:
        """All bytes that the terminal has read."""
        with self._changed:
            return bytes(self._log)

    @property
    def screen(self) -> Screen:
        """The screen as it is now."""
        with self._changed:
            data, self._shown = bytes(self._log[self._shown :]), len(self._log)
            self._screen.feed(data)
            return self._screen

    @property
    def lines(self) -> list[str]:
        """The rows of the screen."""
        return self.screen.lines()

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = 15.0) -> re.Match[str]:
        """Wait until the regular expression is found on the screen (^ and $ match at rows).

        Raises:
            Timeout: it was not.
        """
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = len(self._log)
            text = self.text
            found = expression.search(text)
            if found:
                return found
            with self._changed:
                while len(self._log) == seen and not self._ended:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise Timeout(f"{pattern!r} did not appear within {timeout} s on:\n{text}")
                    self._changed.wait(left)
                if self._ended and len(self._log) == seen:
                    raise Timeout(f"{pattern!r} did not appear before the program ended:\n{text}")

    def wait_gone(self, pattern: str, timeout: float = 15.0) -> None:
        """Wait until the regular expression is no longer found on the screen.

        Raises:
            Timeout: it stayed.
        """
        self.wait_until(lambda: not re.search(pattern, self.text, re.MULTILINE), timeout, f"{pattern!r} to go")

    def wait_until(self, condition: object, timeout: float = 15.0, what: str = "the condition") -> None:
        """Wait until `condition()` holds.

        Raises:
            Timeout: it did not.
        """
        assert callable(condition)
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise Timeout(f"{what} did not happen within {timeout} s; the screen:\n{self.text}")
            time.sleep(0.02)

    def wait_quiet(self, quiet: float = 0.3, timeout: float = 15.0) -> int:
        """Wait until nothing has been written for `quiet` seconds; return the number of bytes read so far.

        Raises:
            Timeout: the program kept on writing.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = len(self._log)
            time.sleep(quiet)
            with self._changed:
                if len(self._log) == seen:
                    return seen
            if time.monotonic() > deadline:
                raise Timeout(f"the program kept on writing for {timeout} s")

    @property
    def modes(self) -> dict[int, bool]:
        """The private modes that were set or reset."""
        found: dict[int, bool] = {}
        for match in _MODE.finditer(self.output):
            for number in match[1].split(b";"):
                found[int(number)] = match[2] == b"h"
        return found

    @property
    def restored(self) -> bool:
        """Whether the program gave the terminal back: main screen, cursor, no mouse, no paste mode, line discipline."""
        modes = self.modes
        on = [number for number in (1000, 1003, 1004, 1006, 1049, 2004, 2048) if modes.get(number)]
        return not on and modes.get(25, True) and self.cooked

    @property
    def cooked(self) -> bool:
        """Whether the line discipline is as it was before the program started."""
        now = termios.tcgetattr(self.master)
        return now[:4] == self.termios_before[:4]

    # What the user does

    def send(self, *keys: str) -> None:
        """Press keys by their names (`ctrl+q`, `f1`, `enter`, `a`)."""
        self.write("".join(KEYS.get(key, key) for key in keys).encode())

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self.write(text.encode())

    def paste(self, text: str) -> None:
        """Paste a text (bracketed)."""
        self.write(f"\x1b[200~{text}\x1b[201~".encode())

    def write(self, data: bytes) -> None:
        """Send bytes to the program, even while it does not read."""
        deadline = time.monotonic() + 20
        while data:
            if time.monotonic() > deadline:
                raise Timeout("the program does not read its input")
            if select.select([], [self.master], [], 0.5)[1]:
                data = data[os.write(self.master, data[:1024]) :]

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal."""
        _ = self.screen
        self.columns, self.rows = columns, rows
        self._screen.resize(columns, rows)
        self._set_size()

    def pause(self) -> None:
        """Stop reading what the program writes."""
        self._reading.clear()
        time.sleep(0.15)  # the reader may be within a read

    def resume(self) -> None:
        """Go on reading."""
        self._reading.set()

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def hangup(self) -> None:
        """Close the terminal, as a dropped connection does."""
        if self._closed and self.master < 0:
            return
        self._closed = True
        self._reading.set()
        self._thread.join(5)
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def wait_exit(self, timeout: float = 15.0) -> int:
        """Wait for the end of the program; return its exit status (negative: killed by that signal).

        Raises:
            Timeout: it goes on.
        """
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            screen = "(hung up)" if self._closed else self.text
            raise Timeout(f"the program did not end within {timeout} s; the screen:\n{screen}") from None
        if self._reading.is_set() and not self._closed:
            try:
                self.wait_quiet(0.05, 2)
            except Timeout:
                pass
        return code

    def processes(self) -> list[int]:
        """The living processes of the program's session or descended from it (zombies left out), itself included."""
        found: dict[int, tuple[int, int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if fields[0] != "Z":
                    found[int(name)] = (int(fields[1]), int(fields[3]))
        root = self.process.pid
        tree = {pid for pid, (_, session) in found.items() if pid == root or session == root}
        while more := {pid for pid, (parent, _) in found.items() if parent in tree} - tree:
            tree |= more
        return sorted(tree)

    # The inside

    def _environment(self, extra: Mapping[str, str | None]) -> dict[str, str]:
        for name in ("data", "config"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        values: dict[str, str | None] = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(REPOSITORY),
            "VENOM_DATA_DIR": str(self.home / "data"),
            "VENOM_CONFIG_DIR": str(self.home / "config"),
            "VENOM_DISCOVERY": "0",  # a server that runs here by chance is none of the test's
            **extra,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _set_size(self) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def _read(self) -> None:
        start, count = time.monotonic(), 0
        while not self._closed:
            if not self._reading.is_set():
                self._reading.wait()
                start, count = time.monotonic(), 0
                continue
            wanted = 65536
            if self.rate:
                wanted = min(4096, int((time.monotonic() - start) * self.rate) - count)
                if wanted < 64:
                    time.sleep(0.01)
                    continue
            if not select.select([self.master], [], [], 0.05)[0]:
                if self.rate:
                    start, count = time.monotonic(), 0
                continue
            data = self._available(wanted)
            if not data:
                break
            now = time.monotonic()
            count += len(data)
            with self._changed:
                self._log += data
                self.last_output_at = now
                self.arrivals.append((now, len(self._log)))
                reply = self._replies()
                self._changed.notify_all()
            if reply:
                try:
                    os.write(self.master, reply)
                except OSError:
                    break
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _available(self, most: int) -> bytes:
        try:
            return os.read(self.master, most)
        except OSError:  # EIO: the program has ended
            return b""

    def _replies(self) -> bytes:
        reply = b""
        for match in _QUERY.finditer(self._log, self._answered):
            self._answered = match.end()
            kind = match.lastgroup
            value = match[kind] if kind else b""
            if kind == "mode":
                reply += b"\x1b[?%s;%d$y" % (value, 2 if int(value) in _KNOWN_MODES else 0)
            elif kind == "dsr":
                reply += b"\x1b[0n" if value == b"5" else b"\x1b[1;1R"
            elif kind == "da1":
                reply += b"\x1b[?62;22c"
            elif kind == "da2":
                reply += b"\x1b[>1;10;0c"
            elif kind == "kitty":
                reply += b"\x1b[?0u"
            elif kind == "color":
                reply += b"\x1b]%s;%s\x1b\\" % (value, self.background)
        self._answered = max(self._answered, len(self._log) - 32)
        return reply if self._answers else b""
