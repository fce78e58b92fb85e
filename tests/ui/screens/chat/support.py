"""The chat as a test sees it, and models that say what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.openai import FakeServer, vllm
from tests.servers import DONE, Exchange, event, head, piece
from tests.ui.shown import Shown
from venom_tui.core.types.session import Message, Role
from venom_tui.ui.screens.chat.screen import ChatScreen
from venom_tui.ui.widgets.prompt import Prompt


class Chat(Shown):
    """The application with the chat."""

    @property
    def screen(self) -> ChatScreen:
        """The chat, in front or not."""
        screen = self.app.section_screen("chat")
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def prompt(self) -> Prompt:
        """The prompt."""
        return self.screen.prompt

    async def ask(self, text: str) -> None:
        """Write a prompt at once and send it by its key."""
        assert self.prompt.has_focus, self.text
        self.prompt.insert(text)
        await self.press("enter")

    async def answered(self, count: int = 1) -> list[Message]:
        """Wait until the open session has so many answers that have ended; return its messages."""
        await self.until(lambda: self.screen.conversation.session is not None)
        session = self.screen.conversation.session
        assert session is not None
        found: list[Message] = []

        async def look() -> bool:
            found[:] = await self.core.sessions.messages(session.id)
            ended = [m for m in found if m.role is Role.ASSISTANT and m.state.value not in ("streaming", "pending")]
            return len(ended) >= count and not self.core.chat.running(session.id)

        async with asyncio.timeout(20):
            while not await look():
                await self.pilot.pause(0.02)
        await self.until(lambda: not self.screen.conversation.asking.busy)
        await self.pilot.pause()
        return found


class Gated:
    """A server whose answers wait: each goes on to its end when `let` is called."""

    def __init__(self, *, end: bytes | None = None) -> None:
        self.server: FakeServer = vllm("slow", 4096)
        self.server.paths["POST /v1/chat/completions"] = self._answer
        self._gates: list[asyncio.Event] = []
        self._let = 0
        self._end = piece(finish_reason="stop", usage={"prompt_tokens": 20, "completion_tokens": 3}) + DONE
        if end is not None:
            self._end = end

    async def _answer(self, exchange: Exchange) -> None:
        gate = asyncio.Event()
        self._gates.append(gate)
        number = len(self._gates)
        if number <= self._let:
            gate.set()
        await exchange.write(head() + piece(f"beginning {number} "))
        gone = asyncio.ensure_future(exchange.gone())
        opened = asyncio.ensure_future(gate.wait())
        await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, opened):
            task.cancel()
        if gate.is_set():
            await exchange.write(piece(f"end {number}") + self._end)

    def let(self) -> None:
        """Let the next answer go on to its end, also one that was not asked for yet."""
        self._let += 1
        if self._let <= len(self._gates):
            self._gates[self._let - 1].set()


def streamed(*events: bytes) -> bytes:
    """Return a whole answer of these events."""
    return head() + b"".join(events) + piece(finish_reason="stop") + DONE


def thought(text: str) -> bytes:
    """Return a piece of thinking."""
    return event({"choices": [{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}]})


def call(name: str, arguments: str) -> bytes:
    """Return a call that a model wants."""
    function = {"name": name, "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def words(messages: Sequence[Message]) -> list[str]:
    """Return role and beginning of each message."""
    return [f"{message.role.value}: {message.content[:20]}" for message in messages]
