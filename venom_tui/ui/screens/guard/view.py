"""What the parts of the guard's screen share: the figures to show, columns under a rule, reasons of what is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from textual.content import Content, Span

from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.fit import Quality
from venom_tui.ui.text import Signs, gib, literal, relative_time, signs
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.figures import bar_of, graph_of, levels
from venom_tui.ui.widgets.live_rows import Row, still

History = Callable[[str], Sequence[float | None]]
"""Name of a series -> its shares of the last ten minutes, the newest last."""

Fact = tuple[str, str]
"""Name and value of something that is known, or `?` with the reason."""

LABEL = 7
"""Cells before a bar or a graph, for its name."""
_WORDS = 40
"""Cells after it, for its figures."""
_MOST_GRAPH = 60
"""One cell for each ten seconds of the history."""
_MOST_ROWS = 8

_NAMES = {
    "memory_total_bytes": "memory",
    "memory_used_bytes": "memory",
    "memory_free_bytes": "memory",
    "memory_reserved_bytes": "reserved memory",
    "utilization_percent": "core",
    "memory_utilization_percent": "memory bus",
    "temperature_c": "temperature",
    "power_w": "power",
    "power_limit_w": "power limit",
    "mig_mode": "MIG",
    "mig_devices": "its parts",
    "clock_core_mhz": "clock",
    "clock_core_max_mhz": "highest clock",
    "clock_memory_mhz": "memory clock",
    "clock_memory_max_mhz": "highest memory clock",
    "pcie_generation": "PCIe",
    "pcie_generation_max": "PCIe",
    "pcie_width": "PCIe",
    "pcie_width_max": "PCIe",
    "pcie_received_bytes_per_s": "traffic of the bus",
    "pcie_sent_bytes_per_s": "traffic of the bus",
    "usable": "for this program",
    "cpu_percent": "CPU",
    "load_1m": "load",
    "uuid": "UUID",
}


@dataclass(frozen=True, slots=True)
class View:
    """One look at the machine, with what was before."""

    snapshot: GuardSnapshot
    history: History
    now: datetime
    qualities: Sequence[Quality] = ()
    """How good estimates of memory have been, by architecture."""
    silent: Sequence[str] = ()
    """Runtimes that do not answer: what they hold is not known."""

    def age(self, then: datetime) -> str:
        """Return how long ago a moment was."""
        return relative_time(then, self.now)


def known(value: float | None, form: str = "{:.0f}") -> str:
    """Return a number, or `?`: never 0 for what is not known."""
    return "?" if value is None else form.format(value)


def amount(value: int | None) -> str:
    """Return bytes as GiB without the unit, or `?`; what is there is never written as nothing."""
    if value is None:
        return "?"
    text = gib(value)
    return "<0.1" if value and text == "0.0" else text


def share(part: int | None, whole: int | None) -> float | None:
    """Return part of a whole, None where one of them is not known."""
    return part / whole if part is not None and whole else None


def muted(text: str, key: str = "") -> Row:
    """Return a row that only says something; one whose text changes from look to look has a key of its own."""
    return Row(still(key or text), partial(_muted, text))


def _muted(text: str, _width: int) -> Content:
    return literal(f" {text}", "$text-muted")


def said(name: str, reasons: Mapping[str, str], *fields: str) -> Fact:
    """Return a fact of which the value is not known, with the reason."""
    reason = next((reasons[field] for field in fields if field in reasons), "")
    return name, f"?   {reason}" if reason else "?"


def reasons_of(unavailable: Mapping[str, str]) -> list[str]:
    """Return `memory, core: the reason` for each reason."""
    grouped: dict[str, list[str]] = {}
    for field, reason in unavailable.items():
        name = _NAMES.get(field, field.replace("disks.", "disk of "))
        names = grouped.setdefault(reason, [])
        if name not in names:
            names.append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in grouped.items()]


def reason_rows(unavailable: Mapping[str, str]) -> Iterable[Row]:
    """Return a row for each reason."""
    for number, text in enumerate(reasons_of(unavailable)):
        yield muted(f" {signs().unknown} {text}", f"reason {number}")


def fact_lines(facts: Iterable[Fact]) -> list[str]:
    """Return facts as lines of a dialog."""
    return [f"{name:<12} {value}" for name, value in facts]


def seen(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return shares as exactly as a line of blocks shows them: what moves by less is the same line."""
    return tuple(None if value is None else round(value, 2) for value in values)


def head(title: str, columns: Sequence[Column], shown: Sequence[tuple[int, int]], width: int) -> Content:
    """Return a rule with a title and, as far as there is room, the heads of the columns that begin at cell 1 below."""
    dash = signs().dash
    cells = list(dash * width)
    _write(cells, 2, f" {title} ")
    taken = 4 + len(title)
    heads: list[tuple[int, int]] = []
    x = 1
    for index, column_width in shown:
        column = columns[index]
        begin = x + (column_width - len(column.title) if column.right else 0)
        if column.title and begin - 1 > taken and begin + len(column.title) < width:
            _write(cells, begin - 1, f" {column.title} ")
            heads.append((begin, begin + len(column.title)))
        x += column_width + 2
    content = Content("".join(cells[:width]))
    content = content.stylize("$rule", 0, 2).stylize("$rule", taken, width)
    for begin, end in heads:
        content = content.stylize("$text-muted", begin, end)
    return content


def _write(cells: list[str], at: int, text: str) -> None:
    cells[at : at + len(text)] = text


def indented(line: Content) -> Content:
    """Return a line one cell further to the right."""
    spans = [Span(start + 1, end + 1, style) for start, end, style in line.spans]
    return Content(f" {line.plain}", spans, strip_control_codes=False)


def bar_in_steps(width: int, ours: float, others: float = 0.0, style: str = "$success") -> Content:
    """Return a bar as `bar_of` does; what moves by less than is seen is the same one."""
    if width <= 0:
        return Content()
    ours, others = min(max(ours, 0.0), 1.0), min(max(others, 0.0), 1.0)
    return _bar(signs(), width, round(ours * width * 8), round((ours + others) * width), style)


@lru_cache(maxsize=512)
def _bar(_signs: Signs, width: int, eighths: int, filled: int, style: str) -> Content:
    ours = eighths / (8 * width)
    return bar_of(width, ours, filled / width - ours, style)


# ------------------------------------------------------------------ graphs


def graph_width(width: int) -> int:
    """Return how wide bars and graphs are in rows of `width` cells."""
    return max(10, min(_MOST_GRAPH, width - LABEL - _WORDS - 2))


def graph_rows(key: str, label: str, values: Sequence[float | None], words: str, rows: int) -> Iterable[Row]:
    """Return a graph of ten minutes in about so many rows, with its name before and `words` behind the first."""
    rows = max(1, min(_MOST_ROWS, rows))
    heights = levels(values, rows)
    for number in range(rows):
        first = number == 0
        sides = (label, words) if first else ("", "")
        yield Row(still(f"{key} {number}"), partial(_graph_row, heights, sides, (number, rows)))


_graph = lru_cache(maxsize=16)(graph_of)  # once for all rows of a graph


def _graph_row(heights: tuple[int, ...], sides: tuple[str, str], place: tuple[int, int], width: int) -> Content:
    number, rows = place
    drawn = _graph(heights, graph_width(width), rows)[number]
    return Content.assemble(f" {sides[0]:<{LABEL - 1}}", (drawn, "$primary"), "  ", (sides[1], "$text-muted"))
