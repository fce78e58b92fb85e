"""The opening card: this machine, the runtimes found, which model answers and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from venom_tui.ui.text import gib, signs
from venom_tui.ui.widgets.transcript import Entry

if TYPE_CHECKING:
    from venom_tui.core.types.device import Gpu, GuardSnapshot
    from venom_tui.core.types.model import ActiveModel, ModelInfo
    from venom_tui.core.types.runtime import RuntimeStatus

CARD_KEY = "card"

DEMONSTRATION_PROMPTS = (
    "Name three colours of the rainbow.",
    "Write one sentence about the sea.",
    "What is the capital of France?",
)
"""What the demonstration model can do; also what up offers in a fresh prompt."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card tells; None is not known yet."""

    guard: GuardSnapshot | None = None
    runtimes: Sequence[RuntimeStatus] = ()
    models: Sequence[ModelInfo] | None = None
    active: ActiveModel | None = None
    models_dir: Path | None = None
    trouble: tuple[str, ...] = ()
    better: Sequence[int] = ()
    """Sizes in bytes of better models that fit this machine."""


def card(facts: CardFacts, model_key: str, better_key: str) -> Entry:
    """Return the card as an entry of the transcript.

    `model_key` is the key that picks another model, `better_key` the one that shows better ones for this machine.
    """
    lines = [*(f"{signs().warning} {text}" for text in facts.trouble)]
    if facts.guard is not None:
        lines.append(_machine(facts.guard))
    # Where a server usually listens and none does, there is nothing to tell.
    found = (one for one in facts.runtimes if one.origin != "default" or one.state != "unreachable")
    lines.extend(_runtime(status) for status in found)
    if facts.models is None:
        lines.append("Looking for models …")
    else:
        lines.extend(_answering(facts, model_key, better_key))
    return Entry(key=CARD_KEY, role="program", title="venom-tui", body="\n".join(lines), plain=True)


def _machine(guard: GuardSnapshot) -> str:
    host = guard.host
    parts = [f"{host.cpu_count} CPUs" if host.cpu_count else "CPUs ?"]
    if host.ram_total_bytes is None:
        parts.append("RAM ?")
    else:
        free = "?" if host.ram_available_bytes is None else gib(host.ram_available_bytes)
        parts.append(f"{free} of {gib(host.ram_total_bytes)} GiB RAM free")
    line = f"{host.name}   {', '.join(parts)}"
    if not guard.gpus:
        return f"{line} · no GPU ({guard.unavailable.get('gpus', 'none found')})"
    return f"{line} · {_gpus(guard.gpus)}"


def _gpus(gpus: Sequence[Gpu]) -> str:
    if len(gpus) == 1:
        return _gpu(gpus[0])
    free = sum(gpu.memory_free_bytes or 0 for gpu in gpus)
    total = sum(gpu.memory_total_bytes or 0 for gpu in gpus)
    return f"{len(gpus)} GPUs ({gpus[0].name or 'GPU'} first), {gib(free)} of {gib(total)} GiB free"


def _gpu(gpu: Gpu) -> str:
    name = gpu.name or f"GPU {gpu.index}"
    if gpu.memory_total_bytes is None or gpu.memory_free_bytes is None:
        return f"{name}, memory ?"
    return f"{name}, {gib(gpu.memory_free_bytes)} of {gib(gpu.memory_total_bytes)} GiB free"


def _runtime(status: RuntimeStatus) -> str:
    working = status.state in ("ready", "busy")
    sign = signs().loaded if working else signs().installed
    what = status.detail or status.state.value
    name = "embedded llama.cpp" if status.kind == "embedded" else status.id
    version = f" {status.version}" if status.version else ""
    return f"{sign} {name}{version}: {what}"


def _answering(facts: CardFacts, model_key: str, better_key: str) -> list[str]:
    where = f"A GGUF file in {facts.models_dir} can be picked with {model_key}."
    better = f"{better_key}   better models that fit this machine{_sizes(facts.better)}"
    if facts.active is None:
        return [f"{signs().warning} No model is here. {where}", better]
    if not facts.active.demonstration:
        return [f"Answering: {facts.active.name}, {facts.active.reason}.   {model_key} another model"]
    return [
        f"Answering: {facts.active.name}, a demonstration model (135M, often wrong): {facts.active.reason}.",
        "It can do, for example (up brings them into the prompt):",
        *(f"  “{prompt}”" for prompt in DEMONSTRATION_PROMPTS),
        better,
        where,
    ]


def _sizes(better: Sequence[int]) -> str:
    if not better:
        return ""
    least, most = (f"{size / 1e9:.1f}" for size in (min(better), max(better)))
    return f" ({least} GB)" if least == most else f" ({least} to {most} GB)"
