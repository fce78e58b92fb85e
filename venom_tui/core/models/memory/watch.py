"""The limits while everything runs: a breach is told once, and what its policy says is done until the limit holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from venom_tui.core.errors import NeedsYes, RuntimeBusy, VenomError
from venom_tui.core.events import EventBus, GuardSampled, LimitChanged
from venom_tui.core.models.memory.planning import Planner
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.resources.limit_settings import limit_settings
from venom_tui.core.resources.limits import Limits
from venom_tui.core.settings import Settings
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.limits import Breach, LimitKind, LimitSetting, LimitState, Policy

if TYPE_CHECKING:
    from venom_tui.core.models.memory.service import ModelMemory

_log = logging.getLogger(__name__)
_FREES = frozenset({LimitKind.VRAM, LimitKind.RAM, LimitKind.TEMPERATURE})
"""Limits that hold again when a model leaves."""
_LOOKS = 2
"""Looks in a row that must see a limit broken, or whole again: a moment's peak is no breach."""
_AGAIN, _AGAIN_HOT = 3, 20
"""Looks after the end of what was done about a breach that must see it still: memory comes back late, heat later."""
_SELDOMEST = 120
"""Most looks that are waited for where nothing could leave, time after time."""


@dataclass(slots=True)
class _Relief:
    """What is done about a breach that stands."""

    wait: int
    """Looks until something more is done."""
    looks: int = 0
    """Those that have seen it since, with something that can leave."""
    since: datetime | None = None
    """When the last thing that was done had ended."""
    busy: bool = False
    """Whether something is being done now."""

    def ended(self, *, left: bool, wait: int) -> None:
        """Take notice of an end: where nothing left, the next attempt is later than this one was."""
        self.busy, self.looks, self.since = False, 0, datetime.now(UTC)
        self.wait = wait if left else min(2 * self.wait, _SELDOMEST)


class LimitWatch:
    """Follows the looks at the machine. `breaches` are those that stand now."""

    def __init__(
        self,
        settings: Settings,
        events: EventBus,
        operations: OperationRunner,
        planner: Planner,
        memory: ModelMemory,
    ) -> None:
        self._settings = settings
        self._events = events
        self._operations = operations
        self._limits = Limits(settings)
        self._planner = planner
        self._memory = memory
        self._counts: dict[tuple[LimitKind, str], int] = {}
        self._standing: dict[tuple[LimitKind, str], Breach] = {}
        self._follower: asyncio.Task[None] | None = None
        self._acting: asyncio.Task[None] | None = None
        self._reliefs: dict[tuple[LimitKind, str], _Relief] = {}
        self._pending: list[tuple[LimitState, LoadedModel, _Relief]] = []
        """What is to be acted on, and who was told to leave for it."""

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """Return what is broken now."""
        return tuple(self._standing.values())

    def settings(self) -> tuple[LimitSetting, ...]:
        """Return every limit that can be set, whether it is or not; `Core.save_setting` changes one."""
        return limit_settings(self._settings)

    def states(self, snapshot: GuardSnapshot) -> tuple[LimitState, ...]:
        """Return how the limits that are set stand in a look at the machine."""
        return self._limits.states(snapshot)

    def start(self) -> None:
        """Begin: for programs that go on running, and so can see to it that the limits hold."""
        if self._follower is None:
            self._follower = asyncio.create_task(self._follow(), name="limits")

    async def close(self) -> None:
        """End."""
        tasks = [task for task in (self._follower, self._acting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        with self._events.subscribe() as events:
            async for event in events:
                if isinstance(event, GuardSampled):
                    self.take(event.snapshot)

    def take(self, snapshot: GuardSnapshot) -> None:
        """Compare a look at the machine with the limits; tell what has changed, and act where the policy says so."""
        states = {(state.kind, state.subject): state for state in self._limits.states(snapshot)}
        for key in (*self._standing.keys() - states.keys(),):  # the limit was taken back
            self._counts.pop(key, None)
            self._reliefs.pop(key, None)
            self._tell(Breach(_whole(self._standing.pop(key).state)))
        for key, state in states.items():
            if state.now is None or state.broken == (key in self._standing):
                self._counts.pop(key, None)
                if state.now is not None and state.broken:
                    self._go_on(key, state, snapshot)
                continue
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] < _LOOKS:
                continue
            del self._counts[key]
            if state.broken:
                self._reliefs[key] = _Relief(_patience(state))
                self._begin(key, state, snapshot)
            else:
                del self._standing[key], self._reliefs[key]
                self._tell(Breach(state))

    def _begin(self, key: tuple[LimitKind, str], state: LimitState, snapshot: GuardSnapshot) -> None:
        """Tell a breach, and act on it where its policy says so and something of ours is there."""
        leaving = self._victims(state, snapshot)
        ours = self._ours(state, leaving)
        victims = ours or leaving
        breach = Breach(state, tuple((one.runtime, one.name) for one in victims), bool(ours))
        self._standing[key] = breach
        self._tell(breach)
        if ours:
            self._act_on(key, state, ours[0])

    def _go_on(self, key: tuple[LimitKind, str], state: LimitState, snapshot: GuardSnapshot) -> None:
        """Act once more where a limit is broken still so many looks after what was done about it had ended."""
        relief, before = self._reliefs[key], self._standing[key]
        if relief.busy or (relief.since is not None and snapshot.taken_at <= relief.since):
            return
        ours = self._ours(state, self._victims(state, snapshot))
        relief.looks = relief.looks + 1 if ours else 0
        if not ours or relief.looks < relief.wait:
            return
        breach = Breach(state, tuple((one.runtime, one.name) for one in ours), acts=True)
        if not before.acts or before.victims[:1] != breach.victims[:1]:
            self._standing[key] = breach
            self._tell(breach)
        self._act_on(key, state, ours[0])

    def _ours(self, state: LimitState, leaving: Sequence[LoadedModel]) -> list[LoadedModel]:
        """Return who is to leave without a question."""
        if state.policy is not Policy.EVICT or self._settings.flag("VENOM_READ_ONLY"):
            return []
        return [one for one in leaving if not self._planner.tier(one)]

    def _act_on(self, key: tuple[LimitKind, str], state: LimitState, told: LoadedModel) -> None:
        relief = self._reliefs[key]
        relief.busy = True
        self._pending.append((state, told, relief))
        if self._acting is None or self._acting.done():
            self._acting = asyncio.create_task(self._act_in_turn(), name="limits that are acted on")

    def _victims(self, state: LimitState, snapshot: GuardSnapshot) -> Sequence[LoadedModel]:
        """Return who could leave for a limit, the first one first."""
        if state.kind not in _FREES:
            return []
        found = self._planner.candidates(snapshot, None)
        if state.kind is LimitKind.RAM:
            return [one for one in found if one.measured_bytes or not one.vram_bytes]
        index = int(state.subject.split()[-1])
        return [
            one for one in found if any(gpu.index == index for gpu in one.gpus) or (not one.gpus and one.vram_bytes)
        ]

    async def _act_in_turn(self) -> None:
        while self._pending:
            state, told, relief = self._pending.pop(0)
            left = False
            try:
                left = await self._act(state, told)
            except VenomError as failure:
                _log.warning("nothing left for %s: %s", state.subject, failure.message)
            finally:
                relief.ended(left=left, wait=_patience(state))

    async def _act(self, state: LimitState, told: LoadedModel) -> bool:
        """Unload one model, the least recently used of ours; another venom-tui that does the same waits for it.

        Returns whether one left.

        Raises:
            VenomError: none could leave.
        """

        async def work(progress: Progress) -> bool:
            busy: dict[tuple[str, str], VenomError] = {}
            there = self._planner.as_it_is(told)
            if there is None or self._planner.tier(there):
                progress.log(f"{told.name} {'has left' if there is None else 'is to stay by now'}")
            while True:
                snapshot = await self._planner.snapshot()
                now = {(one.kind, one.subject): one for one in self._limits.states(snapshot)}
                if not getattr(now.get((state.kind, state.subject)), "broken", False):
                    progress.log("the limit holds again")
                    return False
                able = (one for one in self._victims(state, snapshot) if not self._planner.tier(one))
                held = next((one for one in able if (one.runtime, one.name) not in busy), None)
                if held is None:
                    progress.log("nothing else of venom-tui's can leave")
                    for failure in busy.values():
                        raise failure
                    return False
                try:
                    await self._memory.evict(held, f"limit: {state.text}", lambda text: progress.update(message=text))
                    return True
                except (NeedsYes, RuntimeBusy) as failure:  # it is used or kept by now: the next one is asked
                    progress.log(failure.message)
                    busy[held.runtime, held.name] = failure

        return await self._operations.run(
            "relieve", state.subject, work, runtime=told.runtime, queue="memory", machine="memory",
            cause=f"limit: {state.text}",
        )  # fmt: skip

    def _tell(self, breach: Breach) -> None:
        self._events.emit(LimitChanged(breach))


def _patience(state: LimitState) -> int:
    return _AGAIN_HOT if state.kind is LimitKind.TEMPERATURE else _AGAIN


def _whole(state: LimitState) -> LimitState:
    return LimitState(
        state.kind, state.subject, state.limit, state.now, state.unit, state.policy, broken=False, text=state.text
    )
