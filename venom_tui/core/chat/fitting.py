"""Leaves the oldest turns out of a request, so that it fits into the model's context with room for an answer.

Whole turns only, a question with its answer; never the system message or the last prompt. The server's own count
decides where it gives one, else the numbers of its refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from venom_tui.core.types.request import ChatMessage, ChatRequest

_ROOM_SHARE = 4
"""An answer gets a quarter of the context, unless it may not be that long."""
_IMAGE_CHARACTERS = 4000
"""What an image counts for beside text: some thousand tokens."""

Count = Callable[[ChatRequest], Awaitable[int | None]]
"""Returns the tokens of a request's prompt, or None where nobody counts them."""


async def fitted(request: ChatRequest, context: int | None, count: Count) -> tuple[ChatRequest, int]:
    """Return a request that fits by the server's count, and how many messages were left out of it.

    Where nobody counts, and where the last prompt alone does not fit, it is returned as it is: the server says so.
    """
    most = _turns(request)
    if context is None or not most:
        return request, 0
    limit = context - _room(request, context)

    async def fits(turns: int) -> bool | None:
        tokens = await count(_without(request, turns))
        return None if tokens is None else tokens <= limit

    first = await fits(0)
    if first is None or first or not await fits(most):
        return request, 0
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if await fits(middle):
            high = middle
        else:
            low = middle + 1
    return _without(request, high), 2 * high


def shortened(request: ChatRequest, prompt_tokens: int | None, context: int | None) -> tuple[ChatRequest, int]:
    """Return a shorter request after a refusal, and how many messages were left out of it: 0 when none can be.

    Args:
        request: what was refused.
        prompt_tokens: tokens that the server counted, or None; may be less than there are.
        context: tokens of the model's context, or None.
    """
    most = _turns(request)
    if not most:
        return request, 0
    turns = max(1, most // _ROOM_SHARE)
    if prompt_tokens is not None and context is not None:
        share = (context - _room(request, context)) / max(1, prompt_tokens)
        allowed = share * _characters(request)
        while turns < most and _characters(_without(request, turns)) > allowed:
            turns += 1
    return _without(request, turns), 2 * turns


def _room(request: ChatRequest, context: int) -> int:
    share = context // _ROOM_SHARE
    return min(request.parameters.max_tokens or share, share)


def _begin(request: ChatRequest) -> int:
    return 1 if request.messages and request.messages[0].role == "system" else 0


def _turns(request: ChatRequest) -> int:
    """Return how many turns stand before the last prompt."""
    return max(0, len(request.messages) - _begin(request) - 1) // 2


def _without(request: ChatRequest, turns: int) -> ChatRequest:
    begin = _begin(request)
    return replace(request, messages=(*request.messages[:begin], *request.messages[begin + 2 * turns :]))


def _characters(request: ChatRequest) -> int:
    return sum(_length(message) for message in request.messages)


def _length(message: ChatMessage) -> int:
    return len(message.content) + _IMAGE_CHARACTERS * len(message.images)
