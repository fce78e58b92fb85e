"""`venom-tui models`: what is here, which one answers, and how it generates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import json_option, runtime_option
from venom_tui.cli.output import note, or_unknown, pairs, show, size, table
from venom_tui.cli.running import ALL_ASKED_WITHIN_S, run_with_core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.request import GenerationParameters

if TYPE_CHECKING:
    from venom_tui.core.core import Core


@click.group("models")
def command() -> None:
    """See the models of this machine, choose the one that answers, tune it."""


@command.command("list")
@json_option
@click.pass_obj
def list_models(flags: dict[str, Any], as_json: bool) -> None:
    """List all models."""

    async def work(core: Core) -> list[ModelInfo]:
        await core.runtimes.settled(ALL_ASKED_WITHIN_S)
        return await core.models.list()

    models = run_with_core(work, flags)
    show(models, lambda: _table(models), as_json=as_json)


def _table(models: list[ModelInfo]) -> list[str]:
    if not models:
        return ["There is no model. GGUF files belong into the models folder, which `venom-tui info` names."]
    rows = [
        (
            model.name,
            model.runtime,
            size(model.size_bytes),
            model.parameter_size or "?",
            model.quantization or "?",
            or_unknown(model.context_length),
            _state(model),
        )
        for model in models
    ]
    return table(("NAME", "RUNTIME", "SIZE", "PARAMETERS", "QUANTIZATION", "CONTEXT", "STATE"), rows)


def _state(model: ModelInfo) -> str:
    if model.error:
        return f"unusable: {model.error}"
    words = [
        *(["active"] if model.active else []),
        *(["loaded"] if model.loaded else []),
        *(["demonstration"] if model.demonstration else []),
    ]
    return ", ".join(words)


@command.command("show")
@click.argument("name")
@runtime_option
@json_option
@click.pass_obj
def show_model(flags: dict[str, Any], name: str, runtime: str | None, as_json: bool) -> None:
    """Show all that is known of a model."""

    async def work(core: Core) -> ModelInfo:
        return await core.models.find(name, runtime)

    model = run_with_core(work, flags)
    show(model, lambda: _details(model), as_json=as_json)


def _details(model: ModelInfo) -> list[str]:
    return pairs(
        [
            ("name", model.name),
            ("runtime", model.runtime),
            ("provider", model.provider),
            ("size", size(model.size_bytes)),
            ("digest", or_unknown(model.digest)),
            ("architecture", or_unknown(model.architecture)),
            ("parameters", or_unknown(model.parameter_size)),
            ("quantization", or_unknown(model.quantization)),
            ("context", or_unknown(model.context_length)),
            ("capabilities", "?" if model.capabilities is None else ", ".join(model.capabilities)),
            (
                "chat template",
                {True: "yes", False: "no: a base model that continues text", None: "?"}[model.has_chat_template],
            ),
            ("file", or_unknown(model.path)),
            ("state", _state(model) or "neither active nor loaded"),
        ]
    )


@command.command("activate")
@click.argument("name")
@runtime_option
@json_option
@click.pass_obj
def activate(flags: dict[str, Any], name: str, runtime: str | None, as_json: bool) -> None:
    """Make a model the one that answers; it is loaded and tried first, and if that fails, all stays as it was."""

    async def work(core: Core) -> ActiveModel:
        return await core.models.activate(name, runtime, status=lambda text: None if as_json else note(f"{text} …"))

    active = run_with_core(work, flags)
    show(active, lambda: [f"{active.name} of runtime {active.runtime} answers from now on."], as_json=as_json)


@command.command("load")
@click.argument("name")
@runtime_option
@json_option
@click.pass_obj
def load(flags: dict[str, Any], name: str, runtime: str | None, as_json: bool) -> None:
    """Load a model into the memory of its runtime."""

    async def work(core: Core) -> ModelInfo:
        return await core.models.find(name, runtime)

    model = run_with_core(work, flags)
    if model.runtime == "embedded":
        raise UsageError(
            f"{model.name} cannot be loaded from here: the embedded llama.cpp ends with the command that started it.",
            hint="The TUI and `venom-tui chat` load it when they need it and hold it as long as they live.",
        )
    raise UsageError(f"Runtime {model.runtime} takes no loads yet.")


@command.command("unload")
@click.argument("name")
@runtime_option
@json_option
@click.pass_obj
def unload(flags: dict[str, Any], name: str, runtime: str | None, as_json: bool) -> None:
    """Take a model out of the memory of its runtime."""

    async def work(core: Core) -> ModelInfo:
        model = await core.models.find(name, runtime)
        await core.models.unload(model.name, model.runtime)
        return await core.models.find(model.name, model.runtime)

    model = run_with_core(work, flags)
    text = f"{model.name} is not loaded by this command"
    if model.runtime == "embedded":
        text += "; a TUI that holds it lets it go when it ends, or by the Catalog's unload"
    show(model, lambda: [f"{text}."], as_json=as_json)


@command.command("params")
@click.argument("name")
@click.argument("changes", nargs=-1, metavar="[PARAMETER=VALUE]...")
@click.option("--unset", multiple=True, metavar="PARAMETER", help="Leave a parameter to the runtime again.")
@runtime_option
@json_option
@click.pass_obj
def params(
    flags: dict[str, Any],
    name: str,
    changes: tuple[str, ...],
    unset: tuple[str, ...],
    runtime: str | None,
    as_json: bool,
) -> None:
    """Show or change the generation parameters saved for a model.

    PARAMETER is temperature, top_p, top_k, min_p, repeat_penalty, max_tokens, seed or stop.
    """
    wanted: dict[str, str | None] = dict.fromkeys(unset)
    for change in changes:
        parameter, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"{change!r} is no change.", hint="Write PARAMETER=VALUE, such as temperature=0.2.")
        wanted[parameter] = value

    async def work(core: Core) -> tuple[ModelInfo, GenerationParameters]:
        model = await core.models.find(name, runtime)
        if wanted:
            return model, await core.models.set_parameters(model.name, model.runtime, wanted)
        return model, await core.models.parameters(model.name, model.runtime)

    model, parameters = run_with_core(work, flags)
    saved = asdict(parameters)
    show(
        {"name": model.name, "runtime": model.runtime, "parameters": saved},
        lambda: pairs((key, _value(value)) for key, value in saved.items()),
        as_json=as_json,
    )


def _value(value: object) -> str:
    if value is None:
        return "as the runtime has it"
    return ", ".join(repr(text) for text in value) if isinstance(value, tuple) else str(value)
