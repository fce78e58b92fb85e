"""Servers of OpenAI's wire for tests: they answer as vLLM 0.32 and llama-server (b10434) were seen to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.ollama import says
from tests.servers import Exchange, Script, answer, sends

NO_PATH = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}


@dataclass
class FakeServer:
    """A script that answers for a whole server: by method and path, and 404 for all else."""

    paths: dict[str, Script]
    chats: list[dict[str, Any]] = field(default_factory=list)
    """What it was asked to answer."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        if exchange.target == "POST /v1/chat/completions":
            self.chats.append(exchange.json)
        await self.paths.get(exchange.target.partition("?")[0], says(NO_PATH, "404 Not Found"))(exchange)


def plain(*names: str, **row: object) -> FakeServer:
    """Return a server that knows nothing but its models and how to answer."""
    rows = [{"id": name, "object": "model", "owned_by": "somebody", **row} for name in names]
    return FakeServer(
        {
            "GET /v1/models": says({"object": "list", "data": rows}),
            "POST /v1/chat/completions": sends(answer("Hello", " there")),
        }
    )


def vllm(name: str = "tiny", length: int = 512) -> FakeServer:
    """Return a vLLM."""
    fake = plain(name, owned_by="vllm", root=f"/models/{name}", parent=None, max_model_len=length)
    fake.paths |= {"GET /version": says({"version": "0.32.0"}), "GET /health": sends(answer())}
    return fake


META = {"n_ctx": 4096, "n_ctx_train": 8192, "n_embd": 576, "n_params": 134515008, "size": 96576768, "ftype": "Q4_1"}


def llamacpp(name: str = "smollm2") -> FakeServer:
    """Return a llama-server with one model."""
    fake = plain(name, owned_by="llamacpp", meta=META)
    props = {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 2, "build_info": "b1-7e4c0a9"}
    fake.paths |= {"GET /props": says(props | {"is_sleeping": False}), "GET /health": says({"status": "ok"})}
    return fake


class Router(FakeServer):
    """A llama-server in router mode: it loads what it is told to, one model at a time, unless `broken`."""

    def __init__(self, *names: str, broken: str = "") -> None:
        """`broken` names the model that cannot be loaded."""
        self.states = dict.fromkeys(names, "unloaded")
        self.failed: dict[str, int] = {}
        self.broken = broken
        self.full = 0
        """How many times it still says that it has no place."""
        self.loads: list[str] = []
        props = {"role": "router", "max_instances": 1, "default_generation_settings": {"params": None, "n_ctx": 0}}
        super().__init__(
            {
                "GET /props": says(props | {"build_info": "b1-7e4c0a9"}),
                "GET /v1/models": self._list,
                "GET /models": self._list,
                "POST /models/load": self._load,
                "POST /models/unload": self._unload,
                "POST /v1/chat/completions": sends(answer("Hello", " there")),
            }
        )

    def _row(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = {"value": self.states[name], "args": ["llama-server", "--model", f"{name}.gguf"]}
        if name in self.failed:
            status |= {"failed": True, "exit_code": self.failed[name]}
        meta = {"meta": META} if self.states[name] == "loaded" else {}
        return {"id": name, "owned_by": "llamacpp", "status": status, **meta}

    async def _list(self, exchange: Exchange) -> None:
        await says({"data": [self._row(name) for name in self.states]})(exchange)
        for name, state in self.states.items():
            if state == "loading":  # the next look finds it so
                self.states[name] = "unloaded" if name == self.broken else "loaded"
                if name == self.broken:
                    self.failed[name] = 1

    async def _load(self, exchange: Exchange) -> None:
        name = exchange.json["model"]
        script = says({"success": True})
        if name not in self.states:
            script = says(NO_PATH, "404 Not Found")
        elif self.states[name] != "unloaded":
            script = says(_refusal("model is already running"), "400 Bad Request")
        elif self.full:
            self.full -= 1
            words = "model limit reached, try again later"
            script = says(
                {"error": {"code": 500, "message": words, "type": "server_error"}}, "500 Internal Server Error"
            )
        else:
            self.loads.append(name)
            self.states |= dict.fromkeys(self.states, "unloaded") | {name: "loading"}
        await script(exchange)

    async def _unload(self, exchange: Exchange) -> None:
        name = exchange.json["model"]
        running = self.states.get(name, "unloaded") != "unloaded"
        self.states[name] = "unloaded"
        refused = says(_refusal("model is not running"), "400 Bad Request")
        await (says({"success": True}) if running else refused)(exchange)


def _refusal(words: str) -> dict[str, object]:
    return {"error": {"code": 400, "message": words, "type": "invalid_request_error"}}
