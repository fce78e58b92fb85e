"""What a pull would fetch, before anything of it is fetched."""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.types.limits import Policy


@dataclass(frozen=True, slots=True)
class PullFile:
    """A file, or a layer of a model."""

    name: str
    size_bytes: int | None
    present: bool = False
    """Whether it is there already."""


@dataclass(frozen=True, slots=True)
class PullPreview:
    """What a pull would fetch, from where, and whether there is room. None always means "not known"."""

    name: str
    """The model, in the one form in which its provider is asked for it."""
    provider: str
    """`ollama` or `huggingface`."""
    runtime: str
    """Id of the runtime that will have it; "" where none here serves it by itself."""
    source: str
    """Who is asked: the host of a registry or hub."""
    target: str = ""
    """As it was typed; sanitized."""
    files: tuple[PullFile, ...] = ()
    bytes_total: int | None = None
    """Size of all files together."""
    bytes_missing: int | None = None
    """What is really fetched: without what is there already, whole or in part."""
    folder: str | None = None
    """Where it will lie."""
    free_bytes: int | None = None
    """What is free there."""
    others_bytes: int = 0
    """What other pulls still fetch there."""
    kept_bytes: int = 0
    """What is to be kept free there; 0: no limit is set."""
    policy: Policy = Policy.ASK
    """What is done where less would be left. No file is removed for it: `evict` asks, too."""
    insecure: bool = False
    """Whether the registry may speak plain HTTP."""
    warnings: tuple[str, ...] = ()
    """What is to be known before, each a sentence."""

    @property
    def short_bytes(self) -> int:
        """How much space is missing, as far as that is known; 0 where it fits or nothing is known."""
        return max(0, -(self.left_bytes or 0)) if self.bytes_missing else 0

    @property
    def left_bytes(self) -> int | None:
        """What would be free after it and what is being fetched already; negative where it does not fit."""
        if self.bytes_missing is None or self.free_bytes is None:
            return None
        return self.free_bytes - self.bytes_missing - self.others_bytes

    @property
    def breaks_limit(self) -> bool:
        """Whether it would leave less than what is to be kept; what fetches nothing breaks nothing."""
        return bool(self.bytes_missing) and self.left_bytes is not None and self.left_bytes < self.kept_bytes

    @property
    def asks(self) -> bool:
        """Whether it needs a yes for the limit."""
        return self.breaks_limit and self.policy in (Policy.ASK, Policy.EVICT)

    @property
    def refused(self) -> bool:
        """Whether the limit refuses it, unless it is forced."""
        return self.breaks_limit and self.policy is Policy.REFUSE
