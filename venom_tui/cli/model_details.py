"""One model, or one repository, as lines for people and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from venom_tui.cli.output import data_of, or_unknown, paint, pairs, size, table, when
from venom_tui.core.types.details import Layer, ModelDetails
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubRepository

_LONGEST = 400


def state_of(model: ModelInfo) -> str:
    """Return in words what is going on with a model."""
    if model.error:
        return f"unusable: {model.error}"
    words = [
        *(["active"] if model.active else []),
        *(["loaded"] if model.loaded else []),
        *(["demonstration"] if model.demonstration else []),
        *([f"runs at {model.remote_host}"] if model.remote_host else []),
        *([] if model.runtime else ["no runtime here serves it"]),
    ]
    return ", ".join(words)


def show_data(found: ModelDetails) -> dict[str, Any]:
    """Return the object that `show --json` prints: that of the list, with more."""
    data: dict[str, Any] = data_of(found)
    model = data.pop("model")
    same = [{"runtime": runtime, "name": name} for runtime, name in found.same_weights]
    return {**model, **data, "same_weights": same}


def details_lines(found: ModelDetails) -> list[str]:
    """Return what is known of a model, a fact a line."""
    model, manifest = found.model, found.manifest
    capabilities = model.capabilities if model.capabilities is not None else manifest.capabilities
    lines = pairs(
        [
            ("name", model.name),
            ("runtime", model.runtime or "-"),
            ("provider", model.provider),
            ("size", f"remote, at {model.remote_host}" if model.remote_host else size(model.size_bytes)),
            ("digest", or_unknown(model.digest)),
            ("weights", or_unknown(model.weights_digest or manifest.weights_digest)),
            ("same weights", ", ".join(_named(one) for one in found.same_weights) or "no other model that is known"),
            ("architecture", or_unknown(model.architecture)),
            ("parameters", or_unknown(model.parameter_size)),
            ("quantization", or_unknown(model.quantization)),
            ("context", or_unknown(model.context_length)),
            ("capabilities", "?" if capabilities is None else ", ".join(capabilities) or "none"),
            (
                "chat template",
                {True: "yes", False: "no: a base model that continues text", None: "yes" if manifest.template else "?"}[
                    model.has_chat_template
                ],
            ),
            ("licence", manifest.licence or "?"),
            ("source", manifest.source or "?"),
            ("file", or_unknown(model.path or manifest.weights_path or None)),
            *((f"header {name}", value) for name, value in manifest.facts),
            ("update", _update(found)),
            ("last used", when(model.last_used) or "never, as far as is known"),
            ("state", state_of(model) or "neither active nor loaded"),
        ]
    )
    return [*lines, *_layers(manifest.layers), *_own(found), *(paint(f"  {note}", "warn") for note in found.notes)]


def _named(one: tuple[str, str]) -> str:
    return f"{one[1]} ({one[0] or 'Hugging Face cache'})"


def _update(found: ModelDetails) -> str:
    if found.update is None:
        return "not asked; --update asks"
    words = {"none": "none", "available": "there is one", "unknown": "?"}[found.update.state]
    return f"{words}: {found.update.detail} (asked {when(found.update.asked_at)})"


def _layers(layers: tuple[Layer, ...] | None) -> list[str]:
    if not layers:
        return []
    rows = [
        (
            layer.kind,
            size(layer.size_bytes),
            (layer.digest or "?")[:19],
            f"shared with {', '.join(layer.shared_with)}" if layer.shared_with else layer.path.rpartition("/")[2],
        )
        for layer in layers
    ]
    return ["", *table(("LAYER", "SIZE", "DIGEST", ""), rows)]


def _own(found: ModelDetails) -> Iterable[str]:
    """Return the parameters that the model itself sets."""
    if found.manifest.parameters:
        yield ""
        yield from pairs((f"sets {name}", value[:_LONGEST]) for name, value in found.manifest.parameters)


def repository_lines(found: HubRepository) -> list[str]:
    """Return what a repository holds, a file a line."""
    lines = pairs(
        [
            ("repository", found.id),
            ("commit", found.commit),
            ("licence", or_unknown(found.licence)),
            ("gated", "yes: its conditions have to be accepted on its page" if found.gated else "no"),
            ("parameters", or_unknown(found.parameter_size)),
            ("context", or_unknown(found.context_length)),
            ("updated", when(found.updated_at)),
            ("size", size(found.size_bytes)),
            ("asked", when(found.asked_at)),
        ]
    )
    rows = [
        (file.path, size(file.size_bytes), file.quantization or "", (file.sha256 or "")[:12]) for file in found.files
    ]
    stale = [paint(f"  This is an older answer. {found.error}", "warn")] if found.stale else []
    return [*lines, *stale, "", *table(("FILE", "SIZE", "QUANTIZATION", "SHA256"), rows)]
