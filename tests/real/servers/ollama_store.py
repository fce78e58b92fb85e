"""A folder of models as Ollama keeps it, laid from GGUF files: no network, no `ollama create`."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["plain", "thinking", "tools"]

_PLAIN = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
_THINKING = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}"
    "{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
_TOOLS = (
    "{{- if .Tools }}<|im_start|>system\nTools:\n{{ range .Tools }}{{ . }}\n{{ end }}<|im_end|>\n{{ end }}"
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}{{ if .ToolCalls }}{{ range .ToolCalls }}"
    '<tool_call>\n{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}\n'
    "</tool_call>{{ end }}{{ end }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
TEMPLATES: dict[Kind, str] = {"plain": _PLAIN, "thinking": _THINKING, "tools": _TOOLS}
"""From the template Ollama tells what a model can do: `thinking` and `tools` are then among its capabilities. A small
model really thinks and calls tools when a few examples stand before the question."""

_MEDIA = "application/vnd.ollama.image."


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model to lay. Two with the same file share its weights; `weights` as bytes make a broken one."""

    name: str
    """`smollm2:135m`; without a tag it is `latest`."""
    weights: Path | bytes
    kind: Kind = "plain"
    family: str = "llama"
    parameters: str = "134.52M"
    quantization: str = "Q4_1"
    options: tuple[tuple[str, Any], ...] = (("temperature", 0),)
    """The model's own parameters."""


def standard(demonstration: Path, second: Path | None = None) -> list[OllamaModel]:
    """Return one model of each kind: `plain`, `thinking`, `tools`, `twin` (shares weights), `broken`, `cut`, `second`.

    Args:
        demonstration: the GGUF file of SmolLM2.
        second: the GGUF file of another model, gemma-3-270m; there is no `second` without it.
    """
    models = [
        OllamaModel("plain:135m", demonstration),
        OllamaModel("thinking:135m", demonstration, "thinking"),
        OllamaModel("tools:135m", demonstration, "tools"),
        OllamaModel("twin:135m", demonstration, options=(("temperature", 0), ("num_predict", 64))),
        OllamaModel("broken:latest", random.Random(1).randbytes(100_000)),
        OllamaModel("cut:latest", demonstration.read_bytes()[:3_000_000]),
    ]
    if second:
        models.append(OllamaModel("second:270m", second, "plain", "gemma3", "268.10M", "Q4_K_M"))
    return models


def unloadable(demonstration: Path, name: str = "unloadable:latest") -> OllamaModel:
    """Return a model that Ollama takes for whole and llama-server refuses while it loads (an unknown architecture)."""
    data = demonstration.read_bytes()
    key, value = b"general.architecture", b"\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00"  # a text of five bytes
    return OllamaModel(name, data.replace(key + value + b"llama", key + value + b"llamx", 1))


def lay(root: Path, model: OllamaModel) -> str:
    """Lay a model into a folder (OLLAMA_MODELS); return the digest of its weights. Files are linked, not copied."""
    weights = _blob(root, model.weights)
    config = {
        "model_format": "gguf", "model_family": model.family, "model_families": [model.family],
        "model_type": model.parameters, "file_type": model.quantization, "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []},
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            **_blob(root, json.dumps(config).encode()),
        },
        "layers": [
            {"mediaType": _MEDIA + "model", **weights},
            {"mediaType": _MEDIA + "template", **_blob(root, TEMPLATES[model.kind].encode())},
            {"mediaType": _MEDIA + "params", **_blob(root, json.dumps(dict(model.options)).encode())},
        ],
    }
    name, _, tag = model.name.partition(":")
    path = root / "manifests" / "registry.ollama.ai" / "library" / name / (tag or "latest")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return str(weights["digest"])


def _blob(root: Path, content: Path | bytes) -> dict[str, str | int]:
    """Put a file or bytes among the blobs; return what a manifest says of it."""
    folder = root / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
        (folder / f"sha256-{digest}").write_bytes(content)
    else:
        digest, size = _digest(content), content.stat().st_size
        target = folder / f"sha256-{digest}"
        if not target.exists():
            target.symlink_to(content.resolve())
    return {"digest": f"sha256:{digest}", "size": size}


@functools.cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
