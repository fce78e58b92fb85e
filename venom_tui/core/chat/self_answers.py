"""What venom-tui answers when it is asked about itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.model import ActiveModel, ModelInfo

_GIB = 1024**3

# Any key can be changed by a front end's user: only what is written holds everywhere.
HELP = """\
Type a prompt and send it; the active model answers. An answer that is stopped keeps what came.

- `/help` shows every key as it is set, as F1 does where it was not changed; the line below names the most used ones.
- A line that begins with `/` is a command: `/model` picks another model, `/new` begins a session, `/find` searches
  all of them. The help and the command palette list the others.
- The line at the top names the sections; any GGUF file in the models folder can be picked in the Catalog.
- From the shell: `venom-tui chat "…"`, `venom-tui models list`, `venom-tui doctor`."""

QUIT = "`/quit` quits venom-tui; `/help` names the keys that do. Everything is saved already."


def time_answer(now: datetime) -> str:
    """Say what time it is on this machine."""
    return f"It is {now.astimezone():%H:%M on %A, %d %B %Y} on this machine."


def status_answer(active: ActiveModel | None, models: Sequence[ModelInfo], guard: GuardSnapshot | None) -> str:
    """Say which model answers, what is loaded, and what the machine has left."""
    lines: list[str] = []
    if active is None:
        lines.append("No model is here: put a GGUF file into the models folder and pick it in the Catalog.")
    else:
        lines.append(f"Answering: **{_code(active.name)}** of the {active.runtime} runtime, {active.reason}.")
    lines.append(_loaded(models))
    if guard is not None:
        host = guard.host
        if host.ram_available_bytes is not None and host.ram_total_bytes is not None:
            lines.append(f"Memory: {_gib(host.ram_available_bytes)} of {_gib(host.ram_total_bytes)} GiB RAM free.")
        for gpu in guard.gpus:
            if gpu.memory_free_bytes is not None and gpu.memory_total_bytes is not None:
                free, total = _gib(gpu.memory_free_bytes), _gib(gpu.memory_total_bytes)
                lines.append(f"GPU {gpu.index}: {free} of {total} GiB VRAM free.")
        if not guard.gpus:
            lines.append(f"No GPU: {guard.unavailable.get('gpus', 'none was found')}.")
        lines.extend(_fitting(models, guard))
    return "\n\n".join(lines)


def _loaded(models: Sequence[ModelInfo]) -> str:
    """Say which models are loaded, and of which runtimes that is not known."""
    names = ", ".join(_code(model.name) for model in models if model.loaded)
    silent = ", ".join(sorted({model.runtime for model in models if model.loaded is None}))
    if not silent:
        return f"Loaded: {names}." if names else "No model is loaded; the first prompt loads the one that answers."
    if names:
        return f"Loaded: {names}. What else is loaded is not known: {silent} did not tell."
    return f"Which models are loaded is not known: {silent} did not tell."


def _fitting(models: Sequence[ModelInfo], guard: GuardSnapshot) -> list[str]:
    """Name the models whose file is larger than what is free; the KV cache comes on top, so "fits" would be a guess."""
    free = (guard.host.ram_available_bytes or 0) + sum(gpu.memory_free_bytes or 0 for gpu in guard.gpus)
    too_large = [m for m in models if m.loaded is False and m.size_bytes is not None and m.size_bytes > free]
    if not free or not too_large:
        return []
    names = ", ".join(f"{_code(m.name)} ({_gib(m.size_bytes or 0)} GiB)" for m in too_large)
    return [f"Too large for what is free now, by their files alone: {names}."]


def _gib(value: int) -> str:
    return f"{value / _GIB:.1f}"


def _code(name: str) -> str:
    return "`" + name.replace("`", "'") + "`"
