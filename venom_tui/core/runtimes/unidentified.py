"""A server that is configured without its kind: it is asked what it is, and until it answers it is none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from venom_tui.core.clients.addresses import shown_address
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import BadAnswer, RuntimeUnavailable, VenomError
from venom_tui.core.runtimes.discovery import kind_of
from venom_tui.core.runtimes.runtime import LEAVES_WITHIN_S, Plan, Runtime, Status, silent
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import ChatChunk, ChatRequest, GenerationParameters

_LIMIT_S = 3.0


class UnidentifiedServer(Runtime):
    """Stands for a server until its kind is known; whoever looks after the runtimes then puts the right one in place.

    `found` is the kind once it has answered.
    """

    kind = "openai"

    def __init__(self, runtime_id: str, url: str, pool: HttpPool, *, origin: str, api_key: str | None = None) -> None:
        super().__init__(runtime_id, endpoint=url, origin=origin)
        self.api_key = api_key
        self.origin = origin
        self.found: str | None = None
        self._pool = pool

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Nothing is known of it."""
        return ()

    async def look(self) -> None:
        """Ask what it is."""
        try:
            self.found = await kind_of(self._pool, self.endpoint, api_key=self.api_key, limit_s=_LIMIT_S)
        except VenomError as failure:
            self._failed(failure)
            return
        if self.found is None:
            self._failed(BadAnswer("what answers there is no server of a kind that is known"))

    async def prepare(self, model: ModelInfo, parameters: GenerationParameters) -> tuple[Plan, bool]:
        """Refuse."""
        raise self._unavailable()

    async def load(self, model: ModelInfo, plan: Plan, *, status: Status) -> None:
        """Refuse."""
        raise self._unavailable()

    async def unload(self, model: ModelInfo, *, within_s: float = LEAVES_WITHIN_S, status: Status = silent) -> None:
        """Refuse."""
        raise self._unavailable()

    async def chat(
        self, request: ChatRequest, plan: Plan, wire: Mapping[str, object]
    ) -> AsyncGenerator[ChatChunk, None]:
        """Refuse."""
        raise self._unavailable()
        yield ChatChunk()  # what makes this a generator

    async def verify(self, model: ModelInfo) -> None:
        """Refuse."""
        raise self._unavailable()

    async def close(self) -> None:
        """Nothing of it is ours."""

    def _unavailable(self) -> RuntimeUnavailable:
        return RuntimeUnavailable(
            f"Runtime {self.id!r} at {shown_address(self.endpoint)} has not answered yet: {self._status.detail}.",
            hint="Check that it runs.",
            server_message=self._status.server_message,
        )
