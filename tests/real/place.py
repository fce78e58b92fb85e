"""A core that knows one real server, for tests that ask the same of every kind of server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.core.support import open_core, turn
from venom_tui.core.core import Core
from venom_tui.core.types.content import Attachment
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.turn import TurnEnded, TurnEvent

SHORT = GenerationParameters(max_tokens=5, temperature=0)


@dataclass
class Place:
    """A core with one real server, and the model that answers there."""

    core: Core
    runtime: str
    model: str
    context: int

    async def send(
        self,
        session_id: str,
        text: str,
        parameters: GenerationParameters = SHORT,
        schema: dict[str, object] | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> list[TurnEvent]:
        """Send a prompt and return all events of its turn."""
        request_id = await self.core.chat.send(
            session_id,
            text,
            attachments=attachments,
            model=self.model,
            runtime=self.runtime,
            parameters=parameters,
            schema=schema,
        )
        return await turn(self.core, request_id)


@asynccontextmanager
async def at(folder: Path, kind: str, url: str, model: str, context: int) -> AsyncIterator[Place]:
    """Open a core that knows one server."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "config.toml").write_text(f'[runtimes.box]\nurl = "{url}"\nkind = "{kind}"\n')
    async with open_core(folder) as core:
        await core.runtimes.settled(5)
        yield Place(core, "box", model, context)


def end_of(events: list[TurnEvent]) -> TurnEnded:
    """Return how a turn ended."""
    last = events[-1]
    assert isinstance(last, TurnEnded)
    return last
