"""Whether what is chosen for a session can be chosen."""

from __future__ import annotations

import json

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.session import THINKING, SessionOptions

SHORTEST_CONTEXT = 256
LONGEST_CONTEXT = 10_000_000
_LONGEST_SCHEMA = 256 * 1024


def check_options(options: SessionOptions) -> None:
    """Raise where options cannot be chosen.

    Raises:
        UsageError: the context is not of a possible length, `think` is no word for it, or the schema is no JSON object.
    """
    context, think, schema = options.context_length, options.think, options.schema
    if context is not None and not SHORTEST_CONTEXT <= context <= LONGEST_CONTEXT:
        raise UsageError(f"A context has {SHORTEST_CONTEXT:,} to {LONGEST_CONTEXT:,} tokens, not {context:,}.")
    if think is not None and think not in THINKING:
        raise UsageError(f"think is {sanitize_line(think, 40)!r}, but must be one of {', '.join(THINKING)}.")
    if schema:
        parse_schema(schema)


def parse_schema(text: str) -> dict[str, object]:
    """Return a JSON schema.

    Raises:
        UsageError: it is no JSON object, or longer than 256 KiB.
    """
    if len(text) > _LONGEST_SCHEMA:
        raise UsageError("The schema is longer than 256 KiB.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "The schema is no JSON.", hint="{} asks for any JSON.", server_message=sanitize_line(str(error))
        ) from None
    if not isinstance(value, dict):
        raise UsageError("A schema is a JSON object.", hint="{} asks for any JSON.")
    return value
