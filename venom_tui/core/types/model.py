"""A model as a runtime offers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of one runtime. None always means "not known", never zero."""

    name: str
    """The name by which the runtime knows it; sanitized."""
    runtime: str
    """Id of the runtime: `embedded`, `ollama`, `vllm` or a configured name; "" for files that none here serves."""
    provider: str
    """Where it came from: `local`, `ollama`, `huggingface`, `demonstration`."""
    size_bytes: int | None = None
    """Size on disk in bytes, all parts together."""
    digest: str | None = None
    """What tells this version of it from others, as its source states it: Ollama's is that of the manifest."""
    weights_digest: str | None = None
    """sha256 of the weights, where it is known: equal ones are the same weights, whatever they are called."""
    parameter_size: str | None = None
    """Number of parameters as the field writes it: `135M`, `8.0B`."""
    quantization: str | None = None
    """`Q4_K_M`, `F16`, …"""
    context_length: int | None = None
    """Longest context in tokens that the model was trained for."""
    capabilities: tuple[str, ...] | None = None
    """`completion`, `tools`, `vision`, `thinking`, `embedding`; None when nobody could be asked."""
    loaded: bool | None = False
    """Whether it is in memory now."""
    vram_bytes: int | None = None
    """Bytes of GPU memory that it holds now."""
    active: bool = False
    """Whether it answers the next prompt."""
    architecture: str | None = None
    """`llama`, `gemma3`, …"""
    path: str | None = None
    """The file, for models that are files of this machine."""
    has_chat_template: bool | None = None
    """Whether the file carries a chat template; False means a base model that continues text."""
    demonstration: bool = False
    """The small model that comes with venom-tui: honest about being often wrong."""
    error: str = ""
    """Why it cannot be used (unreadable header, missing part), or ""."""
    remote_host: str | None = None
    """Where it really runs, for models that its runtime only passes prompts on to."""
    last_used: datetime | None = None
    """When it answered last."""
    kv_bytes_per_token: int | None = None
    """Bytes of memory that each token of context takes, with keys and values of 16 bits."""


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """Which model answers the next prompt, and why this one."""

    name: str
    runtime: str
    reason: str
    """One clause: "the last one used", "the only model here", …"""
    demonstration: bool = False
