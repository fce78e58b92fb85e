"""Random sequences of what changes memory, over the embedded llama.cpp and an Ollama, with what must then be true.

The machine knows what should be held, pinned, active and recorded. After each step the core, the runtimes' own word,
the processes and the history are compared with that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.core.support import open_core, settings_for
from venom_tui.core.core import Core
from venom_tui.core.errors import NeedsYes, RuntimeRefused
from venom_tui.core.stop import stop
from venom_tui.core.types.device import LoadedModel

T = TypeVar("T")
EMBEDDED = ("a", "b")
_LIMIT_S = 60.0


class Ollama(Protocol):
    """The Ollama of a machine, as its other clients see it."""

    url: str
    names: tuple[str, str]

    async def open(self, stack: AsyncExitStack, folder: Path) -> None:
        """Start it."""

    async def held(self) -> dict[str, bool]:
        """Return what it holds, and whether that is pinned."""

    async def load(self, name: str, *, pinned: bool) -> None:
        """Load a model as another client would, or change how long it is kept."""

    async def drop(self, name: str) -> None:
        """Unload a model as another client would."""


class MemoryMachine(RuleBasedStateMachine):
    """Derived ones say which file is loaded and which Ollama is asked."""

    file: Path
    ollama: Ollama

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.stack, self.opened = AsyncExitStack(), AsyncExitStack()
        models = self.folder / "data" / "models"
        models.mkdir(parents=True)
        for name in EMBEDDED:
            (models / f"{name}.gguf").symlink_to(self.file)
        self.held: dict[str, bool] = {}
        """What is in memory -> whether it is pinned."""
        self.ours: set[str] = set()
        """What venom-tui loaded into Ollama."""
        self.our_pins: set[str] = set()
        self.active = "a"
        self.history: Counter[tuple[str, str]] = Counter()
        self.ports: set[int] = set()
        """Where processes of the core have listened."""
        self.before = {one.pid for one in psutil.Process().children(recursive=True)}
        self.run(self.ollama.open(self.stack, self.folder))
        self.run(self._open())
        self.run(self.core.models.choose("a"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something of the event loop's."""

        async def limited() -> T:
            async with asyncio.timeout(_LIMIT_S):
                return await work

        return self.loop.run_until_complete(limited())

    async def _open(self) -> None:
        self.core: Core = await self.opened.enter_async_context(open_core(self.folder, **self._values))
        await self.core.runtimes.settled(20)

    @property
    def _values(self) -> dict[str, object]:
        limits = {"VENOM_EMBEDDED_MODELS": 1, "VENOM_CONTEXT": 256, "VENOM_THREADS": 1}
        return {"OLLAMA_HOST": self.ollama.url, **limits}

    @property
    def names(self) -> tuple[str, ...]:
        return (*EMBEDDED, *self.ollama.names)

    def _forget(self, name: str) -> None:
        self.held.pop(name, None)
        self.ours.discard(name)
        self.our_pins.discard(name)

    def _room(self, name: str) -> bool:
        """Make room as a load must; False where that needs a yes of its own."""
        others = [other for other in EMBEDDED if other in self.held and other != name] if name in EMBEDDED else []
        if name in self.held or not others:
            return True
        if self.held[others[0]]:
            return False
        self._forget(others[0])
        self.history["unload", others[0]] += 1
        return True

    def _loaded(self, name: str) -> None:
        if name not in self.held:
            self.history["load", name] += 1
            self.held[name] = False
            if name not in EMBEDDED:
                self.ours.add(name)

    # ------------------------------------------------------------------ what is done

    which = st.integers(0, 3)

    @rule(number=which)
    def load(self, number: int) -> None:
        """Load a model, with a yes to what is ours."""
        name = self.names[number]
        if self._room(name):
            self.run(self.core.models.load(name, yes=True))
            self._loaded(name)
        else:
            self._refused(self.core.models.load(name, yes=True))

    @rule(number=which)
    def switch(self, number: int) -> None:
        """Switch to a model."""
        name = self.names[number]
        if self._room(name):
            self.run(self.core.models.activate(name, yes=True))
            self._loaded(name)
            self.history["switch", name if name == self.active else f"{self.active} → {name}"] += 1
            self.active = name
        else:
            self._refused(self.core.models.activate(name, yes=True))

    @rule(number=which)
    def unload(self, number: int) -> None:
        """Unload a model."""
        name = self.names[number]
        if self._kept_by_others(name):
            self._refused(self.core.models.unload(name))
            return
        self.run(self.core.models.unload(name))
        if name in self.held:
            self.history["unload", name] += 1
        self._forget(name)

    @rule(number=which)
    def pin(self, number: int) -> None:
        """Pin a model."""
        name = self.names[number]
        if name not in self.held:
            self._refused(self.core.models.pin(name), RuntimeRefused)
            return
        self.run(self.core.models.pin(name))
        self.history["pin", name] += 1
        self.held[name] = True
        self.our_pins.add(name)

    @rule(number=which)
    def unpin(self, number: int) -> None:
        """Unpin a model."""
        name = self.names[number]
        if name not in self.held or self._kept_by_others(name):
            self._refused(self.core.models.unpin(name), RuntimeRefused if name not in self.held else NeedsYes)
            return
        self.run(self.core.models.unpin(name))
        self.history["unpin", name] += 1
        self.held[name] = False
        self.our_pins.discard(name)

    def _kept_by_others(self, name: str) -> bool:
        return name not in EMBEDDED and self.held.get(name, False) and name not in self.our_pins

    def _refused(self, work: Coroutine[Any, Any, object], kind: type[Exception] = NeedsYes) -> None:
        try:
            self.run(work)
        except kind:
            return
        raise AssertionError(f"no {kind.__name__}")

    # ------------------------------------------------------------------ what happens

    @rule(number=st.integers(0, 1), pinned=st.booleans())
    def others_load(self, number: int, pinned: bool) -> None:
        """Another client loads a model, or asks it something."""
        name = self.ollama.names[number]
        self.run(self.ollama.load(name, pinned=pinned))
        self.run(self.core.runtimes.look())
        before = self.held.get(name, False)
        self.held[name] = pinned or before
        if not pinned and name in self.held and before:
            self.held[name] = True  # a request without a time leaves the one that it has

    @rule(number=st.integers(0, 1))
    def others_drop(self, number: int) -> None:
        """Another client unloads a model, or its time is up."""
        name = self.ollama.names[number]
        self.run(self.ollama.drop(name))
        self.run(self.core.runtimes.look())
        self.run(self.core.models.memory._marks.renew())
        self._forget(name)

    @rule()
    def kill(self) -> None:
        """The process of an embedded model is killed."""
        for model in self.core.runtimes.loaded():
            if model.kind == "embedded" and model.pid is not None:
                os.kill(model.pid, signal.SIGKILL)
                self.run(self._gone(model))
                self._forget(model.name)

    async def _gone(self, model: LoadedModel) -> None:
        while model.name in {one.name for one in self.core.runtimes.loaded()}:  # noqa: ASYNC110 (it is looked at)
            await asyncio.sleep(0.01)

    @rule()
    def again(self) -> None:
        """The program ends, and is started again."""
        self.run(self.opened.aclose())
        for name in EMBEDDED:
            self._forget(name)
        self.opened = AsyncExitStack()
        self.run(self._open())

    @rule()
    def stop(self) -> None:
        """`venom-tui stop` is called beside it: what is ours leaves Ollama, what others loaded or pinned stays."""
        report = self.run(stop(settings_for(self.folder, **self._values)))
        assert not report.failed and not report.interrupted
        spared = {name for name in self.ours if self._kept_by_others(name)}
        unloaded = {name for name in self.ours if name in self.held} - spared
        unpinned = self.our_pins - self.ours - set(EMBEDDED)
        assert len(report.spared) == len(spared), report.spared
        assert len(report.stopped) == len(unloaded) + len(unpinned), report.stopped
        for name in unloaded:
            self.history["unload", name] += 1
            self._forget(name)
        for name in unpinned:
            self.held[name] = False
        self.ours.clear()
        self.our_pins &= set(EMBEDDED)
        self.run(self.core.runtimes.look())

    # ------------------------------------------------------------------ what must be true

    @invariant()
    def everybody_says_the_same(self) -> None:
        """Compare what is known with what there is."""
        self.run(self._compare())

    async def _compare(self) -> None:
        core = self.core
        loaded = core.runtimes.loaded()
        assert {one.name: one.pinned for one in loaded} == self.held
        assert await self.ollama.held() == {name: kept for name, kept in self.held.items() if name not in EMBEDDED}
        children = _children()
        self.ports.update(*(_listening(child) for child in children))
        assert set(children) == {one.pid for one in loaded if one.kind == "embedded"}
        active = await core.models.active()
        assert active is not None and active.name == self.active
        assert [one.name for one in await core.models.list() if one.active] == [self.active]
        done = await core.operations.list()
        assert all(one.state.final for one in done)
        assert Counter((one.kind, one.target) for one in done if one.state == "succeeded") == self.history
        assert not [one for one in done if one.state != "succeeded"], "what is not allowed is not begun"
        await core.models.memory._marks.renew()
        marks = core.models.memory._marks
        assert {one.name for one in loaded if one.kind != "embedded" and marks.ours(one)} == self.ours

    def teardown(self) -> None:
        """End everything, and see that nothing is left."""
        try:
            self.run(self.opened.aclose())
            assert _children() == []
            assert _left_open(self.ports) == []
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            self.place.cleanup()
        left = [one for one in psutil.Process().children(recursive=True) if one.pid not in self.before]
        assert [one for one in left if _lives(one)] == []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _children() -> list[int]:
    """Return the processes that hold embedded models of this one."""
    found = []
    for child in psutil.Process().children():
        try:
            if _lives(child) and "embedded_worker" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


def _listening(pid: int) -> set[int]:
    """Return the ports at which a process waits for connections."""
    try:
        return {port for port, _ in _listeners(psutil.Process(pid).net_connections("tcp"))}
    except psutil.Error:
        return set()


def _listeners(connections: Iterable[Any]) -> list[tuple[int, int | None]]:
    """Return port and process of those that wait for connections."""
    return [(one.laddr.port, getattr(one, "pid", None)) for one in connections if one.status == psutil.CONN_LISTEN]


def _left_open(ports: set[int]) -> list[tuple[int, int | None]]:
    """Return which of these ports still answer, and for whom: this process, one below it, or one without a parent.

    The system may have given a port anew to what runs beside these tests.
    """
    ours = {None, os.getpid(), *(one.pid for one in psutil.Process().children(recursive=True))}
    listeners = _listeners(psutil.net_connections("tcp"))
    return [(port, pid) for port, pid in listeners if port in ports and (pid in ours or _orphaned(pid))]


def _orphaned(pid: int | None) -> bool:
    try:
        return pid is None or psutil.Process(pid).ppid() <= 1
    except psutil.Error:
        return False
