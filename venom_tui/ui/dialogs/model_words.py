"""What dialogs say of models: their manifests, of repositories, of removals. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from venom_tui.core.types.details import Layer, ModelDetails, ParameterSpec
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubRepository
from venom_tui.core.types.storage import Removal, RemovalItem, Storage
from venom_tui.ui.dialogs.facts import Fact, Part
from venom_tui.ui.text import size, truncate_middle

_LONGEST = 6000
"""Characters of a licence or template that are shown."""
_DIGEST = 24


def asked(moment: datetime | None) -> str:
    """Return when somebody was asked, as a moment of this machine's day: it needs no renewal."""
    if moment is None:
        return "never"
    here = moment.astimezone()
    today = datetime.now().astimezone().date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%d %b %Y %H:%M}"


def details_parts(found: ModelDetails) -> list[Part]:
    """Return what is known of a model."""
    manifest = found.manifest
    return [
        Part("", tuple(Fact(note, style="$warning") for note in found.notes)),
        Part("Model", tuple(_model_facts(found))),
        Part("Update", (_update(found),)),
        Part(
            "Layers" if len(manifest.layers or ()) != 1 else "File", tuple(_layer(one) for one in manifest.layers or ())
        ),
        Part("Sets itself", tuple(Fact(value, name) for name, value in manifest.parameters)),
        Part("Saved here", tuple(_saved(one) for one in found.parameters if one.value is not None)),
        Part("Header", tuple(Fact(value, name) for name, value in manifest.facts)),
        Part("System message", _text(manifest.system)),
        Part("Template", _text(manifest.template or "")),
        Part("Licence", _text(manifest.licence_text)),
    ]


def _model_facts(found: ModelDetails) -> Iterable[Fact]:
    model, manifest = found.model, found.manifest
    weights = model.weights_digest or manifest.weights_digest
    capabilities = model.capabilities if model.capabilities is not None else manifest.capabilities
    context = model.context_length
    yield Fact(model.runtime or "no runtime here serves it", "runtime")
    yield Fact(f"at {model.remote_host}" if model.remote_host else _exact(model.size_bytes), "size")
    yield Fact(model.digest or "?", "digest")
    yield Fact(weights or "?", "weights")
    yield Fact(
        ", ".join(_place(one) for one in found.same_weights) or "nowhere else, as far as is known", "same weights"
    )
    yield Fact(" ".join(filter(None, (model.parameter_size or "?", model.quantization or "?"))), "parameters")
    yield Fact("?" if context is None else f"{context:,} tokens", "context")
    yield Fact("?" if capabilities is None else ", ".join(capabilities) or "nothing that has a name", "can")
    yield Fact(manifest.licence or "?", "licence")
    yield Fact(manifest.source or "?", "source")
    yield Fact(model.path or manifest.weights_path or "?", "file")
    yield Fact(asked(model.last_used) if model.last_used else "never, as far as is known", "last used")
    if model.error:
        yield Fact(model.error, "cannot be used", "$error")


def _place(one: tuple[str, str]) -> str:
    return f"{one[1]} @ {one[0] or 'hf cache'}"


def _exact(count: int | None) -> str:
    return "?" if count is None else f"{size(count)} ({count:,} bytes)"


def _update(found: ModelDetails) -> Fact:
    update = found.update
    if update is None:
        return Fact("nobody was asked")
    words = {"none": "none", "available": "there is one", "unknown": "not known"}[update.state]
    style = "$warning" if update.state == "available" else ""
    return Fact(f"{words}: {update.detail} (asked {asked(update.asked_at)})", style=style)


def _layer(layer: Layer) -> Fact:
    digest = truncate_middle(layer.digest or "?", _DIGEST)
    more = f"  also of {', '.join(layer.shared_with)}" if layer.shared_with else ""
    name = layer.path.rpartition("/")[2] if layer.kind in ("file", "weights") and layer.path else ""
    shown = f"  {name}" if name and not name.startswith("sha256-") else ""
    return Fact(f"{size(layer.size_bytes):>9}  {digest}{shown}{more}", layer.kind)


def _saved(one: ParameterSpec) -> Fact:
    return Fact(one.value or "", one.name)


def _text(text: str) -> tuple[Fact, ...]:
    if not text.strip():
        return ()
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n({len(text) - _LONGEST:,} more characters)"
    return (Fact(cut.strip("\n")),)


def repository_parts(found: HubRepository) -> list[Part]:
    """Return what a repository of Hugging Face holds."""
    facts = [
        Fact(_exact(found.size_bytes), "all files"),
        Fact(found.commit[:12], "revision"),
        Fact(found.licence or "?", "licence"),
        Fact(found.parameter_size or "?", "parameters"),
        Fact("?" if found.context_length is None else f"{found.context_length:,} tokens", "context"),
        Fact(f"asked {asked(found.asked_at)}", "Hugging Face"),
    ]
    if found.gated:
        facts.append(
            Fact("accept its conditions on its page, and set HF_TOKEN to a token of your account", "gated", "$warning")
        )
    if found.stale:
        facts.append(Fact(f"an older answer: {found.error}", "", "$warning"))
    files = sorted(found.files, key=lambda file: file.size_bytes or 0, reverse=True)
    listed = [Fact(f"{size(file.size_bytes):>9}  {file.path}", (file.quantization or " ")[:15]) for file in files]
    return [Part("Repository", tuple(facts)), Part(f"{len(files):,} files", tuple(listed))]


# ---------------------------------------------------------------------- what is asked before


def removal_lines(plan: Removal) -> list[str]:
    """Return what a removal costs, for the question."""
    lines = [_removal_line(item) for item in plan.items[:12]]
    if len(plan.items) > 12:
        lines.append(f"and {len(plan.items) - 12:,} more")
    if plan.frees_bytes is not None:
        alone = sum(item.frees_bytes or 0 for item in plan.items)
        together = " together: what they share goes with the last of them" if alone < plan.frees_bytes else ""
        total = f"Frees {_exact(plan.frees_bytes)}{together}; what others share stays."
    else:
        total = f"Frees at most {size(plan.at_most_bytes)}: how much others share is not known here."
    return [*lines, "", total, "They are gone for good."]


def _removal_line(item: RemovalItem) -> str:
    frees = "frees ?" if item.frees_bytes is None else f"frees {size(item.frees_bytes)}"
    notes = [
        *(["loaded: is unloaded first"] if item.loaded else []),
        *([f"its weights stay for {', '.join(item.shared_with)}"] if item.shared_with else []),
        *item.notes,
    ]
    return " · ".join((f"{item.name} @ {item.runtime or 'hf cache'}", size(item.size_bytes), frees, *notes))


def cleaning_lines(storage: Storage) -> list[str]:
    """Return what cleaning a folder costs, for the question."""
    orphans = [orphan for orphan in storage.orphans if orphan.cleanable]
    kinds = {kind: [one for one in orphans if one.kind == kind] for kind in dict.fromkeys(one.kind for one in orphans)}
    lines = [f"{len(found):,} × {kind}, {size(sum(one.size_bytes for one in found))}" for kind, found in kinds.items()]
    return [*lines, f"in {storage.folder}", "", f"Frees {_exact(storage.cleanable_bytes)}. No model needs them."]


def chosen_name(pattern: str, model: ModelInfo) -> str:
    """Return the name of a copy: `*` in a pattern stands for the model's name, a tag stays at the end."""
    if "*" not in pattern:
        return pattern
    head, slash, last = model.name.rpartition("/")
    base, colon, tag = last.partition(":")
    name = pattern.replace("*", f"{head}{slash}{base}")
    keeps_tag = colon and model.runtime != "embedded" and ":" not in name.rpartition("/")[2]
    return f"{name}:{tag}" if keeps_tag else name
