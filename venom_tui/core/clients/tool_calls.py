"""Puts the calls of functions together that OpenAI's wire sends in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from venom_tui.core.types.content import ToolCall


class ToolCallPieces:
    """Collects pieces by their index: the name and id come with the first, the arguments as text bit by bit."""

    def __init__(self) -> None:
        self._calls: dict[int, list[str]] = {}

    def add(self, pieces: Iterable[dict[str, Any]]) -> None:
        """Take the pieces of one chunk.

        Raises:
            TypeError, AttributeError: they have not the shape of such pieces.
        """
        for piece in pieces:
            call = self._calls.setdefault(int(piece.get("index") or 0), ["", "", ""])
            function = piece.get("function") or {}
            for place, value in enumerate((piece.get("id"), function.get("name"), function.get("arguments"))):
                if value is not None and not isinstance(value, str):
                    raise TypeError
                # Some servers repeat id and name with every piece.
                call[place] = call[place] + value if place == 2 and value else call[place] or value or ""

    def take(self) -> tuple[ToolCall, ...]:
        """Return the calls, which are whole now, in their order."""
        calls = tuple(
            ToolCall(name=name, arguments=arguments or "{}", id=call_id)
            for _, (call_id, name, arguments) in sorted(self._calls.items())
            if name
        )
        self._calls.clear()
        return calls
