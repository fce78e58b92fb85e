"""The column at the right of wide terminals: how the last answer came about, and what the machine holds meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.text import duration, gib, literal, signs, truncate_middle
from venom_tui.ui.widgets.figures import bar_of
from venom_tui.ui.widgets.sections import RuleLine

if TYPE_CHECKING:
    from venom_tui.core.types.device import GuardSnapshot, LoadedModel
    from venom_tui.core.types.session import Message

SHOWS = ("both", "request", "machine", "off")
"""What it shows; the key goes from one to the next."""
WIDTH = 34
_BAR = 14
_NAME = 9
_ENDED = {
    "stop": "by the model",
    "length": "limit of tokens",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "repetition": "repeated itself",
}
"""What ended an answer -> in words; what is not among them is told as it is."""
_LOADED_MS = 100
"""What is shorter is no load: it was there already."""
_MOST_GPUS = 16
_MOST_MODELS = 12


class Aside(Vertical):
    """Two regions; what is equal to what stands there paints nothing.

    Args:
        shows: one of `SHOWS`.
        ready: called once it can be filled.
    """

    def __init__(self, shows: str, ready: Callable[[], object]) -> None:
        super().__init__(id="aside")
        self._shows = shows
        self._ready = ready
        self._said: dict[str, list[Content]] = {}

    def compose(self) -> Iterable[Widget]:
        """Lay out both regions."""
        yield RuleLine("Last answer", id="request-rule")
        yield Static(id="request")
        yield RuleLine("Machine", id="machine-rule")
        yield Static(id="machine")

    def on_mount(self) -> None:
        """Show what is to be shown."""
        self.query_one("#machine-rule", RuleLine).set_title("Machine", "GiB")
        self.show(self._shows)
        self.call_later(self._ready)

    def show_next(self) -> str:
        """Show what comes after what is shown, and return it."""
        self.show(SHOWS[(SHOWS.index(self._shows) + 1) % len(SHOWS)])
        return self._shows

    def show(self, shows: str) -> None:
        """Show one region, both, or nothing at all."""
        self._shows = shows
        self.set_class(shows == "off", "-off")
        for name in ("request", "machine"):
            for part in self.query(f"#{name}-rule, #{name}"):  # none before it is mounted
                part.display = shows in (name, "both")

    def show_request(self, answer: Message | None) -> None:
        """Show the last answer's way."""
        self._say("request", request_lines(answer))

    def show_machine(self, snapshot: GuardSnapshot | None, silent: Sequence[str] = ()) -> None:
        """Show what is held now; `silent` runtimes do not tell."""
        self._say("machine", machine_lines(snapshot, silent))

    def _say(self, name: str, lines: list[Content]) -> None:
        if self._said.get(name) != lines:
            self._said[name] = lines
            self.query_one(f"#{name}", Static).update(Content("\n").join(lines))


def request_lines(answer: Message | None) -> list[Content]:
    """Return how long each step of an answer took, one after the other, as bars on one scale."""
    if answer is None or not answer.model:
        return [Content.styled("No answer yet.", "$text-muted")]
    runtime = "" if answer.runtime in ("", "embedded") else f" @ {answer.runtime}"
    lines = [literal(truncate_middle(f"{answer.model}{runtime}", WIDTH))]
    steps = steps_of(answer)
    whole = steps[-1][2] if steps else 0.0
    for name, begun, ended in steps:
        if whole and ended > begun:
            lines.append(_step(name, begun / whole, ended / whole, duration((ended - begun) / 1000)))
    usage = answer.usage
    about = "~" if usage.estimated else ""
    if usage.completion_tokens is not None:
        asked = "" if usage.prompt_tokens is None else f"{usage.prompt_tokens:,} + "
        lines.append(_figure("tokens", f"{asked}{about}{usage.completion_tokens:,}"))
    if usage.tokens_per_second is not None:
        lines.append(_figure("rate", f"{usage.tokens_per_second:.0f} tok/s"))
    if answer.finish_reason:
        words = _ENDED.get(answer.finish_reason, answer.finish_reason)
        lines.append(_figure("end", truncate_middle(words, WIDTH - _NAME)))
    return lines


def steps_of(answer: Message) -> list[tuple[str, float, float]]:
    """Return the steps of an answer: name, begin and end in ms from the submitted prompt; [] where none was timed."""
    timings = answer.timings
    first, total = timings.submit_to_first_token_ms, timings.total_ms
    if first is None or total is None:
        return []
    load = min(timings.load_ms or 0.0, first)
    if load < _LOADED_MS:
        load = 0.0
    thought = min(first + (timings.thinking_ms or 0.0), total)
    return [("load", 0.0, load), ("prompt", load, first), ("thinking", first, thought), ("answer", thought, total)]


def _step(name: str, begun: float, ended: float, took: str) -> Content:
    before = min(round(begun * _BAR), _BAR - 1)
    cells = max(1, min(round(ended * _BAR), _BAR) - before)
    sign = signs()
    blank, block = sign.empty, sign.eighths[-1]
    bar = Content.assemble(
        (blank * before, "$rule"), (block * cells, "$accent"), (blank * (_BAR - before - cells), "$rule")
    )
    return Content.assemble((f"{name:<{_NAME}}", "$text-muted"), bar, f"{took:>{WIDTH - _NAME - _BAR}}")


def _figure(name: str, text: str) -> Content:
    return Content.assemble((f"{name:<{_NAME}}", "$text-muted"), literal(text))


def machine_lines(snapshot: GuardSnapshot | None, silent: Sequence[str] = ()) -> list[Content]:
    """Return the memory of each GPU and of the host, and the models that are held, largest first."""
    if snapshot is None:
        return [Content.styled("Nothing was measured yet.", "$text-muted")]
    gpus = snapshot.gpus[:_MOST_GPUS]
    lines = [_memory(f"GPU {gpu.index}", gpu.memory_used_bytes, gpu.memory_total_bytes) for gpu in gpus]
    host = snapshot.host
    total, available = host.ram_total_bytes, host.ram_available_bytes
    used = None if total is None or available is None else total - available
    lines.append(_memory("RAM", used, total))
    held = sorted(snapshot.loaded, key=lambda one: (-(_size(one) or 0), one.name))
    lines += map(_model, held[:_MOST_MODELS])
    if held[_MOST_MODELS:]:
        lines.append(Content.styled(f"and {len(held) - _MOST_MODELS:,} more models", "$text-muted"))
    if silent:
        words = truncate_middle(f"{', '.join(silent)}: no answer", WIDTH)
        lines.append(literal(words, "$text-muted"))
    elif not held:
        lines.append(Content.styled("No model is loaded.", "$text-muted"))
    return lines


def _memory(name: str, used: int | None, total: int | None) -> Content:
    figures = "?" if used is None or total is None else f"{gib(used)}/{gib(total)}"
    share = 0.0 if used is None or not total else used / total
    width = WIDTH - 7 - _BAR
    return Content.assemble((f"{name:<7}", "$text-muted"), bar_of(_BAR, share), f"{figures:>{width}}")


def _model(one: LoadedModel) -> Content:
    size, sign = _size(one), signs()
    figure = "?" if size is None else gib(size)
    pinned = f" {sign.pinned}" if one.pinned else ""
    name = truncate_middle(one.name, WIDTH - 2 - 7 - len(pinned))
    room = WIDTH - 2 - len(pinned)
    return Content.assemble(
        (f"{sign.loaded} ", "$success"), literal(name), pinned, f"{figure:>{room - Content(name).cell_length}}"
    )


def _size(one: LoadedModel) -> int | None:
    """Return what it takes of the GPUs' memory, else, where it is not on any, of the host's."""
    if one.vram_bytes:
        return one.vram_bytes
    return one.measured_bytes if one.measured_bytes is not None else one.reported_bytes
