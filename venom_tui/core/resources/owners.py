"""Which processes hold the loaded models: by pid, by the weights on a command line, by the port of their server.

Nothing is guessed: where two processes could be meant, or what listens only passes on to somebody else (a container's
proxy, an ssh tunnel), the model keeps its process unknown, with the reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from venom_tui.core.resources.estimate.elements import KV_TYPES
from venom_tui.core.resources.here import is_here
from venom_tui.core.resources.process_table import ProcessEntry, ProcessTable
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel

_FORWARDERS = frozenset(
    {
        *("docker-proxy", "rootlessport", "slirp4netns", "pasta", "gvproxy", "conmon", "containerd-shim-runc-v2"),
        *("ssh", "sshd", "autossh", "socat", "nginx", "haproxy", "caddy", "envoy", "traefik", "kubectl", "k3s"),
    }
)
"""Programs that listen for somebody else."""
_WORKER = "venom_tui.core.runtimes.embedded_worker"
_KV_NAMES = ("--cache-type-k", "-ctk", "--kv-cache-type")
_PARALLEL_NAMES = ("--parallel", "-np")
_MODEL_NAMES = ("--model", "-m", "--model-path")
_LIKELY = ("llama", "ollama", "vllm", "VLLM", "python")
GRACE_S = 12.0
"""Seconds that a model is listed without its process before it is dead: what its runtime said last may be that old."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What holds a model."""

    processes: tuple[ProcessEntry, ...] = ()
    reason: str = ""
    """Why its processes are not known."""
    dead: str = ""
    """Why it cannot answer although it is listed."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes."""
        return tuple(entry.pid for entry in self.processes)

    def option(self, *names: str) -> str | None:
        """Return the value of an option of the first process that has it."""
        return next((value for entry in self.processes if (value := entry.value_of(*names)) is not None), None)


class Owners:
    """Finds and remembers them (belongs to one thread)."""

    def __init__(self, table: ProcessTable | None = None, grace_s: float = GRACE_S) -> None:
        self._table = table or ProcessTable()
        self._grace_s = grace_s
        self._known: dict[Key, tuple[LoadedModel, Found]] = {}
        self._gone_at: dict[Key, float] = {}

    def find(self, loaded: Sequence[LoadedModel], every_s: float) -> dict[Key, Found]:
        """Return what holds each model.

        Args:
            loaded: the models, with what their runtimes tell of their kind, address and weights.
            every_s: seconds between two looks at all processes, at least; a model that is new is looked for at once.
        """
        keys = {(model.runtime, model.name) for model in loaded}
        for forgotten in self._known.keys() - keys:
            self._known.pop(forgotten)
            self._gone_at.pop(forgotten, None)
        new = any(self._is_new(model) for model in loaded)
        if loaded and (new or time.monotonic() - self._table.taken_at >= every_s):
            self._table.refresh()
            for model in loaded:
                self._known[model.runtime, model.name] = model, self._look_for(model)
        return {key: found for key, (_, found) in self._known.items()}

    def elsewhere(self, ours: Sequence[int], data_dir: Path) -> list[LoadedModel]:
        """Return the models that other venom-tui of the same data directory hold, in workers of their own.

        Looks at the processes as they were seen last; at all of them when they were never looked at.
        """
        if self._table.taken_at == float("-inf"):
            self._table.refresh()
        found = []
        for entry in self._table:
            if entry.pid in ours or os.getpid() == entry.parent or _WORKER not in entry.arguments:
                continue
            if self._table.variable(entry.pid, "VENOM_DATA_DIR") != str(data_dir):
                continue
            weights = self._table.opened(entry.pid, ".gguf")
            if weights:
                found.append(_held_elsewhere(entry, weights[0]))
        return found

    def look_again(self) -> None:
        """Look at the processes anew."""
        self._table.refresh()

    def _is_new(self, model: LoadedModel) -> bool:
        known = self._known.get((model.runtime, model.name))
        if known is None:
            return True
        before, found = known
        if (before.pid, before.endpoint, before.weights) != (model.pid, model.endpoint, model.weights):
            return True
        return bool(found.processes) and not all(self._table.lives(entry) for entry in found.processes)

    def _look_for(self, model: LoadedModel) -> Found:
        found = self._found(model)
        key = model.runtime, model.name
        before = self._known.get(key)
        if found.processes:
            self._gone_at.pop(key, None)
            return found
        was_there = before is not None and (bool(before[1].processes) or key in self._gone_at)
        if not found.dead and not was_there:
            return found
        since = self._gone_at.setdefault(key, time.monotonic())
        if time.monotonic() - since < self._grace_s:
            return Found(reason="its process is gone; its runtime is asked again")
        return found if found.dead else Found(dead="the process that held it is gone")

    def _found(self, model: LoadedModel) -> Found:
        if model.pid is not None:
            entry = self._table.get(model.pid)
            return Found((entry,)) if entry is not None else Found(reason="its process is gone")
        port, why = self._port(model.endpoint)
        if port is None:
            return Found(reason=why)
        likely = [entry.pid for entry in self._table if entry.program.startswith(_LIKELY)]
        listeners = self._table.listeners(port, likely)
        servers = [entry for pid in sorted(listeners) if (entry := self._table.get(pid)) is not None]
        forwarder = next((entry.program for entry in servers if entry.program in _FORWARDERS), "")
        servers = [entry for entry in servers if entry.program not in _FORWARDERS]
        if model.kind == "ollama":
            return self._of_ollama(model, servers, forwarder)
        if model.kind == "vllm":
            return self._of_vllm(model, servers, forwarder)
        if model.kind == "llamacpp":
            return self._of_llamacpp(model, servers, forwarder)
        return Found(reason=_unseen(forwarder))

    # ------------------------------------------------------------------ by kind

    def _of_ollama(self, model: LoadedModel, servers: Sequence[ProcessEntry], forwarder: str) -> Found:
        """A runner's command line names the weights, which `/api/show` names too."""
        if not model.weights:
            return Found(reason="its runtime does not tell where its weights are")
        blob = os.path.basename(model.weights)
        runners = [entry for entry in self._table if _names(entry, blob)]
        # A runner that starts another one passes its arguments on: the one below holds the model.
        runners = [one for one in runners if not any(_names(child, blob) for child in self._table.below(one.pid))]
        if servers:
            below = {entry.pid for server in servers for entry in self._table.below(server.pid)}
            runners = [entry for entry in runners if entry.pid in below]
            if not runners:
                return Found(dead="its server lists it, but none of its processes holds the weights")
        if len(runners) > 1:
            return Found(reason="several processes of different servers hold these weights")
        return Found(tuple(runners), "" if runners else _unseen(forwarder))

    def _of_vllm(self, model: LoadedModel, servers: Sequence[ProcessEntry], forwarder: str) -> Found:
        """The server listens, its engines are below it."""
        tops = {top.pid: top for server in servers if (top := self._top(server)) is not None}
        if not tops and model.weights:
            # Somebody else's, or behind a container's proxy: its command line can be read all the same.
            named = [entry for entry in self._table if _is_vllm(entry) and _serves(entry, model.weights)]
            tops = {top.pid: top for entry in named if (top := self._top(entry)) is not None}
            if len(tops) > 1:
                return Found(reason="several servers hold these weights")
        if not tops:
            return Found(reason=_unseen(forwarder))
        top = next(iter(tops.values()))
        return Found((top, *self._table.below(top.pid)))

    def _of_llamacpp(self, model: LoadedModel, servers: Sequence[ProcessEntry], forwarder: str) -> Found:
        """The server holds its model itself; a router has a process below it for each."""
        for server in servers:
            children = [entry for entry in self._table.below(server.pid) if entry.value_of(*_MODEL_NAMES) is not None]
            if server.value_of("--models-dir", "--models-preset") is None and not children:
                return Found((server,))
            meant = [entry for entry in children if _is_model(entry, model)]
            if len(meant) == 1:
                return Found((meant[0],))
            return Found(reason="which of the router's processes holds it is not told")
        if model.weights:
            blob = os.path.basename(model.weights)
            named = [entry for entry in self._table if entry.program.startswith("llama") and _names(entry, blob)]
            if len(named) == 1:
                return Found((named[0],))
        return Found(reason=_unseen(forwarder))

    def _top(self, entry: ProcessEntry) -> ProcessEntry | None:
        """Return the first process of a vLLM: the highest above one of its processes that is still of it."""
        found = None
        for one in (entry, *self._table.above(entry.pid)):
            if _is_vllm(one):
                found = one
            elif found is not None:
                break
        return found

    # ------------------------------------------------------------------ where

    def _port(self, endpoint: str) -> tuple[int | None, str]:
        """Return the port of an address of this machine, or None and why there is none."""
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return None, "its address is not known"
        if not host:
            return None, "its address is not known"
        return (port, "") if is_here(endpoint) else (None, "it runs on another machine")


def _held_elsewhere(entry: ProcessEntry, weights: str) -> LoadedModel:
    name = sanitize_line(os.path.basename(weights), 256).removesuffix(".gguf")
    return LoadedModel(
        name or "?",
        "embedded",
        kind="embedded",
        pid=entry.pid,
        weights=sanitize_line(weights, 500),
        elsewhere=True,
        unavailable={"reported_bytes": "another venom-tui holds it"},
    )


def _names(entry: ProcessEntry, blob: str) -> bool:
    """Return whether a command line names a file of weights."""
    value = entry.value_of(*_MODEL_NAMES)
    return value is not None and os.path.basename(value) == blob


def _is_vllm(entry: ProcessEntry) -> bool:
    return any(
        os.path.basename(argument) == "vllm"
        or argument.startswith(("vllm.", "VLLM::"))
        or "/vllm/entrypoints/" in argument
        for argument in entry.arguments[:4]
    )


def _serves(entry: ProcessEntry, weights: str) -> bool:
    return weights in (entry.value_of("--model"), *entry.arguments[1:5])


def _is_model(entry: ProcessEntry, model: LoadedModel) -> bool:
    if entry.value_of("--alias", "-a") == model.name:
        return True
    value = entry.value_of(*_MODEL_NAMES) or ""
    if model.weights:
        return os.path.realpath(value) == os.path.realpath(model.weights)
    return os.path.basename(value).removesuffix(".gguf") == model.name


def _unseen(forwarder: str) -> str:
    if forwarder:
        return f"{forwarder} listens on its port, for a process that is not seen from here"
    return "its process is not seen by this user: it is somebody else's, or in a container"


def options_of(found: Found) -> tuple[str | None, int | None]:
    """Return type of the cache and number of sequences that a model's process was started with."""
    kv_type = found.option(*_KV_NAMES)
    parallel = found.option(*_PARALLEL_NAMES)
    number = int(parallel) if parallel is not None and parallel.isdigit() and 0 < int(parallel) < 10_000 else None
    return (kv_type if kv_type in KV_TYPES else None), number
