"""`venom-tui models pull`: fetches a model, and says before what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.following import to_its_end
from venom_tui.cli.options import asked, json_option, provider_option, runtime_option
from venom_tui.cli.output import note, show, size
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import OperationRefused
from venom_tui.core.types.operation import Operation
from venom_tui.core.types.pull import PullPreview

if TYPE_CHECKING:
    from venom_tui.core.core import Core


def add_to(group: click.Group) -> None:
    """Give the group its command."""
    group.add_command(pull)


@click.command("pull")
@click.argument("name")
@provider_option
@runtime_option
@click.option("--insecure", is_flag=True, help="Let the registry speak plain HTTP (Ollama).")
@click.option("--yes", is_flag=True, help="Fetch it though less disk space would be left than is to be kept free.")
@click.option("--force", is_flag=True, help="The same, also where the limit refuses it.")
@click.option("--detach", is_flag=True, help="Let it go on in the background; print its id and return.")
@json_option
@click.pass_obj
def pull(
    flags: dict[str, Any],
    name: str,
    provider: str | None,
    runtime: str | None,
    insecure: bool,
    yes: bool,
    force: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Fetch a model.

    NAME is one of Ollama's (llama3.2, hf.co/ORG/REPO:Q4_K_M), a repository of Hugging Face (ORG/REPO, with :TAG for a
    quantization, or :safetensors where it has both kinds), or an address of one of the two. Ctrl-C cancels and keeps
    what came; the same command goes on from there. When the terminal is gone, it goes on in the background.
    """

    async def work(core: Core) -> Operation:
        preview = await core.models.preview_pull(name, provider, insecure=insecure, runtime=runtime)
        if not as_json:
            for line in preview_lines(preview):
                note(line)
        operation = await asked(
            lambda said: core.models.pull(
                name,
                provider,
                insecure=insecure,
                runtime=runtime,
                preview=preview,
                waiting=detach,
                yes=said,
                force=force,
            ),
            yes=yes,
        )
        if not detach:
            return await to_its_end(core, operation, as_json=as_json)
        return await in_background(core, operation)

    operation = run_with_core(work, flags)
    if detach:
        show(operation, lambda: [operation.id], as_json=as_json)


async def in_background(core: Core, operation: Operation) -> Operation:
    """Start a process for an operation that nobody runs, and return it as that process has it.

    Raises:
        OperationRefused: none could be started, or it did not take the operation.
    """
    if not await core.operations.adopted(operation.id, 0.01):
        await core.start_background([operation.id])
        if not await core.operations.adopted(operation.id):
            await core.operations.cancel(operation.id)
            raise OperationRefused(
                f"The background did not take the {operation.kind} of {operation.target}.",
                hint="logs/background.log in the data directory says why.",
            )
    return await core.operations.get(operation.id)


def preview_lines(preview: PullPreview) -> list[str]:
    """Return what a pull will fetch, in sentences."""
    total, missing = size(preview.bytes_total), preview.bytes_missing
    if preview.bytes_total is not None and missing is not None and missing < preview.bytes_total:
        total = f"{size(missing)} to fetch of {total}"
    files = f" in {len(preview.files)} files" if len(preview.files) > 1 else ""
    amount = "of unknown size" if preview.bytes_total is None else f"{total}{files}"
    free = "" if preview.free_bytes is None else f"; {size(preview.free_bytes)} free in {preview.folder}"
    return [f"{preview.name} from {preview.source}: {amount}{free}", *preview.warnings]
