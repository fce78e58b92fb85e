"""Puts the calls of functions together that OpenAI's wire sends in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from venom_tui.core.types.content import ToolCall


class ToolCallPieces:
    """Collects pieces by their index: the name and id come with the first, the arguments as text bit by bit."""

    def __init__(self) -> None:
        self._calls: list[list[str]] = []
        """Id, name and arguments of each call."""
        self._at: dict[int, list[str]] = {}

    def add(self, pieces: Iterable[dict[str, Any]]) -> None:
        """Take the pieces of one chunk.

        Raises:
            TypeError, AttributeError: they have not the shape of such pieces.
        """
        for piece in pieces:
            function = piece.get("function") or {}
            values = (piece.get("id"), function.get("name"), function.get("arguments"))
            if any(value is not None and not isinstance(value, str) for value in values):
                raise TypeError
            call_id, name, arguments = (value or "" for value in values)
            call = self._call(int(piece.get("index") or 0), call_id, name)
            # Some servers repeat id and name with every piece.
            call[0], call[1] = call[0] or call_id, call[1] or name
            call[2] += arguments

    def _call(self, index: int, call_id: str, name: str) -> list[str]:
        call = self._at.get(index)
        # Some servers give all calls the same index, or none: another id with a name begins another call.
        if call is None or (call_id and name and call[0] not in ("", call_id)):
            call = self._at[index] = ["", "", ""]
            self._calls.append(call)
        return call

    def take(self) -> tuple[ToolCall, ...]:
        """Return the calls, which are whole now, in the order in which they began."""
        calls = tuple(
            ToolCall(name=name, arguments=arguments or "{}", id=call_id)
            for call_id, name, arguments in self._calls
            if name
        )
        self._calls.clear()
        self._at.clear()
        return calls
