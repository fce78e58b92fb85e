"""Does it fit? One model against what is free now: its parts, other contexts, and how sure that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.errors import VenomError
from venom_tui.core.types.fit import FitReport, UtilizationRange
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.text import GIB, gib, literal, signs, size
from venom_tui.ui.widgets.figures import bar_of
from venom_tui.ui.widgets.verdicts import verdict
from venom_tui.ui.workers import start, start_when_idle

Ask = Callable[[int | None, str | None, int], Awaitable[FitReport]]
"""(tokens of context, type of the cache, sequences) -> the report; None leaves the choice to the runtime."""

_CONTEXTS = (2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576)
_PARALLEL = (1, 2, 4, 8, 16, 32)
_TYPES = {"vllm": ("auto", "fp8")}
_OTHER_TYPES = ("f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
_AGAIN_S = 2.0
"""Seconds between two looks at what is free."""
_NAME = 12
_BAR = 24


class FitDialog(Dialog[None]):
    """Asks anew with each change of context, cache and sequences, and while it is open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,minus", "context(-1)", "shorter", id="fit.shorter", tooltip="Count with a shorter context"),
        Binding("right,plus", "context(1)", "longer context", id="fit.longer", tooltip="Count with a longer context"),
        Binding("t", "kv_type", "cache", id="fit.cache", tooltip="Count with the next type of the KV cache"),
        Binding("p", "parallel(1)", "sequences", id="fit.more", tooltip="Count with more sequences at once"),
        Binding("P", "parallel(-1)", "Fewer", show=False, id="fit.fewer", tooltip="Count with fewer sequences at once"),
        Binding("r", "again", "Look again", show=False, id="fit.again", tooltip="Look again, and ask who was asked"),
    ]

    def __init__(self, name: str, kind: str, ask: Ask, *, asked: str = "") -> None:
        """`kind` is that of the model's runtime; `ask` makes the report; `asked` is who outside is asked for it."""
        super().__init__(f"Does {name} fit?")
        self._ask = ask
        self._asked = asked
        self._types = _TYPES.get(kind, _OTHER_TYPES)
        self._report: FitReport | None = None
        self._tokens: int | None = None
        self._kv_type: str | None = None
        self._parallel = 1

    def compose_box(self) -> Iterable[Widget]:
        """Return the report."""
        begun = f"{self._asked} is asked what it is made of" if self._asked else "It is looked at"
        with VerticalScroll(id="report"):
            yield Static(literal(f"{begun} {signs().ellipsis}", "$text-muted"), id="report-text")

    def on_mount(self) -> None:
        """Ask now, and again while it is open."""
        self._look()
        self.set_interval(_AGAIN_S, self._look_once_more)

    def _look_once_more(self) -> None:
        # For what is not here all is looked through: that is done again only by a key.
        if not self._asked:
            start_when_idle(self, self._renew, group="fit")

    def _look(self) -> None:
        start(self, self._renew, group="fit", exclusive=True)

    async def _renew(self) -> None:
        try:
            self._report = await self._ask(self._tokens, self._kv_type, self._parallel)
        except VenomError as failure:
            self._show(failure_lines(failure))
        else:
            self._show(lines(self._report))

    def _show(self, found: Iterable[Content]) -> None:
        text = Content("\n").join(found)
        shown = self.query_one("#report-text", Static)
        if shown.content != text:
            shown.update(text)

    # ------------------------------------------------------------------ keys

    def action_again(self) -> None:
        """Look again, and ask again who failed."""
        self._look()

    def action_context(self, by: int) -> None:
        """Take the next context."""
        now = self._tokens or (self._report.context_length if self._report is not None else None)
        if now is not None:
            self._tokens = next_context(now, by, self._report.trained_context_length if self._report else None)
            self._look()

    def action_kv_type(self) -> None:
        """Take the next type of the cache."""
        now = self._kv_type or self._types[0]
        place = self._types.index(now) if now in self._types else -1
        self._kv_type = self._types[(place + 1) % len(self._types)]
        self._look()

    def action_parallel(self, by: int) -> None:
        """Take more or fewer sequences."""
        place = _PARALLEL.index(self._parallel) + by
        self._parallel = _PARALLEL[max(0, min(len(_PARALLEL) - 1, place))]
        self._look()


def next_context(now: int, by: int, trained: int | None) -> int:
    """Return the next longer or shorter context: powers of two, and what the model was trained for."""
    steps = sorted({*_CONTEXTS, *([trained] if trained else [])})
    if by > 0:
        return next((step for step in steps if step > now), now)
    return next((step for step in reversed(steps) if step < now), now)


# ---------------------------------------------------------------------- what is written


def failure_lines(failure: VenomError) -> list[Content]:
    """Return why there is no report: the sentence, the server's own words, the way out."""
    words = ((failure.message, "$error"), (failure.server_message, ""), (failure.hint, "$text-muted"))
    return [literal(text, style) for text, style in words if text]


def lines(report: FitReport) -> list[Content]:
    """Return a report as lines."""
    found = [Content.assemble(verdict(report.verdict), "  ", literal(report.reason)), Content()]
    if report.likely_bytes is None:
        return found
    question = report.question
    context = "?" if report.context_length is None else f"{report.context_length:,} tokens"
    sequences = "1 sequence" if question.parallel == 1 else f"{question.parallel} sequences, each with all of that"
    found += [_fact("context", f"{context} · cache {question.kv_type} · {sequences}"), Content()]
    found += _parts(report)
    found += [Content(), *_table(report)]
    found += _places(report)
    found += [Content(), *_sure(report)]
    return found


def _parts(report: FitReport) -> list[Content]:
    most = report.likely_bytes or 1
    parts = (
        ("weights", report.weights_bytes),
        ("cache", report.kv_bytes),
        ("compute", report.compute_bytes),
        ("overhead", report.overhead_bytes),
    )
    found = [
        Content.assemble((f"{name:<{_NAME}}", "$text-muted"), bar_of(_BAR, (value or 0) / most), f"  {size(value):>9}")
        for name, value in parts
    ]
    if report.correction_bytes:
        sign = "+" if report.correction_bytes > 0 else "-"
        learned = f"{sign}{size(abs(report.correction_bytes))}"
        found.append(Content.assemble((f"{'learned':<{_NAME}}", "$text-muted"), " " * _BAR, f"  {learned:>9}"))
    span = "" if report.low_bytes is None else f"   {_gib(report.low_bytes)} to {_gib(report.high_bytes)} GiB"
    likely = f"{'likely':<{_NAME}}{' ' * _BAR}  {size(report.likely_bytes):>9}"
    found.append(Content.assemble((likely, "bold"), (span, "$text-muted")))
    return found


def _table(report: FitReport) -> list[Content]:
    head = f"{'context':>9}  {'cache GiB':>9}  {'likely GiB':>10}  "
    found = [Content.styled(head, "$text-muted")]
    for row in report.table:
        trained = report.trained_context_length
        longer = "   longer than it was trained for" if trained is not None and row.context_length > trained else ""
        evicts = f" {', '.join(row.evicts)}" if row.evicts else ""
        now = row.context_length == report.context_length
        text = f"{row.context_length:>9,}  {_gib(row.kv_bytes):>9}  {_gib(row.likely_bytes):>10}  "
        found.append(
            Content.assemble(
                (text, "bold" if now else ""), verdict(row.verdict), literal(evicts), (longer, "$text-muted")
            )
        )
    return found


def _places(report: FitReport) -> list[Content]:
    found: list[Content] = []
    for gpu in report.gpus if report.place == "gpu" else ():
        free = f"{_gib(gpu.free_bytes)} of {_gib(gpu.total_bytes)} GiB free"
        text = f"{free}{f', not counted: {gpu.reason}' if gpu.reason else ''}"
        found.append(_fact(f"GPU {gpu.index}", text, chosen=gpu.index in report.chosen_gpus))
    if report.place == "cpu" and report.free_bytes is not None:
        found.append(_fact("RAM", f"{_gib(report.free_bytes)} GiB free"))
    if report.utilization is not None and report.utilization.lowest is not None:
        found.append(_fact("vLLM", _utilization(report.utilization.lowest, report.utilization)))
    return [Content(), *found] if found else []


def _utilization(lowest: float, found: UtilizationRange) -> str:
    """Return which values of vLLM's option hold the model, and which of them start now."""
    name = "gpu-memory-utilization"
    if found.starts and found.highest is not None:
        return f"{name} {lowest:.2f} to {found.highest:.2f} holds it and starts now"
    most = "none" if found.highest is None else f"at most {found.highest:.2f}"
    return f"{name} {lowest:.2f} holds it, {most} starts now"


def _sure(report: FitReport) -> list[Content]:
    found = [_fact("made from", report.source)]
    quality = report.quality
    if quality is None:
        found.append(_fact("so far", f"no load of {report.architecture or 'this kind'} was measured yet"))
    else:
        loads = f"{quality.count} load{'s' * (quality.count != 1)} of {quality.architecture}"
        off = f"{quality.median_percent:g} % off in the middle, {quality.worst_percent:g} % at most"
        plain = f"without what was learned {quality.plain_median_percent:g} %"
        found.append(_fact("so far", f"{loads}: {off}; {plain}"))
    found += [_fact("note" if number == 0 else "", note) for number, note in enumerate(report.notes)]
    return found


def _fact(name: str, value: str, *, chosen: bool = False) -> Content:
    mark = Content.styled(f" {signs().pointer}", "$accent") if chosen else Content()
    return Content.assemble((f"{name:<{_NAME}}", "$text-muted"), literal(value), mark)


def _gib(value: int | None) -> str:
    if value is None:
        return "?"
    return gib(value) if value >= GIB / 20 or value == 0 else f"{value / GIB:.2f}"
