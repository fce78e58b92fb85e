"""Finds a model by any form of its name, and by its provider."""

from __future__ import annotations

from venom_tui.core.errors import ModelNotFound, UsageError
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.names import PROVIDERS, check_name, normalized, provider_of
from venom_tui.core.models.naming import named
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.model import ModelInfo


async def find(manager: ModelManager, name: str, runtime: str | None = None, provider: str | None = None) -> ModelInfo:
    """Return the model of a name in any form that its provider takes: an address, `hf.co/…`, a file's name.

    Raises:
        UsageError: the name is not legal, or there is no such runtime or provider.
        AmbiguousModel, ModelNotFound, RuntimeUnavailable: see `ModelManager.find`.
    """
    forms = forms_of(name, provider)
    try:
        model = await manager.find(forms[0], runtime)
    except ModelNotFound as failure:
        # All has been looked at by now.
        for form in forms[1:]:
            if named(_of(await manager.list(), provider), form, runtime):
                return await _find(manager, form, runtime, provider)
        raise failure from None
    except UsageError:
        if provider is None or runtime is not None:
            raise
        model = await _find(manager, forms[0], runtime, provider)  # two runtimes have it, of several providers
    return model if provider is None or is_of(model, provider) else await _find(manager, forms[0], runtime, provider)


async def _find(manager: ModelManager, name: str, runtime: str | None, provider: str | None) -> ModelInfo:
    found = named(_of(await manager.list(), provider), name, runtime)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ModelNotFound(f"There is no model {sanitize_line(name, 80)!r} of the provider {provider}.")
    return await manager.find(name, runtime)


def _of(models: list[ModelInfo], provider: str | None) -> list[ModelInfo]:
    return models if provider is None else [model for model in models if is_of(model, provider)]


def forms_of(name: str, provider: str | None) -> list[str]:
    """Return the forms under which a model of a name may be listed, the likeliest first.

    Raises:
        UsageError: there is no such provider, or the name is none of its.
    """
    if provider is not None:
        if provider not in PROVIDERS:
            raise UsageError(
                f"{sanitize_line(provider, 40)!r} is no provider.", hint=f"There are: {', '.join(PROVIDERS)}."
            )
        return list(dict.fromkeys((normalized(name, provider), *([] if "://" in name else [check_name(name)]))))
    if "://" in name:
        return [normalized(name, provider_of(name, ollama=False))]
    check_name(name)
    forms = [name]
    for one in PROVIDERS:
        try:
            forms.append(normalized(name, one))
        except UsageError:
            continue  # no name of that provider
    return list(dict.fromkeys(forms))


def is_of(model: ModelInfo, provider: str) -> bool:
    """Return whether a model came from a provider; the one that comes with venom-tui is local."""
    return provider == ("local" if model.demonstration else model.provider)
