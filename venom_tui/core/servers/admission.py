"""Whether a server may start: the share of the GPUs that is proposed to it, and the limits that it would break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from venom_tui.core.errors import GuardRefused, NeedsYes, VenomError
from venom_tui.core.models.fit.room import gpus_of
from venom_tui.core.models.fit.service import FitService, Guard
from venom_tui.core.resources.limits import Limits, gib
from venom_tui.core.servers.arguments import own_share
from venom_tui.core.servers.holding import processes_of, ram_of, without
from venom_tui.core.servers.proposal import MOST, proposed, used_gpus
from venom_tui.core.settings import ControlTable, Settings
from venom_tui.core.settings.control import Profile
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.fit import GpuFit
from venom_tui.core.types.limits import LimitKind, LimitState, Policy

_PROPOSE_S = 8.0
_OF_A_GPU = (LimitKind.VRAM, LimitKind.TEMPERATURE)

Notice = Callable[[str], None]
"""Told what is only warned of, each a sentence."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a server starts with."""

    share: float | None = None
    """The share of each GPU that is proposed to a profile without one; None: it is left to the server."""
    notes: tuple[str, ...] = ()
    """Limits that it breaks all the same, each a sentence."""


@dataclass(slots=True)
class _Draft:
    """What is found against a start."""

    refusals: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, policy: Policy, words: str) -> None:
        """Do about something what its policy says; that others leave would not help a server here."""
        {Policy.REFUSE: self.refusals, Policy.WARN: self.warnings}.get(policy, self.questions).append(words)


class Admission:
    """Looks at the machine before a start; changes nothing."""

    def __init__(self, settings: Settings, fits: FitService, guard: Guard) -> None:
        self._limits = Limits(settings)
        self._fits = fits
        self._guard = guard

    async def admit(
        self, name: str, control: ControlTable, pid: int | None, *, yes: bool, force: bool, notice: Notice
    ) -> Admitted:
        """Return what a server starts with.

        Args:
            name: the server.
            control: how it is started.
            pid: its process, where it runs now and is stopped first: what that holds counts as free.
            yes: whether what asks was answered with yes.
            force: start it though the guard refuses.
            notice: told what is only warned of.

        Raises:
            GuardRefused: it would break a limit whose policy refuses.
            NeedsYes: it would break one whose policy asks, and nobody said yes.
        """
        profile = control.profile
        if profile is None and not self._limited:
            return Admitted()
        snapshot = await self._guard.snapshot()
        pids = await asyncio.to_thread(processes_of, pid)
        snapshot = without(snapshot, name, pids, await asyncio.to_thread(ram_of, pids))
        visible = control.environment.get("CUDA_VISIBLE_DEVICES")
        share = None if profile is None else await self._proposed(profile, snapshot, control)
        draft = _Draft()
        count = None if profile is None else profile.tensor_parallel * profile.pipeline_parallel
        gpus = used_gpus(gpus_of(snapshot), visible, count)
        short: set[str] = set()
        if profile is not None:
            # Where nothing can be proposed, vLLM takes what it takes by itself.
            takes = next((one for one in (own_share(profile), share) if one is not None), MOST)
            short = self._short(draft, name, takes, gpus)
        self._broken(draft, {f"GPU {one.index}" for one in gpus}, short, snapshot)
        self._check(draft, name, yes=yes, force=force)
        for words in draft.warnings:
            notice(words)
        return Admitted(share, (*draft.refusals, *draft.questions, *draft.warnings))

    @property
    def _limited(self) -> bool:
        reserve = self._limits.reserve(all_of_it=True)
        return bool(reserve.gpu_bytes or reserve.by_gpu or reserve.ram_bytes or self._limits.temperature)

    async def _proposed(self, profile: Profile, snapshot: GuardSnapshot, control: ControlTable) -> float | None:
        """Return the share of each GPU that a profile without one is to take; None where nothing can be proposed."""
        if own_share(profile) is not None:
            return None
        gpus = gpus_of(snapshot, self._limits.reserve())
        if not gpus:
            return None
        try:
            async with asyncio.timeout(_PROPOSE_S):
                found = (await self._fits.report(profile.model, context=profile.max_length)).utilization
        except (VenomError, TimeoutError):
            found = None  # a folder, or a model that nobody knows
        return proposed(profile, gpus, found, control.environment)

    def _short(self, draft: _Draft, name: str, share: float, gpus: Sequence[GpuFit]) -> set[str]:
        """Note the GPUs that have less than the share, besides what is kept free; return which."""
        reserve = self._limits.reserve(all_of_it=True)
        found = set()
        for one in gpus:
            if not one.total_bytes or one.free_bytes is None:
                continue
            takes, kept = int(share * one.total_bytes), reserve.of_gpu(one.index)
            if one.free_bytes - kept >= takes:
                continue
            beside = f", of which {gib(kept)} GiB are to be kept" if kept else ""
            words = f"{name} takes {gib(takes)} GiB of GPU {one.index} ({share:g} of it)"
            free = f"{gib(one.free_bytes)} GiB are free{beside}"
            # Without a limit it is for the server to decide, which may take less by itself.
            policy = self._limits.policy(LimitKind.VRAM) if kept else Policy.WARN
            draft.take(policy, f"{words}, and {free}.")
            found.add(f"GPU {one.index}")
        return found

    def _broken(self, draft: _Draft, gpus: set[str], short: set[str], snapshot: GuardSnapshot) -> None:
        """Note the limits that are broken already."""

        def concerns(state: LimitState) -> bool:
            if state.kind in _OF_A_GPU:
                return state.subject in gpus and not (state.kind is LimitKind.VRAM and state.subject in short)
            return state.kind is LimitKind.RAM

        for state in self._limits.states(snapshot):
            if state.broken and concerns(state):
                draft.take(state.policy, f"{state.text}.")

    @staticmethod
    def _check(draft: _Draft, name: str, *, yes: bool, force: bool) -> None:
        if draft.refusals and not force:
            raise GuardRefused(
                f"{name} is not started. {' '.join(draft.refusals)}",
                hint="Free memory (F5, the guard, shows who holds it); force (--force) starts it all the same.",
            )
        if draft.questions and not (yes or force):
            raise NeedsYes(f"{name} would start now. {' '.join(draft.questions)}", hint="A yes (--yes) starts it.")
