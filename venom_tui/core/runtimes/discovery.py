"""Finds servers that answer at the usual ports of this machine, and tells what kind a server is.

Plain GETs to loopback addresses, each with a short time limit; whatever answers something else is left alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil

from venom_tui.core.clients.addresses import is_loopback
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.clients.openai_compatible import OpenAICompatibleClient
from venom_tui.core.errors import BadAnswer, RuntimeBusy, RuntimeRefused, VenomError

USUAL_PORTS = (11434, 8000, 8001, 8080, 8081, 1234, 9931, 5001, 30000)
"""Ollama; vLLM (its own and Venom's default); llama.cpp (old, second, new); LM Studio; KoboldCpp; SGLang."""
_LIMIT_S = 1.5


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answered as one that we can talk to."""

    url: str
    kind: str
    """`ollama`, `vllm`, `llamacpp` or `openai`."""


async def discover(
    pool: HttpPool, *, known: Collection[str], ports: Sequence[int] = USUAL_PORTS, limit_s: float = _LIMIT_S
) -> list[Found]:
    """Return the servers at the usual ports that are not `known` by their URL, in the order of the ports."""
    taken = await asyncio.to_thread(_ports_here, known)
    asked = [f"http://127.0.0.1:{port}" for port in ports if port not in taken]
    kinds = await asyncio.gather(*(_quietly(pool, url, limit_s) for url in asked))
    return [Found(url, kind) for url, kind in zip(asked, kinds, strict=True) if kind is not None]


def _ports_here(urls: Collection[str]) -> set[int | None]:
    """Return the ports of the addresses that are this machine's, by whatever name: one server is listed once."""
    own = {address.address for found in psutil.net_if_addrs().values() for address in found}
    name = socket.gethostname().lower()
    own |= {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}
    return {urlsplit(url).port for url in urls if is_loopback(url) or urlsplit(url).hostname in own}


async def _quietly(pool: HttpPool, url: str, limit_s: float) -> str | None:
    try:
        async with asyncio.timeout(2 * limit_s):
            return await kind_of(pool, url, limit_s=limit_s)
    except (VenomError, TimeoutError):
        return None


async def kind_of(pool: HttpPool, url: str, *, api_key: str | None = None, limit_s: float = _LIMIT_S) -> str | None:
    """Return what kind of server answers at an address; None when it is none that we know.

    Raises:
        RuntimeFailure: nobody answers, or it wants a key or time.
    """
    try:
        await OllamaClient(pool, url, who="The server", api_key=api_key).version(timeout_s=limit_s)
    except (RuntimeRefused, RuntimeBusy):
        pass  # it speaks HTTP and is no Ollama
    except VenomError as failure:
        if failure.code not in ("bad_answer", "runtime_failure"):
            raise
    else:
        return "ollama"
    client = OpenAICompatibleClient(pool, url, who="The server", api_key=api_key)
    try:
        return _kind(await client.model_rows(timeout_s=limit_s))
    except BadAnswer:
        return None
    except RuntimeRefused as refused:
        if refused.status in (401, 403):
            raise
        return None
    except RuntimeBusy as busy:
        if "loading" in busy.server_message.lower():
            return "llamacpp"  # it says so while it loads its model
        raise


def _kind(rows: list[dict[str, Any]]) -> str:
    owners = {str(row.get("owned_by", "")).lower() for row in rows}
    if "vllm" in owners:
        return "vllm"
    return "llamacpp" if owners & {"llamacpp", "llama.cpp"} else "openai"
