"""`venom-tui models fit`: what a model will cost in memory, and whether that fits now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option, runtime_option
from venom_tui.cli.output import note, or_unknown, paint, pairs, show, size, table
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.fit import Candidate, FitReport, Verdict

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_WORDS = {
    Verdict.FITS: ("fits", "ok"),
    Verdict.FITS_AFTER_EVICTION: ("fits after eviction", "warn"),
    Verdict.PARTLY_ON_CPU: ("partly on the CPU", "warn"),
    Verdict.DOES_NOT_FIT: ("does not fit", "fail"),
    Verdict.UNKNOWN: ("unknown", "dim"),
}


def add_to(group: click.Group) -> None:
    """Add the command to the group of models."""
    group.add_command(fit)


@click.command("fit")
@click.argument("name", required=False)
@click.option("--context", type=int, metavar="N", help="Tokens of context; without it as the runtime would load it.")
@click.option("--kv-type", metavar="TYPE", help="Type of the KV cache: f16, q8_0, q4_0 …; for vLLM auto or fp8.")
@click.option("--parallel", type=int, default=1, show_default=True, metavar="N", help="Sequences at once.")
@click.option("--better", is_flag=True, help="Instead: better models that fit this machine; asks nobody outside.")
@runtime_option
@json_option
@click.pass_obj
def fit(
    flags: dict[str, Any],
    name: str | None,
    context: int | None,
    kv_type: str | None,
    parallel: int,
    better: bool,
    runtime: str | None,
    as_json: bool,
) -> None:
    """Estimate what a model takes in memory, and whether that fits what is free now.

    Of a model that is not installed the header alone is fetched, from the Ollama registry or from Hugging Face.
    """
    if better != (name is None):
        raise UsageError("Name a model, or ask for better ones with --better.")
    if better:
        _better(flags, as_json=as_json)
        return

    async def work(core: Core) -> FitReport:
        assert name is not None
        return await core.fits.report(name, runtime, context=context, kv_type=kv_type, parallel=parallel)

    report = run_with_core(work, flags)
    show(report, lambda: _lines(report), as_json=as_json)


def _better(flags: dict[str, Any], *, as_json: bool) -> None:
    async def work(core: Core) -> list[Candidate]:
        await core.runtimes.settled()
        return await core.fits.better(await core.models.list())

    found = run_with_core(work, flags)
    rows = [
        (one.name, one.parameter_size, size(one.size_bytes), size(one.likely_bytes), _verdict(one), one.about)
        for one in found
    ]
    headings = ("NAME", "PARAMETERS", "TO FETCH", "TAKES", "", "GOOD FOR")
    lines = table(headings, rows) if rows else ["No better model fits this machine."]
    show(found, lambda: lines, as_json=as_json)
    if not as_json and any(one.as_of for one in found):
        note(f"Models that are not here: facts of {found[-1].as_of}; `venom-tui models fit NAME` looks at one now.")


def _verdict(one: Candidate) -> str:
    return "installed" if one.installed else f"after {', '.join(one.evicts)}" if one.evicts else ""


def _lines(report: FitReport) -> Iterator[str]:
    word, style = _WORDS[report.verdict]
    yield f"{report.name}: {paint(word, style)}. {report.reason}"
    yield ""
    if report.likely_bytes is None:
        return
    if report.low_bytes is not None and report.high_bytes is not None:
        likely = f"{size(report.likely_bytes)} ({size(report.low_bytes)} to {size(report.high_bytes)})"
    else:
        likely = size(report.likely_bytes)
    question = report.question
    rows = [
        ("context", f"{or_unknown(report.context_length)} tokens, cache {question.kv_type}, {_sequences(report)}"),
        ("weights", size(report.weights_bytes)),
        ("cache", size(report.kv_bytes)),
        ("compute", size(report.compute_bytes)),
        ("overhead", size(report.overhead_bytes)),
        *([("earlier loads", f"{report.correction_bytes / 1024**2:+.0f} MiB")] if report.correction_bytes else []),
        ("likely", likely),
        ("evicts", ", ".join(report.evicts)),
        ("made from", report.source),
    ]
    if report.utilization is not None:
        rows.append(("vLLM", _utilization(report)))
    if report.quality is not None:
        q = report.quality
        off = f"{q.median_percent} % off, {q.worst_percent} % at most"
        rows.append(("so far", f"{q.count} load{'s' * (q.count != 1)} of {q.architecture}: {off}"))
    yield from pairs((name, value) for name, value in rows if value)
    yield ""
    yield from _table(report)
    for gpu in report.gpus:
        free = f"{size(gpu.free_bytes)} of {size(gpu.total_bytes)} free"
        yield f"GPU {gpu.index}: {free}{f', not counted: {gpu.reason}' if gpu.reason else ''}"
    yield from (f"note: {note}" for note in report.notes)


def _sequences(report: FitReport) -> str:
    count = report.question.parallel
    return "one sequence" if count == 1 else f"{count} sequences of that each"


def _utilization(report: FitReport) -> str:
    found = report.utilization
    assert found is not None
    if found.lowest is None:
        return "no gpu-memory-utilization holds it"
    if not found.starts:
        return f"gpu-memory-utilization {found.lowest:.2f} holds it; at most {found.highest} starts now"
    gpus = ",".join(map(str, found.gpus))
    spread = f" --tensor-parallel-size {len(found.gpus)}" if len(found.gpus) > 1 else ""
    return f"--gpu-memory-utilization {found.lowest:.2f} to {found.highest:.2f}{spread}, on GPU {gpus}"


def _table(report: FitReport) -> list[str]:
    rows = [
        (
            f"{row.context_length:,}",
            size(row.kv_bytes),
            size(row.likely_bytes),
            _WORDS[row.verdict][0],
            ", ".join(row.evicts),
        )
        for row in report.table
    ]
    return table(("CONTEXT", "CACHE", "LIKELY", "VERDICT", "EVICTS"), rows)
