"""`venom-tui models`: what is here, which one answers, and how it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli import (
    model_files,
    model_fit,
    model_memory,
    model_offers,
    model_parameters,
    model_pull,
    model_versions,
)
from venom_tui.cli.model_details import details_lines, repository_lines, show_data, state_of
from venom_tui.cli.options import json_option, provider_option, runtime_option
from venom_tui.cli.output import or_unknown, show, size, table
from venom_tui.cli.running import ALL_ASKED_WITHIN_S, run_with_core
from venom_tui.cli.silent import tell_silent
from venom_tui.core.errors import ModelNotFound
from venom_tui.core.types.details import ModelDetails
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubRepository

if TYPE_CHECKING:
    from venom_tui.core.core import Core


_LEARN_S = 2.0
"""Seconds that a list waits for what runtimes tell of single models, which is asked once."""


@click.group("models")
def command() -> None:
    """See the models of this machine, find others, choose the one that answers, tune it."""


for part in (model_files, model_fit, model_memory, model_offers, model_parameters, model_pull, model_versions):
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
        await tell_silent(core, runtime)
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
