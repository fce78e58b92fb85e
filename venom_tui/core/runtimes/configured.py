"""Which runtimes there are by the settings, before anybody was asked."""

from __future__ import annotations

from collections.abc import Collection

from venom_tui.core.clients.addresses import base_url
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import UsageError
from venom_tui.core.runtimes.discovery import Found
from venom_tui.core.runtimes.llamacpp import LlamaCppRuntime
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.runtimes.openai_server import OpenAIServerRuntime
from venom_tui.core.runtimes.ports import chosen_url
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.runtimes.unidentified import UnidentifiedServer
from venom_tui.core.runtimes.vllm import VllmRuntime
from venom_tui.core.settings import RuntimeTable, Settings, key_of, read_runtimes

OLLAMA_PORT = 11434
VLLM_PORT = 8000


def configured(settings: Settings, pool: HttpPool) -> list[Runtime]:
    """Return the runtimes that the settings name; Ollama at its default address, where servers may be looked for.

    Raises:
        UsageError: an address, a table or a key file is wrong.
    """
    runtimes: list[Runtime] = []
    ollama = _ollama(settings, pool)
    if ollama is not None:
        runtimes.append(ollama)
    vllm = settings.text("VLLM_ENDPOINT")
    if vllm:
        url = base_url(vllm, default_port=VLLM_PORT)
        runtimes.append(VllmRuntime("vllm", url, pool, origin=_where(settings, "VLLM_ENDPOINT")))
    for table in read_runtimes(settings.config_dir / "config.toml"):
        runtime = of_table(table, settings, pool)
        # A table takes the place of what has its name by itself.
        runtimes = [other for other in runtimes if other.id != runtime.id]
        runtimes.append(runtime)
    return runtimes


def _ollama(settings: Settings, pool: HttpPool) -> OllamaRuntime | None:
    for name in ("OLLAMA_HOST", "LLM_LOCAL_ENDPOINT"):
        given = settings.text(name)
        if given:
            url = base_url(given, default_port=OLLAMA_PORT, strip=("/v1", "/api"))
            break
    else:
        if not settings.flag("VENOM_DISCOVERY"):
            return None
        name, url = "", f"http://127.0.0.1:{OLLAMA_PORT}"
    origin = _where(settings, name) if name else "default"
    return OllamaRuntime("ollama", url, pool, origin=origin, keep_alive=settings.text("LLM_KEEP_ALIVE"))


def _where(settings: Settings, name: str) -> str:
    return f"{name}, {settings.lookup(name).source}"


def url_of(table: RuntimeTable, settings: Settings) -> str:
    """Return the address of a server that a table names; chosen at the first time where it names none (small files).

    Raises:
        UsageError: the address is wrong.
    """
    if not table.url:
        return chosen_url(settings.data_dir, table.name, read_only=settings.flag("VENOM_READ_ONLY"))
    try:
        return base_url(table.url, default_port=OLLAMA_PORT if table.kind == "ollama" else VLLM_PORT)
    except UsageError as failure:
        raise UsageError(f"[runtimes.{table.name}]: {failure.message}", hint=failure.hint) from None


def of_table(table: RuntimeTable, settings: Settings, pool: HttpPool) -> Runtime:
    """Return the runtime that a table names (small synchronous reads).

    Raises:
        UsageError: the address or the key file is wrong.
    """
    url = url_of(table, settings)
    if not table.kind:
        return UnidentifiedServer(table.name, url, pool, origin="config.toml", api_key=key_of(table))
    return server(table.name, table.kind, url, pool, settings, origin="config.toml", api_key=key_of(table))


def server(
    runtime_id: str,
    kind: str,
    url: str,
    pool: HttpPool,
    settings: Settings,
    *,
    origin: str,
    api_key: str | None = None,
) -> Runtime:
    """Return the runtime of a server whose kind is known."""
    if kind == "ollama":
        keep_alive = settings.text("LLM_KEEP_ALIVE")
        return OllamaRuntime(runtime_id, url, pool, origin=origin, keep_alive=keep_alive, api_key=api_key)
    classes = {"vllm": VllmRuntime, "llamacpp": LlamaCppRuntime}
    return classes.get(kind, OpenAIServerRuntime)(runtime_id, url, pool, origin=origin, api_key=api_key)


def found_id(found: Found, taken: Collection[str]) -> str:
    """Return the id of a server that was found: its kind, and its port where that id is taken."""
    if found.kind not in taken:
        return found.kind
    return f"{found.kind}-{found.url.rpartition(':')[2]}"
