"""What is said where a conversation does not fit into its context, and which ways there are to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.ui.text import gib, literal

if TYPE_CHECKING:
    from venom_tui.core.types.context import ContextChoice, ContextUse
    from venom_tui.core.types.session import Overflow


def explanation(
    name: str, use: ContextUse, overflow: Overflow | None, choices: Sequence[ContextChoice]
) -> list[Content]:
    """Return the numbers, in sentences.

    Args:
        name: the model.
        use: how full its context is.
        overflow: why the last prompt did not fit, None where it did.
        choices: the larger contexts that there are.
    """
    length = use.context_length if overflow is None or overflow.context_length is None else overflow.context_length
    needed = use.used_tokens if overflow is None else overflow.prompt_tokens
    lines: list[Content] = []
    if needed is not None:
        about = "about " if overflow is None and use.estimated else ""
        lines.append(Content(f"The conversation takes {about}{needed:,} tokens."))
    if length is not None:
        lines.append(literal(f"{name} has a context of {length:,} tokens."))
    if overflow is not None and overflow.server_message:
        lines.append(literal(f"“{overflow.server_message}”", "$text-muted"))
    if not choices:
        lines.append(Content("Its server decides alone how large the context is, or there is no larger one."))
    return lines


def ways(choices: Sequence[ContextChoice], overflow: Overflow | None) -> list[tuple[str, Content]]:
    """Return what can be done: the answer and its words."""
    needed = 0 if overflow is None else overflow.prompt_tokens or 0
    found = [(str(choice.context_length), _words(choice, needed)) for choice in choices]
    if overflow is not None:
        found.append(("once", Content("leave the oldest turns out, this time")))
        found.append(("always", Content("leave the oldest turns out from now on, in this session")))
    found.append(("no", Content("cancel: nothing is sent" if overflow is not None else "leave it as it is")))
    return found


def _words(choice: ContextChoice, needed: int) -> Content:
    costs = []
    if choice.kv_bytes is not None:
        costs.append(f"{gib(choice.kv_bytes)} GiB of KV cache")
    if choice.reloads:
        costs.append("reloads the model")
    if choice.fits_model is False:
        costs.append("more than it was trained for")
    if needed > choice.context_length:
        costs.append("still too small")
    words = f"{choice.context_length:>9,} tokens of context"
    return Content.assemble(words, ("  " + " · ".join(costs), "$text-muted"))
