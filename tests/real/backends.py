"""Everything that answers prompts, for one conversation test: each with its models, and the means to kill it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from scripts.real_components import GEMMA
from tests.real.servers.llama_server import llama_server_process
from tests.real.servers.ollama import ollama_server
from tests.real.servers.ollama_store import standard
from tests.real.servers.process import Server, free_port, kill_pid
from tests.real.servers.vllm import vllm_server
from tests.tools import need
from venom_tui.core.core import Core


class Backend(ABC):
    """One of them."""

    runtime = "box"
    """Its id in the core."""
    first: str
    second: str | None = None
    """Another model, where it has two."""
    context: int
    """Tokens of context that its first model is loaded with."""

    def table(self) -> str:
        """Return how config.toml names it."""
        return ""

    @abstractmethod
    async def start(self) -> None:
        """Run it."""

    @abstractmethod
    async def stop(self) -> None:
        """End it and what it started."""

    @abstractmethod
    def kill(self, core: Core) -> None:
        """Kill what answers, in the middle of whatever it does."""

    @abstractmethod
    async def back(self) -> None:
        """Let it run again."""


class Embedded(Backend):
    """The embedded llama.cpp, with the demonstration model and a file."""

    runtime = "embedded"
    first, second, context = "smollm2-135m", "second", 8192

    def __init__(self, home: Path) -> None:
        """`home` is the folder whose data/models holds the models of a core."""
        folder = home / "data" / "models"
        folder.mkdir(parents=True)
        (folder / "second.gguf").symlink_to(GEMMA.path)

    async def start(self) -> None:
        """It starts with the first prompt."""

    async def stop(self) -> None:
        """It ends with its core."""

    def kill(self, core: Core) -> None:
        for pid in core.runtimes.runtime("embedded").status().pids:
            kill_pid(pid)

    async def back(self) -> None:
        """It comes back by itself."""


class OfServer(Backend):
    """A server that runs beside venom-tui, as a process of the test."""

    def __init__(self, kind: str, run: Callable[[int], AbstractAsyncContextManager[Server]]) -> None:
        """`run` starts it at a port; kind "" is left to be found out."""
        self._kind = kind
        self._run = run
        self._port = free_port()
        self._stack = AsyncExitStack()
        self.server: Server | None = None

    def table(self) -> str:
        assert self.server is not None
        assert urlsplit(self.server.url).port == self._port
        kind = f'kind = "{self._kind}"\n' if self._kind else ""
        return f'[runtimes.box]\nurl = "{self.server.url}"\n{kind}'

    async def start(self) -> None:
        self.server = await self._stack.enter_async_context(self._run(self._port))

    async def stop(self) -> None:
        await self._stack.aclose()

    def kill(self, core: Core) -> None:
        assert self.server is not None
        self.server.kill()

    async def back(self) -> None:
        await self.stop()
        await self.start()


class Ollama(OfServer):
    """A real Ollama."""

    first, second, context = "plain:135m", "second:270m", 4096

    def __init__(self, home: Path, demonstration: Path) -> None:
        models = standard(demonstration, GEMMA.path)
        super().__init__("ollama", lambda port: ollama_server(home / "ollama", models, port=port))


class Vllm(OfServer):
    """A real vLLM with SmolLM2: the tiny model has answered before anybody can kill it."""

    first, context = "smollm2", 2048

    def __init__(self, home: Path, demonstration: Path) -> None:
        super().__init__("vllm", lambda port: vllm_server(home / "vllm", "smollm2", port=port))


class LlamaServer(OfServer):
    """A real llama-server with one model."""

    first, context = "smollm2", 4096

    def __init__(self, home: Path, demonstration: Path) -> None:
        arguments = ("--model", str(demonstration), "--alias", "smollm2")
        super().__init__("llamacpp", lambda port: llama_server_process(home / "llama", arguments, port=port))


class LlamaRouter(OfServer):
    """A real llama-server in router mode, that holds one model at a time."""

    first, second, context = "smollm2", "second", 4096

    def __init__(self, home: Path, demonstration: Path) -> None:
        folder = home / "models"
        folder.mkdir()
        for name, path in (("smollm2", demonstration), ("second", GEMMA.path)):
            (folder / f"{name}.gguf").symlink_to(path)
        arguments = ("--models-dir", str(folder), "--models-max", "1")
        super().__init__("", lambda port: llama_server_process(home / "router", arguments, port=port))


BACKENDS = ("embedded", "ollama", "vllm", "llama-server", "llama-router")


def backend(name: str, home: Path, demonstration: Path) -> Backend:
    """Return one by its name; skips the test where a component is missing."""
    if name == "embedded":
        need("gemma3-270m")
        return Embedded(home)
    component = {"ollama": "ollama", "vllm": "vllm-models"}.get(name, "llama-server")
    for needed in {component, *(() if name in ("vllm", "llama-server") else ("gemma3-270m",))}:
        need(needed)
    makers = {"ollama": Ollama, "vllm": Vllm, "llama-server": LlamaServer, "llama-router": LlamaRouter}
    return makers[name](home, demonstration)
