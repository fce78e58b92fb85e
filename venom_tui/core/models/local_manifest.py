"""What files of this machine say of a model: the header of a GGUF file, the card of a repository in the cache."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from venom_tui.core.models.files import parts_of
from venom_tui.core.models.gguf import GgufError, read_texts
from venom_tui.core.models.hub_cache import Entry, entries_of
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.types.details import Layer, Manifest
from venom_tui.core.types.model import ModelInfo

_TEXTS = {
    "general.license": "licence",
    "general.name": "name",
    "general.basename": "base name",
    "general.organization": "organization",
    "general.finetune": "fine-tune",
    "general.size_label": "size label",
    "general.quantized_by": "quantized by",
    "general.source.url": "source",
    "general.repo_url": "repository",
    "tokenizer.ggml.model": "tokenizer",
    "tokenizer.chat_template": "template",
}
_LONGEST = 200_000
_CARD = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_LICENCE = re.compile(r"^license:[ \t]*[\"']?([\w.+-]{1,60})", re.MULTILINE)
_SNAPSHOT = re.compile(r"models--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})(?:/|\Z)")


def manifest_of_file(model: ModelInfo) -> Manifest:
    """Return what a GGUF file says (synchronous, reads its header)."""
    path = Path(model.path or "")
    texts: dict[str, str] = {}
    try:
        texts = read_texts(path, frozenset(_TEXTS))
    except (OSError, GgufError):
        pass  # why it is broken stands in the model itself
    parts = parts_of(path)
    layers = tuple(_layer(part, "weights", model.weights_digest if len(parts) == 1 else None) for part in parts)
    card = _card(path) if model.provider == "huggingface" else ""
    shown = ("general.license", "tokenizer.chat_template")
    return Manifest(
        weights_digest=model.weights_digest,
        layers=layers,
        licence=sanitize_line(texts.get("general.license", ""), 80) or card,
        template=sanitize(texts.get("tokenizer.chat_template", "")[:_LONGEST]) or None,
        source=_source(path)
        or sanitize_line(texts.get("general.source.url") or texts.get("general.repo_url", ""), 200),
        facts=tuple(
            (_TEXTS[key], sanitize_line(text, 120)) for key, text in texts.items() if text and key not in shown
        ),
        capabilities=model.capabilities,
        context_length=model.context_length,
        asked_at=datetime.now(UTC),
    )


def manifest_of_repository(model: ModelInfo) -> Manifest:
    """Return what a repository of the Hugging Face cache says (synchronous)."""
    snapshot = Path(model.path or "")
    entries = sorted(entries_of(snapshot), key=lambda entry: entry.name)
    return Manifest(
        layers=tuple(_file(entry) for entry in entries if not entry.name.lower().endswith(".gguf")),
        licence=_card(snapshot),
        source=_source(snapshot),
        capabilities=model.capabilities,
        context_length=model.context_length,
        asked_at=datetime.now(UTC),
    )


def _layer(path: Path, kind: str, digest: str | None) -> Layer:
    try:
        size = path.stat().st_size
    except OSError:
        size = None
    return Layer(kind, digest, size, path=sanitize_line(str(path), 1000))


def _file(entry: Entry) -> Layer:
    digest = f"sha256:{entry.blob.name}" if re.fullmatch(r"[0-9a-f]{64}", entry.blob.name) else None
    kind = "weights" if entry.name.endswith((".safetensors", ".bin", ".pt", ".pth", ".onnx")) else "file"
    return _layer(entry.path, kind, digest)


def _source(path: Path) -> str:
    found = _SNAPSHOT.search(str(path))
    return f"{found['name'].replace('--', '/')}@{found['commit'][:12]}" if found else ""


def _card(path: Path) -> str:
    """Return the licence that a repository's card names."""
    found = _SNAPSHOT.search(str(path))
    if found is None:
        return ""
    snapshot = Path(str(path)[: found.end()])
    try:
        with (snapshot / "README.md").open("rb") as file:
            text = file.read(65_536).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
    card = _CARD.match(text)
    licence = _LICENCE.search(card[1]) if card else None
    return licence[1] if licence else ""
