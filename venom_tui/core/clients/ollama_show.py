"""What `/api/show` of Ollama says of a model, read without trusting its shape: older servers leave much of it out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.types.details import Manifest

_LONGEST_TEXT = 200_000
_FROM = re.compile(r"^FROM[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_BLOB = re.compile(r"sha256-([0-9a-f]{64})\Z")
_FACTS = (
    ("general.name", "name"),
    ("general.basename", "base name"),
    ("general.organization", "organization"),
    ("general.parameter_count", "parameter count"),
    ("general.size_label", "size label"),
    ("block_count", "layers"),
    ("embedding_length", "embedding length"),
    ("attention.head_count", "attention heads"),
    ("attention.head_count_kv", "key-value heads"),
    ("vocab_size", "vocabulary"),
    ("tokenizer.ggml.model", "tokenizer"),
)
"""Key of `model_info`, those without a dot behind the architecture's name -> what it is called."""


def read_show(answer: dict[str, Any]) -> Manifest:
    """Return the manifest that an answer holds."""
    info = _dict(answer.get("model_info"))
    details = _dict(answer.get("details"))
    path = _weights_path(answer.get("modelfile"))
    blob = _BLOB.search(path)
    licence = _text(answer.get("license"))
    capabilities = answer.get("capabilities")
    architecture = str(info.get("general.architecture") or details.get("family") or "")
    context = info.get(f"{architecture}.context_length")
    remote = "/".join(filter(None, (_line(answer.get("remote_host")), _line(answer.get("remote_model")))))
    return Manifest(
        weights_digest=f"sha256:{blob[1]}" if blob else None,
        licence=_line(info.get("general.license")) or licence_name(licence),
        licence_text=licence,
        template=_text(answer.get("template")) or None,
        system=_text(answer.get("system")),
        source=remote,
        parameters=read_parameters(_text(answer.get("parameters"))),
        facts=_facts(info, architecture),
        capabilities=tuple(sanitize_line(str(one), 40) for one in capabilities[:40])
        if isinstance(capabilities, list)
        else None,
        context_length=context if isinstance(context, int) and context > 0 else None,
        weights_path=path,
        asked_at=datetime.now(UTC),
    )


def licence_name(text: str) -> str:
    """Return what a licence's text calls itself: its first line, or its first two where one alone is a heading."""
    lines = [sanitize_line(line, 80) for line in text[:2000].splitlines() if line.strip(" \t#=*-")]
    return lines[0].strip(" #=*-") if lines else ""


def read_parameters(block: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of the text block in which Ollama lists them: a name and a value a line."""
    found = []
    for line in block.splitlines()[:200]:
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        if value[:1] == value[-1:] == '"' and len(value) > 1:
            try:
                value = str(json.loads(value))
            except ValueError:
                value = value[1:-1]
        if name:
            found.append((sanitize_line(name, 60), sanitize_line(value, 200)))
    return tuple(found)


def _weights_path(modelfile: object) -> str:
    """Return the file that a Modelfile builds on, "" where it names a model."""
    found = _FROM.search(modelfile[:_LONGEST_TEXT]) if isinstance(modelfile, str) else None
    path = sanitize_line(found[1], 4096) if found else ""
    return path if ("/" in path and path[:1] in "/~") or re.match(r"[A-Za-z]:\\", path) else ""


def _facts(info: dict[str, Any], architecture: str) -> tuple[tuple[str, str], ...]:
    found = []
    for key, name in _FACTS:
        value = info.get(key if key.startswith(("general.", "tokenizer.")) else f"{architecture}.{key}")
        if isinstance(value, bool) or value in (None, ""):
            continue
        if isinstance(value, int):
            found.append((name, f"{value:,}"))
        elif isinstance(value, str | float):
            found.append((name, sanitize_line(str(value), 80)))
    return tuple(found)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return sanitize(value[:_LONGEST_TEXT]) if isinstance(value, str) else ""


def _line(value: object) -> str:
    return sanitize_line(value, 200) if isinstance(value, str) else ""
