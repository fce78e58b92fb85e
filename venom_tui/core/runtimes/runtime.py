"""What every runtime can be asked: the one door to a server that holds models, whoever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from venom_tui.core.errors import (
    CutStream,
    RuntimeBusy,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
    VenomError,
)
from venom_tui.core.resources.estimate.shape import ModelShape
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters
from venom_tui.core.types.runtime import SILENT, RuntimeLoad, RuntimeState, RuntimeStatus

Status = Callable[[str], None]
"""Takes words about what is being waited for."""
LEAVES_WITHIN_S = 30.0
"""Seconds that a model may take to leave."""


def silent(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is to be asked, decided when it is made ready."""

    context_length: int | None = None
    """Tokens of context that it has, or is told to have; None: not known."""
    sends_context: bool = False
    """Whether the request must say so, so that the server does not load it again with another one."""
    keep_alive: str | float | None = None
    thinks: bool = True
    """Whether the model can be told to think; True also where that is not known."""
    notes: tuple[str, ...] = ()
    """What the user should know of it, each a sentence."""


class Runtime(ABC):
    """A server that holds models and answers prompts. Nothing here blocks; `look` never raises."""

    kind: str

    def __init__(self, runtime_id: str, *, endpoint: str, origin: str) -> None:
        self.id = runtime_id
        self.endpoint = endpoint
        self._status = RuntimeStatus(
            runtime_id, self.kind, RuntimeState.UNKNOWN, endpoint=endpoint, detail="not asked yet", origin=origin
        )
        self._models: tuple[ModelInfo, ...] = ()

    # ------------------------------------------------------------------ what is known of it

    def status(self) -> RuntimeStatus:
        """Return what it said last."""
        return self._status

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the models that it offered last; those of a server that is down are still listed, `loaded` unknown."""
        if self._status.state in SILENT:
            return tuple(replace(model, loaded=None, vram_bytes=None) for model in self._models)
        return self._models

    @abstractmethod
    def loaded(self) -> tuple[LoadedModel, ...]:
        """Return what it held when it was asked last."""

    @abstractmethod
    async def look(self) -> None:
        """Ask the server how it is and what it has, within a few seconds. Failures become its status."""

    # ------------------------------------------------------------------ what it does

    @abstractmethod
    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """Return how the model is to be asked, and whether it has to be loaded first.

        Raises:
            RuntimeFailure: the server cannot be asked.
        """

    @abstractmethod
    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Load a model and return when it is loaded (minutes); a server that loads by itself returns at once.

        Raises:
            LoadFailed: it could not be loaded.
            RuntimeFailure: the server cannot be asked.
        """

    @abstractmethod
    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """Ask for a model to leave and return when it has left: when nobody waits for an answer of it any more.

        Raises:
            RuntimeBusy: it still answers somebody after `within_s` seconds.
            RuntimeFailure: the server does not do that, or did not in time.
        """

    def cannot(self, verb: str) -> str:
        """Return why it cannot be told to `load`, `unload`, `pin`, `unpin` or `extend`, as a sentence; "" if it can."""
        return f"Runtime {self.id} cannot be told to {verb} a model."

    def capabilities(self) -> Mapping[str, tuple[str, ...]]:
        """Return what the models that it holds can do, by their names, as far as they were heard to say it.

        Of a runtime that says it with the models that it offers there is nothing here.
        """
        return {}

    def answering(self, model: str) -> int:
        """Return how many answers of a model this program is waiting for."""
        return 0

    async def keep(self, model: ModelInfo, keep_alive: str | float) -> None:
        """Have a loaded model kept so long from now: seconds or a duration such as `10m`, for ever when negative.

        Raises:
            RuntimeFailure: the server does not do that.
        """
        raise RuntimeRefused(self.cannot("pin"))

    async def unpin(self, model: ModelInfo) -> None:
        """Have a loaded model kept no longer than usual.

        Raises:
            RuntimeFailure: the server does not do that.
        """
        raise RuntimeRefused(self.cannot("unpin"))

    @abstractmethod
    def chat(self, request: ChatRequest, plan: Plan, wire: Mapping[str, object]) -> AsyncGenerator[ChatChunk, None]:
        """Send a request and yield the pieces of the answer; leaving the generator stops the server's work.

        `wire` holds the parameters by the names that this kind of runtime knows.

        Raises:
            RuntimeFailure: what the server did or said.
        """

    async def count(self, request: ChatRequest) -> int | None:
        """Return the tokens of a request's prompt by the server's own count; None where it does not count.

        Raises:
            RuntimeFailure: what the server did or said.
        """
        return None

    async def kv_bytes_per_token(self, model: ModelInfo) -> int | None:
        """Return the bytes of memory that each token of context takes; None where that is not known.

        Raises:
            RuntimeFailure: the server cannot be asked.
        """
        return model.kv_bytes_per_token

    async def shape(self, model: ModelInfo) -> ModelShape | None:
        """Return what of a model decides how much memory it takes; None where the server does not tell it.

        Raises:
            RuntimeFailure: the server cannot be asked.
        """
        return None

    @abstractmethod
    async def verify(self, model: ModelInfo) -> None:
        """Ask the server itself whether it has the model ready.

        Raises:
            LoadFailed: it has not.
            RuntimeFailure: the server cannot be asked.
        """

    async def measure(self) -> RuntimeLoad:
        """Return what the server says of its work now: requests, cache. Failures become its reason."""
        return RuntimeLoad(reason=f"a runtime of kind {self.kind} does not tell it")

    async def explain(self, model: str, failure: VenomError) -> VenomError:
        """Return a failure as it should be told, when the runtime knows more of it."""
        return failure

    def log(self, model: str) -> list[str]:
        """Return the last lines of a model's log, where the runtime is ours."""
        return []

    @abstractmethod
    async def close(self) -> None:
        """End what belongs to us of it."""

    # ------------------------------------------------------------------ for derived ones

    def _reachable(self, *, latency_ms: float, **facts: object) -> None:
        """Note a look that was answered; `facts` are fields of the status."""
        self._status = replace(
            self._status,
            latency_ms=latency_ms,
            seen_at=datetime.now(UTC),
            server_message="",
            **facts,  # type: ignore[arg-type]  # fields of one dataclass
        )

    def _failed(self, failure: VenomError) -> None:
        """Note a look that was not."""
        state, detail = told(failure)
        self._status = replace(
            self._status, state=state, detail=detail, latency_ms=None, loaded=(), server_message=failure.server_message
        )


def told(failure: VenomError) -> tuple[RuntimeState, str]:
    """Return the state that a failed look means, and its reason as one clause."""
    words = failure.server_message
    if isinstance(failure, RuntimeBusy):
        loading = "loading" in words.lower()
        return (RuntimeState.LOADING if loading else RuntimeState.BUSY), words or "busy"
    if isinstance(failure, RuntimeTimeout):
        return RuntimeState.UNREACHABLE, "no answer in time"
    if isinstance(failure, CutStream):
        return RuntimeState.UNREACHABLE, failure.message
    if isinstance(failure, RuntimeUnavailable):
        refused = "refused" in words.lower() or "all connection attempts failed" in words.lower()
        return RuntimeState.UNREACHABLE, "connection refused" if refused else words or "cannot be reached"
    return RuntimeState.FAILED, failure.message
