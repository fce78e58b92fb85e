"""Names of models: what is legal, in one place for the TUI, the command line and the API."""

from __future__ import annotations

import re

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

LONGEST = 256

# Letters of any script, digits, and the signs that the field's names have: host:port/org.name/repo-1_x:tag@rev+build.
_LEGAL = re.compile(r"[^\W_][\w .:/@+()\[\]-]*", re.UNICODE)


def check_name(name: str) -> str:
    """Return the name when it is legal.

    Raises:
        UsageError: it is empty, too long, begins with a sign, holds `..` or a control character.
    """
    shown = sanitize_line(name, 60)
    if not name:
        raise UsageError("The name of a model is empty.", hint="`venom-tui models list` shows the names.")
    if len(name) > LONGEST:
        raise UsageError(f"The name {shown!r} is longer than {LONGEST} characters.")
    if not _LEGAL.fullmatch(name) or ".." in name or name != name.strip() or "//" in name or name.endswith("/"):
        raise UsageError(
            f"{shown!r} is no name of a model.",
            hint="Names begin with a letter or digit and hold letters, digits, spaces and . _ - : / @ + ( ) [ ].",
        )
    return name


def name_of_file(relative: str) -> str:
    """Return the name under which a GGUF file is offered: its path in the models folder without suffix, made legal."""
    stem = re.sub(r"\.gguf\Z", "", relative, flags=re.IGNORECASE)
    stem = re.sub(r"-00001-of-\d{5}\Z", "", stem)
    cleaned = re.sub(r"[^\w .:/@+()\[\]-]+", "_", sanitize_line(stem, LONGEST), flags=re.UNICODE)
    cleaned = re.sub(r"\.{2,}", ".", cleaned)
    cleaned = "/".join(filter(None, (part.strip() for part in cleaned.split("/"))))
    cleaned = re.sub(r"\A[\W_]+", "", cleaned)
    return cleaned[:LONGEST].strip(" /") or "model"
