"""Reads the schema that answers must fit: as it is given by hand, or from a file."""

from __future__ import annotations

import json
from pathlib import Path

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

LONGEST_BYTES = 256 * 1024


def read_schema(text: str) -> dict[str, object]:
    """Return the schema that an answer must fit: of `json` any, else of a JSON object or of a file that holds one.

    Raises:
        UsageError: it is no JSON object, or the file cannot be read.
    """
    if text == "json":
        return {}
    if not text.lstrip().startswith("{"):
        text = _read(Path(text))
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("The schema is no JSON.", server_message=sanitize_line(str(error))) from None
    if not isinstance(schema, dict):
        raise UsageError("A schema is a JSON object.", hint="`json` asks for any JSON.")
    return schema


def _read(path: Path) -> str:
    name = sanitize_line(str(path), 200)
    try:
        with path.expanduser().open("rb") as file:
            found = file.read(LONGEST_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        words = (error.strerror if isinstance(error, OSError) else None) or "it is no path"
        raise UsageError(f"The schema {name} cannot be read: {words}.") from None
    if len(found) > LONGEST_BYTES:
        raise UsageError(f"The schema {name} is longer than 256 KiB.")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"The schema {name} is no UTF-8 text.") from None
