"""The limits that are set, and how they stand. Reads the settings and a snapshot; does nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from venom_tui.core.settings import Settings, parse_sizes
from venom_tui.core.types.device import GuardSnapshot, LoadedModel
from venom_tui.core.types.limits import LimitKind, LimitState, Policy

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Reserve:
    """What no model may take, and which models no other one pushes out."""

    gpu_bytes: int = 0
    """Of each GPU that is not named."""
    by_gpu: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    ram_bytes: int = 0
    kept: frozenset[str] = frozenset()
    """Models that stay: names, or `RUNTIME/NAME`, in small letters."""

    def of_gpu(self, index: int) -> int:
        """Return what is kept free of a GPU."""
        return self.by_gpu.get(index, self.gpu_bytes)

    def keeps(self, model: LoadedModel) -> bool:
        """Return whether a loaded model is one of those that stay."""
        names = {model.name.lower(), f"{model.runtime}/{model.name}".lower()}
        names |= {name.removesuffix(":latest") for name in names}
        return bool(names & self.kept)


NO_RESERVE = Reserve()


class Limits:
    """What the settings say; they may change at any moment, so nothing is kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def policy(self, kind: LimitKind) -> Policy:
        """Return what is done about a kind of limit."""
        return Policy(self._settings.text(f"VENOM_POLICY_{kind.name}"))

    @property
    def most_embedded(self) -> int:
        """How many models the embedded llama.cpp may hold."""
        return self._settings.int("VENOM_EMBEDDED_MODELS")

    @property
    def share_percent(self) -> int:
        """The largest share of the memory that one model may take; 0: any."""
        return self._settings.int("VENOM_MAX_MODEL_SHARE")

    @property
    def temperature(self) -> int:
        """Degrees that no GPU is to reach; 0: any."""
        return self._settings.int("VENOM_MAX_TEMPERATURE")

    @property
    def kept_disk(self) -> int:
        """Bytes that are kept free on each disk that holds data or models; 0: none."""
        return self._settings.int("VENOM_KEEP_FREE_DISK")

    def reserve(self, *, all_of_it: bool = False) -> Reserve:
        """Return what counts as taken when a model is judged; what is only warned of does not, unless `all_of_it`."""
        gpu_bytes, by_gpu = parse_sizes(self._settings.text("VENOM_KEEP_FREE_VRAM")) or (0, {})
        if not all_of_it and self.policy(LimitKind.VRAM) is Policy.WARN:
            gpu_bytes, by_gpu = 0, {}
        ram = self._settings.int("VENOM_KEEP_FREE_RAM")
        if not all_of_it and self.policy(LimitKind.RAM) is Policy.WARN:
            ram = 0
        kept = (name.strip().lower() for name in self._settings.text("VENOM_NEVER_EVICT").split(","))
        return Reserve(gpu_bytes, by_gpu, ram, frozenset(filter(None, kept)))

    def states(self, snapshot: GuardSnapshot) -> tuple[LimitState, ...]:
        """Return how the limits that are set stand in a look at the machine."""
        return (*self._vram(snapshot), *self._ram(snapshot), *self._disks(snapshot), *self._heat(snapshot))

    def _vram(self, snapshot: GuardSnapshot) -> Iterator[LimitState]:
        reserve = self.reserve(all_of_it=True)
        for gpu in snapshot.gpus:
            limit = reserve.of_gpu(gpu.index)
            if limit:
                free = gpu.memory_free_bytes if gpu.stale_since is None else None
                yield self._floor(LimitKind.VRAM, f"GPU {gpu.index}", limit, free)

    def _ram(self, snapshot: GuardSnapshot) -> Iterator[LimitState]:
        limit = self._settings.int("VENOM_KEEP_FREE_RAM")
        if limit:
            yield self._floor(LimitKind.RAM, "RAM", limit, snapshot.host.ram_available_bytes)

    def _disks(self, snapshot: GuardSnapshot) -> Iterator[LimitState]:
        limit = self.kept_disk
        for disk in snapshot.host.disks if limit else ():
            yield self._floor(LimitKind.DISK, f"disk of {disk.label}", limit, disk.free_bytes)

    def _heat(self, snapshot: GuardSnapshot) -> Iterator[LimitState]:
        for gpu in snapshot.gpus if self.temperature else ():
            now = gpu.temperature_c if gpu.stale_since is None else None
            subject = f"GPU {gpu.index}"
            told = "temperature unknown" if now is None else f"{now} °C"
            yield LimitState(
                LimitKind.TEMPERATURE, subject, self.temperature, now, "celsius", self.policy(LimitKind.TEMPERATURE),
                now is not None and now >= self.temperature, f"{subject}: {told}, {self.temperature} °C is the limit",
            )  # fmt: skip

    def _floor(self, kind: LimitKind, subject: str, limit: int, free: int | None) -> LimitState:
        told = "free memory unknown" if free is None else f"{gib(free)} GiB free"
        text = f"{subject}: {told}, {gib(limit)} GiB are to be kept"
        return LimitState(
            kind, subject, limit, free, "bytes", self.policy(kind), free is not None and free < limit, text
        )


def gib(size: int) -> str:
    """Return bytes as GiB for a sentence."""
    return f"{size / _GIB:.1f}" if size >= _GIB / 20 or size == 0 else f"{size / _GIB:.2f}"
