"""Turns the bytes that a terminal sends into Textual's events.

Textual's parser decides by time whether an escape sequence has ended, and types what it does not understand as if it
were keys. So it is given whole sequences only: an unfinished one is held back until the rest comes, replies to
questions that nobody asked are dropped, and a bracketed paste becomes one event however long and however torn it is.
"""

from __future__ import annotations

import re
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterator
from typing import Any

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.message import Message
from textual.widget import Widget

_PASTE_START = "\x1b[200~"
_PASTE_END = "\x1b[201~"

_UNFINISHED = re.compile(
    r"\x1b(?:\Z"  # a lone ESC
    r"|\[[0-?]*[ -/]*\Z"  # CSI without its final character
    r"|\[M[^\x1b]{0,2}\Z"  # an old mouse report
    r"|O\Z"  # SS3
    r"|[\]P_^X][^\x07\x1b]*\x1b?\Z)"  # a string without its end
)
_UNASKED = re.compile(
    r"\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, APC, PM, SOS
    r"|\x1b\[[>=][0-?]*[ -/]*[@-~]"  # secondary and tertiary device attributes
    r"|\x1b\[\?[0-9;:]*(?:[a-zA-Z]|\$[a-xzA-Z])"  # device attributes, kitty flags; not the mode reports (final $y)
    r"|\x1b\[0?n"  # device status
    r"|\x1b\[(?!48;)[0-9;:]*t"  # window reports but the resize in band
)
_TOKEN = re.compile(
    r"(?P<csi>\x1b(?:\[M[^\x1b]{3}|\[[0-?]*[ -/]*[@-~]|O[ -~]))"
    r"|(?P<malformed>\x1b(?:\[[0-?]*[ -/]*|O))"
    r"|(?P<escape>\x1b[^\x1b]?)"  # Esc, or alt and a key
    r"|[^\x1b]+"
)
_STATUS_OK = "\x1b[0n"
_BACKGROUND = re.compile(r"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
"""The answer to OSC 11, which asks for the background's colour (xterm's control sequences)."""

SEQUENCE_S = 1.0
"""Seconds that the rest of a sequence may take; what is unfinished then is dropped."""

PASTE_S = 5.0
"""Seconds that the rest of a paste may take; what came so far is the paste then."""

_LONGEST_STRING = 65_536
_LONGEST_PASTE = 64 * 1024 * 1024


class KeyDecoder:
    """Bytes in, events out. Call `expire` when `deadline` has come without more bytes.

    Args:
        escape_s: seconds after which a lone ESC is the Esc key.
        status_ok: called for each answer to a device status request.
        background: called with the luminance (0 to 1) of the background when the terminal tells its colour.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        escape_s: float | None = None,
        status_ok: Callable[[], None] | None = None,
        background: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._escape_s = constants.ESCAPE_DELAY if escape_s is None else escape_s
        self._status_ok = status_ok
        self._background = background
        self._clock = clock
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._held = ""
        self._paste: list[str] | None = None
        self._pasted = 0
        self.deadline: float | None = None

    def feed(self, data: bytes) -> Iterator[Message]:
        """Return the events that these bytes complete."""
        text = self._held + self._decode(data)
        self._held, self.deadline = "", None
        while text:
            if self._paste is not None:
                text = yield from self._take_paste(text)
                continue
            start = text.find(_PASTE_START)
            keys, text = (text, "") if start < 0 else (text[:start], text[start + len(_PASTE_START) :])
            if start >= 0:
                self._paste, self._pasted = [], 0
                self.deadline = self._clock() + PASTE_S
            else:
                keys = self._hold_unfinished(keys)
            yield from self._parse(keys)

    def expire(self) -> Iterator[Message]:
        """Return what the held bytes mean now that nothing followed them."""
        self.deadline = None
        held, self._held = self._held, ""
        if self._paste is not None:
            self._paste.append(held)
            yield self._end_paste()
        elif held == "\x1b" or (len(held) == 2 and held[1] in "]P_^X"):  # Esc; alt and a key that may begin a string
            yield from self._parser.feed(held)
            yield from self._give_up_waiting()

    def _hold_unfinished(self, text: str) -> str:
        cut = _UNFINISHED.search(text)
        if cut is None:
            return text
        held = cut[0]
        if len(held) > _LONGEST_STRING:
            return text[: cut.start()]
        self._held = held
        self.deadline = self._clock() + (self._escape_s if held == "\x1b" else SEQUENCE_S)
        return text[: cut.start()]

    def _take_paste(self, text: str) -> Generator[Message, None, str]:
        assert self._paste is not None
        end = text.find(_PASTE_END)
        if end >= 0:
            self._add_to_paste(text[:end])
            yield self._end_paste()
            return text[end + len(_PASTE_END) :]
        keep = next((n for n in range(len(_PASTE_END) - 1, 0, -1) if text.endswith(_PASTE_END[:n])), 0)
        self._add_to_paste(text[: len(text) - keep])
        self._held = text[len(text) - keep :]
        self.deadline = self._clock() + PASTE_S
        return ""

    def _add_to_paste(self, text: str) -> None:
        assert self._paste is not None
        self._pasted += len(text)
        if self._pasted <= _LONGEST_PASTE:
            self._paste.append(text)

    def _end_paste(self) -> Message:
        assert self._paste is not None
        text, self._paste = "".join(self._paste), None
        return events.Paste(text.replace("\x00", ""))

    def _parse(self, text: str) -> Iterator[Message]:
        if "\x1b" in text:
            if self._status_ok is not None:
                for _ in range(text.count(_STATUS_OK)):
                    self._status_ok()
            if self._background is not None and (told := _BACKGROUND.search(text)) is not None:
                self._background(_luminance(*told.groups()))
            text = _UNASKED.sub("", text)
        for token in _TOKEN.finditer(text):
            if token.lastgroup == "malformed":
                continue
            found = self._understand(token[0])
            if token.lastgroup is not None:
                # Whatever the parser still waits for will not come: an alt and a key, or a sequence unknown to it.
                rest = self._give_up_waiting()
                if token.lastgroup == "escape":
                    found = self._with_alt(token[0][1:], [*found, *rest])
            yield from found

    def _with_alt(self, key: str, found: list[Message]) -> list[Message]:
        """Return alt and a key as a key of its own, never as text: without a newer protocol ESC stands for alt."""
        if not key or len(found) != 1 or not isinstance(found[0], events.Key) or found[0].character is None:
            return found  # a lone Esc, or what has a name: ESC and `b` is a word to the left
        name = found[0].key
        if name.startswith("ctrl+"):  # nobody means alt and ctrl: the keys came close behind each other
            return [events.Key("escape", "\x1b"), *found]
        if not name.startswith("alt+"):  # enter; or a digit, which Textual takes for another sign
            name = next((f"alt+{event.key}" for event in self._understand(key) if isinstance(event, events.Key)), name)
        return [events.Key(name, None)]

    def _understand(self, text: str) -> list[Message]:
        try:
            return list(self._parser.feed(text))
        except (ValueError, OverflowError):  # a key by the number of a character that there is not, or by no number
            broken, self._parser = self._parser, XTermParser()  # the old one has ended
            self._parser.mouse_pixels = broken.mouse_pixels
            self._parser.terminal_size = broken.terminal_size
            self._parser.terminal_pixel_size = broken.terminal_pixel_size
            return []

    def _give_up_waiting(self) -> list[Message]:
        if self._parser._timeout_time is None:
            return []
        self._parser._timeout_time = 0.0
        return list(self._parser.tick())


def _luminance(*parts: str) -> float:
    """Return how light a colour is, 0 to 1; its parts are hexadecimal, with one to four digits (Rec. 709 weights)."""
    red, green, blue = (int(part, 16) / float(16 ** len(part) - 1) for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TypingGoesOn(Widget):
    """A widget in which nothing is typed: text that means nothing here goes to where one writes, with the focus.

    It is decided as the key comes, so that all that follows is there in its order.
    """

    def typed_into(self) -> Widget | None:
        """Return where one writes."""
        return None

    def _forward_event(self, event: events.Event) -> None:
        target = self.typed_into() if self._is_text(event) else None
        if target is None:
            super()._forward_event(event)
        else:
            self.screen.set_focus(target)
            target._forward_event(event)

    def _is_text(self, event: events.Event) -> bool:
        if isinstance(event, events.Key):
            text = event.character if event.is_printable else None
            return bool(text and text.strip()) and event.key not in self.screen.active_bindings
        return isinstance(event, events.Paste)


def hand_on(event: events.Key, widget: Widget) -> None:
    """Let another widget read a key, as if it had had the focus when the key was pressed."""
    widget._forward_event(events.Key(event.key, event.character))


async def read_anew(event: events.Key | events.Paste, app: App[Any]) -> None:
    """Let the application read what was typed as if it came now; called from its own loop of messages."""
    again = events.Key(event.key, event.character) if isinstance(event, events.Key) else events.Paste(event.text)
    await app._dispatch_message(again)
