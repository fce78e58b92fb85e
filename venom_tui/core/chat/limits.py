"""What the numbers of an answer tell of the context: whether the prompt was cut silently, or the answer at its end.

Seen on real servers: Ollama, asked without `truncate: false` (as every one before it was known, and its `/v1`), cuts a
prompt to half of the context and says nothing; only its count of the prompt's tokens is too small. It also drops the
oldest text while an answer grows beyond the context. llama.cpp and vLLM end an answer with `length` where prompt and
answer together fill the context.
"""

from __future__ import annotations

from collections.abc import Iterator

from venom_tui.core.types.request import ChatRequest
from venom_tui.core.types.session import Usage

_CHARACTERS_PER_TOKEN = 8
"""No usual text has fewer tokens than one for so many characters (English has one for four)."""
_LEAST_SHARE = 0.4
"""A prompt that was cut fills at least so much of the context."""


def notices(request: ChatRequest, usage: Usage, context: int | None, finish_reason: str) -> Iterator[str]:
    """Yield what the user must know of an answer that has ended, each a sentence.

    Args:
        request: what was asked.
        usage: what the server counted.
        context: tokens of the model's context, None where that is not known.
        finish_reason: why the server ended the answer.
    """
    prompt, answer = usage.prompt_tokens, usage.completion_tokens
    if prompt is None:
        return
    least = sum(len(message.content) for message in request.messages) // _CHARACTERS_PER_TOKEN
    if _was_cut(prompt, least, context):
        of = "" if context is None else f", the context {context:,}"
        yield (
            f"The server cut the conversation without a word: it has at least {least:,} tokens, "
            f"the model read {prompt:,}{of}. Take a larger context, or leave out the oldest messages."
        )
    if context is None or answer is None or usage.estimated:
        return
    if prompt + answer > context:
        yield (
            f"The conversation and this answer have {prompt + answer:,} tokens, more than the context of {context:,}: "
            "the server dropped the oldest text while it wrote."
        )
    elif prompt + answer >= context - 1 and finish_reason == "length":
        yield f"The answer ran into the end of the model's context of {context:,} tokens, and stops there."


def _was_cut(prompt: int, least: int, context: int | None) -> bool:
    if context is None:
        # Without the context only a count that is far too small proves anything.
        return 0 < prompt < least // 2
    return _LEAST_SHARE * context <= prompt < least
