"""Which models in servers that others use too are ours: loaded by venom-tui, or pinned by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from venom_tui.core.errors import StoreError
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.store.held import HeldStore, Mark
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.memory import Present
from venom_tui.core.types.runtime import RuntimeState, RuntimeStatus

_SLACK = timedelta(minutes=5)
"""A model that is there so long after it was to leave is kept by somebody else's requests."""
_STEP = timedelta(seconds=30)
"""An expiry that moved by less is not written."""


class Marks:
    """Keeps the marks true: what left is not ours any more, whoever loads it again."""

    def __init__(self, store: HeldStore, runtimes: LlmServerController) -> None:
        self._store = store
        self._runtimes = runtimes
        self._known: dict[tuple[str, str], Mark] = {}
        self._first = True

    def of(self, held: LoadedModel) -> Mark | None:
        """Return the mark of a model in a server that others use too."""
        return self._known.get((held.endpoint, held.name))

    def ours(self, held: LoadedModel) -> bool:
        """Return whether venom-tui loaded a model."""
        if held.kind == "embedded":
            return not held.elsewhere
        mark = self.of(held)
        return mark is not None and mark.loaded

    def pin_is_ours(self, held: LoadedModel) -> bool:
        """Return whether venom-tui pinned a model."""
        if held.kind == "embedded":
            return not held.elsewhere
        mark = self.of(held)
        return mark is not None and mark.pinned

    def present(self, held: LoadedModel) -> Present:
        """Return a model with whose it is now."""
        return Present(held, self.ours(held), self.pin_is_ours(held))

    async def renew(self) -> None:
        """Read the marks, and drop those of what has left or is somebody else's by now."""
        try:
            self._known = await self._store.all()
            now = self._store.now()
            loaded = {(held.endpoint, held.name): held for held in self._runtimes.loaded()}
            looked = {one.endpoint: begun for one in await self._runtimes.statuses() if (begun := _look_begun(one))}
            changed = []
            for key, mark in self._known.items():
                # What another process has just loaded or pinned is not in an older look.
                if mark.endpoint in looked and looked[mark.endpoint] > mark.at:
                    new = self._renewed(mark, loaded.get(key), now)
                    if new != mark:
                        changed.append(new)
            self._first = False
            if changed:
                await self._put(*changed)
        except StoreError:
            pass  # what is known stays; who loaded a model is then told as before

    def _renewed(self, mark: Mark, held: LoadedModel | None, now: datetime) -> Mark:
        if held is None:
            return replace(mark, loaded=False, pinned=False)
        late = mark.expires_at is not None and mark.expires_at + _SLACK < now
        other = None not in (mark.context_length, held.context_length) and mark.context_length != held.context_length
        if other or (self._first and late):
            return replace(mark, loaded=False, pinned=False)
        if mark.pinned and not held.pinned:
            mark = replace(mark, pinned=False)
        before, after = mark.expires_at, held.expires_at
        moved = (before is None) != (after is None) or (before and after and abs(after - before) > _STEP)
        return replace(mark, expires_at=after) if moved else mark

    async def note(self, held: LoadedModel, *, loaded: bool | None = None, pinned: bool | None = None) -> None:
        """Mark a model as loaded or pinned by venom-tui, or as not so; None leaves it as it was."""
        if held.kind == "embedded" or not held.endpoint:
            return
        mark = self.of(held) or Mark(held.endpoint, held.name, self._store.now(), loaded=False)
        mark = replace(
            mark,
            loaded=mark.loaded if loaded is None else loaded,
            pinned=mark.pinned if pinned is None else pinned,
            context_length=held.context_length,
            expires_at=held.expires_at,
            at=self._store.now() if loaded or pinned else mark.at,
        )
        await self._put(mark)

    async def _put(self, *marks: Mark) -> None:
        for mark in marks:
            if mark.loaded or mark.pinned:
                self._known[mark.endpoint, mark.model] = mark
            else:
                self._known.pop((mark.endpoint, mark.model), None)
        await self._store.put(*marks)


def _look_begun(status: RuntimeStatus) -> datetime | None:
    """Return when the last look at a runtime began; None: it does not tell what it holds."""
    if status.state is not RuntimeState.READY or status.seen_at is None or status.latency_ms is None:
        return None
    return status.seen_at - timedelta(milliseconds=status.latency_ms)
