"""Alarms: a limit that is broken while everything runs is seen in the header and the window's title, and heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from venom_tui.core.types.limits import Breach, LimitState
from venom_tui.ui.text import clean, gib, signs

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.events import Event
    from venom_tui.ui.app import VenomApp

_SHOWN_S = 20.0
_KEEP_TITLE, _GIVE_TITLE_BACK = "\x1b[22;2t", "\x1b[23;2t"


def watch_limits(app: VenomApp) -> Callable[[], None]:
    """Have alarms told from now on; return what ends that."""
    alarms = Alarms(app)
    app.join(alarms)
    return alarms.end


class Alarms:
    """Tells breaches as long as they last."""

    def __init__(self, app: VenomApp) -> None:
        self._app = app
        self._standing: dict[tuple[str, str], Breach] = {}
        self._titled = False

    def core_ready(self, core: Core) -> None:
        """Have the limits watched from now on."""
        core.limits.start()

    def core_event(self, event: Event) -> None:
        """Take a limit that was broken, or holds again."""
        from venom_tui.core.events import LimitChanged

        if not isinstance(event, LimitChanged):
            return
        breach, state = event.breach, event.breach.state
        key = (state.kind.value, state.subject)
        if state.broken:
            self._standing[key] = breach
            self._app.notify(told(breach), severity="error", markup=False, timeout=_SHOWN_S)
            self._app.bell()
        elif self._standing.pop(key, None) is not None:
            self._app.notify(f"The limit holds again: {clean(state.text)}.", markup=False)
        self._show()

    def _show(self) -> None:
        newest = next(reversed(self._standing.values()), None)
        more = f" +{len(self._standing) - 1}" if len(self._standing) > 1 else ""
        text = "" if newest is None else f"{signs().warning} {short(newest.state)}{more}"
        self._app.headline.alarm(text)
        self._set_title(text)

    def _set_title(self, text: str) -> None:
        terminal = self._app.terminal
        if not terminal.ours:
            return
        if text:
            terminal.send(("" if self._titled else _KEEP_TITLE) + f"\x1b]2;{text} - venom-tui\x1b\\")
        elif self._titled:
            terminal.send(_GIVE_TITLE_BACK)
        self._titled = bool(text)

    def end(self) -> None:
        """Give the window its title back."""
        self._standing.clear()
        self._set_title("")


def short(state: LimitState) -> str:
    """Return how a limit stands in few words."""
    subject, now = clean(state.subject), state.now
    if now is None:
        return subject
    if state.unit == "bytes":
        return f"{subject} {gib(now)} GiB free, limit {gib(state.limit)}"
    unit = {"celsius": " °C", "percent": " %"}.get(state.unit, "")
    return f"{subject} {now:,}{unit}, limit {state.limit:,}"


def told(breach: Breach) -> str:
    """Return a breach as sentences: what is broken, and what is done or could be."""
    text = f"A limit is broken: {clean(breach.state.text)}."
    names = [clean(name) for _, name in breach.victims]
    if breach.acts:
        return f"{text} {names[0]} is unloaded."
    if names and breach.state.policy.value == "ask":
        return f"{text} Unloading {names[0]} would help: u on its row in Guard."
    return text
