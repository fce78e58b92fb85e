"""What of models is changed, as names that operations hold: of two that have one in common only one runs at a time."""

from __future__ import annotations

from pathlib import Path

from venom_tui.core.clients.addresses import is_loopback
from venom_tui.core.models.names import ollama_name
from venom_tui.core.owner import Owner


def machine_of(owner: Owner) -> str:
    """Return this machine, also where several share its id."""
    return owner.machine_id if owner.host in ("", owner.machine_id) else f"{owner.machine_id} {owner.host}"


def server_of(endpoint: str, machine: str) -> str:
    """Return an Ollama; loopback is another server on each machine that shares this home."""
    return f"{endpoint} of {machine}" if is_loopback(endpoint) else endpoint


def of_ollama(server: str, model: str) -> str:
    """Return a model of an Ollama.

    Raises:
        UsageError: that is no name for one.
    """
    return f"{server} {ollama_name(model).key}"


def pulls_into(server: str) -> str:
    """Return what each pull of an Ollama holds, and what looks for layers that no model needs."""
    return f"pulls into {server}"


def models_of(server: str) -> str:
    """Return what each change of an Ollama's models holds that is no pull."""
    return f"models of {server}"


def of_repository(cache: str | Path, repository: str) -> str:
    """Return a repository in a Hugging Face cache."""
    return f"{cache} {repository}"


def of_folder(folder: Path) -> str:
    """Return a folder of GGUF files."""
    return f"files in {folder}"
