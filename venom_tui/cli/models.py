"""`venom-tui models`: what is here, which one answers, and how it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli import model_files, model_fit, model_offers, model_parameters, model_pull
from venom_tui.cli.model_details import details_lines, repository_lines, show_data, state_of
from venom_tui.cli.options import json_option, provider_option, runtime_option
from venom_tui.cli.output import note, or_unknown, show, size, table
from venom_tui.cli.running import ALL_ASKED_WITHIN_S, run_with_core
from venom_tui.core.errors import ModelNotFound, UsageError
from venom_tui.core.types.details import ModelDetails
from venom_tui.core.types.model import ActiveModel, ModelInfo
from venom_tui.core.types.offer import HubRepository

if TYPE_CHECKING:
    from venom_tui.core.core import Core


_LEARN_S = 2.0
"""Seconds that a list waits for what runtimes tell of single models, which is asked once."""


@click.group("models")
def command() -> None:
    """See the models of this machine, find others, choose the one that answers, tune it."""


for part in (model_files, model_fit, model_offers, model_parameters, model_pull):
    part.add_to(command)


@command.command("list")
@click.option("--runtime", metavar="ID", help="Only the models of this runtime.")
@provider_option
@json_option
@click.pass_obj
def list_models(flags: dict[str, Any], runtime: str | None, provider: str | None, as_json: bool) -> None:
    """List all models."""

    async def work(core: Core) -> list[ModelInfo]:
        await core.runtimes.settled(ALL_ASKED_WITHIN_S)
        if runtime is not None:
            core.runtimes.runtime(runtime)
        await core.registry.learn(_LEARN_S)
        return [
            model
            for model in await core.models.list()
            if runtime in (None, model.runtime)
            and provider in (None, "local" if model.demonstration else model.provider)
        ]

    models = run_with_core(work, flags)
    show(models, lambda: _table(models), as_json=as_json)


def _table(models: list[ModelInfo]) -> list[str]:
    if not models:
        return ["There is no model. GGUF files belong into the models folder, which `venom-tui info` names."]
    rows = [
        (
            model.name,
            model.runtime or "-",
            "remote" if model.remote_host else size(model.size_bytes),
            model.parameter_size or "?",
            model.quantization or "?",
            or_unknown(model.context_length),
            state_of(model),
        )
        for model in models
    ]
    return table(("NAME", "RUNTIME", "SIZE", "PARAMETERS", "QUANTIZATION", "CONTEXT", "STATE"), rows)


@command.command("show")
@click.argument("name")
@click.option("--update", is_flag=True, help="Ask its registry or hub whether it has another version now.")
@click.option("--digest", is_flag=True, help="Read the whole file for its sha256, where that is not known.")
@runtime_option
@provider_option
@json_option
@click.pass_obj
def show_model(
    flags: dict[str, Any],
    name: str,
    update: bool,
    digest: bool,
    runtime: str | None,
    provider: str | None,
    as_json: bool,
) -> None:
    """Show all that is known of a model, or what a repository of Hugging Face holds that is not here."""

    async def work(core: Core) -> ModelDetails | HubRepository:
        try:
            model = await core.registry.find(name, runtime, provider)
        except ModelNotFound:
            if runtime is None and core.registry.provider_of(name, provider) == "huggingface":
                return await core.registry.repository(name)
            raise
        if digest:
            await core.registry.work_out_digest(model.name, model.runtime)
        if update:
            await core.registry.ask_for_update(model.name, model.runtime)
        return await core.registry.details(model.name, model.runtime)

    found = run_with_core(work, flags)
    if isinstance(found, HubRepository):
        show(found, lambda: repository_lines(found), as_json=as_json)
    else:
        show(show_data(found), lambda: details_lines(found), as_json=as_json)


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
