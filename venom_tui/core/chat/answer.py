"""One answer while it streams: sanitized, timed, counted, and stopped where it must be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from venom_tui.core.chat.repetition import repeats_itself
from venom_tui.core.sanitize import StreamSanitizer, sanitize, sanitize_line
from venom_tui.core.types.content import ToolCall
from venom_tui.core.types.request import ChatChunk
from venom_tui.core.types.session import Message, Timings, Usage
from venom_tui.core.types.turn import TurnDelta, TurnThinking, TurnToolCall

_KEEP_EVERY_S = 0.25
"""How often the partial text is handed to the store, which debounces it further: joining it for each token costs."""
_GATHER_S = 0.025
"""A pause after a piece that had to be waited for, so that those behind it are taken together: to wake up costs several
times what a token does. The first piece is never late by it."""
_AT_ONCE_S = 0.002
"""A piece that came sooner had been there already."""
_CHECK_EVERY = 48
"""Characters between two looks for repetition."""

Emit = Callable[[TurnDelta | TurnThinking | TurnToolCall], None]


class StreamedAnswer:
    """Collects an answer from its chunks.

    Times are seconds of `time.perf_counter`. `message()` is the answer as it stands, at any moment.
    """

    def __init__(
        self,
        message: Message,
        *,
        submitted: float,
        emit: Emit,
        keep: Callable[[Message], None],
        stop_on_repetition: bool,
    ) -> None:
        self._message = message
        self._submitted = submitted
        self._emit = emit
        self._keep = keep
        self._stop_on_repetition = stop_on_repetition
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[ToolCall] = []
        self._tail = ""
        self._unchecked = 0
        self._kept_at = 0.0
        self._asked: float | None = None
        self._first: float | None = None
        self._thought: float | None = None
        self._answered: float | None = None
        self._last: float | None = None
        self._pieces = 0
        self._usage = Usage()
        self.finish_reason = ""

    @property
    def empty(self) -> bool:
        """Whether nothing has come yet."""
        return not (self._text or self._thoughts or self._calls)

    def asked(self) -> None:
        """Note that the request goes to the model now."""
        self._asked = time.perf_counter()

    async def collect(self, chunks: AsyncGenerator[ChatChunk, None]) -> None:
        """Take the chunks until they end or the answer repeats itself; errors of the stream pass through."""
        text_sanitizer, thought_sanitizer = StreamSanitizer(), StreamSanitizer()
        gathered = _gathered(chunks)
        try:
            async for chunk in gathered:
                self._pieces += bool(chunk.thinking or chunk.content)
                if chunk.thinking:
                    self._add_thinking(thought_sanitizer.feed(chunk.thinking))
                if chunk.content:
                    self._add(text_sanitizer.feed(chunk.content))
                for call in chunk.tool_calls:
                    self._add_call(call)
                if chunk.usage is not None:
                    self._usage = chunk.usage
                if chunk.finish_reason:
                    self.finish_reason = sanitize_line(chunk.finish_reason, 40)
                if self._looped():
                    self.finish_reason = "repetition"
                    break
        finally:
            self._add_thinking(thought_sanitizer.end())
            self._add(text_sanitizer.end())
            await gathered.aclose()
            await chunks.aclose()

    def _mark(self) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = now
        self._last = now
        if now - self._kept_at >= _KEEP_EVERY_S:
            self._kept_at = now
            self._keep(self.message())

    def _add(self, piece: str) -> None:
        if piece:
            self._text.append(piece)
            self._unchecked += len(piece)
            self._answered = self._answered or time.perf_counter()
            self._emit(TurnDelta(self._message.request_id, self._message.session_id, piece))
            self._mark()

    def _add_thinking(self, piece: str) -> None:
        if piece:
            self._thoughts.append(piece)
            self._thought = self._thought or time.perf_counter()
            self._emit(TurnThinking(self._message.request_id, self._message.session_id, piece))
            self._mark()

    def _add_call(self, call: ToolCall) -> None:
        call = ToolCall(sanitize_line(call.name, 200), sanitize(call.arguments), sanitize_line(call.id, 200))
        self._calls.append(call)
        self._emit(TurnToolCall(self._message.request_id, self._message.session_id, call))
        self._mark()

    def _looped(self) -> bool:
        if not self._stop_on_repetition or self._unchecked < _CHECK_EVERY:
            return False
        self._unchecked = 0
        return repeats_itself("".join(self._text[-400:]))

    def message(self) -> Message:
        """Return the answer as it stands."""
        return replace(
            self._message,
            content="".join(self._text),
            thinking="".join(self._thoughts),
            tool_calls=tuple(self._calls),
            usage=self._usage,
            timings=self.timings(),
            finish_reason=self.finish_reason,
        )

    def timings(self) -> Timings:
        """Return when what came, in milliseconds."""
        first, asked, thought = self._first, self._asked, self._thought
        thought_until = self._answered or self._last
        return Timings(
            submit_to_first_token_ms=None if first is None else (first - self._submitted) * 1000,
            model_to_first_token_ms=None if first is None or asked is None else (first - asked) * 1000,
            total_ms=(time.perf_counter() - self._submitted) * 1000,
            load_ms=None if asked is None else (asked - self._submitted) * 1000,
            thinking_ms=None if thought is None or thought_until is None else (thought_until - thought) * 1000,
        )

    def final_usage(self) -> Usage:
        """Return the usage as reported; a missing speed is taken from the time between the first and the last piece.

        Servers report it at the end, so that an answer that was stopped or cut has none: then the pieces that came are
        counted, which are about one a token, and marked as an estimate.
        """
        usage = self._usage
        if usage.completion_tokens is None and self._pieces:
            usage = replace(usage, completion_tokens=self._pieces, estimated=True)
        if usage.tokens_per_second is None and usage.completion_tokens and self._first and self._last:
            elapsed = self._last - self._first
            if elapsed > 0 and usage.completion_tokens > 1:
                return replace(usage, tokens_per_second=(usage.completion_tokens - 1) / elapsed)
        return usage


async def _gathered(chunks: AsyncGenerator[ChatChunk, None]) -> AsyncGenerator[ChatChunk, None]:
    """Yield the chunks as they come; once there is text, pause after each that had to be waited for."""
    begun, ready = False, 0.0
    async for chunk in chunks:
        waited = time.perf_counter() - ready > _AT_ONCE_S
        begun = begun or bool(chunk.content or chunk.thinking)
        yield chunk
        if begun and waited:
            await asyncio.sleep(_GATHER_S)
        ready = time.perf_counter()
