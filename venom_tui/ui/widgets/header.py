"""The header: where one is. Host, model and runtime, memory, running work, routing mode."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from venom_tui.ui.text import gib, signs, truncate_middle
from venom_tui.ui.widgets.line import Line

_SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class HeaderState:
    """What the header tells. None: not known yet."""

    host: str = ""
    known: bool = False
    """Whether it is known already which model answers."""
    model: str | None = None
    runtime: str = ""
    demonstration: bool = False
    vram_used_bytes: int | None = None
    vram_total_bytes: int | None = None
    ram_used_bytes: int | None = None
    ram_total_bytes: int | None = None
    running: tuple[str, ...] = ()
    """What runs now, in words: `loading qwen3:14b`."""
    mode: str = "LOCAL"
    note: str = ""
    """Something that must be seen: `read-only`, `closing`."""
    alarm: str = ""
    """A limit that is broken now."""
    unseen_answers: int = 0
    """Sessions with an answer that ended while it was not looked at; the line of sections tells."""


class HeaderLine(Line):
    """Shows a HeaderState; on narrow screens the parts of least worth go first."""

    def __init__(self) -> None:
        super().__init__(id="header")
        self._state = HeaderState()

    @property
    def state(self) -> HeaderState:
        """What it shows."""
        return self._state

    def set_state(self, state: HeaderState) -> None:
        """Show something else; equal states paint nothing."""
        if state != self._state:
            self._state = state
            self.refresh()

    def fit(self, width: int) -> Content:
        """Return as many parts as fit, in their order."""
        parts = _fitting(self._parts(width, flagged=True), width)
        if len(parts) < len(self._parts(width, flagged=False)) - bool(self._state.host):
            # The word for a demonstration model goes before all but the host: every answer of it says so, too.
            parts = _fitting(self._parts(width, flagged=False), width)
        return Content(_SEPARATOR).join([text for _, text in parts]).truncate(width, ellipsis=True)

    def _parts(self, width: int, *, flagged: bool) -> list[tuple[int, Content]]:
        """Return (worth, text) of each part; `flagged` names a demonstration model as what it is."""
        state = self._state
        parts: list[tuple[int, Content]] = []
        if state.host:
            parts.append((3, Content.styled(truncate_middle(state.host, max(8, width // 5)), "bold")))
        if state.model is None:
            words = "no model" if state.known else f"starting {signs().ellipsis}"
            parts.append((9, Content.styled(words, "$text-muted")))
        else:
            name = truncate_middle(state.model, max(16, width // 3))
            demonstration = (
                Content.styled(" demonstration", "$warning") if state.demonstration and flagged else Content()
            )
            parts.append((9, Content.assemble(name, (f" @ {state.runtime}", "$text-muted"), demonstration)))
        parts.extend(self._memory())
        if state.running:
            more = f" +{len(state.running) - 1}" if len(state.running) > 1 else ""
            parts.append((6, Content.styled(truncate_middle(state.running[0], 30) + more, "$busy")))
        parts.append((5, Content(state.mode)))
        if state.alarm:
            # Beside the model's name it is what matters most; it stands before what may be cut off.
            parts.insert(1, (10, Content.styled(truncate_middle(state.alarm, max(24, width // 2)), "bold $error")))
        if state.note:
            parts.append((8, Content.styled(state.note, "$warning")))
        return parts

    def _memory(self) -> list[tuple[int, Content]]:
        state = self._state
        for label, used, total in (
            ("VRAM", state.vram_used_bytes, state.vram_total_bytes),
            ("RAM", state.ram_used_bytes, state.ram_total_bytes),
        ):
            if total is not None:
                amount = "?" if used is None else gib(used)
                return [(7, Content(f"{label} {amount}/{gib(total)} GiB"))]
        return []


def _fitting(parts: list[tuple[int, Content]], width: int) -> list[tuple[int, Content]]:
    """Return what fits, without the parts of the least worth."""
    kept = list(parts)
    while len(kept) > 1 and _length(kept) > width:
        kept.remove(min(kept, key=lambda part: part[0]))
    return kept


def _length(parts: list[tuple[int, Content]]) -> int:
    return sum(text.cell_length for _, text in parts) + len(_SEPARATOR) * (len(parts) - 1)
