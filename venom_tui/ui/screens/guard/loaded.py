"""Loaded models: what their runtimes report beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.content import Content

from venom_tui.core.types.device import LoadedModel
from venom_tui.ui.screens.guard.view import Fact, View, amount, fact_lines, head, known, muted
from venom_tui.ui.text import clean, duration, gib, literal, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.live_rows import Row, still

_NAME = 1
_COLUMNS = (
    Column("", 1, worth=9),
    Column("", 16, worth=10, stretch=True),
    Column("runtime", 9, worth=6),
    Column("reported", 8, worth=7, right=True),
    Column("RAM", 5, worth=8, right=True),
    Column("VRAM", 6, worth=8, right=True),
    Column("on GPU", 6, worth=4, right=True),
    Column("context", 8, worth=5, right=True),
    Column("leaves", 6, worth=6, right=True),
    Column("pid", 7, worth=3, right=True),
)
_HOW = (
    "Reported: what its runtime says that it takes. RAM: the memory of its processes on the host, shared pages in "
    "shares. VRAM: what the driver counts for these processes."
)
_COUNTED_S = 120.0
"""Seconds before it leaves from which on a model's countdown is shown by the second."""


def loaded_key(model: LoadedModel) -> str:
    """Return the key of a model's row."""
    return f"loaded {model.runtime} {model.name}"


def loaded_rows(view: View) -> Iterator[Row]:
    """Return the title and a line for each model in memory."""
    loaded = view.snapshot.loaded
    title = f"Loaded {len(loaded)} · GiB" if loaded else "Loaded"
    yield Row(still("loaded"), partial(_rule, title, bool(loaded)))
    if view.silent:
        yield muted(f"  {', '.join(view.silent)}: no answer, so that what is loaded there is not known")
    elif not loaded:
        yield muted("  nothing: a model is loaded when it is asked something")
    for model in loaded:
        yield Row(loaded_key(model), partial(_line, model, view))


def _rule(title: str, heads: bool, width: int) -> Content:
    return head(title, _COLUMNS, fit_columns(_COLUMNS, width - 2) if heads else (), width)


def counts_down(view: View) -> bool:
    """Return whether a model leaves so soon that each second is shown."""
    return any(0 <= (_left(model, view) or -1.0) <= _COUNTED_S for model in view.snapshot.loaded)


def _line(model: LoadedModel, view: View, width: int) -> Content:
    shown = fit_columns(_COLUMNS, width - 2)
    pin = f" {signs().pinned}" if model.pinned else ""
    name = truncate_middle(clean(model.name), dict(shown).get(_NAME, 0) - len(pin))
    sign = Content.styled(signs().failed, "$error") if model.dead else Content.styled(signs().loaded, "$success")
    cells = [sign, literal(name + pin), literal(model.runtime)]
    if model.dead:
        return Content.assemble(" ", lay_out(cells, _COLUMNS, shown), "  ", literal(model.dead, "$error"))
    cells += [
        Content(amount(model.reported_bytes)),
        Content(amount(model.measured_bytes)),
        Content(_vram(model, view)),
        Content(_share(model, view)),
        Content(known(model.context_length, "{:,}")),
        Content(_leaves(model, view)),
        Content(known(model.pid, "{}")),
    ]
    return Content.assemble(" ", lay_out(cells, _COLUMNS, shown))


def _vram(model: LoadedModel, view: View) -> str:
    # Without a GPU there is none that it could hold, and one that lies on the CPU holds none: that is known.
    none = not view.snapshot.gpus or model.gpu_share == 0
    return "-" if model.vram_bytes is None and none else amount(model.vram_bytes)


def _share(model: LoadedModel, view: View) -> str:
    if model.gpu_share is None:
        return "?" if view.snapshot.gpus else "-"
    return f"{100 * model.gpu_share:.0f} %"


def _left(model: LoadedModel, view: View) -> float | None:
    return None if model.pinned or model.expires_at is None else (model.expires_at - view.now).total_seconds()


def _leaves(model: LoadedModel, view: View) -> str:
    """Return in how long a model leaves by itself, in a few cells."""
    left = _left(model, view)
    if left is None:
        return "never" if model.pinned else "-"
    if left <= 0:
        return "now"
    return f"{left:.0f} s" if left < _COUNTED_S else f"{left // 60:.0f} m" if left < 7200 else f"{left // 3600:.0f} h"


# ---------------------------------------------------------------------- in detail


def _facts(model: LoadedModel, view: View) -> list[Fact]:
    why = model.unavailable

    def untold(field: str, otherwise: str = "its runtime does not tell it") -> str:
        return f"?   {why.get(field) or otherwise}"

    no_process = "its process is not known here" if model.pid is None else "this user may not read it"
    vram = untold("vram_bytes", "not measured")
    if _vram(model, view) == "-":
        vram = "none: it lies on the CPU" if view.snapshot.gpus else "none: there is no GPU"
    context = model.context_length
    facts = [
        ("runtime", f"{model.runtime}{', ' + model.endpoint if model.endpoint else ''}"),
        ("reported", _memory(model.reported_bytes, untold("reported_bytes"))),
        ("RAM", _memory(model.measured_bytes, untold("measured_bytes", no_process), "measured")),
        ("VRAM", _memory(model.vram_bytes, vram, "measured" if model.vram_measured else "as its runtime says")),
    ]
    if model.vram_measured and model.reported_vram_bytes is not None:
        facts.append(("", _gap(model.vram_bytes or 0, model.reported_vram_bytes)))
    if model.gpu_share is not None:
        facts.append(("lies on", _places(model)))
    facts += [
        ("context", untold("context_length") if context is None else f"{context:,} tokens{_how(model)}"),
        ("expires", _expiry(model, view)),
        ("pid", ", ".join(map(str, model.pids)) or (untold("pid") if model.pid is None else str(model.pid))),
    ]
    if model.dead:
        facts.insert(0, ("dead", f"{model.dead}; its runtime still lists it"))
    if model.elsewhere:
        facts.append(("held by", "another program, not by this one"))
    return facts


def _memory(value: int | None, otherwise: str, how: str = "") -> str:
    return otherwise if value is None else f"{gib(value)} GiB{f', {how}' if how else ''}"


def _gap(measured: int, reported: int) -> str:
    """Return how far apart are what was measured and what its runtime says of the same memory."""
    words = f"reported {gib(reported)} GiB"
    if not reported:
        return words
    off = 100 * (measured - reported) / reported
    return f"{words}: {abs(off):.0f} % {'more' if off > 0 else 'less'} was measured" if abs(off) >= 1 else words


def _places(model: LoadedModel) -> str:
    share = model.gpu_share or 0.0
    gpus = ", ".join(f"GPU {one.index} {amount(one.memory_bytes)} GiB" for one in model.gpus)
    part = "GPUs" if share >= 1 else "the CPU" if share <= 0 else f"GPUs by {100 * share:.0f} %, the CPU by the rest"
    return f"{part}{f': {gpus}' if gpus else ''}"


def _how(model: LoadedModel) -> str:
    cache = f", cache {model.kv_type}" if model.kv_type else ""
    return cache + (f", {model.parallel} sequences" if (model.parallel or 1) > 1 else "")


def _expiry(model: LoadedModel, view: View) -> str:
    """Return when a model leaves by itself."""
    if model.pinned:
        return "never: it is pinned"
    left = _left(model, view)
    if left is None:
        return "not by itself, as far as its runtime tells"
    return "now" if left <= 0 else f"in {duration(round(left))}"


def loaded_details(model: LoadedModel, view: View) -> Iterator[Row]:
    """Return what is known of a loaded model."""
    for name, value in _facts(model, view):
        yield Row(still(f"{name} {value if not name else ''}"), partial(_fact_line, name, value))


def _fact_line(name: str, value: str, _width: int) -> Content:
    return Content.assemble((f"  {name:<12}", "$text-muted"), literal(value))


def loaded_facts(model: LoadedModel, view: View) -> list[str]:
    """Return all that is known of a loaded model, as lines of a dialog."""
    weights = [("weights", model.weights)] if model.weights else []
    return [
        *fact_lines([*_facts(model, view), *weights]),
        "",
        _HOW,
    ]
