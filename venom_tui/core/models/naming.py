"""Finds models by their names, and refuses those that nobody serves."""

from __future__ import annotations

from venom_tui.core.errors import LoadFailed, RuntimeUnavailable
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.runtime import UNHEARD


def check_served(model: ModelInfo) -> None:
    """Refuse a model that is only files.

    Raises:
        LoadFailed: no runtime here serves it.
    """
    if not model.runtime:
        raise LoadFailed(
            f"{model.name} lies in the Hugging Face cache, and no runtime here serves it.",
            hint=f"vLLM can (`vllm serve {model.name}`); the embedded llama.cpp takes GGUF files.",
        )


def check_answers(runtime: Runtime) -> None:
    """Say why a runtime that was named has nothing to offer.

    Raises:
        RuntimeUnavailable: it does not answer.
    """
    status = runtime.status()
    if status.state in UNHEARD:
        raise RuntimeUnavailable(
            f"Runtime {runtime.id} does not answer: {status.detail}.",
            hint="Check that it runs, or pick another model.",
            server_message=status.server_message,
        )


def named(models: list[ModelInfo], name: str, runtime: str | None) -> list[ModelInfo]:
    """Return the models of a name: as it is written, else in any case, else with the tag that Ollama leaves out."""
    offered = [model for model in models if runtime in (None, model.runtime)]
    lowered = name.lower()
    exact = [model for model in offered if model.name == name]
    return (
        exact
        or [model for model in offered if model.name.lower() == lowered]
        or [model for model in offered if model.name.lower() == f"{lowered}:latest"]
    )
