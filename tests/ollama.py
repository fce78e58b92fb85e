"""An Ollama for tests. It says what a real 0.33 was heard to say: data/ollama.json holds these exchanges.

Recorded on a machine without GPU with SmolLM2-135M. Shortened: the middle of `chat-runner-killed`, and of `show` the
licence, the template and the modelfile.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.servers import Exchange, Script, head

RECORDED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "ollama.json").read_text("utf-8"))

AUTOMATIC = 4096
"""The context that it loads a model with when none is named."""
_FOREVER = "2319-03-05T16:19:19.740798435Z"
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


def recorded_lines(name: str) -> list[Any]:
    """Return the lines of a recorded answer as JSON values."""
    return [json.loads(line) for line in RECORDED[name]["lines"]]


def recorded_text(name: str) -> str:
    """Return all text of a recorded answer to a chat."""
    return "".join(line["message"]["content"] for line in recorded_lines(name) if "message" in line)


def recorded_bytes(name: str) -> bytes:
    """Return a recorded answer as it came, its end being that of the connection."""
    told = RECORDED[name]
    kind = told.get("type", "")
    status = f"{told['status']} {_REASONS.get(told['status'], 'Other')}"
    top = head(status, kind) if kind else head(status).replace(b"content-type: text/event-stream\r\n", b"")
    return top + "".join(told["lines"]).encode()


def replays(name: str) -> Script:
    """Return a script that says what was recorded, each line in a packet of its own."""
    top, _, _ = recorded_bytes(name).partition(b"\r\n\r\n")

    async def script(exchange: Exchange) -> None:
        await exchange.write(top + b"\r\n\r\n")
        for line in RECORDED[name]["lines"]:
            await exchange.write(line.encode())

    return script


def says(value: object, status: str = "200 OK") -> Script:
    """Return a script that answers with a JSON value."""

    async def script(exchange: Exchange) -> None:
        await exchange.write(head(status, "application/json; charset=utf-8") + _compact(value))

    return script


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _expiry(keep_alive: str | float) -> str:
    """Return when a model leaves that is kept so long."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    if isinstance(keep_alive, str):
        parts = re.findall(r"([\d.]+)(ms|s|m|h)", keep_alive)
        seconds = sum(float(number) * units[unit] for number, unit in parts) * (-1 if keep_alive[0] == "-" else 1)
    else:
        seconds = keep_alive
    return (
        _FOREVER if seconds < 0 else (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    )


@dataclass
class FakeOllama:
    """A script that answers for a whole Ollama, and loads and unloads as one does."""

    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"smollm2:135m": {}})
    """Installed models -> what is other in their row of `/api/tags` than was recorded."""
    chat: str | Script = "chat-stream"
    """What it answers to a chat: the name of a recording, or a script."""
    instead: dict[str, Script] = field(default_factory=dict)
    """Method and path -> what it does where it is to be another than what a whole one does."""
    loaded: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of `/api/ps` by name."""
    twins: dict[str, str] = field(default_factory=dict)
    """Models -> the one whose weights they have too; they share its row."""
    most: int = 0
    """How many models it holds (OLLAMA_MAX_LOADED_MODELS); the oldest leaves for another one. 0: any number."""
    loads: list[tuple[str, int]] = field(default_factory=list)
    """Every load: which model, with which context."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        await self._script(exchange)(exchange)

    def _script(self, exchange: Exchange) -> Script:
        target = exchange.target
        if target in self.instead:
            return self.instead[target]
        if target == "GET /api/version":
            return replays("version")
        if target == "GET /api/tags":
            return says({"models": [self._tag(name) for name in self.models]})
        if target == "GET /api/ps":
            return says({"models": list(self.loaded.values())})
        if target in ("POST /api/generate", "POST /api/chat", "POST /api/show"):
            return self._of_model(target, exchange.json)
        if target in ("DELETE /api/delete", "POST /api/copy"):
            return self._of_names(exchange.json)
        return replays("not-found-path")

    def _tag(self, name: str) -> dict[str, Any]:
        row = recorded_lines("tags")[0]["models"][0] | {"name": name, "model": name} | self.models[name]
        return {key: value for key, value in row.items() if value is not ...}

    def _of_model(self, target: str, body: dict[str, Any]) -> Script:
        name = body["model"] if ":" in body["model"] else f"{body['model']}:latest"
        if name not in self.models:
            said = name if target == "POST /api/show" else body["model"]
            return says({"error": f"model '{said}' not found"}, "404 Not Found")
        if target == "POST /api/show":
            blob = hashlib.sha256(self.twins.get(name, name).encode()).hexdigest()
            return says(
                recorded_lines("show")[0] | {"modelfile": f"# made by show\nFROM /models/blobs/sha256-{blob}\n"}
            )
        capabilities = self._tag(name).get("capabilities", ["completion"])
        if body.get("think") and "thinking" not in capabilities:
            return says({"error": f'"{body["model"]}" does not support thinking'}, "400 Bad Request")
        if body.get("tools") and "tools" not in capabilities:
            words = f"registry.ollama.ai/library/{name} does not support tools"
            return says({"error": words}, "400 Bad Request")
        others = {self.twins.get(name, name), *(a for a, b in self.twins.items() if b == self.twins.get(name, name))}
        name = next((other for other in others if other in self.loaded), name)
        self._load(name, body)
        if target == "POST /api/chat":
            if callable(self.chat):
                return self.chat
            return replays("chat-nostream" if body.get("stream") is False else self.chat)
        if body.get("keep_alive") == 0:
            self.loaded.pop(name, None)
            return replays("unload")
        return replays("load-generate")

    def _of_names(self, body: dict[str, Any]) -> Script:
        """Remove a model, or give it another name; one that is loaded stays in memory."""
        name = body["source"] if "source" in body else body["model"]
        found = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        if found not in self.models:
            words = f'model "{name}" not found' if "source" in body else f"model '{name}' not found"
            return says({"error": words}, "404 Not Found")
        if "source" in body:
            copy = body["destination"]
            copy = copy if ":" in copy.rpartition("/")[2] else f"{copy}:latest"
            self.models[copy] = dict(self.models[found])
            self.twins[copy] = self.twins.get(found, found)
            return replays("copy")
        del self.models[found]
        return replays("delete")

    def _load(self, name: str, body: dict[str, Any]) -> None:
        context = body.get("options", {}).get("num_ctx", AUTOMATIC)
        row = self.loaded.get(name)
        if (row is None or row["context_length"] != context) and body.get("keep_alive") != 0:
            self.hold(name, context=context)
        if (kept := body.get("keep_alive")) not in (None, 0) and name in self.loaded:
            self.loaded[name]["expires_at"] = _expiry(kept)

    def hold(self, name: str, *, context: int = AUTOMATIC, forever: bool = False, **other: object) -> None:
        """Load a model, as another client of it would."""
        self.loads.append((name, context))
        row = recorded_lines("ps-loaded-cpu")[0]["models"][1] | {"name": name, "model": name}
        row |= {"context_length": context, "expires_at": _FOREVER if forever else _expiry(300), **other}
        self.loaded[name] = row
        while self.most and len(self.loaded) > self.most:
            del self.loaded[next(iter(self.loaded))]
