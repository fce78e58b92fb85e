"""Files that are named in a prompt by `@path`, and the paths that such a beginning could go on to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from venom_tui.core.sanitize import sanitize_line

MOST_CHOICES = 200
_MOST_LOOKED_AT = 20_000
"""Entries of a folder that are looked at."""

_LONGEST = 2_000
"""Characters of a path that is being written."""

_MENTION = re.compile(r'(?:(?<=\s)|(?<=[(\[])|\A)@(?:"(?P<quoted>[^"\n]+)"|(?P<bare>(?:\\.|[^\s\\"])+))')
_BEGUN = re.compile(r'(?:(?<=\s)|(?<=[(\[])|\A)@(?:"(?P<quoted>[^"\n]*)|(?P<bare>(?:\\.|[^\s\\"])*))\Z')
_ESCAPED = re.compile(r"\\(.)")
_AROUND = ".,;:!?)]}'"
"""What stands behind a path and belongs to the sentence, where there is no such file."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A place of a text where a file is named."""

    begin: int
    end: int
    path: str
    """As it was meant: without quotes and escapes."""


def mentions(text: str) -> list[Mention]:
    """Return the files that a text names, each once."""
    found: dict[str, Mention] = {}
    for match in _MENTION.finditer(text):
        path = match["quoted"] or _ESCAPED.sub(r"\1", match["bare"])
        found.setdefault(path, Mention(match.start(), match.end(), path))
    return list(found.values())


def readings(path: str) -> list[Path]:
    """Return what a path may mean: itself, and what is left of it without the punctuation behind it."""
    bare = path.rstrip(_AROUND)
    return [Path(_expanded(one)) for one in dict.fromkeys((path, bare)) if one]


def is_like_a_path(path: str) -> bool:
    """Return whether a text looks so much like a path that nobody would write it for something else."""
    return path.startswith(("~/", "./", "../", "/")) or bool(re.fullmatch(r"[\w./-]+\.[a-zA-Z]\w{0,7}", path))


def begun(before: str) -> Mention | None:
    """Return the mention that is being written at the end of a text, None where there is none."""
    match = _BEGUN.search(before[-_LONGEST:])
    if match is None:
        return None
    quoted = match["quoted"]
    path = _ESCAPED.sub(r"\1", match["bare"]) if quoted is None else quoted
    return Mention(len(before) - (match.end() - match.start()), len(before), path)


def choices(path: str) -> list[str]:
    """Return the paths that a beginning could go on to, folders with a `/` at their end (reads a folder: use a thread).

    Hidden ones are named where the dot is written. Names that drive a terminal are left out.
    """
    folder, _, begin = path.rpartition("/")
    folder += "/" if "/" in path else ""
    found: list[str] = []
    try:
        with os.scandir(_expanded(folder) or ".") as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_LOOKED_AT:
                    break
                name = entry.name
                hidden = name.startswith(".") and not begin.startswith(".")
                if not hidden and name.lower().startswith(begin.lower()) and sanitize_line(name) == name:
                    found.append(folder + name + ("/" if _is_folder(entry) else ""))
    except (OSError, ValueError):
        return []
    return sorted(found, key=lambda one: (not one.endswith("/"), one.lower()))[:MOST_CHOICES]


def written(path: str) -> str:
    """Return how a path is written as a mention; one of a folder stays open."""
    if not re.search(r'[\s"\\]', path):
        return f"@{path}"
    if '"' in path:
        return "@" + re.sub(r'([\s"\\])', r"\\\1", path)
    return f'@"{path}' + ("" if path.endswith("/") else '"')


def without_last(text: str) -> str:
    """Return a text without the file that it names last."""
    found = list(_MENTION.finditer(text))
    if not found:
        return text
    before, after = text[: found[-1].start()], text[found[-1].end() :]
    if before.endswith(" ") and (not after or after[0].isspace()):
        before = before[:-1]
    return before + after


def _expanded(path: str) -> str:
    try:
        return os.path.expanduser(path)
    except (RuntimeError, ValueError):
        return path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
